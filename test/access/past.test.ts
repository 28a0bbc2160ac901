// What of the past is told to who may see only some.
import t from "tap";
import { shardOf } from "../../src/actors/shard-hash.ts";
import { MAX_JUDGED_PAGES, MIN_JUDGED_PAGE } from "../../src/limits.ts";
import { History } from "../../src/tracks/history.ts";
import { compareIds } from "../../src/tracks/id-order.ts";
import type { TrackStore, TrackTails } from "../../src/tracks/ports.ts";
import type { Segment } from "../../src/tracks/segment.ts";
import type { Stretch } from "../../src/tracks/stretch.ts";
import { NO_ROWS, NO_TAILS } from "../support/no-history.ts";
import { segment } from "./rig.ts";

const START = Date.UTC(2026, 0, 1);
const at = (seconds: number) => START + seconds * 1_000;

/** Rows as a database finds them. */
function stored(rows: readonly Segment[]) {
  const sorted = rows.toSorted((a, b) => compareIds(a.id, b.id) || a.points[0]!.t - b.points[0]!.t);
  let reads = 0;
  const store: TrackStore = {
    ...NO_ROWS,
    at: async ({ t, after = "", limit }) => {
      reads += 1;
      return sorted
        .filter(({ id, points }) => id > after && points[0]!.t <= t && t < points.at(-1)!.t)
        .slice(0, limit);
    },
    of: async ({ id, from, to, after, limit }) =>
      sorted
        .filter((row) => row.id === id && row.points[0]!.t > after)
        .filter(({ points }) => points[0]!.t <= to && points.at(-1)!.t >= from)
        .slice(0, limit),
    during: async ({ from, to, after, limit }) =>
      sorted
        .filter(({ points }) => points[0]!.t <= to && points.at(-1)!.t >= from)
        .filter(
          ({ id, points }) =>
            after === undefined || id > after.id || (id === after.id && points[0]!.t > after.first),
        )
        .slice(0, limit),
  };
  return { store, reads: () => reads };
}

function add(found: Record<string, number[]>, id: string, t: number): void {
  found[id] = [...(found[id] ?? []), (t - START) / 1_000];
}

/** All ways of asking, each as when segments that are told begin, in seconds, by id. */
async function told(history: History, ids: readonly string[], t: number, permitted: readonly string[]) {
  const { records } = await history.at({ t, limit: 100, permitted });
  const ones: string[] = [];
  const ways: Record<string, number[]> = {};
  for (const id of ids) {
    const { record } = await history.one(id, { t, permitted });
    if (record !== undefined) ones.push(id);
    const { segments } = await history.of({ id, from: -Infinity, to: Infinity, permitted });
    for await (const { points } of segments) add(ways, id, points[0]!.t);
  }
  const played: Record<string, number[]> = {};
  await history.during({ from: START, to: at(1_000), permitted }, (page: Stretch[]) => {
    for (const { id, first } of page) add(played, id, first);
    return at(1_000);
  });
  return { listed: records.map(({ id }) => id), ones, ways, played };
}

function withLabels(labels: ReadonlyMap<string, readonly string[]>, missing: readonly number[] = []) {
  const asked: string[][] = [];
  const tails: TrackTails = {
    ...NO_TAILS,
    labels: async (ids) => {
      asked.push([...ids]);
      const shards = new Set(ids.map(shardOf));
      return { labels, missing: missing.filter((shard) => shards.has(shard)) };
    },
  };
  return { tails, asked };
}

t.test("[AC33] a record is judged at its place then, a segment at its first point", async (t) => {
  const { store } = stored([segment("a", at(0), 10), segment("a", at(10), 10, { state: "idle" })]);
  const history = new History(store, NO_TAILS);
  const asked = (permitted: string[], seconds = 5) => told(history, ["a"], at(seconds), permitted);
  const all = { listed: ["a"], ones: ["a"], ways: { a: [0, 10] }, played: { a: [0, 10] } };
  const nothing = { listed: [], ones: [], ways: {}, played: {} };
  t.same(await asked(["entity.kind == 'truck'"]), all);
  t.same(await asked(["entity.kind == 'ferry'"]), nothing);
  t.same(await asked([]), nothing);
  t.same(await asked(["entity.lon < 25.03"]), { ...all, listed: [], ones: [] });
  t.same(await asked(["entity.lon < 25.03"], 2), all);
  t.same(await asked(["entity.state == 'idle'"]), {
    ...{ listed: [], ones: [], ways: { a: [10] }, played: { a: [10] } },
  });
  t.same(await asked(["entity.state == 'idle'", "entity.state == 'moving'"]), all);
  t.same(await asked([`entity.t < ${at(4)}.0`]), {
    ...all,
    listed: [],
    ones: [],
    ways: { a: [0] },
    played: { a: [0] },
  });
  t.same(await asked(["entity.heading == null && entity.alt == null && !has(entity.accuracy)"]), all);
  t.same(await asked(["entity.speed == 5.0 && entity.liveness == 'live'"]), all);
  t.same(await asked(["entity.heading < 3"]), nothing, "what fails hides");
});

