import t from "tap";
import { Identities } from "../../src/access/identities.ts";
import { ADMIN } from "../../src/access/ports.ts";
import type { StoredKey } from "../../src/access/store-ports.ts";
import { FakeClock } from "../support/fake-clock.ts";

const key = (id: string, revision: number, more: Partial<StoredKey> = {}): StoredKey => ({
  ...{ id, revision, name: id, hash: `hash of ${id}`, roles: ["viewer"], attributes: {}, createdAt: 0 },
  ...more,
});

function held() {
  const clock = new FakeClock();
  const identities = new Identities({
    admin: (token) => (token === "admin's" ? ADMIN : undefined),
    hash: (token) => `hash of ${token}`,
    now: () => clock.now(),
  });
  return { clock, identities };
}

t.test("[AC10] a token is the admin's, or of the key that has its hash, or nobody's", async (t) => {
  const { identities } = held();
  t.equal(identities.identify("admin's"), ADMIN);
  t.equal(identities.identify("a"), undefined);
  identities.take(1, [key("a", 1, { attributes: { fleet: "north" } }), key("b", 1)]);
  t.same(identities.identify("a"), {
    ...{ id: "a", name: "a", roles: ["viewer"], attributes: { fleet: "north" } },
  });
  t.equal(identities.identify("a"), identities.identify("a"), "the same object");
  t.equal(identities.identify("hash of a"), undefined, "the hash is no key");
  t.equal(identities.identify("admin's"), ADMIN);
});

t.test("[AC12] a principal is the same until its key is changed, and then the changed one", async (t) => {
  const { identities } = held();
  identities.take(1, [key("a", 1), key("b", 1)]);
  const [a, b] = [identities.identify("a")!, identities.identify("b")!];
  identities.take(2, [key("a", 2, { roles: [] })]);
  t.equal(identities.current(b), b);
  t.equal(identities.identify("b"), b);
  t.same(identities.current(a)?.roles, []);
  t.equal(identities.current(a), identities.identify("a"));
  t.equal(identities.current(ADMIN), ADMIN);
  t.equal(identities.revision, 2);
});

t.test("[AC11] a key that was removed is nobody's", async (t) => {
  const { identities } = held();
  identities.take(1, [key("a", 1), key("b", 1)]);
  const a = identities.identify("a")!;
  t.equal(identities.countWith([key("b", 2), key("c", 2)]), 3);
  identities.take(2, [key("b", 2), key("c", 2)], ["b", "c"]);
  for (const found of [identities.identify("a"), identities.current(a), identities.find("a")])
    t.equal(found, undefined);
  t.same(
    identities.versions.map(({ id }) => id),
    ["b", "c"],
  );
  identities.take(3, [], ["c"]);
  t.equal(identities.identify("b"), undefined);
  t.ok(identities.identify("c"));
  t.equal(
    identities.current({ ...a, id: "admin", roles: ["admin"] }),
    undefined,
    "who says that he is admin",
  );
});

t.test("[AC11] a key is nobody's from when it expires on, unless that is changed", async (t) => {
  const { clock, identities } = held();
  const expires = clock.now() + 1_000;
  identities.take(1, [key("a", 1, { expires })]);
  const a = identities.identify("a")!;
  t.equal(a.expires, expires);
  clock.pass(999);
  t.equal(identities.identify("a"), a);
  t.equal(identities.current(a), a);
  clock.pass(1);
  t.same([identities.identify("a"), identities.current(a)], [undefined, undefined]);
  t.ok(identities.find("a"), "it is still told");
  identities.take(2, [key("a", 2)]);
  t.ok(identities.identify("a"));
  t.ok(identities.current(a));
});
