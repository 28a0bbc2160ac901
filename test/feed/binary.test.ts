import { Buffer } from "node:buffer";
import { setImmediate as turn } from "node:timers/promises";
import t from "tap";
import { ADMIN } from "../../src/access/ports.ts";
import { MAX_OCCUPIED } from "../../src/actors/fences/limits.ts";
import type { Ingest, Report } from "../../src/actors/messages.ts";
import { createUpgrade } from "../../src/auth/upgrade.ts";
import { MAX_BATCH_REPORTS, MAX_NAME_LENGTH } from "../../src/limits.ts";
import { FULL } from "../../src/picture/picture.ts";
import { BATCH_BYTES, encodeBatch, INTRODUCTION_BYTES } from "../../src/transport/feed/batch-layout.ts";
import type { Move } from "../../src/transport/feed/layout.ts";
import { PROTOCOL_BINARY, PROTOCOL_JSON } from "../../src/transport/feed/protocol.ts";
import { decodeReport } from "../../src/transport/ingest/report.ts";
import { add, HERE, start, TestClient, WORLD } from "./harness.ts";

/** As many, and as long, as an entity can be inside of. */
const MANY_NAMES = Array.from({ length: MAX_OCCUPIED }, (_, i) => `${i}`.padStart(MAX_NAME_LENGTH, "\n"));

t.test("[F35] muster.v1.bin is chosen when it is offered", async (t) => {
  const upgrade = createUpgrade({ identify: () => ADMIN });
  const answer = (protocols: string[]) =>
    upgrade({ url: new URL("http://host/v1/feed?token=x"), headers: new Headers(), protocols });
  t.match(answer([PROTOCOL_JSON, PROTOCOL_BINARY]), { accept: true, protocol: PROTOCOL_BINARY });
  t.match(answer([PROTOCOL_JSON]), { accept: true, protocol: PROTOCOL_JSON });
  t.match(answer([]), { accept: true, protocol: "" });
  t.match(answer(["soap"]), { accept: false });
});

t.test("[F35] both protocols give the same replica, to the last digit", async (t) => {
  const { feed, picture, clock, client } = start();
  const { columns } = picture;
  const binary = new TestClient(feed, () => {}, PROTOCOL_BINARY);
  const values = [0, 0.005, 12.345, 359.999, 360, 655.34, 655.35, 1e6, NaN, 3e38, 0.1];
  const slots = Array.from({ length: 60 }, (_, i) => add(picture, `é${i}"\u{1f6a2}`, 10.01 + i / 1_000));
  const change = (round: number) => {
    for (const [i, slot] of slots.entries()) {
      const pick = (n: number) => values[(i * 7 + round * n + n) % values.length];
      columns.t.set(slot, clock.now() - ((i * 997) % 5_000));
      columns.received.set(slot, clock.now());
      columns.alt.set(slot, pick(1) - 100);
      columns.speed.set(slot, pick(2));
      columns.course.set(slot, pick(3) % 360.0001);
      columns.heading.set(slot, pick(5) % 360.0001);
      columns.accuracy.set(slot, pick(4));
      picture.place(slot, 10.01 + i / 1_000 + round * 1.23456789e-5, 50.05 - round / 7e6);
      if ((i + round) % 5 !== 0) continue;
      columns.attributes.set(slot, JSON.stringify({ name: `ÅÄÖ ${round}`, list: [1, { a: null }] }));
      columns.labels.set(slot, ["a", "ß"]);
      if (i % 2 === 0) columns.fences.set(slot, round === 9 ? MANY_NAMES : ["harbour", `ö"${round}`]);
      else columns.fences.delete(slot);
      columns.source.set(slot, columns.sources.number("gps-ü"));
      picture.touch(slot, FULL);
    }
  };
  change(0);
  client.subscribe("v", HERE);
  binary.subscribe("v", HERE);
  for (let round = 1; round < 30; round++) {
    feed.tick();
    t.same(binary.replicas.get("v")!.entities, client.replicas.get("v")!.entities, `round ${round}`);
    clock.pass(100);
    change(round);
  }
  const small = (who: TestClient) =>
    who.received.filter((m) => m.op === "delta" && m.updates.some((record) => !("kind" in record))).length;
  t.ok(small(client) > 10, "moves were among it");
  t.equal(small(binary), small(client));
});

const NOWHERE: Move = {
  handle: 0,
  t: 0,
  lon: NaN,
  lat: NaN,
  alt: NaN,
  speed: NaN,
  course: NaN,
  heading: NaN,
};

function ingesting() {
  const taken: Report[] = [];
  const ingest: Ingest = {
    overloaded: false,
    async submit(reports) {
      taken.push(...reports);
      return { accepted: reports.length, refused: [] };
    },
  };
  const made = start({ ingest, decodeReport });
  const client = new TestClient(made.feed, () => {}, PROTOCOL_BINARY);
  const send = async (bytes: Uint8Array) => {
    made.feed.handlers.message(client.socket, bytes, true);
    await turn();
  };
  return { ...made, client, taken, send };
}

