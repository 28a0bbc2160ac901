import t from "tap";
import { contains } from "../../client/bbox.ts";
import { MAX_ATTRIBUTES_BYTES, MAX_ATTRIBUTES_DEPTH } from "../../src/limits.ts";
import { Picture } from "../../src/picture/picture.ts";
import { queryBbox } from "../../src/picture/query.ts";
import { fullRecord } from "../../src/picture/record.ts";
import { decodeReport, isRefusal } from "../../src/transport/ingest/report.ts";
import { fc } from "../support/seeded.ts";

const T = "2026-01-02T03:04:05Z";
const MINIMAL = { id: "a", t: T };

/** As it comes: parsed from text, so that `__proto__` is a member like any other. */
function refusal(text: string): string | undefined {
  const decoded = decodeReport(JSON.parse(text));
  return isRefusal(decoded) ? decoded.detail : undefined;
}
function refusalOf(members: object): string | undefined {
  const decoded = decodeReport({ ...MINIMAL, ...members });
  return isRefusal(decoded) ? decoded.detail : undefined;
}

t.test("[I3] a report with everything, and one with next to nothing, are decoded", async (t) => {
  const all = {
    id: "mmsi:230123456",
    t: T,
    kind: "vessel",
    lon: 24.95,
    lat: 60.16,
    alt: -3.5,
    speed: 0,
    course: 0,
    heading: 359.5,
    accuracy: 0,
    attributes: { name: "Ä\tB\r\nC", nested: { list: [1, "x", null, true, { deep: [] }] } },
    source: "ais",
    seq: 2 ** 53 - 1,
  };
  t.strictSame(decodeReport(all), { ...all, t: Date.parse(T), hint: undefined });
  t.same(JSON.parse(JSON.stringify(decodeReport(MINIMAL))), { id: "a", t: Date.parse(T) });
});

t.test("[I4] id and t are needed, and everything has its type", async (t) => {
  for (const value of [null, 1, "x", [], [MINIMAL], true, undefined])
    t.match(decodeReport(value), { type: "invalid-report", detail: /must be a JSON object/ });
  t.match(decodeReport({ t: T }), { detail: "id is missing" });
  t.match(decodeReport({ id: "a" }), { detail: "t is missing" });
  t.equal(refusalOf({ t: 1_700_000_000_000 }), "t must be an RFC 3339 time, as a string");
  t.match(refusalOf({ t: "yesterday" }), /^t must be an RFC 3339 time like .* not "yesterday"/);
  for (const name of ["id", "kind", "source"]) {
    t.equal(refusalOf({ [name]: 7 }), `${name} must be a string`);
    t.equal(refusalOf({ [name]: null }), `${name} must be a string`);
  }
  for (const name of ["lon", "lat", "alt", "speed", "course", "heading", "accuracy"]) {
    t.equal(refusalOf({ [name]: "7" }), `${name} must be a number`);
    t.equal(refusalOf({ [name]: { valueOf: 1, toString: 1 } }), `${name} must be a number`);
    t.equal(refusalOf({ [name]: null }), `${name} must be a number`);
  }
  for (const attributes of [null, [], "x", 1])
    t.equal(refusalOf({ attributes }), "attributes must be a JSON object");
});

t.test("[I5] lon and lat come together and lie on the globe", async (t) => {
  t.equal(refusalOf({ lon: 1 }), "lon needs a lat");
  t.equal(refusalOf({ lat: 1 }), "lat needs a lon");
  t.equal(refusalOf({ lon: 1, lat: 91 }), "lat must be from -90 to 90, not 91");
  t.equal(refusalOf({ lon: -180.0000001, lat: 0 }), "lon must be from -180 to 180, not -180.0000001");
  t.equal(refusalOf({ lon: NaN, lat: 0 }), "lon must be a finite number");
  t.equal(refusal(`{"id":"a","t":"${T}","lon":1e999,"lat":0}`), "lon must be a finite number");
  for (const [lon, lat] of [
    [180, 90],
    [-180, -90],
    [0, 0],
  ])
    t.equal(refusalOf({ lon, lat }), undefined);
});

