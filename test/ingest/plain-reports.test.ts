import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import t from "tap";
import type { Report } from "../../src/actors/messages.ts";
import { MAX_ID_LENGTH } from "../../src/limits.ts";
import { MAX_FIND } from "../../src/picture/id-index.ts";
import { Picture } from "../../src/picture/picture.ts";
import { plainReports } from "../../src/transport/ingest/plain-reports.ts";
import { decodeReport, isRefusal } from "../../src/transport/ingest/report.ts";
import { fc, runs } from "../support/seeded.ts";

const T = "2026-01-02T03:04:05.678Z";
const MAX = 50;

/** Ids that are in the picture: `a` is in many tests, the others in many that are made up. */
const KNOWN = ["a", "ship-1", "ship-2", "ship-12", "odd", "even"];
const picture = new Picture();
for (const id of ["gone", ...KNOWN]) picture.add(id, 0);
picture.remove(picture.find("gone"), "deleted");

const read = (text: string, max = MAX) => readBytes(Buffer.from(text), max);

/** What is read, once the hints are looked at, which nobody else gives. */
function readBytes(bytes: Uint8Array, max = MAX): Report[] | undefined {
  const reports = plainReports(bytes, max, picture);
  for (const { id, hint } of reports ?? []) assert.equal(hint?.slot ?? -1, picture.find(id), id);
  return reports?.map((report) => ({ ...report, hint: undefined }));
}

/** As everything else is read; undefined if anything is wrong with it. */
function parsed(bytes: Uint8Array): Report[] | undefined {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes));
  } catch {
    return undefined;
  }
  if (!Array.isArray(value)) return undefined;
  const reports = value.map(decodeReport);
  return reports.some(isRefusal) ? undefined : (reports as Report[]);
}

const text = (maxLength: number) =>
  fc.string({ unit: fc.constantFrom(..."abcXYZ019 -_:./{}[],"), minLength: 1, maxLength });
const time = fc
  .date({ min: new Date("1990-01-01"), max: new Date("2040-01-01"), noInvalidDate: true })
  .map((date) => date.toISOString());
/** As sensors, scripts and databases write them. */
const number = (min: number, max: number) => {
  const value = fc.double({ min, max, noNaN: true });
  return fc.oneof(
    {
      weight: 20,
      arbitrary: fc.tuple(value, fc.nat(14)).map(([value, decimals]) => value.toFixed(decimals)),
    },
    { weight: 20, arbitrary: fc.integer({ min: Math.ceil(min), max: Math.floor(max) }).map(String) },
    {
      weight: 10,
      arbitrary: fc.constantFrom("0", "-0", "0.0", "0.1", "0.30000000000000004", "5.0000000000000000001"),
    },
    // With an exponent, mostly.
    { weight: 1, arbitrary: value.map((value) => JSON.stringify(value)) },
  );
};
const member = (name: string, value: fc.Arbitrary<string>) =>
  fc.option(value, { nil: undefined }).map((value) => (value === undefined ? undefined : [name, value]));
const quoted = (value: fc.Arbitrary<string>) => value.map((value) => JSON.stringify(value));
const members = fc
  .tuple(
    quoted(fc.oneof(fc.constantFrom(...KNOWN, "gone"), text(20))).map((id) => ["id", id]),
    quoted(fc.oneof(fc.constant(T), time)).map((time) => ["t", time]),
    member("kind", quoted(fc.oneof(fc.constant("vessel"), text(8)))),
    member("source", quoted(fc.oneof(fc.constant("ais"), text(8)))),
    fc
      .option(fc.tuple(number(-180, 180), number(-90, 90)), { nil: undefined })
      .map((place) => (place === undefined ? undefined : ["lon", `${place[0]},"lat":${place[1]}`])),
    member("alt", number(-1e4, 1e6)),
    member("speed", number(0, 400)),
    member("course", number(0, 360)),
    member("heading", number(0, 360)),
    member("accuracy", number(0, 1e4)),
    member("seq", fc.maxSafeNat().map(String)),
  )
  .chain((members) => {
    const there = members.filter((one) => one !== undefined);
    return fc.shuffledSubarray(there, { minLength: there.length });
  });
const space = fc.constantFrom("", "", " ", "\n\t", "\r\n  ");
/** Few, or more than are looked for at a time. */
const some = fc.oneof(
  { weight: 9, arbitrary: fc.array(members, { minLength: 1, maxLength: 8 }) },
  { weight: 1, arbitrary: fc.array(members, { minLength: MAX_FIND + 1, maxLength: 3 * MAX_FIND }) },
);
const bodies = fc.tuple(some, space, space).map(([all, a, b]) => {
  const reports = all.map(
    (one) => `{${a}${one.map(([name, value]) => `"${name}"${b}:${a}${value}`).join(`${b},${a}`)}${b}}`,
  );
  return `${a}[${b}${reports.join(`${a},${b}`)}${a}]${b}`;
});

