import { Buffer } from "node:buffer";
import t from "tap";
import type { Ingest, IngestResult, Report } from "../../src/actors/messages.ts";
import {
  BAD_MESSAGES_MS,
  BASE_TICK_MS,
  HEARTBEAT_MS,
  MAX_BAD_MESSAGES_PER_CONNECTION,
  MAX_PENDING_ACKS_PER_CONNECTION,
  MAX_REFUSALS_LISTED,
  MAX_UNSENT_BYTES,
  MAX_VIEWS_PER_CONNECTION,
  NO_PROGRESS_MS,
} from "../../src/limits.ts";
import type { FeedOptions } from "../../src/transport/feed/feed.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { add, frames, HERE, start, TestClient, WORLD } from "./harness.ts";

t.test("[F9] a socket that takes nothing for long is closed, one that is slow is not", async (t) => {
  const { client, feed, clock } = start();
  const dead = new TestClient(feed);
  dead.socket.buffered = 1;
  client.socket.buffered = 1;
  for (let waited = 0; waited < NO_PROGRESS_MS; waited += 1_000) {
    feed.tick();
    t.equal(dead.socket.closedWith, undefined);
    await clock.advance(1_000);
    if (waited % 10_000 === 0) client.socket.written++;
  }
  feed.tick();
  t.equal(dead.socket.closedWith, 4408);
  t.equal(client.socket.closedWith, undefined);
});

t.test(
  "[F10] what is not the protocol is answered with a problem that says what, without effect",
  async (t) => {
    const { client, feed } = start();
    const subscribe = { op: "subscribe", view: "v", bbox: WORLD };
    const table: [message: unknown, type: string, detail: RegExp, echo?: object][] = [
      ["{", "malformed-json", /JSON/],
      ["", "malformed-json", /JSON/],
      ["null", "bad-request", /object/],
      [[], "bad-request", /object/],
      [{}, "unknown-op", /op/],
      [{ op: "toString" }, "unknown-op", /op/],
      [{ op: "command", n: 3 }, "invalid-command", /id must be/, { n: 3 }],
      [{ ...subscribe, view: "" }, "bad-request", /view/, { view: "" }],
      [{ ...subscribe, view: "x".repeat(65) }, "bad-request", /view/],
      [{ ...subscribe, view: 5 }, "bad-request", /view/],
      [{ ...subscribe, bbox: undefined }, "bad-request", /bbox/, { view: "v" }],
      [{ ...subscribe, bbox: [1, 2, 3] }, "bad-request", /bbox/],
      [{ ...subscribe, bbox: [1, 2, 3, null] }, "bad-request", /bbox/],
      [{ ...subscribe, bbox: ["1", 2, 3, 4] }, "bad-request", /bbox/],
      [{ ...subscribe, bbox: [-181, 0, 0, 0] }, "bad-request", /west/],
      [{ ...subscribe, bbox: [0, 0, 180.5, 0] }, "bad-request", /east/],
      [{ ...subscribe, bbox: [0, -91, 0, 0] }, "bad-request", /south/],
      [{ ...subscribe, bbox: [0, 5, 1, 4] }, "bad-request", /south/],
      [{ ...subscribe, bbox: [NaN, 0, 1, 1] }, "bad-request", /bbox/],
      [{ ...subscribe, ids: ["a"] }, "bad-request", /one of/],
      [{ ...subscribe, bbox: undefined, ids: [] }, "bad-request", /ids/],
      [{ ...subscribe, bbox: undefined, ids: [""] }, "bad-request", /ids/],
      [{ ...subscribe, bbox: undefined, ids: Array(1_001).fill("a") }, "bad-request", /ids/],
      [{ ...subscribe, bbox: undefined, follow: "a" }, "bad-request", /follow/],
      [{ ...subscribe, bbox: undefined, follow: { id: "a", radius: 0 } }, "bad-request", /follow/],
      [{ ...subscribe, bbox: undefined, follow: { id: "a", radius: 1e9 } }, "bad-request", /follow/],
      [{ ...subscribe, bbox: undefined, follow: { id: "a", radius: 1 } }, "entity-not-found", /follow/],
      [{ ...subscribe, where: 5 }, "bad-request", /where/],
      [{ ...subscribe, tolerance: "1m" }, "bad-request", /10m or 100m/],
      [{ ...subscribe, tolerance: "toString" }, "bad-request", /tolerance/],
      [{ ...subscribe, max: 0 }, "bad-request", /max/],
      [{ ...subscribe, max: 1.5 }, "bad-request", /max/],
      [{ ...subscribe, max: 100_001 }, "bad-request", /max/],
      [{ op: "update", view: "v" }, "bad-request", /bbox.*kinds.*where/],
      [{ ...subscribe, kinds: [] }, "bad-request", /kinds/],
      [{ ...subscribe, kinds: "ship" }, "bad-request", /kinds/],
      [{ ...subscribe, kinds: [""] }, "bad-request", /kinds/],
      [{ ...subscribe, kinds: new Array(65).fill("a") }, "bad-request", /kinds/],
      [{ ...subscribe, rate: 5 }, "bad-request", /rate/],
      [{ op: "update", view: "v", bbox: WORLD, rate: 1 }, "bad-request", /rate/],
      [{ op: "report", reports: [] }, "bad-request", /n/],
      [{ op: "report", n: 0.5, reports: [] }, "bad-request", /n/],
      [{ op: "report", n: 7, reports: {} }, "bad-request", /reports/, { n: 7 }],
    ];
    for (const [message, type, detail, echo = {}] of table) {
      const text = typeof message === "string" ? message : JSON.stringify(message);
      client.send(text);
      const answer = client.last("error")!;
      t.match(answer, { type: `urn:muster:problem:${type}`, detail, ...echo }, text);
      t.type(answer.status, "number");
      t.type(answer.title, "string");
    }
    t.equal(client.received.length, table.length, "one answer each");
    client.subscribe("v", WORLD);
    feed.tick();
    t.equal(frames(client).length, 1, "the connection goes on");
  },
);

