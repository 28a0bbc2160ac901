import assert from "node:assert/strict";
// Reports on their way to another node, and the frames around them.
import t from "tap";
import { ByteWriter } from "../../src/actors/bytes.ts";
import type { JsonObject, Report } from "../../src/actors/messages.ts";
import { decodeFrame, encodeControl, FIRST_CONTROL, unlessMalformed } from "../../src/cluster/frames.ts";
import {
  readProbe,
  readReply,
  readReportsBody,
  writeReplyHead,
  writeResult,
} from "../../src/cluster/link-frames.ts";
import type { LinkId } from "../../src/cluster/link-ids.ts";
import { ReportWriter, readReports } from "../../src/cluster/report-codec.ts";
import { MAX_LINK_IDS } from "../../src/limits.ts";
import { fc } from "../support/seeded.ts";

const plain = { noNullPrototype: true };
const number = fc.double({ noNaN: true, noDefaultInfinity: true });
const text = fc.oneof(fc.string({ unit: "grapheme", maxLength: 300 }), fc.constantFrom("vessel", "ais", ""));
/** JSON has no −0. */
const attributes = fc
  .dictionary(text, fc.jsonValue(), plain)
  .map((value) => JSON.parse(JSON.stringify(value)) as JsonObject);
const report: fc.Arbitrary<Report> = fc
  .record(
    {
      id: text,
      t: number,
      kind: text,
      alt: number,
      speed: number,
      course: number,
      heading: number,
      accuracy: number,
      attributes,
      source: text,
      seq: fc.maxSafeNat(),
      place: fc.tuple(number, number),
    },
    { requiredKeys: ["id", "t"], ...plain },
  )
  .map(({ place, ...rest }) => (place === undefined ? rest : { ...rest, lon: place[0], lat: place[1] }));
const shard = fc.integer({ min: 0, max: 255 });
const epoch = fc.oneof(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 0xffffffff }));
const parcel = fc.array(fc.record({ report, shard, epoch }, plain), { maxLength: 20 });

/** Without members that are undefined. */
const bare = (report: Report) =>
  Object.fromEntries(
    Object.entries(report).filter(([name, value]) => value !== undefined && name !== "hint"),
  );

function encode(
  out: ByteWriter,
  writer: ReportWriter,
  items: { report: Report; shard: number; epoch: number }[],
) {
  out.clear();
  writer.begin();
  for (const { report, shard, epoch } of items) writer.add(report, shard, epoch);
  return { bytes: out.copy(), ids: writer.ids.slice() };
}

t.test("[L1] reports read back as they were written, frame after frame", async () => {
  const out = new ByteWriter(1);
  fc.assert(
    fc.property(fc.array(parcel, { minLength: 1, maxLength: 3 }), (parcels) => {
      const writer = new ReportWriter(out);
      let known: LinkId[] = [];
      for (const items of parcels) {
        const { bytes, ids } = encode(out, writer, items);
        const read = readReports(bytes, items.length, ids, known);
        const { reports, epochs } = read;
        known = read.ids;
        assert.deepEqual(
          reports.map(bare),
          items.map(({ report }) => report),
        );
        assert.deepEqual(
          [...epochs],
          items.map(({ epoch }) => epoch),
        );
        for (const [i, { report }] of items.entries()) {
          if (report.lon !== undefined && !Object.is(reports[i].lon, report.lon)) throw new Error("−0");
        }
      }
    }),
  );
});

t.test("[L1] what repeats in a frame is in it once", async (t) => {
  const out = new ByteWriter(1);
  const writer = new ReportWriter(out);
  const one = {
    report: { id: "a", t: 1, kind: "a-long-kind", source: "a-long-source" },
    shard: 7,
    epoch: 70_000,
  };
  const single = encode(out, writer, [one]).bytes.length;
  t.equal(encode(out, writer, [one, one]).bytes.length - single, 1 + 1 + 2 + 8 + 1 + 1);
});

