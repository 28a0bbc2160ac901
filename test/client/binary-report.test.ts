// Reports as binary batches: nothing is lost or changed on the way, and what a batch cannot carry goes as JSON.
import assert from "node:assert/strict";
import t from "tap";
import { connect } from "../../client/connection.ts";
import { MAX_HANDLE_TEXT } from "../../src/limits.ts";
import {
  BATCH_BYTES,
  type Introduction,
  readBatchHead,
  readIntroductions,
} from "../../src/transport/feed/batch-layout.ts";
import { MOVE_BYTES, readMove } from "../../src/transport/feed/layout.ts";
import { decodeReport } from "../../src/transport/ingest/report.ts";
import { fc } from "../support/seeded.ts";
import { script } from "./scripted.ts";

const BINARY = "muster.v1.bin";
const ack = (n: number, accepted: number, refused: object[] = []) => ({ op: "ack", n, accepted, refused });
const at = (ms: number) => new Date(Date.parse("2026-05-04T10:00:00.000Z") + ms).toISOString();
const report = (id: string, more: object = {}) => ({ id, t: at(0), lon: 24.9412345, lat: 60.17, ...more });

/** What the server makes of a connection's messages: one set of handles a connection. */
function reader() {
  const known: Introduction[] = [];
  return {
    known,
    read(message: string | Uint8Array): { n: number; binary: boolean; reports: object[] } {
      if (typeof message === "string") {
        const { n, reports } = JSON.parse(message);
        return { n, binary: false, reports: reports.map((value: unknown) => decodeReport(value)) };
      }
      const view = new DataView(message.buffer, message.byteOffset, message.byteLength);
      const head = readBatchHead(view);
      known.push(...readIntroductions(view, head));
      const start = BATCH_BYTES + head.introductionBytes;
      const reports = Array.from({ length: head.moves }, (_, i) => {
        const move = readMove(view, start + i * MOVE_BYTES, head.t, {
          ...{ handle: 0, t: 0, lon: 0, lat: 0, alt: 0, speed: 0, course: 0, heading: 0 },
        });
        const { id, kind, source } = known[move.handle];
        const json: Record<string, unknown> = { id, t: new Date(move.t).toISOString() };
        if (kind !== "") json.kind = kind;
        if (source !== "") json.source = source;
        for (const name of ["lon", "lat", "alt", "speed", "course", "heading"] as const)
          if (!Number.isNaN(move[name])) json[name] = move[name];
        return decodeReport(json);
      });
      return { n: head.n, binary: true, reports };
    },
  };
}

function opened(protocol = BINARY) {
  const scripted = script();
  const connection = connect("ws://node", scripted.options);
  scripted.last().open(protocol);
  const server = reader();
  const taken = () => {
    const socket = scripted.last();
    const messages = socket.sent.map((message) => server.read(message));
    socket.sent = [];
    return messages;
  };
  return { ...scripted, connection, server, taken };
}

t.test(
  "[K30] reports that fit go as a batch, with one introduction for each of what they say of whom",
  async (t) => {
    const { connection, last, server, taken } = opened();
    const result = connection.report([
      report("a", { kind: "vessel", source: "ais", alt: -1.5, speed: 5.25, course: 359.99, heading: 0 }),
      report("b"),
      { id: "a", t: "2026-05-04T10:00:01Z", kind: "vessel", source: "ais" },
      { id: "c", t: new Date(at(1_500)) },
    ]);
    const [message] = taken();
    t.strictSame([message.n, message.binary], [1, true]);
    t.matchOnly(message.reports, [
      decodeReport(
        report("a", { kind: "vessel", source: "ais", alt: -1.5, speed: 5.25, course: 359.99, heading: 0 }),
      ),
      decodeReport(report("b")),
      decodeReport({ id: "a", t: at(1_000), kind: "vessel", source: "ais" }),
      decodeReport({ id: "c", t: at(1_500) }),
    ]);
    t.strictSame(
      server.known.map(({ id }) => id),
      ["a", "b", "c"],
    );
    last().receive(ack(1, 3, [{ index: 3, type: "too-old", detail: "D" }]));
    t.strictSame(await result, { accepted: 3, refused: [{ index: 3, type: "too-old", detail: "D" }] });
    void connection.report([report("b"), report("b", { kind: "tug" })]).catch(() => {});
    t.equal(taken()[0].reports.length, 2);
    t.strictSame(
      server.known.map(({ id, kind }) => id + kind),
      ["avessel", "b", "c", "btug"],
    );
    connection.close();
  },
);