t.test("[F11] what this version does not have is refused by name, not ignored", async (t) => {
  const { client, feed } = start();
  for (const op of ["subscribe", "update", "unsubscribe"]) {
    client.send({ op, view: "v", bbox: WORLD, fields: 1 });
    const { type, detail } = client.last("error")!;
    t.equal(type, "urn:muster:problem:bad-request");
    t.equal(detail, "`fields` is not supported by this version");
  }
  for (const name of ["ids", "follow", "rate", "tolerance", "max", "events"]) {
    client.send({ op: "update", view: "v", bbox: WORLD, [name]: 1 });
    t.match(client.last("error")!.detail, `\`${name}\` cannot be updated`);
  }
  t.equal(feed.stats.views, 0);
});

t.test("[F11] a member that a message does not have is refused by name, also a misspelt one", async (t) => {
  const { client, feed } = start();
  const view = { op: "subscribe", view: "v", bbox: WORLD };
  const follow = { id: "a", radius: 1 };
  const unknown = (name: string) => `\`${name}\` is not supported by this version`;
  const rows: [message: object | string, detail: string, echo?: object][] = [
    [{ ...view, wher: "false", tolerence: "10m" }, unknown("wher"), { view: "v" }],
    [{ ...view, wher: null }, unknown("wher")],
    [{ ...view, constructor: 1 }, unknown("constructor")],
    [`{"op":"subscribe","view":"v","bbox":[0,0,1,1],"__proto__":1}`, unknown("__proto__")],
    [{ ...view, ["x".repeat(70)]: 1 }, unknown(`${"x".repeat(64)}…`)],
    [{ ...view, types: ["a"] }, "a view has no `types`"],
    [{ ...view, after: "now" }, "a view has no `after`"],
    [{ op: "subscribe", view: "v", follow: { ...follow, radiu: 1 } }, "`follow` has no `radiu`"],
    [{ op: "subscribe", events: "e", typs: ["a"] }, unknown("typs"), { events: "e" }],
    [{ op: "subscribe", events: "e", kinds: ["a"] }, "a subscription to events has no `kinds`"],
    [{ op: "update", view: "v", bbox: WORLD, wher: null }, unknown("wher"), { view: "v" }],
    [{ op: "update", view: "v", bbox: WORLD, types: [] }, "an update has no `types`"],
    [{ op: "unsubscribe", view: "v", bbox: WORLD }, "`unsubscribe` has no `bbox`"],
    [{ op: "unsubscribe", events: "e", view: "v" }, "`unsubscribe` of events has no `view`"],
    [{ op: "report", n: 1, reports: [], keep: true }, unknown("keep"), { n: 1 }],
    [{ op: "report", n: 2, reports: [], view: "v" }, "`report` has no `view`", { n: 2 }],
    [{ op: "command", n: 3, id: "a", name: "x", date: {} }, unknown("date"), { n: 3 }],
    [{ op: "command", n: 4, id: "a", name: "x", erase: true }, "a command has no `erase`", { n: 4 }],
    [{ op: "delete", n: 5, id: "a", eras: true }, unknown("eras"), { n: 5 }],
    [{ op: "delete", n: 6, id: "a", data: {} }, "a deletion has no `data`", { n: 6 }],
  ];
  for (const [message, detail, echo = {}] of rows) {
    client.send(message);
    t.match(client.last("error"), { type: "urn:muster:problem:bad-request", detail, ...echo });
  }
  t.equal(client.received.length, rows.length, "nothing else is answered");
  t.match(feed.stats, { views: 0, events: 0 });
});

