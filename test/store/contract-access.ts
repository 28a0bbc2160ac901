/** What both stores must do with roles and keys. */
import { randomUUID } from "node:crypto";
import type { Test } from "tap";
import { MAX_KEYS, MAX_ROLES } from "../../src/access/limits.ts";
import type { Grant } from "../../src/access/ports.ts";
import type { RoleChange, StoredKey, StoredRole } from "../../src/access/store-ports.ts";
import type { Store } from "../../src/store/store.ts";
import { rows } from "./fixture.ts";

const grants = (where?: string): Grant[] => [
  { resource: "entity", actions: ["read"], ...(where !== undefined && { where }) },
];

function saved(change: RoleChange): StoredRole {
  if (change.is !== "saved") throw new Error(JSON.stringify(change));
  return change.role;
}

const hashOf = (n: number) => n.toString(16).padStart(64, "0");
const draft = (n: number, more: Partial<StoredKey> = {}): Omit<StoredKey, "revision"> => ({
  id: randomUUID(),
  name: `key ${n}`,
  hash: hashOf(n),
  roles: [],
  attributes: {},
  createdAt: Date.UTC(2026, 0, 2, 3, 4, 5, 678),
  ...more,
});

/** @param store on which there are neither roles nor keys yet. */
export async function accessContract(t: Test, store: Store): Promise<void> {
  const { roles, keys } = store.access;

  await t.test("[AC6] each change of a role is another version, also after a removal", async (t) => {
    t.equal(await roles.since(0), undefined, "there are none");
    const first = saved(await roles.save({ name: 'a"\\é', grants: grants("entity.kind == 'x'") }));
    t.match(await roles.since(0), { revision: first.version, roles: [first] }, "it reads back");
    t.equal(await roles.since(first.version), undefined);
    const same = await roles.save({ name: 'a"\\é', grants: grants("entity.kind == 'x'") });
    t.same(same, { is: "unchanged", role: first });
    t.equal(await roles.since(first.version), undefined, "which is no change");
    const second = saved(await roles.save({ name: 'a"\\é', grants: [] }, first.version));
    t.ok(second.version > first.version);
    t.same(await roles.remove('a"\\é', first.version), { is: "other-version", version: second.version });
    t.same(await roles.remove('a"\\é', second.version), { is: "removed" });
    t.match(await roles.since(second.version), { roles: { length: 0 } }, "a removal is a change");
    const again = saved(await roles.save({ name: 'a"\\é', grants: [] }, "none"));
    t.ok(again.version > second.version);
    t.same(await roles.remove('a"\\é', "any"), { is: "removed" });
  });

  await t.test("[AC6] a change of another version than was meant, or of none, changes nothing", async (t) => {
    for (const ifVersion of [1, "any"] as const)
      t.same(await roles.save({ name: "b", grants: [] }, ifVersion), { is: "other-version" });
    t.same(await roles.remove("b"), { is: "other-version" });
    const made = await Promise.all(
      ["k", "l", "m"].map((kind) => roles.save({ name: "b", grants: grants(kind) }, "none")),
    );
    t.same(made.map(({ is }) => is).sort(), ["other-version", "other-version", "saved"]);
    t.same(await roles.remove("b"), { is: "removed" });
  });

  await t.test("[AC8] there are at most so many roles; those that are there can be changed", async (t) => {
    for (let i = 0; i < MAX_ROLES; i++) saved(await roles.save({ name: `r${i}`, grants: [] }));
    t.same(await roles.save({ name: "more", grants: [] }), { is: "too-many" });
    saved(await roles.save({ name: "r0", grants: grants() }));
    t.same(await roles.remove("r1"), { is: "removed" });
    saved(await roles.save({ name: "more", grants: [] }));
    await rows(store, "DELETE FROM access_role");
  });

  await t.test("[AC12] a key reads back as it was made and changed, and each change is told", async (t) => {
    t.equal(await keys.since(0), undefined, "there are none");
    const expires = Date.UTC(2030, 0, 2, 3, 4, 5, 1);
    const attributes = { fleet: 'no"rth\\', size: -2.5, isNight: true, fleets: ["a", "ü\n"] };
    const wanted = draft(1, {
      name: "scréen",
      roles: ['vie"wer', "NULL", "a,b", "\\{}"],
      attributes,
      expires,
    });
    const made = (await keys.create(wanted))!;
    t.same(made, { ...wanted, revision: made.revision });
    t.same(await keys.since(0), { revision: made.revision, count: 1, keys: [made] });
    const other = (await keys.create(draft(2)))!;
    t.notOk("expires" in other);
    t.same(await keys.since(made.revision), { revision: other.revision, count: 2, keys: [other] });
    const renamed = (await keys.change(made.id, { name: "map" }))!;
    t.same(renamed, { ...made, name: "map", revision: renamed.revision });
    t.same(await keys.since(other.revision), { revision: renamed.revision, count: 2, keys: [renamed] });
    const changed = await keys.change(made.id, { roles: [], attributes: { n: 1 }, expires: null });
    t.match(changed, { name: "map", roles: { length: 0 } });
    t.same(changed?.attributes, { n: 1 });
    t.notOk("expires" in changed!);
    t.match(await keys.change(made.id, { expires }), { expires });
    t.equal(await keys.change(randomUUID(), { name: "nobody" }), undefined);
  });

  await t.test("[AC11] a removal is told by how many keys there are", async (t) => {
    const before = (await keys.since(0))!;
    const [gone, left] = before.keys;
    t.equal(await keys.remove(gone!.id), true);
    t.equal(await keys.remove(gone!.id), false);
    const after = (await keys.since(before.revision))!;
    t.same([after.count, after.keys], [1, []]);
    t.same(await keys.ids(), [left!.id]);
    t.equal(await keys.since(after.revision), undefined);
    await keys.remove(left!.id);
    t.match(await keys.since(after.revision), { count: 0, keys: { length: 0 } });
  });

  await t.test("[AC8] there are at most so many keys", async (t) => {
    await rows(
      store,
      `INSERT INTO access_key (id, revision, name, hash, roles, attributes, created_at)
       SELECT gen_random_uuid(), n, 'k', sha256(n::text::bytea), '{}', '{}', now() FROM generate_series(2, $1::int) AS n`,
      [MAX_KEYS],
    );
    const last = (await keys.create(draft(3)))!;
    t.equal(await keys.create(draft(4)), undefined);
    t.match(await keys.change(last.id, { name: "still" }), { name: "still" });
    await keys.remove(last.id);
    t.ok(await keys.create(draft(4)));
    await rows(store, "DELETE FROM access_key");
  });
}
