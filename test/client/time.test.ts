// Fresh or stale, the server's clock, and where things are between two reports.
import assert from "node:assert/strict";
import t from "tap";
import { connect } from "../../client/connection.ts";
import type { Entity } from "../../client/replica.ts";
import { ServerClock } from "../../client/server-clock.ts";
import { reckon } from "../../src/picture/dead-reckoning.ts";
import { FRAME_DELTA, FRAME_SNAPSHOT } from "../../src/transport/feed/layout.ts";
import { PROTOCOL_BINARY, PROTOCOL_JSON, TOLERANCES } from "../../src/transport/feed/protocol.ts";
import { encodeFrame } from "../feed/binary-frames.ts";
import { fc } from "../support/seeded.ts";
import { full, ManualClock, script } from "./scripted.ts";

const START = Date.parse("2024-06-06T08:00:00.000Z");
const iso = (ms: number) => new Date(START + ms).toISOString();
const heartbeat = (ms: number, lag = 0) => ({ op: "heartbeat", t: iso(ms), tick: 1, lag, stale: false });
const made = (n: number, ms: number, lag = 0) => ({ view: "v1", n, tick: n, t: iso(ms), lag });
const snapshot = (n: number, ms: number, ...entities: object[]) => ({
  ...{ op: "snapshot", first: true, last: true, entities, ...made(n, ms) },
});
const delta = (n: number, ms: number, lag = 0) => ({
  op: "delta",
  departures: [],
  updates: [],
  ...made(n, ms, lag),
});

function opened(options: object = {}) {
  const scripted = script();
  const connection = connect("ws://node", scripted.options);
  scripted.last().open();
  const view = connection.view({ bbox: [-180, -90, 180, 90], ...options });
  scripted.last().receive({ op: "view", view: "v1", number: 9, cover: [], filters: 0 });
  return { ...scripted, connection, view };
}

function estimate() {
  const clock = new ManualClock();
  const server = new ServerClock(clock);
  const now = () => Math.round(server.now());
  /** A message made at `made` arrives at `at`. */
  const hear = (made: number, at: number) => {
    clock.time = at;
    server.observe(made);
    return now();
  };
  return { clock, server, now, hear };
}
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

t.test("[K28] the server's clock is estimated from the message with the smallest delay", async (t) => {
  const { clock, now, hear } = estimate();
  clock.time = 7;
  t.equal(now(), 1_000_007, "before the first message it is the device's");
  t.equal(hear(50_000, 100), 50_000);
  t.equal(hear(50_500, 1_100), 51_000, "a slow one changes nothing");
  t.equal(hear(51_950, 2_000), 51_950, "a quicker one is nearer to the truth");
  clock.time = 60_000;
  t.equal(now(), 109_944, "less what the clocks may have drifted since");
});

t.test("[K28] a line that becomes slow for an hour is not taken for the time", async (t) => {
  const { clock, now, hear } = estimate();
  hear(0, 0);
  for (let at = 1_000; at < HOUR / 2; at += 1_000) hear(at - 20_000, at);
  t.equal(now(), Math.round(HOUR / 2 - 1_000 - 180), "the first message counts, but for 100 ppm");
  const { time } = clock;
  t.equal(hear(time + 1_000, time + 1_000), time + 1_000, "until a quick one comes");
});

t.test(
  "[K28] a server whose clock is set is believed: at once if forwards, within an hour if back",
  async (t) => {
    const { clock, hear } = estimate();
    hear(0, 0);
    t.equal(hear(500_000, 1_000), 500_000, "forwards, or this device slept");
    let at = 2_000;
    while (hear(at, at) !== at) at += 1_000;
    t.ok(at <= 1.001 * HOUR && at > HOUR / 2, `${at / 1_000} s after it was set back`);
    clock.time += 3 * HOUR;
    t.equal(hear(at, clock.time), at, "and after long silence");
  },
);

t.test(
  "[K28] what is known of the time outlives a connection, if its server does not contradict",
  async (t) => {
    const { clock, server, now, hear } = estimate();
    hear(0, 0);
    clock.time = 10_000;
    server.restart();
    clock.time = 20_000;
    t.equal(now(), 19_998, "it counts until the next server is heard");
    t.equal(hear(12_000, 32_000), 31_997, "the line is slow, and the server's clock may be the same");
    t.equal(hear(33_000, 33_000), 33_000);
    server.restart();
    t.equal(hear(32_000, 34_000), 32_000, "this one was made after 33 s: another clock");
  },
);

t.test("[K28, K29] after a reconnect over a slow line an old picture is not fresh", async (t) => {
  const { connection, clock, view, last } = opened();
  last().receive(snapshot(1, 0));
  last().break();
  clock.advance(50);
  clock.advance(10_000);
  last().open();
  clock.advance(10_000);
  last().receive({ ...snapshot(1, 10_050), view: "v2" });
  t.strictSame([view.state, Math.round(view.age), view.fresh], ["live", 9_998, false]);
  connection.close();
});

