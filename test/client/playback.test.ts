// Views of what was: their time, what they ask for, and what comes late.
import t from "tap";
import { connect } from "../../client/connection.ts";
import type { PlaybackOptions } from "../../client/view-options.ts";
import { full, script } from "./scripted.ts";

const THEN = Date.parse("2024-06-06T08:00:00.000Z");
const NOW = THEN + 3_600_000;
const iso = (ms: number) => new Date(ms).toISOString();
const heartbeat = (ms: number) => ({ op: "heartbeat", t: iso(ms), tick: 1, lag: 0, stale: false });
const told = (ms: number, state: string, speed: number, updates: number, view = "v1") => ({
  ...{ op: "playback", view, t: iso(THEN + ms), speed, state, updates },
});
const snapshot = (ms: number, ...entities: object[]) => ({
  ...{
    op: "snapshot",
    view: "v1",
    n: 1,
    first: true,
    last: true,
    tick: 1,
    t: iso(THEN + ms),
    lag: 0,
    entities,
  },
});

function opened(options: Partial<PlaybackOptions> = {}) {
  const scripted = script();
  const connection = connect("ws://node", scripted.options);
  scripted.last().open();
  scripted.last().receive(heartbeat(NOW));
  const view = connection.view({ bbox: [0, 0, 1, 1], at: THEN, ...options } as PlaybackOptions);
  return { ...scripted, connection, view };
}

t.test("[K37] a view with `at` asks for that time, and its time passes while it plays", async (t) => {
  const { last, clock, view, connection } = opened({ speed: 60 });
  t.same(last().take(), [{ op: "subscribe", view: "v1", at: iso(THEN), speed: 60, bbox: [0, 0, 1, 1] }]);
  const heard: string[] = [];
  view.on("playback", (state) => heard.push(state));
  clock.advance(1_000);
  t.equal(view.time, THEN, "it stands until it plays");
  last().receive(told(0, "loading", 60, 0));
  last().receive(snapshot(0, full("a", 0.5, 0.5)));
  last().receive(told(0, "playing", 60, 0));
  await view.ready;
  clock.advance(2_000);
  t.equal(view.time, THEN + 120_000);
  t.equal(view.asOf, THEN, "of the last frame");
  const entity = view.entities.get("a")!;
  t.same(view.placeOf(entity), { lon: 0.5, lat: 0.5 }, "what is told is where it was then");
  t.equal(Math.round(connection.serverNow()), NOW + 3_000, "what was says nothing of the server's clock");
  last().receive(told(130_000, "loading", 60, 0));
  clock.advance(2_000);
  t.equal(view.time, THEN + 130_000, "while history is read it stands");
  last().receive(told(3_500_000, "playing", 60, 0));
  clock.advance(10_000);
  t.equal(view.time, connection.serverNow(), "not beyond now");
  last().receive(told(3_599_000, "present", 0, 0));
  t.equal(view.playback, "present");
  t.same(heard, ["playing", "loading", "playing", "present"]);
  connection.close();
});

t.test("[K38] seek, play and pause count at once, and what was on its way before does not", async (t) => {
  const { last, view, connection } = opened({ speed: 0 });
  last().receive(told(0, "loading", 0, 0));
  last().receive(snapshot(0), told(0, "paused", 0, 0));
  last().take();
  view.seek(THEN + 60_000);
  t.equal(view.time, THEN + 60_000);
  view.seek(new Date(NOW + 60_000));
  t.equal(view.time, NOW, "what is later than now is now");
  view.play(10);
  t.same(last().take(), [
    { op: "update", view: "v1", at: iso(THEN + 60_000) },
    { op: "update", view: "v1", at: iso(NOW) },
    { op: "update", view: "v1", speed: 10 },
  ]);
  last().receive(told(60_000, "loading", 0, 1), told(60_000, "paused", 0, 2));
  t.equal(view.time, NOW);
  t.equal(view.speed, 10);
  last().receive(told(50_000, "playing", 10, 3));
  t.equal(view.time, THEN + 50_000);
  view.pause();
  t.same(last().take(), [{ op: "update", view: "v1", speed: 0 }]);
  t.throws(() => view.play(-1), RangeError);
  t.throws(() => view.play(3_601), RangeError);
  t.same(last().take(), []);
  connection.close();
});

