/** What both stores must do with fences, the areas. */
import type { Test } from "tap";
import { MAX_FENCE_POINTS, MAX_FENCE_POINTS_KEPT, MAX_FENCES } from "../../src/actors/fences/limits.ts";
import type { FenceChange, FenceDraft, FenceVersion } from "../../src/actors/fences/ports.ts";
import type { Store } from "../../src/store/store.ts";

/** Around 24° 60°, 0.02° wide. */
const SQUARE = [
  [24, 60],
  [24.02, 60],
  [24.02, 60.02],
  [24, 60.02],
  [24, 60],
];
const square = (name: string, title = name): FenceDraft => ({
  name,
  definition: {
    type: "Feature",
    properties: { title, dwellMs: 1 },
    geometry: { type: "Polygon", coordinates: [SQUARE] },
  },
  points: 5,
});
const within = (name: string, radius: number, geometry: FenceDraft["definition"]): FenceDraft => ({
  ...square(name),
  definition: { type: "Feature", geometry, properties: { radius } },
});

function saved(change: FenceChange): FenceVersion {
  if (change.is !== "saved") throw new Error(JSON.stringify(change));
  return change.version;
}

/** @param store on which there are no fences yet. */
export async function fencesContract(t: Test, store: Store): Promise<void> {
  const { fences } = store;
  const query = async <R>(sql: string, values: unknown[] = []) =>
    (await store.context.pool.query(sql, values)).rows as R[];
  const count = async (name: string) =>
    (await query<{ n: number }>("SELECT count(*)::int AS n FROM fence_version WHERE name = $1", [name]))[0]!
      .n;
  const since = (revision: number) => fences.since(revision, 1_000, 0);

  await t.test("[D38] each change is another version, also after a removal; all are kept", async (t) => {
    t.same(await since(0), []);
    const first = saved(await fences.save(square("dock")));
    t.match(first, { name: "dock", version: 1, since: 1 });
    t.same(await since(0), [first], "it reads back");
    t.equal(JSON.stringify((await since(0))[0]!.definition), JSON.stringify(square("dock").definition));
    t.match(await fences.save(square("dock")), { is: "unchanged", version: { version: 1 } });
    t.same(await since(first.revision), [], "which is no change");
    const second = await fences.save(square("dock", "Dock 1"), 1);
    t.match(second, { is: "saved", created: false, version: { version: 2, since: 1 } });
    const removed = saved(await fences.remove("dock"));
    t.match(removed, { version: 3, since: 3 });
    t.equal(removed.definition, undefined);
    t.same(await since(0), [removed], "the newest only");
    const again = await fences.save(square("dock"));
    t.match(again, { is: "saved", created: true, version: { version: 4, since: 4 } });
    const revisions = [first, saved(second), removed, saved(again)].map(({ revision }) => revision);
    t.same(
      revisions,
      revisions.map((_, i) => first.revision + i),
    );
    t.same(await since(removed.revision), [saved(again)]);
    t.equal(await count("dock"), 4);
  });

  await t.test("[D38] a change of another version than was meant, or of none, changes nothing", async (t) => {
    t.same(await fences.save(square("other"), 1), { is: "other-version" });
    t.same(await fences.save(square("other"), "any"), { is: "other-version" });
    t.same(await fences.remove("other"), { is: "other-version" });
    const { version } = saved(await fences.save(square("other")));
    t.same(await fences.save(square("other", "x"), version + 1), { is: "other-version", version });
    t.same(await fences.save(square("other"), "none"), { is: "other-version", version });
    t.same(await fences.remove("other", version + 1), { is: "other-version", version });
    saved(await fences.remove("other", version));
    t.same(await fences.save(square("other"), version + 1), { is: "other-version" }, "a removed one is none");
    t.equal(await count("other"), 2);
  });

  await t.test("[D38] of those who change one version at once, one does", async (t) => {
    saved(await fences.save(square("wanted")));
    const titles = ["p", "q", "r", "s"];
    const changes = await Promise.all(titles.map((title) => fences.save(square("wanted", title), 1)));
    t.same(changes.map(({ is }) => is).sort(), ["other-version", "other-version", "other-version", "saved"]);
    saved(await fences.remove("wanted"));
  });

  await t.test("[D39] fences are read in pages, in the order of their changes, none twice", async (t) => {
    const { revision } = (await since(0)).at(-1)!;
    for (const name of ["a", "b", "c", "d", "e"]) saved(await fences.save(square(name)));
    const page = async (after: number, limit: number) =>
      (await fences.since(after, limit, 0)).map(({ name, revision }) => ({ name, revision }));
    const first = await page(revision, 2);
    t.same(
      first.map(({ name }) => name),
      ["a", "b"],
    );
    // What is changed while somebody reads comes later.
    saved(await fences.save(square("a", "changed")));
    saved(await fences.remove("d"));
    const second = await page(first.at(-1)!.revision, 2);
    const third = await page(second.at(-1)!.revision, 2);
    t.same(
      [...second, ...third].map(({ name }) => name),
      ["c", "e", "a", "d"],
    );
    t.same(await page(third.at(-1)!.revision, 2), []);
    for (const name of ["a", "b", "c", "e"]) saved(await fences.remove(name));
  });

  await t.test("[FE18] [D39] removed ones are told from a revision on", async (t) => {
    const first = saved(await fences.save(square("first")));
    const gone = saved(await fences.save(square("gone")));
    const last = saved(await fences.save(square("last")));
    const removed = saved(await fences.remove("gone"));
    const began = await fences.revision();
    t.equal(began, removed.revision);
    const before = first.revision - 1;
    const told = async (after: number, limit = 1_000) =>
      (await fences.since(after, limit, began)).map(({ name, definition }) => [
        name,
        definition !== undefined,
      ]);
    t.same(await told(before), [
      ["first", true],
      ["last", true],
    ]);
    t.same(await told(gone.revision), [["last", true]]);
    t.same(await told(last.revision), []);
    saved(await fences.remove("first"));
    t.same(await told(before), [
      ["last", true],
      ["first", false],
    ]);
    saved(await fences.save(square("gone")));
    saved(await fences.remove("last"));
    const all = [
      ["first", false],
      ["gone", true],
      ["last", false],
    ];
    t.same(await told(before), all, "in the order of their changes");
    t.same(await told(before, 2), all.slice(0, 2));
    t.same(await told(await fences.revision()), []);
    saved(await fences.remove("gone"));
  });

  await t.test("[D39] a page has few of the largest fences", async (t) => {
    const { revision } = (await since(0)).at(-1)!;
    const sizes = [5, 2_000, 2_995, 1, MAX_FENCE_POINTS, 4_999, 2];
    for (const [i, points] of sizes.entries()) saved(await fences.save({ ...square(`large${i}`), points }));
    const pages: number[][] = [];
    for (let after = revision; ; ) {
      const page = await since(after);
      if (page.length === 0) break;
      pages.push(page.map(({ name }) => sizes[Number(name.slice("large".length))]!));
      after = page.at(-1)!.revision;
    }
    t.same(pages, [[5, 2_000, 2_995], [1], [MAX_FENCE_POINTS], [4_999], [2]]);
    for (const i of sizes.keys()) saved(await fences.remove(`large${i}`));
  });

  await t.test("[D40] what is there is bounded: fences, and points of all", async (t) => {
    t.same(await query("SELECT fences, points FROM fence_count"), [{ fences: 1, points: 5 }], "the dock");
    await query("UPDATE fence_count SET fences = $1", [MAX_FENCES]);
    t.same(await fences.save(square("more")), { is: "too-many", of: "fences" });
    saved(await fences.save(square("dock", "is there")));
    saved(await fences.remove("dock"));
    saved(await fences.save(square("dock")));
    await query("UPDATE fence_count SET fences = 1, points = $1", [MAX_FENCE_POINTS_KEPT]);
    t.same(await fences.save({ ...square("dock", "x"), points: 6 }), { is: "too-many", of: "points" });
    t.same(await fences.save(square("more")), { is: "too-many", of: "points" });
    saved(await fences.save({ ...square("dock", "x"), points: 4 }));
    saved(await fences.save({ ...square("dock"), points: 5 }));
    await query("UPDATE fence_count SET fences = 1, points = 5");
  });

  await t.test("[D41] anyone with SQL has what fences cover: areas, circles, corridors", async (t) => {
    saved(await fences.save(within("circle", 1_000, { type: "Point", coordinates: [24, 60] })));
    saved(await fences.save(within("date", 5_000, { type: "Point", coordinates: [179.99, 0] })));
    const line = [
      [24, 60],
      [24, 60.1],
    ];
    saved(await fences.save(within("road", 100, { type: "LineString", coordinates: line })));
    const at = async (lon: number, lat: number) => {
      const sql = `
        SELECT name FROM fence_area, ST_SetSRID(ST_MakePoint($1, $2), 4326) AS place
        WHERE CASE WHEN radius IS NULL THEN ST_Covers(geometry, place)
          ELSE ST_DWithin(geometry::geography, place::geography, radius) END
        ORDER BY name`;
      return (await query<{ name: string }>(sql, [lon, lat])).map(({ name }) => name);
    };
    t.same(await at(24.01, 60.001), ["circle", "dock"], "without those that were removed");
    t.same(await at(23.999, 60.001), ["circle", "road"]);
    t.same(await at(24.001, 60.05), ["road"]);
    t.same(await at(24.003, 60.05), []);
    t.same(await at(-179.98, 0.01), ["date"]);
    t.same(await at(0, 0), []);
    const rows = await query<{ name: string }>("SELECT name, properties->>'title' AS title FROM fence_area");
    t.match(
      rows.find(({ name }) => name === "dock"),
      { title: "dock" },
    );
    for (const name of ["circle", "date", "dock", "road"]) saved(await fences.remove(name));
  });
}
