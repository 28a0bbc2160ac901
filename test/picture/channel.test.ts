import assert from "node:assert/strict";
import t from "tap";
import { EXPIRED } from "../../src/actors/messages.ts";
import type { Bytes } from "../../src/picture/bytes.ts";
import { Channel, KEYS_END } from "../../src/picture/channel.ts";
import { Channels } from "../../src/picture/channels.ts";
import { coverBefore, coverDifference, coverOf, covers, EVERYWHERE } from "../../src/picture/cover.ts";
import type { Tolerance } from "../../src/picture/hold.ts";
import { everything, kindsLens, type Lens } from "../../src/picture/lens.ts";
import { interleave, mortonKey } from "../../src/picture/morton.ts";
import { FULL, MOTION, Picture } from "../../src/picture/picture.ts";
import { RadixSort } from "../../src/picture/radix-sort.ts";
import { type Encoded, Ranges } from "../../src/picture/record-list.ts";
import { Publication, type RecordEncoder } from "../../src/picture/tick.ts";
import { fc } from "../support/seeded.ts";

const WIDTH = 360 / 65_536;
const HEIGHT = 180 / 65_536;

/** Writes records as words: `full a`, `small a gone 2`, `left a`. */
function words(picture: Picture): RecordEncoder {
  const write = (text: string, out: Bytes) => {
    out.reserve(text.length);
    out.length += out.buffer.write(text, out.length, "latin1");
  };
  return {
    look: (slot) => slot,
    departure: (slot, reason, out) => write(`${reason} ${picture.columns.id[slot]};`, out),
    full: (slot, out) => write(`full ${picture.columns.id[slot]};`, out),
    move: (slot, published, _t, out) => write(`small ${picture.columns.id[slot]} ${published};`, out),
  };
}

const split = (text: string) => text.split(";").slice(0, -1);
const textOf = ({ bytes }: Encoded) => split(bytes.buffer.toString("latin1", 0, bytes.length));
/** Unix ms. */
const NOW = Date.UTC(2026, 0, 1);

/** A picture with a channel that is ticked by hand. */
class Bench {
  readonly picture = new Picture();
  readonly channels = new Channels(this.picture);
  readonly channel: Channel;
  readonly publication = new Publication();
  readonly encoder = words(this.picture);
  now = NOW;
  #tick = 0;

  constructor(
    lens: (picture: Picture) => Lens = () => everything,
    before: (picture: Picture) => void = () => {},
    tolerance?: Tolerance,
  ) {
    before(this.picture);
    this.channel = this.channels.open({ lens: lens(this.picture), rate: 10, tolerance }, 0, NOW);
  }

  add(id: string, x: number, y: number, kind = "ship"): number {
    const slot = this.picture.add(id, 0);
    this.picture.columns.t.set(slot, NOW);
    this.picture.columns.kind.set(slot, this.picture.columns.kinds.number(kind));
    this.move(slot, x, y);
    return slot;
  }

  /** To the middle of a cell, counted from 0°, 0°. */
  move(slot: number, x: number, y: number): void {
    this.picture.place(slot, (x + 0.5) * WIDTH, (y + 0.5) * HEIGHT);
  }