t.test("[K48] a refused seek goes back to what the server shows, and refuses nothing else", async (t) => {
  const { last, view, connection } = opened({ speed: 0 });
  const reply = (filters: number) => ({ op: "view", view: "v1", cover: [[0, 0, 45, 45]], filters });
  const refusal = (at: number) => ({
    ...{ op: "error", type: "urn:muster:problem:bad-request", title: "", status: 400, detail: "no" },
    ...{ view: "v1", at: iso(at) },
  });
  last().receive(told(0, "loading", 0, 0), reply(0), snapshot(0), told(0, "paused", 0, 0));
  const problems: string[] = [];
  view.on("problem", ({ message }) => problems.push(message));
  const where = "entity.speed > 1.0";
  const change = view.setFilter({ where });
  view.seek(NOW);
  view.seek(THEN + 60_000);
  last().receive(refusal(NOW));
  t.equal(problems.length, 1, "it is told");
  t.equal(view.filter.where, where, "and is no refusal of a filter");
  last().receive(told(60_000, "paused", 0, 2));
  t.same([view.time, view.playback], [THEN + 60_000, "paused"]);
  last().receive(reply(1), { ...snapshot(60_000), n: 2 });
  await change;
  view.seek(NOW);
  last().receive(refusal(NOW), told(60_000, "paused", 0, 3));
  t.same([view.time, view.playback], [THEN + 60_000, "paused"]);
  connection.close();
});

t.test("[K39] after a reconnect it goes on from the time at which it was", async (t) => {
  const { last, clock, view, connection } = opened({ speed: 60 });
  last().receive(told(0, "loading", 60, 0), snapshot(0), told(0, "playing", 60, 0));
  view.play(100);
  last().receive(told(0, "playing", 100, 1));
  clock.advance(1_000);
  last().break();
  t.equal(view.state, "stale");
  t.equal(view.playback, "loading");
  clock.advance(5_000);
  t.equal(view.time, THEN + 100_000, "without a connection it stands");
  last().open();
  t.match(last().take(), [{ op: "subscribe", view: "v2", at: iso(THEN + 100_000), speed: 100 }]);
  last().receive(told(100_000, "loading", 100, 0, "v2"));
  last().receive({
    op: "error",
    type: "urn:muster:problem:unavailable",
    title: "",
    status: 503,
    detail: "",
    view: "v2",
  });
  t.equal(view.state, "stale", "history that cannot be read now does not end it");
  last().receive(told(100_000, "unavailable", 100, 0, "v2"));
  t.equal(view.playback, "unavailable");
  connection.close();
});

t.test("[K38] what is no time is a RangeError, and nothing has changed", async (t) => {
  const { last, view, connection } = opened({ speed: 0 });
  last().receive(told(0, "loading", 0, 0), snapshot(0), told(0, "paused", 0, 0));
  last().take();
  for (const no of [NaN, new Date(NaN), -1, Infinity, 8.64e15]) {
    t.throws(() => view.seek(no), RangeError, String(no));
    const options = { bbox: [0, 0, 1, 1], at: no } as PlaybackOptions;
    t.throws(() => connection.view(options), RangeError, String(no));
  }
  t.equal(view.time, THEN);
  t.equal(view.playback, "paused");
  t.same(last().take(), []);
  connection.close();
});

t.test("[K39] a problem of playing is no refusal of a filter", async (t) => {
  const { last, view, connection } = opened({ speed: 0 });
  const problem = (type: string) => ({
    ...{ op: "error", type: `urn:muster:problem:${type}`, title: "", status: 400, detail: type, view: "v1" },
  });
  const reply = (filters: number) => ({ op: "view", view: "v1", cover: [[0, 0, 45, 45]], filters });
  last().receive(told(0, "loading", 0, 0), reply(0), snapshot(0), told(0, "paused", 0, 0));
  const where = "entity.speed > 1.0";
  const change = view.setFilter({ where });
  const problems: string[] = [];
  view.on("problem", ({ message }) => problems.push(message));
  last().receive(problem("unavailable"), problem("too-much-to-play"));
  t.equal(view.filter.where, where);
  t.equal(problems.length, 2, "they are told");
  last().receive(reply(1), { ...snapshot(0), n: 2 });
  await change;
  const next = view.setFilter({ where: "entity." });
  last().receive(problem("bad-expression"));
  await t.rejects(next, { message: /bad-expression/ });
  t.equal(view.filter.where, where, "a refusal still is one");
  connection.close();
});

t.test("[K39] a playback that the server cannot begin fails", async (t) => {
  const { last, view, connection } = opened({ speed: 0 });
  last().receive({
    ...{ op: "error", type: "urn:muster:problem:unavailable", title: "", status: 503, detail: "no history" },
    view: "v1",
  });
  await t.rejects(view.ready, { message: /no history/ });
  t.equal(view.state, "failed");
  connection.close();
});