t.test("[K28] frames in both protocols and heartbeats tell the server's time", async (t) => {
  const { connection, clock, last } = opened();
  last().receive(snapshot(1, 0));
  t.equal(connection.serverNow(), START);
  clock.advance(100);
  last().receive(delta(2, 150));
  t.equal(connection.serverNow(), START + 150);
  clock.advance(100);
  last().receive(heartbeat(300));
  t.equal(connection.serverNow(), START + 300);
  const head = { type: FRAME_DELTA, first: false, last: false, view: 9, n: 3, tick: 1, lag: 0 };
  last().receive(encodeFrame({ head: { ...head, t: START + 400 } }));
  t.equal(connection.serverNow(), START + 400);
  clock.advance(1_000);
  t.equal(Math.round(connection.serverNow()), START + 1_400, "it goes on by itself");
  connection.close();
});

t.test("[K28, K37] late frames of a playback that is closed say nothing of the server's clock", async (t) => {
  for (const protocol of [PROTOCOL_JSON, PROTOCOL_BINARY]) {
    const { last, clock, options } = script();
    const connection = connect("ws://node", options);
    last().open(protocol);
    const view = connection.view({ bbox: [0, 0, 1, 1], at: START });
    last().receive({ op: "view", view: "v1", number: 9, cover: [], filters: 0 });
    view.close();
    const head = { type: FRAME_SNAPSHOT, first: true, last: true, view: 9, n: 1, tick: 1, lag: 0, t: START };
    last().receive(protocol === PROTOCOL_JSON ? snapshot(1, 0) : encodeFrame({ head }));
    t.equal(connection.serverNow(), clock.unix(), protocol);
    last().receive(heartbeat(50));
    t.equal(connection.serverNow(), START + 50);
    connection.close();
  }
});

t.test("[K29] a view is as of its last frame or heartbeat, with the lag that it told", async (t) => {
  const { connection, clock, view, last } = opened();
  t.strictSame([view.asOf, view.lag, view.age, view.fresh], [NaN, NaN, NaN, false]);
  last().receive(heartbeat(0));
  t.ok(Number.isNaN(view.asOf), "a heartbeat says nothing of what has not come");
  last().receive({ ...snapshot(1, 100), last: undefined });
  t.strictSame([view.asOf, view.fresh], [NaN, false], "a part is not the picture");
  last().receive({ ...snapshot(2, 200), first: undefined });
  t.strictSame([view.asOf - START, view.lag, view.age, view.fresh], [200, 0, 0, true]);
  clock.advance(100);
  last().receive(delta(3, 300, 7));
  t.strictSame([view.asOf - START, view.lag, view.age], [300, 7, 0]);
  clock.advance(2_000);
  last().receive(heartbeat(2_300, 9));
  t.strictSame([view.asOf - START, view.lag, view.age], [2_300, 9, 0]);
  last().receive(delta(4, 1_300));
  t.equal(view.age, 1_000, "a frame that was long on its way tells an old picture");
  connection.close();
});

t.test("[K29] a view is fresh while it is live and at most 7.5 s old", async (t) => {
  const { connection, clock, view, last } = opened();
  last().receive(snapshot(1, 0));
  clock.advance(7_500);
  t.strictSame([Math.round(view.age), view.fresh], [7_499, true], "by a server's clock that is not ahead");
  clock.advance(1);
  t.equal(view.fresh, false);
  last().receive(heartbeat(7_501));
  t.equal(view.fresh, true);
  last().receive(delta(9, 7_501));
  t.strictSame([view.state, view.fresh], ["stale", false], "a gap");
  const slow = opened({ rate: 1 });
  slow.last().receive(snapshot(1, 0), heartbeat(5_000));
  t.equal(slow.view.asOf - START, 4_000, "at one frame a second, the last second may not have been told");
  slow.last().receive(delta(2, 9_500), heartbeat(10_000));
  t.equal(slow.view.asOf - START, 9_500, "but what was told counts");
  connection.close();
  slow.connection.close();
});

t.test("[K29] a view is fresh already when it tells that it is live", async (t) => {
  const { connection, clock, view, last } = opened();
  const told: unknown[] = [];
  view.on("state", (state) => told.push([state, view.asOf - START, view.lag, view.fresh]));
  last().receive(snapshot(1, 0));
  last().break();
  clock.advance(10_000);
  last().open();
  last().receive({ ...snapshot(1, 10_000), view: "v2", lag: 3 });
  t.strictSame(told, [
    ["live", 0, 0, true],
    ["stale", 0, 0, false],
    ["live", 10_000, 3, true],
  ]);
  connection.close();
});