t.test("[L16] an id is on a link once, until too many are known", async (t) => {
  const out = new ByteWriter(1);
  const writer = new ReportWriter(out);
  const named = (id: string) => ({ report: { id, t: 1 }, shard: 0, epoch: 1 });
  const first = encode(out, writer, [named("a"), named("b"), named("a")]);
  t.equal(Buffer.from(first.ids).toString("latin1"), "\0\u0001a\u0001b");
  let { reports, ids } = readReports(first.bytes, 3, first.ids, []);
  t.strictSame(
    reports.map(({ id }) => id),
    ["a", "b", "a"],
  );
  t.equal(reports[0].hint, reports[2].hint, "found once, found again");
  const second = encode(out, writer, [named("b")]);
  t.equal(second.ids.length, 0);
  const read = readReports(second.bytes, 1, second.ids, ids);
  t.equal(read.reports[0].id, "b");
  t.equal(read.reports[0].hint, reports[1].hint);

  const many = Array.from({ length: MAX_LINK_IDS }, (_, i) => named(`${i}`));
  const third = encode(out, writer, many);
  ({ ids } = readReports(third.bytes, many.length, third.ids, ids));
  t.equal(ids.length, MAX_LINK_IDS + 2);
  const fourth = encode(out, writer, [named("b"), named("a")]);
  t.equal(Buffer.from(fourth.ids).toString("latin1"), "\u0001\u0001b\u0001a");
  ({ reports, ids } = readReports(fourth.bytes, 2, fourth.ids, ids));
  t.strictSame(
    reports.map(({ id }) => id),
    ["b", "a"],
  );
  t.equal(ids.length, 2);
});

t.test("[L9] [L16] a damaged frame leaves the ids that are known as they are", async (t) => {
  const out = new ByteWriter(1);
  const writer = new ReportWriter(out);
  const { bytes, ids } = encode(out, writer, [{ report: { id: "a", t: 1 }, shard: 0, epoch: 1 }]);
  const known: LinkId[] = [{ id: "x", hint: { slot: 1 } }];
  t.throws(() => readReports(bytes, 2, ids, known));
  t.throws(() => readReports(bytes, 1, Uint8Array.of(0, 9, 97), known));
  t.throws(() => readReports(bytes, 1, ids.subarray(0, 0), []), "an id that nobody brought");
  t.strictSame(known, [{ id: "x", hint: { slot: 1 } }]);
});

t.test("[L9] bytes that are no frame, or a damaged one, are told from frames", async (t) => {
  const out = new ByteWriter(1);
  const read = (payload: Uint8Array) => {
    const frame = decodeFrame(payload);
    if (frame?.is !== "binary") return;
    readReportsBody(frame.body);
    readProbe(frame.body);
    readReply(frame.body);
  };
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (payload) => {
      read(payload);
      read(Uint8Array.of(1, 1, 1, 97, ...payload));
    }),
  );
  fc.assert(
    fc.property(parcel, fc.nat(), fc.nat(255), (items, at, value) => {
      const { bytes, ids } = encode(out, new ReportWriter(out), items);
      if (bytes.length === 0) return;
      assert.throws(() => readReports(bytes.subarray(0, bytes.length - 1), items.length, ids, []), "cut");
      assert.throws(() => readReports(bytes, items.length + 1, ids, []), "too many");
      assert.throws(() => readReports(bytes, items.length - 1, ids, []), "too few");
      bytes[at % bytes.length] = value;
      unlessMalformed(() => readReports(bytes, items.length, ids, []));
      const body = new Uint8Array(bytes.length + 4);
      body.set(bytes, 4);
      readReportsBody(body);
    }),
  );
  const control = encodeControl(FIRST_CONTROL, "node-a", { a: [1] });
  t.strictSame(decodeFrame(control), {
    is: "control",
    type: FIRST_CONTROL,
    sender: "node-a",
    body: { a: [1] },
  });
  t.equal(decodeFrame(control.subarray(0, -1)), undefined, "cut");
  t.equal(decodeFrame(encodeControl(FIRST_CONTROL, "", {})), undefined, "nobody");
  t.equal(decodeFrame(encodeControl(FIRST_CONTROL, "a", [])), undefined, "no object");
  control[0] = 2;
  t.equal(decodeFrame(control), undefined, "another version");
  t.equal(decodeFrame(new Uint8Array()), undefined);
});

t.test("[L6] a result comes back as it was given, whatever was not accepted", async () => {
  const detail = fc.string({ maxLength: 20 });
  const type = fc.constantFrom("overloaded", "retry", "too-old");
  const result = fc
    .uniqueArray(fc.tuple(fc.nat(100_000), fc.boolean(), type, detail), { selector: ([index]) => index })
    .map((entries) => entries.sort((a, b) => a[0] - b[0]))
    .map((entries) => ({
      number: 5,
      moved: entries.filter(([, moved]) => moved).map(([index]) => index),
      refused: entries
        .filter(([, moved]) => !moved)
        .map(([index, , type, detail]) => ({ index, type: type as "retry", detail })),
    }));
  fc.assert(
    fc.property(fc.array(result, { maxLength: 3 }), (results) => {
      const out = new ByteWriter(1);
      writeReplyHead("owner", "sender", 9, out);
      for (const one of results) writeResult(one, out);
      const frame = decodeFrame(out.copy())!;
      assert.deepEqual(readReply(frame.body as Uint8Array), { sender: "sender", received: 9, results });
    }),
  );
});