t.test("[I5] a place is in the same boxes for queries and for clients", async (t) => {
  const place = (lon: number, lat: number) => {
    const decoded = decodeReport({ ...MINIMAL, lon, lat });
    if (isRefusal(decoded)) throw new Error(decoded.detail);
    const picture = new Picture();
    const slot = picture.add("a", 0);
    picture.place(slot, decoded.lon!, decoded.lat!);
    return { picture, shown: fullRecord(picture, slot) };
  };
  for (const [lon, lat, bbox, inside] of [
    [25.000_000_03, 60, [24, 59, 25, 61], true],
    [25.000_000_06, 60, [24, 59, 25, 61], false],
    [23.999_999_97, 60, [24, 59, 25, 61], true],
    [24.5, 61.000_000_04, [24, 59, 25, 61], true],
    [24.5, 58.999_999_94, [24, 59, 25, 61], false],
    [179.999_999_97, 0, [-180, -1, -170, 1], true],
    [-179.999_999_97, 0, [170, -1, 180, 1], true],
    [-0.000_000_04, 89.999_999_99, [0, 90, 1, 90], true],
  ] as [number, number, [number, number, number, number], boolean][]) {
    const { picture, shown } = place(lon, lat);
    t.equal(queryBbox(picture, { bbox, limit: 1 }).slots.length === 1, inside, `${lon} ${lat}: a query`);
    t.equal(contains(bbox, shown.lon!, shown.lat!), inside, `${lon} ${lat}: a client`);
  }
});

t.test("[I6] motion has its ranges, in float32", async (t) => {
  t.equal(refusalOf({ speed: -0.1 }), "speed must be at least 0, not -0.1");
  t.equal(refusalOf({ accuracy: -1 }), "accuracy must be at least 0, not -1");
  t.equal(refusalOf({ course: 360.1 }), "course must be from 0 to 360, not 360.1");
  t.equal(refusalOf({ heading: -1 }), "heading must be from 0 to 360, not -1");
  for (const name of ["alt", "speed", "accuracy"]) {
    t.match(refusalOf({ [name]: 1e39 }), /is too large: 1e\+39/);
    t.equal(refusalOf({ [name]: Number.POSITIVE_INFINITY }), `${name} must be a finite number`);
    t.equal(refusalOf({ [name]: 3.4e38 }), undefined);
  }
  t.match(decodeReport({ ...MINIMAL, course: 360, heading: 359.999999999 }), { course: 0, heading: 0 });
  t.match(decodeReport({ ...MINIMAL, course: 359.9999 }), { course: 359.9999 });
});

t.test("[I7] names have their lengths", async (t) => {
  t.equal(refusalOf({ id: "" }), "id is empty");
  t.equal(refusalOf({ id: "x".repeat(10_000) }), "id has 10000 characters; at most 256 are allowed");
  t.equal(refusalOf({ id: "x".repeat(256) }), undefined);
  for (const name of ["kind", "source"]) {
    t.equal(refusalOf({ [name]: "" }), `${name} is empty`);
    t.match(refusalOf({ [name]: "x".repeat(65) }), /has 65 characters/);
    t.equal(refusalOf({ [name]: "x".repeat(64) }), undefined);
  }
});

t.test("[I8] seq is a whole number from 0 to 2^53 − 1", async (t) => {
  t.match(refusal(`{"id":"a","t":"${T}","seq":{"toString":1}}`), /not an object$/);
  for (const seq of [-1, 1.5, 2 ** 53, "1", null, NaN])
    t.match(refusalOf({ seq }), /^seq must be an integer/);
  t.equal(refusalOf({ seq: 0 }), undefined);
});

t.test("[I9] control characters and half surrogate pairs are refused everywhere", async (t) => {
  for (const bad of [
    "\0",
    "\x01",
    "\x1f",
    "\x7f",
    "\x85",
    "\x9f",
    "\ud800",
    "\udc00",
    "\ud800x",
    "\udc00\ud800",
  ])
    for (const members of [
      { id: `a${bad}` },
      { kind: bad },
      { source: `${bad}b` },
      { attributes: { name: bad } },
      { attributes: { [`k${bad}`]: 1 } },
      { attributes: { a: [{ b: ["fine", bad] }] } },
    ])
      t.match(
        refusalOf(members),
        /contains (the control character U\+|half of a surrogate pair)/,
        JSON.stringify(members),
      );
  t.equal(
    refusal(`{"id":"a","t":"${T}","attributes":{"a":"\\u0000"}}`),
    'attributes member "a" contains the control character U+0000',
  );
  t.equal(refusalOf({ id: "é漢🚢\u00a0" }), undefined);
});

t.test("[I10] tab, line feed and carriage return are allowed in the text of attributes only", async (t) => {
  for (const line of ["\t", "\n", "\r"]) {
    t.equal(refusalOf({ attributes: { note: `a${line}b` } }), undefined);
    for (const members of [{ id: line }, { kind: line }, { source: line }, { attributes: { [line]: 1 } }])
      t.match(refusalOf(members), /control character/);
  }
});