t.test("[K29] a server that tells no times in frames is fresh from its heartbeats on", async (t) => {
  const { connection, view, last } = opened();
  last().receive({ op: "snapshot", view: "v1", n: 1, tick: 1, first: true, last: true, entities: [] });
  t.strictSame([view.state, view.asOf, view.fresh], ["live", NaN, false]);
  last().receive(heartbeat(5_000));
  t.strictSame([view.asOf - START, view.fresh], [5_000, true]);
  connection.close();
});

const entity = fc.record(
  {
    t: fc.integer({ min: -20_000, max: 100_000 }).map(iso),
    placedAt: fc.integer({ min: -20_000, max: 100_000 }).map(iso),
    lon: fc.double({ min: -180, max: 180, noNaN: true }),
    lat: fc.double({ min: -90, max: 90, noNaN: true }),
    speed: fc.double({ min: 0, max: 300, noNaN: true }),
    course: fc.double({ min: 0, max: 359.99, noNaN: true }),
    liveness: fc.constantFrom("live", "live", "live", "stale", "lost"),
  },
  { requiredKeys: ["t", "lon", "lat", "liveness"], noNullPrototype: true },
);

t.test("[K32] placeOf is the shared dead reckoning, up to the tolerance's age, of what is live", async () => {
  const into = { lon: 0, lat: 0 };
  for (const tolerance of [undefined, "10m", "100m"] as const) {
    const { connection, view, last } = opened({ tolerance });
    last().receive(snapshot(1, 50_000));
    const maxAgeMs = tolerance === undefined ? 10_000 : TOLERANCES[tolerance].maxAgeMs;
    assert.equal(view.reckonMs, maxAgeMs);
    fc.assert(
      fc.property(entity, fc.integer({ min: -30_000, max: 200_000 }), (members, ms) => {
        const thing = { ...full("a", 0, 0), ...members } as unknown as Entity;
        const expected = { lon: thing.lon, lat: thing.lat };
        const fix = { ...thing, t: Date.parse(thing.placedAt ?? thing.t) };
        if (thing.liveness === "live") reckon(fix, START + ms, maxAgeMs, expected);
        assert.deepEqual(view.placeOf(thing, START + ms), expected);
        assert.equal(view.placeOf(thing, START + ms, into), into);
        assert.deepEqual(into, expected);
        assert.deepEqual(view.placeOf(thing), view.placeOf(thing, connection.serverNow()));
      }),
    );
    connection.close();
  }
});

t.test("[K32] a ship at 10 m/s to the east is 100 m further after 10 s, and stays there", async (t) => {
  const { connection, clock, view, last } = opened();
  last().receive(snapshot(1, 0, full("a", 25, 0, { speed: 10, course: 90 })));
  const ship = view.entities.get("a")!;
  const east = () => Math.round((view.placeOf(ship).lon - 25) * 111_195);
  t.equal(east(), 0);
  clock.advance(5_000);
  t.equal(east(), 50);
  clock.advance(60_000);
  t.equal(east(), 100);
  connection.close();
});

t.test("[K47] what moves is reckoned on from when it was at its place, in every view", async (t) => {
  const motion = { speed: 20, course: 90 };
  const told = (ms: number, lon: number, more: object) => full("a", lon, 0, { t: iso(ms), ...more });
  const east = ({ view }: ReturnType<typeof opened>) =>
    Math.round((view.placeOf(view.entities.get("a")!).lon - 25) * 111_195);
  const fuel = told(7_000, 25, { ...motion, placedAt: iso(0), attributes: { fuel: 71 } });
  for (const tolerance of [undefined, "10m"] as const) {
    const one = opened({ tolerance });
    const { clock, last } = one;
    last().receive(snapshot(1, 0, told(0, 25, motion)));
    clock.advance(7_000);
    const places = [east(one)];
    last().receive({ ...delta(2, 7_000), updates: [fuel] });
    places.push(east(one));
    clock.advance(1_000);
    last().receive({
      ...delta(3, 8_000),
      updates: [told(8_000, 25, { ...motion, speed: 30, placedAt: iso(0) })],
    });
    places.push(east(one));
    clock.advance(1_000);
    const { id, t: at, lon, lat } = told(8_500, 25.001, {});
    last().receive({ ...delta(4, 9_000), updates: [{ id, t: at, lon, lat, ...motion }] });
    places.push(east(one) - 111);
    one.connection.close();
    t.same(places, [140, 140, 240, 10], "from its fix, at the speed that is known");
    const fresh = opened({ tolerance });
    fresh.clock.advance(7_000);
    fresh.last().receive(snapshot(1, 7_000, fuel));
    t.equal(east(fresh), 140, "also for who comes later");
    fresh.connection.close();
  }
});