t.test("[F36] a batch is taken as the same reports in JSON, handles mean what was introduced", async (t) => {
  const { client, taken, send, clock } = ingesting();
  const now = clock.now();
  const named = [
    { id: "a", kind: "ship", source: "s" },
    { id: "b", kind: "", source: "" },
  ];
  const full = {
    handle: 0,
    t: now - 5,
    lon: 24.1234567,
    lat: -60.7654321,
    alt: -3.2,
    speed: 1.25,
    course: 360,
    heading: 0.01,
  };
  await send(encodeBatch(7, now, named, [full, { ...NOWHERE, handle: 1, t: now }]));
  t.same(client.last("ack"), { op: "ack", n: 7, accepted: 2, refused: [] });
  const json = decodeReport({
    ...{ id: "a", t: new Date(now - 5).toISOString(), kind: "ship", source: "s" },
    ...{ lon: 24.1234567, lat: -60.7654321, alt: -3.2, speed: 1.25, course: 360, heading: 0.01 },
  });
  t.same({ ...taken[0], hint: undefined }, json);
  t.same({ ...taken[1], hint: undefined }, decodeReport({ id: "b", t: new Date(now).toISOString() }));
  await send(
    encodeBatch(
      8,
      now,
      [{ id: "c", kind: "", source: "" }],
      [
        { ...NOWHERE, handle: 2, t: now },
        { ...NOWHERE, handle: 0, t: now },
      ],
    ),
  );
  t.same(
    taken.slice(2).map(({ id }) => id),
    ["c", "a"],
    "numbers go on, and stay",
  );
});

t.test("[F36] reports that are no good are refused by their place, the others taken", async (t) => {
  const { client, taken, send, clock } = ingesting();
  const now = clock.now();
  const named = ["", "a\u0000", "x".repeat(257), "good"].map((id) => ({ id, kind: "", source: "" }));
  const moves = [0, 1, 2, 3, 4, 99].map((handle) => ({ ...NOWHERE, handle, t: now }));
  moves.push({ ...NOWHERE, handle: 3, t: now, lon: 181, lat: 0 });
  moves.push({ ...NOWHERE, handle: 3, t: now, lon: 18, lat: NaN });
  moves.push({ ...NOWHERE, handle: 3, t: now, course: 400 });
  await send(encodeBatch(1, now, named, moves));
  const ack = client.last("ack")!;
  t.equal(ack.accepted, 1);
  t.same(
    ack.refused.map(({ index }) => index),
    [0, 1, 2, 4, 5, 6, 7, 8],
  );
  t.ok(ack.refused.every(({ type }) => type === "invalid-report"));
  t.same(
    taken.map(({ id }) => id),
    ["good"],
  );
});

t.test("[F37] a binary message that is no batch is told, and ends the connection", async (t) => {
  const good = encodeBatch(1, 1e12, [{ id: "a", kind: "", source: "" }], [{ ...NOWHERE, t: 1e12 }]);
  const bad: Uint8Array[] = [
    Uint8Array.of(2, 16, ...good.subarray(2)),
    Uint8Array.of(1, 1, ...good.subarray(2)),
  ];
  for (let length = 0; length < good.length; length++) bad.push(good.subarray(0, length));
  for (const bytes of bad) {
    const { client, send, taken, feed } = ingesting();
    await send(Buffer.from(bytes));
    t.match(client.last("error"), { type: "urn:muster:problem:bad-request", detail: /\w/ });
    t.equal(client.socket.closedWith, 4400);
    t.match(client.socket.closedBecause, /binary message was no batch/);
    t.same(taken, []);
    const other = new TestClient(feed);
    other.subscribe("v", WORLD);
    feed.tick();
    t.equal(other.replicas.get("v")!.state, "complete", "others are served");
  }
});

t.test("[F37] [F10] what is told of a binary message that is no batch has its number", async (t) => {
  const named = [{ id: "a", kind: "", source: "" }];
  const good = encodeBatch(0xfffffffe, 1e12, named, [{ ...NOWHERE, t: 1e12 }]);
  const notUtf8 = good.slice();
  notUtf8[BATCH_BYTES + INTRODUCTION_BYTES] = 0xff;
  const rows: [bytes: Uint8Array, n: number | undefined, detail: RegExp][] = [
    [encodeBatch(5, NaN, [], []), 5, /base time/],
    [good.subarray(0, 8), 0xfffffffe, /cut off/],
    [good.subarray(0, -1), 0xfffffffe, /length/],
    [notUtf8, 0xfffffffe, /UTF-8/],
    [encodeBatch(6, 1e12, [], new Array(MAX_BATCH_REPORTS + 1).fill(NOWHERE)), 6, /at most 50000/],
    [good.subarray(0, 7), undefined, /cut off/],
    [Uint8Array.of(2, ...good.subarray(1)), undefined, /version 2/],
    [Uint8Array.of(1, 1, ...good.subarray(2)), undefined, /type 1/],
  ];
  for (const [bytes, n, detail] of rows) {
    const { client, send } = ingesting();
    await send(bytes);
    t.match(client.last("error"), { type: "urn:muster:problem:bad-request", detail });
    t.equal(client.last("error")!.n, n, `${detail}`);
    t.equal(client.socket.closedWith, 4400);
  }
});
