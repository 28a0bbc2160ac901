/** What happens in the histories of the model test, as arbitraries. */

import type { Bbox, Tolerance } from "../../src/transport/feed/protocol.ts";
import { fc } from "../support/seeded.ts";
import type { Pace } from "./harness.ts";

/** One cell, degrees. */
export const WIDTH = 360 / 65_536;
const HEIGHT = 180 / 65_536;
export const IDS = 7;
export const KINDS = ["ship", "truck", "drone"];
export const STATES = ["idle", "busy"];
/** Middles of 3 × 3 adjoining cells around a corner of large quad cells, of cells on both sides of 180°, of one at a pole. */
export const PLACES: [number, number][] = [];
for (const x of [-1.5, -0.5, 0.5]) for (const y of [-0.5, 0.5, 1.5]) PLACES.push([x * WIDTH, y * HEIGHT]);
PLACES.push([180 - WIDTH / 2, HEIGHT / 2], [-180 + WIDTH / 2, HEIGHT / 2], [180, HEIGHT / 2], [10, 90]);
export const BOXES: Bbox[] = [
  [-180, -90, 180, 90],
  [-1.5 * WIDTH, -0.5 * HEIGHT, 0.5 * WIDTH, 0.5 * HEIGHT],
  [-0.5 * WIDTH, 0.5 * HEIGHT, 0.5 * WIDTH, 1.5 * HEIGHT],
  [0.5 * WIDTH, -0.5 * HEIGHT, 0.5 * WIDTH, 1.5 * HEIGHT],
  [-0.5 * WIDTH, 0.5 * HEIGHT, -0.5 * WIDTH, 0.5 * HEIGHT],
  [179.9, -1, -179.9, 1],
  [-180, 80, 180, 90],
];
export const FIELDS = ["alt", "speed", "course", "heading"] as const;
/** Motion that 24 bytes do not hold. */
const TOO_MUCH = [
  { field: FIELDS.indexOf("alt"), value: 900_000 },
  { field: FIELDS.indexOf("speed"), value: 700 },
];

const index = (count: number) => fc.nat(count - 1);
const id = index(IDS);
const place = index(PLACES.length);
const client = index(2);
const view = index(2);
const box = index(BOXES.length);
const kinds = fc.constantFrom<string[] | undefined>(undefined, undefined, ["ship"], ["ship", "drone"]);
/** What only a FULL change touches, what a move does, both, what fails for some, and what looks at nothing. */
const where = fc.constantFrom<string | undefined>(
  undefined,
  undefined,
  "entity.kind != 'truck'",
  "entity.speed > 10",
  "entity.lon >= 0 && entity.liveness != 'lost'",
  "entity.attributes.n > 1 && 'harbour' in entity.fences",
  "true",
  "1 == 2",
);
export const add = fc.record({ do: fc.constant("add" as const), id, place, kind: index(KINDS.length) });
const looking = fc.oneof(
  { weight: 8, arbitrary: fc.record({ box }) },
  { weight: 2, arbitrary: fc.record({ ids: fc.uniqueArray(id, { minLength: 1, maxLength: 4 }) }) },
  { weight: 2, arbitrary: fc.record({ follow: id, radius: fc.constantFrom(10, 1_000, 2_000_000) }) },
);
export const subscribe = fc.record({
  do: fc.constant("subscribe" as const),
  client,
  view,
  looking,
  kinds,
  where,
  rate: fc.constantFrom(10 as const, 1 as const),
  tolerance: fc.constantFrom<Tolerance | undefined>(undefined, undefined, undefined, "10m"),
  max: fc.constantFrom<number | undefined>(undefined, undefined, 2, 4),
});
/** A report without a place. */
const heardOf = (id: fc.Arbitrary<number>) =>
  fc.record({
    do: fc.constant("heard" as const),
    id,
    speed: fc.constantFrom(undefined, 0, 12.34),
    n: fc.constantFrom(undefined, undefined, 1, 2),
  });