t.test("[F12] a binary frame closes the connection", async (t) => {
  const { client, feed } = start();
  feed.handlers.message(client.socket, Buffer.from('{"op":"unsubscribe"}'), true);
  t.equal(client.socket.closedWith, 4403);
  client.send({ op: "nothing" });
  t.same(client.received, [], "and nothing more is answered");
});

t.test("[F13] too many messages that are not the protocol close the connection", async (t) => {
  const { client } = start();
  for (let i = 0; i < MAX_BAD_MESSAGES_PER_CONNECTION; i++) client.send("no");
  for (let i = 0; i < 200; i++) client.send({ op: "unsubscribe", view: "unknown" });
  t.equal(client.socket.closedWith, undefined, "an unknown view is not a bad message");
  client.send("no");
  t.equal(client.socket.closedWith, 4400);
});

t.test("[F13] they are counted anew each minute, so that a client may be open for weeks", async (t) => {
  const { client, clock, feed } = start();
  for (let minute = 0; minute < 5; minute++) {
    for (let i = 0; i < MAX_BAD_MESSAGES_PER_CONNECTION; i++) client.send("no");
    await clock.advance(BAD_MESSAGES_MS);
    feed.tick();
  }
  t.equal(client.socket.closedWith, undefined);
  for (let i = 0; i < MAX_BAD_MESSAGES_PER_CONNECTION; i++) client.send("no");
  await clock.advance(BAD_MESSAGES_MS - 1);
  feed.tick();
  client.send("no");
  t.equal(client.socket.closedWith, 4400, "and not sooner");
});

t.test("[F14] views have unique names, and a limit per connection", async (t) => {
  const { client, feed } = start();
  for (let i = 0; i < MAX_VIEWS_PER_CONNECTION; i++) client.subscribe(`v${i}`, WORLD);
  t.equal(client.last("error"), undefined);
  const refused = (message: object, type: RegExp, view: string) => {
    client.send(message);
    t.match(client.last("error"), { type, view });
  };
  refused({ op: "subscribe", view: "v0", bbox: WORLD }, /view-exists$/, "v0");
  refused({ op: "subscribe", view: "more", bbox: WORLD }, /too-many-views$/, "more");
  refused({ op: "update", view: "more", bbox: WORLD }, /unknown-view$/, "more");
  client.unsubscribe("v0");
  refused({ op: "unsubscribe", view: "v0" }, /unknown-view$/, "v0");
  t.equal(feed.stats.views, MAX_VIEWS_PER_CONNECTION - 1);
  feed.tick();
  client.subscribe("v0", HERE);
  feed.tick();
  t.match(client.last("snapshot"), { view: "v0", n: 1 });
  client.disconnect();
  t.match(feed.stats, { views: 0, connections: 0 });
});