const LABELS = new Map([
  ["mine", ["north"]],
  ["lost", ["south"]],
  ["given", ["north"]],
]);
const OF_NORTH = ['"north" in entity.labels'];
const rows = [
  ...["mine", "lost", "gone"].map((id) => segment(id, at(0), 10, { labels: ["north"] })),
  segment("given", at(0), 10, { labels: ["south"] }),
  segment("given", at(10), 10, { labels: ["north"] }),
];
const IDS = ["mine", "lost", "gone", "given", "nobody"];

t.test("[AC34] the past is judged as it was then, and with the labels of now", async (t) => {
  const history = new History(stored(rows).store, withLabels(LABELS).tails);
  t.same(await told(history, IDS, at(5), OF_NORTH), {
    listed: ["gone", "mine"],
    ones: ["mine", "gone"],
    ways: { mine: [0], gone: [0], given: [10] },
    played: { gone: [0], mine: [0], given: [10] },
  });
  const isSouth = await told(history, IDS, at(5), ['"south" in entity.labels']);
  t.same(
    isSouth,
    { listed: [], ones: [], ways: {}, played: {} },
    "nor who has lost it, nor who was given it",
  );
  const other = ['entity.labels.exists(l, l == "north")', "entity.kind == 'ferry'"];
  t.same((await told(history, IDS, at(5), other)).listed, ["gone", "mine"], "whatever looks at them");
});

t.test(
  "[AC35] labels of now are asked for if they matter, and where nobody knows them nothing is told",
  async (t) => {
    const unasked = withLabels(LABELS);
    await told(new History(stored(rows).store, unasked.tails), IDS, at(5), ["entity.kind == 'truck'"]);
    t.same(unasked.asked, []);
    const { tails, asked } = withLabels(LABELS, [shardOf("mine")]);
    const history = new History(stored(rows).store, tails);
    const found = await history.at({ t: at(5), limit: 100, permitted: OF_NORTH });
    t.same([found.records.map(({ id }) => id), found.missing], [["gone"], [shardOf("mine")]]);
    t.same(asked, [["gone", "lost", "mine"]], "of what passes as it was, once");
    const one = await history.one("mine", { t: at(5), permitted: OF_NORTH });
    t.same(one, { record: undefined, missing: [shardOf("mine")] });
    const way = await history.of({ id: "mine", from: START, to: at(100), permitted: OF_NORTH });
    t.same([await way.segments.next(), way.missing], [{ done: true, value: undefined }, [shardOf("mine")]]);
    const played = await history.during({ from: START, to: at(100), permitted: OF_NORTH }, () => at(100));
    t.same(played.missing, [shardOf("mine")]);
  },
);

t.test("[AC36] a list of the past reads on, and its pages leave nothing out", async (t) => {
  const name = (i: number) => `e${String(i).padStart(5, "0")}`;
  const count = 3 * MAX_JUDGED_PAGES * MIN_JUDGED_PAGE;
  for (const seen of [
    [0, 1, 2, 20, 6_000, 14_000],
    [],
    [count - 1],
    [12_000],
    Array.from({ length: count }, (_, i) => i),
  ]) {
    const wanted = new Set(seen);
    const { store, reads } = stored(
      Array.from({ length: count }, (_, i) =>
        segment(name(i), at(0), 1, { state: wanted.has(i) ? "seen" : "hidden" }),
      ),
    );
    const history = new History(store, NO_TAILS);
    const all: string[] = [];
    const limit = seen.length === count ? 4_000 : 2;
    for (let after: string | undefined; ; ) {
      const query = { t: at(0), limit, permitted: ["entity.state == 'seen'"] };
      const { records, next } = await history.at({ ...query, after });
      all.push(...records.map(({ id }) => id));
      t.ok(records.length <= limit);
      if (next === undefined) break;
      t.equal(next, records.at(-1)?.id, "what a page ends with was told");
      after = next;
    }
    t.strictSame(all, seen.map(name));
    t.ok(reads() < 100, `${reads()} reads`);
  }
});