t.test("[K30] what a batch would lose, change or could not carry goes as JSON", async (t) => {
  const { connection, taken } = opened();
  const rows: object[] = [
    { attributes: {} },
    { seq: 1 },
    { accuracy: 5 },
    { lon: 24.94123456 },
    { lat: 90.5 },
    { lon: undefined },
    { lon: "24.9" },
    { speed: 5.123 },
    { speed: 655.35 },
    { speed: -1 },
    { speed: null },
    { alt: 5.55 },
    { alt: 1e6 },
    { alt: Number.NaN },
    { course: 360 },
    { heading: Number.POSITIVE_INFINITY },
    { t: "2026-05-04T10:00:00.0001Z" },
    { t: "2026-05-04T10:00:00+02:00" },
    { t: "2026-02-30T10:00:00Z" },
    { t: "May 4 2026" },
    { t: 5 },
    { t: undefined },
    { id: "" },
    { id: "half \ud800" },
    { id: "a\nb" },
    { id: "x".repeat(257) },
    { kind: "" },
    { source: "x".repeat(65) },
    { unknown: 1 },
  ];
  for (const more of rows) {
    void connection.report([report("a", more)]).catch(() => {});
    const [message] = taken();
    t.equal(message.binary, false, JSON.stringify(more));
    t.strictSame(message.reports, [decodeReport(JSON.parse(JSON.stringify(report("a", more))))]);
  }
  void connection
    .report([
      new (class {
        id = "a";
        t = at(0);
      })(),
    ])
    .catch(() => {});
  t.equal(taken()[0].binary, false, "an object that may write itself in a way of its own");
  void connection.report([report("a", { alt: undefined, speed: -0 })]).catch(() => {});
  t.equal(taken()[0].binary, true, "undefined is absent");
  connection.close();
});

const text = (maxLength: number) => fc.string({ unit: "binary", minLength: 1, maxLength });
const number = (min: number, max: number, scale: number) =>
  fc.oneof(
    {
      weight: 9,
      arbitrary: fc.integer({ min: min * scale, max: max * scale }).map((value) => value / scale),
    },
    fc.double({ min, max, noNaN: true }),
  );
const anyReport = fc.record(
  {
    id: fc.oneof({ weight: 9, arbitrary: fc.constantFrom("a", "b", "c", "ß") }, text(8)),
    t: fc.integer({ min: 0, max: 40_000_000 }).map(at),
    kind: fc.constantFrom("vessel", "tug"),
    source: fc.constantFrom("ais", "nmea"),
    lon: number(-180, 180, 1e7),
    lat: number(-90, 90, 1e7),
    alt: number(-1_000, 1_000, 10),
    speed: number(0, 700, 100),
    course: number(0, 360, 100),
    heading: number(0, 360, 100),
  },
  { requiredKeys: ["id", "t", "lon", "lat"], noNullPrototype: true },
);

t.test("[K30] in both protocols the server reads the same reports, in the same order", async () => {
  fc.assert(
    fc.property(fc.array(fc.array(anyReport, { minLength: 1, maxLength: 60 }), { maxLength: 4 }), (calls) => {
      const [binary, json] = [opened(), opened("muster.v1.json")];
      for (const { connection } of [binary, json])
        for (const call of calls) void connection.report(call).catch(() => {});
      const expected = calls.flat().map((value) => decodeReport(JSON.parse(JSON.stringify(value))));
      const [inBinary, inJson] = [binary.taken(), json.taken()];
      assert.deepEqual(
        inBinary.flatMap(({ reports }) => reports),
        expected,
      );
      assert.deepEqual(
        inJson.flatMap(({ reports }) => reports),
        expected,
      );
      assert.deepEqual(
        inBinary.map(({ n }) => n),
        inJson.map(({ n }) => n),
      );
      binary.connection.close();
      json.connection.close();
    }),
  );
});

