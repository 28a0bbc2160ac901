import { Buffer } from "node:buffer";
import t from "tap";
import { MAX_OCCUPIED } from "../../src/actors/fences/limits.ts";
import { MAX_NAME_LENGTH } from "../../src/limits.ts";
import { Bytes } from "../../src/picture/bytes.ts";
import { HAS_PLACE, IMPLAUSIBLE } from "../../src/picture/columns.ts";
import { Picture } from "../../src/picture/picture.ts";
import {
  type EntityRecord,
  fullRecord,
  isoTime,
  roundAlt,
  roundDegrees,
  roundDirection,
  roundMotion,
} from "../../src/picture/record.ts";
import { DEPARTURE_REASONS } from "../../src/picture/tick.ts";
import { JsonEncoder } from "../../src/transport/feed/json-encoder.ts";
import { putWhole } from "../../src/transport/feed/json-writer.ts";
import type { FullRecord } from "../../src/transport/feed/protocol.ts";
import { fc, runs } from "../support/seeded.ts";

const picture = new Picture();
const { columns } = picture;
const encoder = new JsonEncoder(picture);
const SMALL_FIELDS = ["id", "t", "lon", "lat", "alt", "speed", "course", "heading"] as const;
/** In the order of their bits. */
const MOTION_FIELDS = ["alt", "speed", "course", "heading"] as const;

/** What was written, as JSON; a comma must follow it, and nothing else. */
function written(write: (out: Bytes) => void): unknown {
  const out = new Bytes();
  out.reserve(10);
  out.length = 3;
  write(out);
  const text = out.buffer.toString("utf8", 3, out.length);
  if (!text.endsWith(",")) throw new Error(`no comma: ${text}`);
  return JSON.parse(text.slice(0, -1));
}

const strings = fc.oneof(
  fc.string({ unit: "grapheme", minLength: 1, maxLength: 30 }),
  fc.string({ unit: "binary", minLength: 1, maxLength: 30 }),
  fc.string({ unit: "binary-ascii", minLength: 1, maxLength: 30 }),
  fc.constantFrom("mmsi:230123456", '"', "\\", "é", "\ud800", "\u0000", "\u007f", "😀", "x".repeat(256)),
);
const motion = fc.oneof(
  fc.constantFrom(
    NaN,
    0,
    -0,
    0.004,
    0.005,
    0.1,
    9.99,
    10,
    99.995,
    359.99,
    359.995,
    359.999,
    1e7,
    2147483647,
    3e38,
    -450.04,
    -0.001,
  ),
  fc.float({ min: 0, max: 400 }),
  fc.float(),
);
const lons = fc.oneof(
  fc.double({ min: -180, max: 180, noNaN: true }),
  fc.constantFrom(
    -180,
    180,
    0,
    -0,
    1e-8,
    -1e-8,
    5e-8,
    1e-7,
    -1e-7,
    24.1234567,
    24.12345678,
    10.1,
    100.0000001,
    0.99999999,
  ),
);
const lats = lons.map((lon) => lon / 2);
const times = fc.oneof(
  fc.date({ min: new Date(0), max: new Date("9999-12-31T23:59:59.999Z"), noInvalidDate: true }).map(Number),
  fc.constantFrom(
    0,
    999,
    59_999,
    86_399_999,
    86_400_000,
    951_782_400_000,
    1_709_164_800_000.5,
    -5,
    Number.NEGATIVE_INFINITY,
  ),
);
/** As many, and as long, as an entity can be inside of. */
const MANY_NAMES = Array.from({ length: MAX_OCCUPIED }, (_, i) => `${i}`.padStart(MAX_NAME_LENGTH, "ö"));
const entities = fc.record({
  id: strings,
  kind: strings,
  state: strings,
  source: fc.option(strings, { nil: "" }),
  liveness: fc.nat(3),
  t: times,
  placedAt: times,
  received: times,
  lon: lons,
  lat: lats,
  alt: motion,
  speed: motion,
  course: motion,
  heading: motion,
  accuracy: motion,
  isImplausible: fc.boolean(),
  attributes: fc.option(fc.dictionary(strings, fc.jsonValue()), { nil: undefined }),
  labels: fc.option(fc.array(strings, { maxLength: 3 }), { nil: undefined }),
  fences: fc.option(fc.oneof(fc.array(strings, { maxLength: 3 }), fc.constant(MANY_NAMES)), {
    nil: undefined,
  }),
  epoch: fc.nat(0xffffffff),
  seq: fc.constantFrom(0, 1, 10, 99, 100, 2 ** 31 - 1, 2 ** 31, 0xffffffff),
});

const slot = picture.add("first", 0);
picture.place(slot, 0, 0);