t.test("[I20] what is read of plain reports is what JSON.parse gives", async (t) => {
  let plain = 0;
  let all = 0;
  fc.assert(
    fc.property(bodies, (body) => {
      const bytes = Buffer.from(body);
      const reports = readBytes(bytes);
      all++;
      if (reports === undefined) return;
      plain++;
      t.strictSame(reports, parsed(bytes), body);
    }),
    { numRuns: runs(1_000) },
  );
  t.ok(plain > all / 2, `${plain} of ${all} were plain`);
});

t.test("[I20] nothing is read of what is not JSON, or not a report, however little is wrong", async (t) => {
  let read = 0;
  const change = fc.tuple(
    fc.nat(),
    fc.oneof(
      fc.constantFrom(...'"\\,:{}[]0123456789.-eE tn\0\x7f'),
      fc.string({ unit: "binary", maxLength: 2 }),
    ),
    fc.nat(3),
  );
  fc.assert(
    fc.property(bodies, fc.array(change, { minLength: 1, maxLength: 3 }), (body, changes) => {
      let bytes = Buffer.from(body);
      for (const [place, put, drop] of changes) {
        const at = place % bytes.length;
        bytes = Buffer.concat([bytes.subarray(0, at), Buffer.from(put), bytes.subarray(at + drop)]);
      }
      const reports = readBytes(bytes);
      if (reports === undefined) return;
      read++;
      t.strictSame(reports, parsed(bytes), bytes.toString());
    }),
    { numRuns: runs(3_000) },
  );
  t.ok(read > 100, `${read} were right still`);
});

t.test("[I20] numbers of all lengths are those of their text", async (t) => {
  fc.assert(
    fc.property(
      fc.bigInt({ min: 0n, max: 10n ** 17n }),
      fc.nat(17),
      fc.boolean(),
      (digits, decimals, isNegative) => {
        const padded = String(digits).padStart(decimals + 1, "0");
        const [whole, part] = [
          padded.slice(0, padded.length - decimals),
          padded.slice(padded.length - decimals),
        ];
        const number = `${isNegative ? "-" : ""}${whole}${part === "" ? "" : `.${part}`}`;
        const [report] = read(`[{"id":"a","t":"${T}","alt":${number}}]`)!;
        t.ok(Object.is(report!.alt, JSON.parse(number)), number);
      },
    ),
    { numRuns: runs(2_000) },
  );
  for (const wrong of [
    "01",
    "01.5",
    "-00.5",
    "-",
    "1.",
    ".5",
    "-.5",
    "+1",
    "1.2.3",
    "1-2",
    "00",
    "-01",
    "1e",
    "0x1",
    "1_0",
    "NaN",
  ]) {
    t.equal(read(`[{"id":"a","t":"${T}","alt":${wrong}}]`), undefined, wrong);
  }
});

t.test("[I20] as programs write them they are plain", async (t) => {
  const one = {
    id: "230035780",
    t: T,
    kind: "vessel",
    lon: 24.9512345,
    lat: -0.5,
    speed: 7.2,
    course: 359.9,
    seq: 12,
  };
  const other = { ...one, id: "x", t: "2026-01-02T03:04:05+02:00", kind: "vessels", source: "ais" };
  for (const body of [JSON.stringify([one, other]), JSON.stringify([one, other], undefined, 2)]) {
    t.strictSame(read(body), parsed(Buffer.from(body)));
    t.equal(read(body)?.length, 2);
  }
  const python = `[{"id": "a", "t": "${T}", "lon": 24.951234567890123, "lat": 60.0}, {"id": "b", "t": "${T}"}]\n`;
  t.strictSame(read(python), parsed(Buffer.from(python)));
  t.equal(read(python)?.length, 2);
});

t.test("[I20] what is not plain is left to others", async (t) => {
  const id = '"id":"a"';
  const time = `"t":"${T}"`;
  for (const body of [
    "",
    " ",
    "[]",
    "{}",
    "[{}]",
    `[{${id}}]`,
    `[{${id},${time}},{${time}}]`,
    `[{${id},${time}}`,
    `[{${id},${time}}],`,
    `[{${id},${time}},]`,
    `[{${id},${time},}]`,
    `[{${id} ${time}}]`,
    `\ufeff[{${id},${time}}]`,
    `[{"id":"\\u0061",${time}}]`,
    `[{"id":"ä",${time}}]`,
    `[{"id":"a\u0001",${time}}]`,
    `[{"id":"",${time}}]`,
    `[{"id":"${"x".repeat(MAX_ID_LENGTH + 1)}",${time}}]`,
    `[{"id":1,${time}}]`,
    `[{${id},"t":1}]`,
    `[{${id},${time},"lon":"1","lat":1}]`,
    `[{${id},${time},"lon":1}]`,
    `[{${id},${time},"lon":181,"lat":1}]`,
    `[{${id},${time},"kind":null}]`,
    `[{${id},${time},"attributes":{}}]`,
    `[{${id},${time},"idx":1}]`,
    `[{${id},${time},"i`,
    `[{${id},${time},"speed":`,
    `[{${id},${time},"speed":1e3}]`,
  ])
    t.equal(read(body), undefined, body);
  t.equal(read(`[{${id},${time}},{${id},${time}}]`, 1), undefined, "more than may be");
  t.equal(read(`[{${id},${time}}]`, 1)?.length, 1);
});
