import t from "tap";
import { EXPIRED, LIVE } from "../../src/actors/messages.ts";
import { Picture } from "../../src/picture/picture.ts";
import { isWithin, queryBbox, queryNear } from "../../src/picture/query.ts";
import { boxAround, distance, EARTH_RADIUS, FARTHEST } from "../../src/picture/sphere.ts";
import { fc } from "../support/seeded.ts";
import { boxes, places } from "./places.ts";

const KINDS = ["ship", "truck"];
const STATES = ["moving", "stopped"];

interface Thing {
  at: [lon: number, lat: number] | undefined;
  kind: string;
  state: string;
  isExpired: boolean;
  isRemoved: boolean;
}
const things = fc.array(
  fc.record<Thing>({
    at: fc.option(places, { nil: undefined, freq: 9 }),
    kind: fc.constantFrom(...KINDS),
    state: fc.constantFrom(...STATES),
    isExpired: fc.boolean().map((b) => b),
    isRemoved: fc.nat(9).map((n) => n === 0),
  }),
  { maxLength: 60, size: "max" },
);
const kinds = fc.constantFrom<string[] | undefined>(undefined, ["ship"], ["truck", "ship"], ["unheard-of"]);
const states = fc.constantFrom<string[] | undefined>(undefined, ["moving"]);

// One picture for all runs: making one takes longer than a run.
const picture = new Picture();
const columns = picture.columns;

function fill(list: readonly Thing[]): void {
  for (let slot = 0; slot < columns.extent; slot++)
    if (columns.id[slot] !== undefined && picture.removal(slot) === undefined)
      picture.remove(slot, "deleted");
  picture.clearChanges();
  picture.releaseRemoved(() => true);
  list.forEach((thing, i) => {
    // Ids whose order is neither that of the slots nor that of the numbers.
    const slot = picture.add(`e${(i * 37) % 101}`, 0);
    columns.kind.set(slot, columns.kinds.number(thing.kind));
    columns.state.set(slot, columns.states.number(thing.state));
    columns.liveness.set(slot, thing.isExpired ? EXPIRED : LIVE);
    if (thing.at) picture.place(slot, ...thing.at);
    if (thing.isRemoved) picture.remove(slot, "deleted");
  });
}

function candidates(list: readonly Thing[], kinds: string[] | undefined, states: string[] | undefined) {
  return list
    .map((thing, i) => ({ ...thing, id: `e${(i * 37) % 101}` }))
    .filter((thing) => !thing.isExpired && !thing.isRemoved)
    .filter((thing) => (kinds?.includes(thing.kind) ?? true) && (states?.includes(thing.state) ?? true));
}

const byId = (a: string, b: string) => (a < b ? -1 : 1);
const idsOf = (slots: readonly number[]) => slots.map((slot) => columns.id[slot]!);

t.test("[P12] a query by box gives pages in order of id, as a look at everything does", async () => {
  fc.assert(
    fc.property(
      things,
      fc.option(boxes, { nil: undefined }),
      kinds,
      states,
      fc.integer({ min: 1, max: 20 }),
      (list, bbox, kinds, states, limit) => {
        fill(list);
        const expected = candidates(list, kinds, states)
          .filter(({ at }) => bbox === undefined || (at !== undefined && isWithin(at[0], at[1], bbox)))
          .map(({ id }) => id)
          .sort(byId);
        const pages: string[] = [];
        for (let after: string | undefined; ; after = pages.at(-1)) {
          const { slots, more } = queryBbox(picture, { bbox, kinds, states, limit, after });
          pages.push(...idsOf(slots));
          if (!more) break;
          if (slots.length !== limit) return false;
        }
        return JSON.stringify(pages) === JSON.stringify(expected);
      },
    ),
    { numRuns: 1_000 },
  );
});

t.test("[P12] a box across 180° has both sides, and 180 and −180 are one meridian", async (t) => {
  t.equal(isWithin(175, 0, [170, -1, -170, 1]), true);
  t.equal(isWithin(-175, 0, [170, -1, -170, 1]), true);
  t.equal(isWithin(0, 0, [170, -1, -170, 1]), false);
  t.equal(isWithin(180, 0, [-180, -1, -170, 1]), true);
  t.equal(isWithin(-180, 0, [170, -1, 180, 1]), true);
  t.equal(isWithin(180, 2, [-180, -1, -170, 1]), false);
});

t.test("[P13] the nearest are found in order of distance, at poles and across 180° too", async () => {
  fc.assert(
    fc.property(
      things,
      places,
      fc.constantFrom(undefined, 0, 500, 20_000, 3e6, FARTHEST),
      kinds,
      states,
      fc.integer({ min: 1, max: 8 }),
      (list, [lon, lat], radius, kinds, states, k) => {
        fill(list);
        const expected = candidates(list, kinds, states)
          .filter(({ at }) => at !== undefined)
          .map(({ id, at }) => ({ id, metres: distance(lon, lat, at![0], at![1]) }))
          .filter(({ metres }) => metres <= (radius ?? FARTHEST))
          .sort((a, b) => a.metres - b.metres || byId(a.id, b.id))
          .slice(0, k);
        const { slots, distances } = queryNear(picture, { lon, lat, radius, k, kinds, states });
        const found = idsOf(slots).map((id, i) => ({ id, metres: distances[i] }));
        return JSON.stringify(found) === JSON.stringify(expected);
      },
    ),
    { numRuns: 1_000 },
  );
});

t.test("[P13] distances are those of great circles on a sphere of the mean radius", async (t) => {
  const quarter = (Math.PI / 2) * EARTH_RADIUS;
  const table: [from: [number, number], to: [number, number], metres: number][] = [
    [[0, 0], [0, 0], 0],
    [[0, 0], [90, 0], quarter],
    [[0, 0], [0, 90], quarter],
    [[10, 90], [-170, 90], 0],
    [[0, 0], [180, 0], 2 * quarter],
    [[179.5, 0], [-179.5, 0], quarter / 90],
    [[24, 60], [24, 61], 111_195],
    [[24, 60], [25, 60], 55_597],
  ];
  for (const [from, to, metres] of table)
    t.ok(Math.abs(distance(...from, ...to) - metres) < 1, `${from} to ${to}: ${distance(...from, ...to)}`);
});

t.test("[P13] the box around a circle contains it", async () => {
  fc.assert(
    fc.property(
      places,
      places,
      fc.double({ min: 0, max: FARTHEST, noNaN: true }),
      ([lon, lat], to, radius) => {
        const box = boxAround(lon, lat, radius);
        return distance(lon, lat, ...to) > radius || isWithin(...to, box);
      },
    ),
    { numRuns: 5_000 },
  );
});