/** An ingest that is answered by hand. */
class HeldIngest implements Ingest {
  readonly overloaded = false;
  readonly batches: Report[][] = [];
  readonly #answers: { resolve(result: IngestResult): void; reject(error: Error): void }[] = [];
  submit(reports: readonly Report[]): Promise<IngestResult> {
    this.batches.push([...reports]);
    return new Promise((resolve, reject) => this.#answers.push({ resolve, reject }));
  }
  async answer(result: IngestResult | Error): Promise<void> {
    const answer = this.#answers.shift()!;
    if (result instanceof Error) answer.reject(result);
    else answer.resolve(result);
    for (let i = 0; i < 10; i++) await Promise.resolve();
  }
}
/** Strings are reports. */
const decodeReport: FeedOptions["decodeReport"] = (value) =>
  typeof value === "string" ? { id: value, t: 0 } : { type: "invalid-report", detail: "not a string" };

t.test("[F15] an ack comes after the commit, and names what was refused by its place", async (t) => {
  const ingest = new HeldIngest();
  const { client } = start({ ingest, decodeReport });
  client.send({ op: "report", n: 9, reports: ["a", 1, "b", 2, "c"] });
  t.same(ingest.batches, [["a", "b", "c"].map((id) => ({ id, t: 0 }))]);
  t.same(client.received, []);
  await ingest.answer({ accepted: 2, refused: [{ index: 1, type: "too-old", detail: "b is old" }] });
  t.same(client.received, [
    {
      op: "ack",
      n: 9,
      accepted: 2,
      refused: [
        { index: 1, type: "invalid-report", detail: "not a string" },
        { index: 2, type: "too-old", detail: "b is old" },
        { index: 3, type: "invalid-report", detail: "not a string" },
      ],
    },
  ]);
  client.send({ op: "report", n: 10, reports: new Array(MAX_REFUSALS_LISTED + 5).fill(0) });
  const ack = client.last("ack")!;
  t.match(ack, { n: 10, accepted: 0 });
  t.equal(ack.refused.length, MAX_REFUSALS_LISTED);
});

t.test("[F16] messages with reports that wait for their commit are limited", async (t) => {
  const ingest = new HeldIngest();
  const { client } = start({ ingest, decodeReport });
  for (let n = 0; n < MAX_PENDING_ACKS_PER_CONNECTION; n++) client.send({ op: "report", n, reports: ["a"] });
  t.same(client.received, []);
  client.send({ op: "report", n: 999, reports: ["a"] });
  t.match(client.received, [{ op: "error", type: /too-many-reports$/, n: 999 }]);
  t.equal(ingest.batches.length, MAX_PENDING_ACKS_PER_CONNECTION);
  await ingest.answer({ accepted: 1, refused: [] });
  client.send({ op: "report", n: 1_000, reports: ["a"] });
  t.equal(ingest.batches.length, MAX_PENDING_ACKS_PER_CONNECTION + 1);
});

t.test("[F17] a heartbeat each 5 s has the time, the lag, and whether the node is stale", async (t) => {
  const { client, feed, clock } = start();
  feed.start();
  await clock.advance(HEARTBEAT_MS);
  feed.stale = true;
  await clock.advance(HEARTBEAT_MS);
  t.same(client.received, [
    { op: "heartbeat", t: "2026-01-01T00:00:05.000Z", tick: 50, lag: 0, stale: false },
    { op: "heartbeat", t: "2026-01-01T00:00:10.000Z", tick: 100, lag: 0, stale: true },
  ]);
  feed.stop();
});

t.test("[F17] a tick that comes early has no lag", async (t) => {
  class EarlyClock extends FakeClock {
    override schedule(delay: number, fire: () => void): () => void {
      return super.schedule(delay - 0.9, fire);
    }
  }
  const clock = new EarlyClock();
  const { client, feed } = start({ clock });
  feed.start();
  await clock.advance(HEARTBEAT_MS + BASE_TICK_MS);
  t.match(client.received, [{ op: "heartbeat", lag: 0 }]);
  t.equal(feed.stats.lagMs, 0);
  feed.stop();
});

/** A clock on which work can take time. */
class WorkingClock extends FakeClock {
  #worked = 0;
  override monotonic(): number {
    return super.monotonic() + this.#worked;
  }
  work(ms: number): void {
    this.#worked += ms;
  }
}

t.test("[F18] base ticks keep their beat; late ones are left out, not made up for", async (t) => {
  const clock = new WorkingClock();
  const { client, feed } = start({ clock });
  const ticked: number[] = [];
  let cost = 0;
  Object.defineProperty(client.socket, "buffered", {
    get() {
      // Each tick looks once at a socket without views.
      ticked.push(clock.monotonic());
      clock.work(cost);
      cost = 0;
      return 0;
    },
  });
  feed.start();
  await clock.advance(3 * BASE_TICK_MS);
  t.same(ticked.splice(0), [100, 200, 300]);
  cost = 350;
  await clock.advance(BASE_TICK_MS);
  t.equal(feed.stats.lagMs, 250, "the tick due at 500 was done at 750");
  t.same(ticked.splice(0), [400, 750]);
  t.match(feed.stats, { tick: 7, skippedTicks: 2 });
  await clock.advance(150);
  t.same(ticked, [800, 900]);
  t.match(feed.stats, { tick: 9, skippedTicks: 2, lagMs: 0 });
  feed.stop();
  t.equal(clock.pending, 0);
});

t.test("[F19] a failure within one connection closes that one, and never the tick", async (t) => {
  const ingest = new HeldIngest();
  const { client, feed, picture, errors } = start({ ingest, decodeReport });
  const other = new TestClient(feed);
  add(picture, "a");
  client.subscribe("v", WORLD);
  other.subscribe("v", WORLD);
  client.socket.send = () => {
    throw new Error("boom");
  };
  feed.tick();
  t.equal(client.socket.closedWith, 1011);
  t.equal(errors.length, 1);
  t.equal(other.socket.closedWith, undefined);
  t.match(other.last("snapshot"), { entities: [{ id: "a" }] });
  other.send({ op: "report", n: 1, reports: ["a"] });
  await ingest.answer(new Error("boom"));
  t.equal(other.socket.closedWith, 1011);
  t.equal(errors.length, 2);
});

t.test("[F20] replies that nobody reads are not held without bound, frames do not count", async (t) => {
  const { client } = start();
  client.socket.pace = "stalled";
  client.socket.buffered = 2 * MAX_UNSENT_BYTES;
  const name = "x".repeat(60);
  for (let i = 0; i < 1_000; i++) client.send({ op: "unsubscribe", view: name });
  t.equal(client.socket.closedWith, undefined, "of a large frame only the reader's pace is judged");
  const bytes = client.socket.buffered - 2 * MAX_UNSENT_BYTES;
  const limit = (MAX_UNSENT_BYTES / bytes) * 1_000;
  for (let i = 1_000; i < limit - 100; i++) client.send({ op: "unsubscribe", view: name });
  t.equal(client.socket.closedWith, undefined);
  for (let i = 0; i < 200; i++) client.send({ op: "unsubscribe", view: name });
  t.equal(client.socket.closedWith, 4408);
  const { client: reader } = start();
  for (let i = 0; i < limit + 200; i++) reader.send({ op: "unsubscribe", view: name });
  t.equal(reader.socket.closedWith, undefined, "who reads gets any number");
});

t.test("[F22] stopping closes all feeds, and says to come back", async (t) => {
  const { client, feed, clock } = start();
  feed.start();
  feed.stop();
  t.equal(client.socket.closedWith, 1001);
  t.equal(clock.pending, 0);
});
