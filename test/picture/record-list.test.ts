import t from "tap";
import { MAX_COVER_CELLS } from "../../src/limits.ts";
import { type Cover, covers, coverUnion, EVERYWHERE, NOTHING } from "../../src/picture/cover.ts";
import { Ranges, RecordList } from "../../src/picture/record-list.ts";
import { fc } from "../support/seeded.ts";

const TOP = 0xffffffff;
/** Few of them, so that records are on, before and behind the edges of ranges. */
const near = fc.nat(600);
const keys = fc.oneof(
  { weight: 8, arbitrary: near },
  near.map((back) => TOP - back),
);

/** With more ranges than a view has cells in some: a view that pans has covers that are put together. */
const anyCover = fc
  .array(fc.tuple(keys, fc.nat(4)), { maxLength: 3 * MAX_COVER_CELLS, size: "max" })
  .map((ranges) =>
    ranges.reduce<Cover>(
      (cover, [low, size]) => coverUnion(cover, Uint32Array.of(low, Math.min(low + size, TOP))),
      NOTHING,
    ),
  );

function listOf(all: readonly number[]): RecordList {
  const list = new RecordList();
  for (const [value, key] of all.entries()) list.add(key, value);
  list.sort();
  return list;
}

t.test(
  "[P14] a cover cuts out the records of its keys, in their order, however many ranges it has",
  async (t) => {
    // One for all, as views have it.
    const ranges = new Ranges();
    let most = 0;
    fc.assert(
      fc.property(
        fc.array(keys, { maxLength: 400, size: "max" }),
        fc.oneof({ weight: 9, arbitrary: anyCover }, fc.constantFrom(NOTHING, EVERYWHERE)),
        (all, cover) => {
          const list = listOf(all);
          list.slice(cover, ranges);
          const cut: number[] = [];
          ranges.each((place) => cut.push(place));
          const expected = [...list.keys.subarray(0, list.count).keys()].filter((place) =>
            covers(cover, list.keys[place]),
          );
          most = Math.max(most, ranges.length / 2);
          return ranges.count === expected.length && cut.join() === expected.join();
        },
      ),
      { numRuns: 500 },
    );
    t.ok(most > MAX_COVER_CELLS, `at most ${most} ranges were cut out at once`);
  },
);