t.test("[I11] attributes have a size and a depth", async (t) => {
  const exact = { a: "x".repeat(MAX_ATTRIBUTES_BYTES - 8) };
  t.equal(JSON.stringify(exact).length, MAX_ATTRIBUTES_BYTES);
  t.equal(refusalOf({ attributes: exact }), undefined);
  t.match(
    refusalOf({ attributes: { a: `${exact.a}x` } }),
    /^attributes are 8193 bytes of JSON; at most 8192/,
  );
  t.match(refusalOf({ attributes: { a: "ä".repeat(5_000) } }), /are 10008 bytes/);
  t.match(refusalOf({ attributes: { a: Array(5_000).fill(1) } }), /bytes of JSON/);
  t.match(refusalOf({ attributes: { a: "\0".repeat(100_000) } }), /attributes/);
  const nest = (depth: number): string => (depth === 1 ? "{}" : `{"a":${nest(depth - 1)}}`);
  const lists = (depth: number) => `{"a":${"[".repeat(depth)}${"]".repeat(depth)}}`;
  const report = (attributes: string) => refusal(`{"id":"a","t":"${T}","attributes":${attributes}}`);
  t.equal(report(nest(MAX_ATTRIBUTES_DEPTH)), undefined);
  t.match(report(nest(MAX_ATTRIBUTES_DEPTH + 1)), /nested more than 16 deep/);
  t.equal(report(lists(MAX_ATTRIBUTES_DEPTH - 1)), undefined);
  t.match(report(lists(MAX_ATTRIBUTES_DEPTH)), /nested more than 16 deep/);
  t.match(report(lists(100_000)), /nested more than 16 deep/);
  t.match(report('{"a":1e999}'), /member "a" is not a finite number/);
});

t.test("[I12] members that are not of a report are refused by name", async (t) => {
  t.equal(refusalOf({ speeed: 3 }), '"speeed" is not a member of a report');
  t.equal(refusalOf({ labels: [] }), '"labels" is not a member of a report');
  t.match(refusalOf({ ["x".repeat(10_000)]: 1 })!.length < 120, true, "however long");
});

t.test("[I13] __proto__ is refused and pollutes nothing", async (t) => {
  t.equal(
    refusal(`{"id":"a","t":"${T}","__proto__":{"kind":"x"}}`),
    '"__proto__" is not a member of a report',
  );
  for (const attributes of ['{"__proto__":{"polluted":1}}', '{"a":[{"__proto__":{"polluted":1}}]}'])
    t.match(refusal(`{"id":"a","t":"${T}","attributes":${attributes}}`), /may not have a member "__proto__"/);
  t.equal(({} as { polluted?: number }).polluted, undefined);
  t.equal(refusal(`{"id":"a","t":"${T}","attributes":{"constructor":{"prototype":1}}}`), undefined);
});

t.test("[I14] whatever JSON comes: a report within its bounds or a refusal, never an exception", async () => {
  const names = [
    "id",
    "t",
    "kind",
    "lon",
    "lat",
    "alt",
    "speed",
    "course",
    "heading",
    "accuracy",
    "attributes",
    "source",
    "seq",
  ];
  const member = fc.tuple(
    fc.oneof(fc.constantFrom(...names), fc.string()),
    fc.oneof(
      fc.constant(T),
      fc.constant("a"),
      fc.double(),
      fc.integer(),
      fc.jsonValue(),
      fc.dictionary(fc.string({ unit: "binary" }), fc.jsonValue()),
    ),
  );
  fc.assert(
    fc.property(fc.array(member), fc.boolean(), (members, based) => {
      const decoded = decodeReport(Object.fromEntries(based ? [...members, ["id", "a"], ["t", T]] : members));
      if (isRefusal(decoded)) return decoded.type === "invalid-report" && decoded.detail.length < 400;
      const { id, t: time, lon = 0, lat = 0, course = 0, speed = 0 } = decoded;
      return (
        id.length > 0 &&
        id.isWellFormed() &&
        Number.isFinite(time) &&
        Math.abs(lon) <= 180 &&
        Math.abs(lat) <= 90 &&
        Math.fround(course) < 360 &&
        Number.isFinite(Math.fround(speed)) &&
        speed >= 0
      );
    }),
    { numRuns: 3_000 },
  );
});
