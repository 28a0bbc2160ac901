import assert from "node:assert/strict";
import t from "tap";
import { Channel, FILL_SLOTS } from "../../src/picture/channel.ts";
import { Channels } from "../../src/picture/channels.ts";
import { coverOf } from "../../src/picture/cover.ts";
import { lensOf } from "../../src/picture/lens.ts";
import { FULL, MOTION, Picture } from "../../src/picture/picture.ts";
import { Publication } from "../../src/picture/tick.ts";
import { fc, runs } from "../support/seeded.ts";

const WORLD = coverOf([-180, -90, 180, 90]);
const ENTITIES = 3 * FILL_SLOTS;
const NOW = Date.UTC(2026, 0, 1);
const KINDS = ["ship", "truck"];

function someEntities() {
  const picture = new Picture();
  for (let i = 0; i < ENTITIES; i++) add(picture, `e${i}`, i % 7 === 0 ? 1 : 0, i % 300);
  return picture;
}

function add(picture: Picture, id: string, kind: number, lon: number) {
  const slot = picture.add(id, 0);
  picture.columns.t.set(slot, NOW);
  picture.columns.kind.set(slot, picture.columns.kinds.number(KINDS[kind]!)!);
  picture.place(slot, (lon % 360) - 180, 0);
  return slot;
}

/** What it gives a view of the whole world, by slot. */
function givenBy(channel: Channel) {
  const given: number[] = [];
  channel.grow(WORLD, Number.MAX_SAFE_INTEGER, (slot) => given.push(slot));
  return given.sort((a, b) => a - b);
}

const slot = fc.nat(ENTITIES - 1);
const change = fc.oneof(
  fc.record({ do: fc.constant("move" as const), slot, lon: fc.nat(359) }),
  fc.record({ do: fc.constant("kind" as const), slot, kind: fc.nat(1) }),
  fc.record({ do: fc.constant("remove" as const), slot }),
  fc.record({ do: fc.constant("add" as const), kind: fc.nat(1), lon: fc.nat(359) }),
);
type Change = typeof change extends fc.Arbitrary<infer C> ? C : never;

t.test(
  "[P25] a channel that is filled bit by bit, while things change, is one that was filled at once",
  async (t) => {
    const turns = fc.array(fc.array(change, { maxLength: 8 }), { minLength: 1, maxLength: 5 });
    fc.assert(fc.property(turns, isAsAtOnce), { numRuns: runs(30) });
    t.pass();
  },
);

/** Nobody was shown anything of a channel before it is filled: a departure would be told of whoever has the id by then. */
function isNewsToNobody(channel: Channel): void {
  const publication = new Publication();
  channel.publish(100, NOW, publication);
  const { departures, moves, fulls } = publication;
  assert.equal(departures.count + moves.count + fulls.count, 0);
}

function isAsAtOnce(turns: readonly (readonly Change[])[]): void {
  const picture = someEntities();
  const channels = new Channels(picture);
  const spec = {
    lens: lensOf(picture, { where: "entity.kind == 'ship'" }),
    rate: 10 as const,
    tolerance: undefined,
  };
  const publication = new Publication();
  channels.merge();
  const channel = channels.open(spec, 0, NOW, () => true);
  let added = 0;
  const alive = new Set(Array.from({ length: ENTITIES }, (_, slot) => slot));
  for (const [tick, changes] of turns.entries()) {
    for (const one of changes) {
      if (one.do === "add") {
        alive.add(add(picture, `new${added++}`, one.kind, one.lon));
        continue;
      }
      if (!alive.has(one.slot)) continue;
      if (one.do === "move") {
        picture.place(one.slot, one.lon - 180, 0);
        picture.touch(one.slot, MOTION);
      } else if (one.do === "kind") {
        picture.columns.kind.set(one.slot, picture.columns.kinds.number(KINDS[one.kind]!)!);
        picture.touch(one.slot, FULL);
      } else {
        picture.remove(one.slot, "deleted");
        alive.delete(one.slot);
      }
    }
    channels.merge();
    const wasFilled = channel.isFilled;
    channels.open(spec, tick + 1, NOW, () => true);
    if (channel.isFilled && !wasFilled) isNewsToNobody(channel);
    channels.release();
  }
  const wasFilled = channel.isFilled;
  channels.open(spec, 100, NOW);
  if (!wasFilled) isNewsToNobody(channel);
  assert.ok(channel.isFilled);
  for (const slot of alive) picture.touch(slot, MOTION);
  channels.merge();
  channel.publish(101, NOW, publication);
  assert.ok(publication.moves.count + publication.fulls.count <= channel.members, "each once");
  const atOnce = new Channel(picture, spec.lens, 10, undefined, 101, NOW);
  assert.deepEqual(givenBy(channel), givenBy(atOnce));
  assert.equal(channel.members, atOnce.members);
}

t.test("[P25] it looks at some at each turn, and is asked for nothing before the last", async (t) => {
  const picture = someEntities();
  const channels = new Channels(picture);
  channels.merge();
  const spec = { lens: lensOf(picture, { kinds: ["truck"] }), rate: 10 as const, tolerance: undefined };
  const turns = [];
  for (let turn = 0; turn < 3; turn++) turns.push(channels.open(spec, turn, NOW, () => true).isFilled);
  t.same(turns, [false, false, true]);
});