t.test(
  "[K30] a call may be batches and JSON in order; a few that fit among others go with those",
  async (t) => {
    const { connection, last, taken } = opened();
    const fitting = (count: number) => Array.from({ length: count }, (_, i) => report(`f${i}`));
    const other = report("o", { seq: 1 });
    const result = connection.report([...fitting(20), other, ...fitting(15), other, ...fitting(2_100)]);
    t.strictSame(
      taken().map(({ n, binary, reports }) => [n, binary, reports.length]),
      [
        [1, true, 20],
        [2, false, 17],
        [3, true, 1_000],
        [4, true, 1_000],
        [5, true, 100],
      ],
    );
    const refusal = { index: 1, type: "too-old", detail: "D" };
    last().receive(ack(2, 16, [refusal]), ack(4, 1_000), ack(1, 20), ack(3, 999, [refusal]), ack(5, 100));
    t.strictSame(await result, {
      accepted: 2_135,
      refused: [
        { ...refusal, index: 21 },
        { ...refusal, index: 38 },
      ],
    });
    void connection.report([report("a"), report("a", { t: at(17_000_000) })]).catch(() => {});
    t.equal(taken().length, 2, "times further apart than a move can be old");
    connection.close();
  },
);

t.test("[K31] after a reconnect handles start anew, and what is sent again says the same", async (t) => {
  const { connection, clock, last, server, taken } = opened();
  const results = ["a", "b", "c"].map((id) => connection.report([report(id)]));
  t.strictSame(
    taken().map(({ n, binary }) => [n, binary]),
    [
      [1, true],
      [2, true],
      [3, true],
    ],
  );
  last().receive(ack(1, 1));
  for (const protocol of [BINARY, "muster.v1.json", BINARY]) {
    last().break();
    clock.advance(1_000);
    last().open(protocol);
    server.known.length = 0;
    t.strictSame(
      taken().map(({ n, binary, reports }) => [n, binary, reports]),
      [
        [2, protocol === BINARY, [decodeReport(report("b"))]],
        [3, protocol === BINARY, [decodeReport(report("c"))]],
      ],
    );
  }
  last().receive(ack(2, 1), ack(3, 1));
  t.equal((await Promise.all(results)).length, 3);
  connection.close();
});

t.test("[K31] a connection introduces at most 100,000 handles; others go as JSON", async (t) => {
  const { connection, last, server, taken } = opened();
  for (let start = 0; start < 100_000; start += 1_000) {
    void connection.report(Array.from({ length: 1_000 }, (_, i) => report(`r${start + i}`))).catch(() => {});
    for (const { n, binary } of taken()) {
      if (!binary) t.fail("a batch has room");
      last().receive(ack(n, 1_000));
    }
  }
  t.equal(server.known.length, 100_000);
  void connection.report([report("r5"), report("new")]).catch(() => {});
  void connection.report([report("r99999"), report("r0")]).catch(() => {});
  t.strictSame(
    taken().map(({ binary, reports }) => [binary, reports.length]),
    [
      [false, 2],
      [true, 2],
    ],
  );
  t.equal(server.known.length, 100_000);
  connection.close();
});

t.test("[K31] the names of handles stay within what the server takes; others go as JSON", async (t) => {
  const { connection, clock, last, server, taken } = opened();
  const ID_LENGTH = 150;
  const PART = 800;
  const named = (i: number) => report(`${i}`.padStart(ID_LENGTH, "ß"));
  let text = 0;
  let asJson = 0;
  for (let start = 0; start < 60_000; start += PART) {
    void connection.report(Array.from({ length: PART }, (_, i) => named(start + i))).catch(() => {});
    const before = server.known.length;
    for (const { n, binary, reports } of taken()) {
      if (!binary) asJson += reports.length;
      last().receive(ack(n, reports.length));
    }
    for (const { id, kind, source } of server.known.slice(before))
      text += id.length + kind.length + source.length;
  }
  t.ok(text <= MAX_HANDLE_TEXT, `${text} characters are introduced`);
  t.ok(text > MAX_HANDLE_TEXT - PART * ID_LENGTH, "as many as there is room for");
  t.equal(server.known.length + asJson, 60_000);
  const batched = (from: number) => {
    void connection.report(Array.from({ length: PART }, (_, i) => named(from + i))).catch(() => {});
    return taken().map(({ binary }) => binary);
  };
  t.strictSame(batched(0), [true], "handles go on");
  t.strictSame(batched(59_200), [false], "there is no room for others");
  last().break();
  clock.advance(1_000);
  last().open(BINARY);
  server.known.length = 0;
  taken();
  t.strictSame(batched(58_000), [true], "another connection has room");
  connection.close();
});