export const step = fc.oneof(
  { weight: 4, arbitrary: add },
  { weight: 6, arbitrary: fc.record({ do: fc.constant("move" as const), id, place, shift: fc.nat(9) }) },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant("motion" as const),
      id,
      field: index(FIELDS.length),
      value: fc.constantFrom(NaN, 0, 12.34, 359.999),
    }),
  },
  { weight: 2, arbitrary: heardOf(id) },
  {
    weight: 1,
    arbitrary: fc
      .record({ id, tooMuch: fc.constantFrom(...TOO_MUCH) })
      .map(({ id, tooMuch }) => ({ do: "motion" as const, id, ...tooMuch })),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("kind" as const), id, kind: index(KINDS.length) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("state" as const), id, state: index(2) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("liveness" as const), id, liveness: fc.nat(3) }) },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant("remove" as const),
      id,
      reason: fc.constantFrom("left" as const, "deleted" as const),
    }),
  },
  { weight: 4, arbitrary: subscribe },
  { weight: 4, arbitrary: fc.record({ do: fc.constant("update" as const), client, view, box }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("refilter" as const), client, view, kinds, where }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("unsubscribe" as const), client, view }) },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant("attributes" as const), id, n: fc.constantFrom(0, 1, 2) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant("pace" as const),
      client,
      pace: fc.constantFrom<Pace>("fast", "lazy", "stalled"),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("reconnect" as const), client }) },
  {
    weight: 12,
    arbitrary: fc.record({ do: fc.constant("tick" as const), times: fc.constantFrom(1, 1, 1, 2, 4, 10) }),
  },
);
/** A history starts with something to see and somebody who looks. */
export const steps = fc
  .tuple(
    fc.array(add, { minLength: 3, maxLength: 8 }),
    fc.array(subscribe, { minLength: 1, maxLength: 4 }),
    fc.array(step, { minLength: 1, maxLength: 100, size: "max" }),
  )
  .map((parts) => parts.flat());
/** Histories of one crowd, most filtered by what each move may change, at the slow rate: much happens between two publications. */
const always = <T>(value: T) => fc.constant(value);
const movingOnly = fc.record({
  do: always("subscribe" as const),
  client,
  view,
  looking: fc.record({ box: fc.constantFrom(0, 1, 2) }),
  kinds: always(undefined),
  where: fc.constantFrom("entity.speed > 10", "entity.speed > 10", undefined),
  rate: always(1 as const),
  tolerance: always(undefined),
  max: always(undefined),
});
const setSpeed = fc.record({
  do: always("motion" as const),
  id: index(2),
  field: always(FIELDS.indexOf("speed")),
  value: fc.constantFrom(0, 12.34, 12.34, NaN),
});
export const slowSteps = fc
  .tuple(
    fc.array(fc.record({ do: always("add" as const), id: index(2), place: index(5), kind: always(0) }), {
      minLength: 2,
      maxLength: 3,
    }),
    fc.array(fc.oneof(setSpeed, movingOnly), { minLength: 3, maxLength: 6 }),
    fc.array(
      fc.oneof(
        { weight: 4, arbitrary: setSpeed },
        { weight: 2, arbitrary: movingOnly },
        {
          weight: 2,
          arbitrary: fc.record({
            do: always("update" as const),
            client,
            view,
            box: fc.constantFrom(0, 1, 2),
          }),
        },
        {
          weight: 4,
          arbitrary: fc.record({ do: always("tick" as const), times: fc.constantFrom(1, 1, 4, 10) }),
        },
      ),
      { minLength: 1, maxLength: 60, size: "max" },
    ),
  )
  .map((parts): Step[] => parts.flat());