function put(entity: typeof entities extends fc.Arbitrary<infer E> ? E : never): void {
  const { id, kind, state, source, isImplausible, attributes, labels, fences, ...numbers } = entity;
  columns.reset(slot);
  columns.id[slot] = id;
  columns.kind.set(slot, Math.max(0, columns.kinds.number(kind)));
  columns.state.set(slot, columns.states.number(state));
  columns.source.set(slot, columns.sources.number(source));
  columns.flags.set(slot, HAS_PLACE | (isImplausible ? IMPLAUSIBLE : 0));
  if (attributes) columns.attributes.set(slot, JSON.stringify(attributes));
  if (labels) columns.labels.set(slot, labels);
  if (fences) columns.fences.set(slot, fences);
  for (const [name, value] of Object.entries(numbers)) columns[name as "lon"].set(slot, value);
}

/** The same through JSON, which has no −0. */
const plain = (value: unknown) => JSON.parse(JSON.stringify(value)) as unknown;

t.test("[F2] a full record is, byte for byte in meaning, what REST says", async () => {
  fc.assert(
    fc.property(entities, (entity) => {
      put(entity);
      const record: EntityRecord = fullRecord(picture, slot);
      // A record of an entity with a place is the protocol's full record: checked by the compiler.
      ({ ...record, lon: 0, lat: 0 }) satisfies FullRecord;
      const actual = written((out) => encoder.full(slot, out)) as Record<string, unknown>;
      return sameJson(actual, plain(record));
    }),
    { numRuns: runs(1_500) },
  );
});

t.test("[F2] a small record has place, time and known motion; null for what is gone", async () => {
  fc.assert(
    fc.property(entities, fc.nat(15), (entity, published) => {
      put(entity);
      const record = fullRecord(picture, slot) as unknown as Record<string, unknown>;
      const expected: Record<string, unknown> = {};
      for (const name of SMALL_FIELDS) if (record[name] !== undefined) expected[name] = record[name];
      MOTION_FIELDS.forEach((name, bit) => {
        if (record[name] === undefined && published & (1 << bit)) expected[name] = null;
      });
      return sameJson(
        written((out) => encoder.move(slot, published, 0, out)),
        plain(expected),
      );
    }),
    { numRuns: runs(1_500) },
  );
});

t.test("[F2] a departure is an id and a reason", async () => {
  fc.assert(
    fc.property(strings, fc.constantFrom(...DEPARTURE_REASONS), (id, reason) => {
      columns.id[slot] = id;
      return sameJson(
        written((out) => encoder.departure(slot, reason, out)),
        plain([id, reason]),
      );
    }),
  );
});

t.test(
  "[P16] numbers are rounded the same way everywhere, and never to something out of range",
  async (t) => {
    t.equal(roundDegrees(24.12345674), 24.1234567);
    t.equal(roundDegrees(24.12345676), 24.1234568);
    t.ok(Object.is(roundDegrees(-1e-9), 0), "no −0");
    t.equal(roundMotion(Math.fround(35.2)), 35.2);
    t.equal(roundAlt(-12.34), -12.3);
    t.equal(roundDirection(359.994), 359.99);
    t.equal(roundDirection(359.996), 0, "not 360");
    t.equal(isoTime(Date.UTC(2026, 0, 2, 3, 4, 5, 6)), "2026-01-02T03:04:05.006Z");
    t.equal(isoTime(1.9), "1970-01-01T00:00:00.001Z");
    t.equal(isoTime(Number.NEGATIVE_INFINITY), "1970-01-01T00:00:00.000Z");
    t.equal(isoTime(1e20), "9999-12-31T23:59:59.999Z");
  },
);

t.test("[F2] whole numbers of all lengths are written right", async () => {
  const buffer = Buffer.alloc(16);
  fc.assert(
    fc.property(fc.nat(10), fc.nat(0xffffffff), (digits, number) => {
      const value = Math.min(0xffffffff, number % 10 ** digits);
      return buffer.toString("latin1", 1, putWhole(buffer, 1, value)) === String(value);
    }),
  );
});

t.test("[F2] a moving ship costs about a hundred bytes a tick", async (t) => {
  picture.remove(slot, "deleted");
  picture.clearChanges();
  picture.releaseRemoved(() => true);
  const ship = picture.add("230123456", 0);
  columns.t.set(ship, Date.UTC(2026, 0, 1));
  columns.speed.set(ship, 10.3);
  columns.course.set(ship, 271.5);
  columns.heading.set(ship, 270);
  picture.place(ship, 24.93841, 60.16992);
  const out = new Bytes();
  encoder.move(ship, 0, 0, out);
  t.ok(out.length <= 130, `${out.length} bytes`);
  t.equal(
    out.buffer.toString("utf8", 0, out.length),
    '{"id":"230123456","t":"2026-01-01T00:00:00.000Z","lon":24.93841,"lat":60.16992,"speed":10.3,"course":271.5,"heading":270},',
  );
});

/** Deep equality without an order of members. */
function sameJson(a: unknown, b: unknown): boolean {
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return a === b;
  const names = Object.keys(a);
  return (
    Array.isArray(a) === Array.isArray(b) &&
    names.length === Object.keys(b).length &&
    names.every(
      (name) =>
        Object.hasOwn(b, name) &&
        sameJson((a as Record<string, unknown>)[name], (b as Record<string, unknown>)[name]),
    )
  );
}