  publish(): { departures: string[]; updates: string[] } {
    this.channels.merge();
    this.channel.publish(++this.#tick, this.now, this.publication);
    const { departures, moves, fulls } = this.publication.encoded(this.encoder);
    this.channels.release();
    return { departures: textOf(departures), updates: [...textOf(fulls), ...textOf(moves)] };
  }

  published(): string[] {
    const found: string[] = [];
    this.channel.published(EVERYWHERE, (slot) => found.push(this.picture.columns.id[slot]!));
    return found.sort();
  }
}

t.test("[P5] a member is somewhere, not expired, and passes the lens", async (t) => {
  const bench = new Bench((picture) => kindsLens(picture.columns, ["ship"]));
  const { picture } = bench;
  bench.add("ship", 0, 0);
  bench.add("truck", 0, 0, "truck");
  picture.add("nowhere", 0);
  const expired = bench.add("expired", 0, 0);
  picture.columns.liveness.set(expired, EXPIRED);
  t.same(bench.publish().updates, ["full ship"]);
  picture.columns.liveness.set(expired, 0);
  picture.touch(expired, FULL);
  t.same(bench.publish().updates, ["full expired"]);
});

t.test("[P5] lenses with equal meaning have equal keys, and see kinds that turn up later", async (t) => {
  const { columns } = new Picture();
  const lens = kindsLens(columns, ["b", "a"]);
  t.equal(lens.key, kindsLens(columns, ["a", "b", "a"]).key);
  t.not(lens.key, kindsLens(columns, ["a"]).key);
  t.not(kindsLens(columns, ["a,b"]).key, kindsLens(columns, ["a", "b"]).key);
  columns.grow(3);
  columns.kind.set(0, columns.kinds.number("c"));
  t.equal(lens.test(0), false);
  columns.kind.set(1, columns.kinds.number("b"));
  t.equal(lens.test(1), true);
});

t.test("[P6] a departure is told where the entity was published, with its reason", async (t) => {
  const bench = new Bench((picture) => kindsLens(picture.columns, ["ship"]));
  const { picture, publication } = bench;
  const { columns } = picture;
  const [cell, kind, gone, lost, deleted] = ["cell", "kind", "gone", "lost", "deleted"].map((id, i) =>
    bench.add(id, i, 0),
  );
  bench.publish();
  for (const slot of [cell, kind, gone, lost, deleted]) bench.move(slot, -50, -50);
  columns.kind.set(kind, columns.kinds.number("truck"));
  picture.touch(kind, FULL);
  picture.remove(gone, "left");
  columns.liveness.set(lost, EXPIRED);
  picture.touch(lost, FULL);
  picture.remove(deleted, "deleted");
  const { departures, updates } = bench.publish();
  t.same(departures.sort(), ["deleted deleted", "expired lost", "filter kind", "left cell", "left gone"]);
  t.same(updates, ["full cell"]);
  const keys = [...publication.departures.keys.subarray(0, publication.departures.count)];
  t.same(
    keys,
    [0, 1, 2, 3, 4].map((x) => interleave(32_768 + x, 32_768)).sort((a, b) => a - b),
  );
  t.same(bench.publish(), { departures: [], updates: [] }, "told once");
});

t.test("[P7] what stays in its cell and only moved is small, all else is full", async (t) => {
  const bench = new Bench();
  const { picture } = bench;
  const { columns } = picture;
  const slot = bench.add("a", 0, 0);
  t.same(bench.publish().updates, ["full a"], "new");
  columns.speed.set(slot, 5);
  columns.heading.set(slot, 90);
  picture.touch(slot, MOTION);
  t.same(bench.publish().updates, ["small a 0"], "no motion was published before");
  columns.speed.set(slot, NaN);
  picture.touch(slot, MOTION);
  t.same(bench.publish().updates, ["small a 10"], "speed and heading were");
  picture.place(slot, 0.9 * WIDTH, 0.9 * HEIGHT);
  t.same(bench.publish().updates, ["small a 8"]);
  bench.now = NOW + 1;
  columns.t.set(slot, bench.now);
  picture.touch(slot, MOTION);
  t.same(bench.publish().updates, ["full a"], "its place is of before");
  columns.t.set(slot, NOW);
  picture.touch(slot, FULL);
  t.same(bench.publish().updates, ["full a"], "something else changed");
  bench.move(slot, 1, 0);
  t.same(bench.publish(), { departures: ["left a"], updates: ["full a"] }, "another cell");
});

t.test(
  "[P8] a record that fails outside the tick is withheld, and its next publication is full",
  async (t) => {
    // The lens reads motion, which alone does not make a record full.
    const bench = new Bench((picture) => ({
      key: "slow",
      reads: "motion",
      test: (slot) => !(picture.columns.speed.of(slot) > 10),
    }));
    const { picture, channel, channels } = bench;
    const slot = bench.add("a", 0, 0);
    bench.publish();
    picture.columns.speed.set(slot, 20);
    picture.touch(slot, MOTION);
    channels.merge();
    const given: number[] = [];
    t.same(
      channel.grow(EVERYWHERE, 512, (slot) => given.push(slot)),
      { records: 0, published: 1, end: KEYS_END },
    );
    t.same(given, []);
    picture.columns.speed.set(slot, 5);
    picture.touch(slot, MOTION);
    t.same(bench.publish().updates, ["full a"]);
    picture.touch(slot, MOTION);
    t.same(bench.publish().updates, ["small a 2"], "once");
  },
);

t.test("[P7] motion that a view was given outside the tick is told to be gone, too", async (t) => {
  const bench = new Bench();
  const { picture, channel, channels } = bench;
  const slot = bench.add("a", 0, 0);
  bench.publish();
  picture.columns.speed.set(slot, 5);
  picture.touch(slot, MOTION);
  channels.merge();
  channel.grow(EVERYWHERE, 512, () => {});
  picture.columns.speed.set(slot, NaN);
  picture.touch(slot, MOTION);
  t.same(bench.publish().updates, ["small a 2"]);
});

t.test("[P9] a new channel starts with everything published as of now", async (t) => {
  let early = -1;
  const bench = new Bench(
    () => everything,
    (picture) => {
      early = picture.add("early", 0);
      picture.columns.t.set(early, NOW);
      picture.place(early, 1, 1);
      const removed = picture.add("removed", 0);
      picture.place(removed, 1, 1);
      picture.remove(removed, "deleted");
      picture.clearChanges();
    },
  );
  t.same(bench.published(), ["early"]);
  bench.picture.place(early, 1, 1);
  t.same(bench.publish(), { departures: [], updates: ["small early 0"] });
});

t.test("[P10] growing gives each published record of a cover once, in parts", async () => {
  // Cells at the edges of the spatial index's buckets, which have 32 × 32 cells, and within one bucket.
  const cell = fc.tuple(fc.constantFrom(-1, 0, 1, 31, 32, 33), fc.constantFrom(-1, 0, 15, 31, 32));
  const cells = fc.array(cell, { minLength: 1, maxLength: 40, size: "max" });
  const edges = fc.constantFrom(-1, 0, 1, 16, 31, 32, 40);
  // Making a picture takes longer than a run.
  const bench = new Bench();
  fc.assert(
    fc.property(
      cells,
      cells,
      fc.tuple(edges, edges, edges, edges),
      fc.integer({ min: 1, max: 9 }),
      fc.integer({ min: 1, max: 9 }),
      (from, to, box, limit, enough) => {
        const { picture, channel, channels } = bench;
        const slots = from.map(([x, y], i) => bench.add(`e${i}`, x, y));
        bench.publish();
        // Some have moved since, unpublished.
        to.slice(0, slots.length).forEach(([x, y], i) => {
          if (i % 2 === 0) bench.move(slots[i], x, y);
        });
        channels.merge();
        const cover = coverOf([
          Math.min(box[0], box[1]) * WIDTH,
          Math.min(box[2], box[3]) * HEIGHT,
          Math.max(box[0], box[1]) * WIDTH,
          Math.max(box[2], box[3]) * HEIGHT,
        ]);
        const publishedKey = (i: number) => interleave(32_768 + from[i][0], 32_768 + from[i][1]);
        const expected = slots.filter((_, i) => covers(cover, publishedKey(i)));
        const given: number[] = [];
        let lacking = cover;
        for (let end = 0; end < KEYS_END; ) {
          const part: number[] = [];
          const write = (slot: number) => void part.push(slot);
          const growth = channel.grow(lacking, limit, write, () => part.length >= enough);
          assert.ok(growth.end > end);
          assert.equal(growth.records, part.length);
          const keys = new Set(part.map((slot) => publishedKey(slots.indexOf(slot))));
          assert.ok(part.length <= limit || keys.size === 1, "more than the limit only from one cell");
          const last = Math.max(...keys);
          const before = part.filter((slot) => publishedKey(slots.indexOf(slot)) < last).length;
          assert.ok(before < enough, "what is enough is gone beyond by one cell only");
          assert.ok([...keys].every((key) => key >= end && key < growth.end));
          given.push(...part);
          end = growth.end;
          lacking = coverDifference(lacking, coverBefore(lacking, end));
        }
        assert.deepEqual(given.sort(), expected.sort());
        for (const slot of slots) picture.remove(slot, "deleted");
        bench.publish();
      },
    ),
    { numRuns: 1_000 },
  );
});

t.test("[P11] a freed slot is not used again before every channel has told its departure", async (t) => {
  const bench = new Bench();
  const { picture, channels } = bench;
  const slow = channels.open({ lens: everything, rate: 1, tolerance: undefined }, 0, NOW);
  const slot = bench.add("a", 0, 0);
  channels.merge();
  slow.publish(10, NOW, new Publication());
  bench.publish();
  picture.remove(slot, "deleted");
  t.same(bench.publish().departures, ["deleted a"]);
  t.equal(picture.removedCount, 1, "the other channel has not told");
  t.not(picture.add("b", 0), slot);
  const publication = new Publication();
  t.equal(slow.isDue(19), false);
  t.equal(slow.isDue(20), true);
  slow.publish(20, NOW, publication);
  t.same(textOf(publication.encoded(bench.encoder).departures), ["deleted a"]);
  channels.release();
  t.equal(picture.removedCount, 0);
  t.equal(picture.add("c", 0), slot);
});

t.test("[P14] all lists are in order of keys, and a cover cuts out exactly its records", async (t) => {
  const bench = new Bench();
  const ids: string[] = [];
  for (let i = 0; i < 300; i++) {
    ids.push(`e${i}`);
    bench.add(`e${i}`, ((i * 7919) % 61) - 30, ((i * 104_729) % 53) - 26);
  }
  bench.publish();
  const { fulls } = bench.publication;
  const encoded = bench.publication.encoded(bench.encoder).fulls;
  const keys = [...fulls.keys.subarray(0, fulls.count)];
  t.same(
    keys,
    keys.toSorted((a, b) => a - b),
  );
  t.equal(new Set(textOf(encoded)).size, 300);
  for (const box of [
    [-0.1, -0.1, 0.1, 0.1],
    [0, 0, 0.05, 0.02],
    [-180, -90, 180, 90],
    [10, 10, 20, 20],
  ] as const) {
    const cover = coverOf(box);
    const ranges = new Ranges();
    fulls.slice(cover, ranges);
    const cut = Buffer.alloc(encoded.size(ranges));
    t.equal(encoded.copy(ranges, cut, 0), cut.length);
    const text = cut.toString("latin1");
    const { columns } = bench.picture;
    const expected = ids.filter((id) => {
      const slot = bench.picture.find(id);
      return covers(cover, mortonKey(columns.lon.of(slot), columns.lat.of(slot)));
    });
    t.same(split(text).sort(), expected.map((id) => `full ${id}`).sort());
    t.equal(ranges.count, expected.length);
    t.equal(bench.publication.entered(ranges), expected.length, "all of them are new there");
  }
});

t.test("[P14] sorting by radix is sorting, and stable", async () => {
  const sorter = new RadixSort();
  fc.assert(
    fc.property(
      fc.array(fc.oneof(fc.nat(3), fc.integer({ min: 0, max: 0xffffffff }), fc.constant(0xffffffff)), {
        maxLength: 400,
        size: "max",
      }),
      (list) => {
        const keys = Uint32Array.from(list);
        const values = Uint32Array.from(list, (_, i) => i);
        sorter.sort(keys, values, list.length);
        const expected = list.map((key, i) => ({ key, i })).sort((a, b) => a.key - b.key || a.i - b.i);
        return expected.every(({ key, i }, at) => keys[at] === key && values[at] === i);
      },
    ),
    { numRuns: 300 },
  );
});

t.test("[P15] a channel of 1 Hz is due each tenth base tick, one of 10 Hz each", async (t) => {
  const picture = new Picture();
  const slow = new Channel(picture, everything, 1, undefined, 5, NOW);
  const fast = new Channel(picture, everything, 10, undefined, 5, NOW);
  const due = (channel: Channel) => [6, 7, 14, 15, 16].filter((tick) => channel.isDue(tick));
  t.same(due(slow), [15, 16]);
  t.same(due(fast), [6, 7, 14, 15, 16]);
});