/** Histories of few entities that do not go far, seen with a tolerance: what breaks a hold, and what does not. */
const oneOfTwo = fc.constantFrom(0, 0, 0, 1);
const near = fc.record({
  do: always("move" as const),
  id: oneOfTwo,
  place: fc.constantFrom(4, 4, 4, 4, 4, 5),
  // From one to the next are 7.6 m; the last two are 3 m apart, on both sides of an edge.
  shift: fc.constantFrom(0, 0, 0.5, 0.5, 1, 1, 19.9, 20.1),
});
const course = fc.record({
  do: always("motion" as const),
  id: oneOfTwo,
  field: always(FIELDS.indexOf("course")),
  value: fc.constantFrom(NaN, 0, 90),
});
const tolerant = fc.record({
  do: always("subscribe" as const),
  client,
  view,
  looking: fc.oneof(
    { weight: 4, arbitrary: fc.record({ box: fc.constantFrom(0, 1, 2, 4) }) },
    { weight: 1, arbitrary: fc.record({ ids: always([0, 1]) }) },
  ),
  kinds: always(undefined),
  where: fc.constantFrom(undefined, undefined, "entity.speed > 10"),
  rate: fc.constantFrom(10 as const, 10 as const, 10 as const, 1 as const),
  tolerance: always<Tolerance>("10m"),
  max: always(undefined),
});
const reconnect = fc.record({ do: always("reconnect" as const), client });
const oneTick = fc.record({ do: always("tick" as const), times: fc.constantFrom(1, 1, 1, 1, 4, 10) });
const held = fc.oneof(
  { weight: 8, arbitrary: near },
  { weight: 4, arbitrary: heardOf(oneOfTwo) },
  { weight: 1, arbitrary: setSpeed },
  { weight: 1, arbitrary: course },
  { weight: 1, arbitrary: fc.record({ do: always("state" as const), id: oneOfTwo, state: index(2) }) },
  { weight: 1, arbitrary: fc.record({ do: always("liveness" as const), id: oneOfTwo, liveness: fc.nat(2) }) },
  { weight: 4, arbitrary: tolerant },
  { weight: 1, arbitrary: reconnect },
  { weight: 8, arbitrary: oneTick },
);
const addAll = (count: number, kind = 0) =>
  fc.tuple(
    ...Array.from({ length: count }, (_, id) =>
      fc.record({ do: always("add" as const), id: always(id), place: index(6), kind: always(kind) }),
    ),
  );
/** The first of them may be under way. */
const setting = (name: "speed" | "course", value: number) =>
  fc.record({
    do: always("motion" as const),
    id: always(0),
    field: always(FIELDS.indexOf(name)),
    value: fc.constantFrom(value, NaN),
  });
export const heldSteps = fc
  .tuple(
    addAll(2),
    fc.tuple(setting("speed", 12.34), setting("course", 90)),
    fc.array(tolerant, { minLength: 1, maxLength: 3 }),
    fc.array(held, { minLength: 1, maxLength: 60, size: "max" }),
  )
  .map((parts): Step[] => parts.flat());

/** Histories of a few who come together and go apart, in views that want no crowd, or take their snapshots in parts. */
const crowded = fc.record({
  do: always("subscribe" as const),
  client,
  view,
  looking: fc.oneof(
    { weight: 4, arbitrary: fc.record({ box: index(5) }) },
    { weight: 1, arbitrary: fc.record({ follow: id, radius: fc.constantFrom(10, 1_000) }) },
  ),
  kinds: always(undefined),
  where: fc.constantFrom(undefined, undefined, undefined, "entity.kind != 'truck'"),
  rate: always(10 as const),
  tolerance: always(undefined),
  max: fc.constantFrom(undefined, undefined, 2, 3),
});
const gathering = fc.oneof(
  { weight: 8, arbitrary: fc.record({ do: always("move" as const), id, place: index(9), shift: fc.nat(9) }) },
  { weight: 4, arbitrary: fc.record({ do: always("update" as const), client, view, box: index(5) }) },
  { weight: 2, arbitrary: crowded },
  { weight: 1, arbitrary: reconnect },
  {
    weight: 2,
    arbitrary: fc.record({
      do: always("pace" as const),
      client,
      pace: fc.constantFrom<Pace>("fast", "lazy"),
    }),
  },
  { weight: 8, arbitrary: oneTick },
);
export const crowdSteps = fc
  .tuple(
    addAll(5),
    fc.array(crowded, { minLength: 1, maxLength: 4 }),
    fc.array(gathering, { minLength: 1, maxLength: 60, size: "max" }),
  )
  .map((parts): Step[] => parts.flat());

export type Step = typeof step extends fc.Arbitrary<infer S> ? S : never;
