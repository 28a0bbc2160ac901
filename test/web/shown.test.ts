// Which view the page shows, with a scripted server.
import t from "tap";
import { connect } from "../../client/connection.ts";
import { Moving } from "../../web/moving.ts";
import { Shown } from "../../web/shown.ts";
import { full, script } from "../client/scripted.ts";

const THEN = Date.parse("2024-06-06T08:00:00.000Z");
const iso = (ms: number) => new Date(ms).toISOString();
const snapshot = (view: string) => ({
  ...{ op: "snapshot", view, n: 1, first: true, last: true, tick: 1, t: iso(THEN), lag: 0 },
  entities: [full("a", 0.5, 0.5)],
});
const playback = (view: string, state: string) => ({
  ...{ op: "playback", view, t: iso(THEN), speed: 0, state, updates: 0 },
});
const problem = (view: string, ended?: true) => ({
  ...{ op: "error", type: "urn:muster:problem:unavailable", title: "", status: 503, detail: "no history" },
  ...{ view, ended },
});
/** Promises that were settled tell of it. */
const settled = () => new Promise((resolve) => setImmediate(resolve));

async function opened() {
  const scripted = script();
  const connection = connect("ws://node", scripted.options);
  scripted.last().open();
  const shown = new Shown(connection, [0, 0, 1, 1], scripted.clock);
  const heard: string[] = [];
  shown.on("refused", ({ message }) => heard.push(message));
  scripted.last().receive(snapshot("v1"));
  await settled();
  scripted.last().take();
  return { ...scripted, connection, shown, heard };
}

t.test("[W17] a past that is refused leaves the live view as it is, and is told", async (t) => {
  const { last, shown, heard, connection } = await opened();
  const live = shown.view;
  shown.showPast(THEN);
  t.ok(shown.past);
  last().take();
  last().receive(problem("v2"));
  await settled();
  t.equal(shown.view, live);
  t.equal(live.state, "live");
  t.equal(shown.past, undefined, "what is asked for is what is shown");
  t.equal(heard.length, 1);
  t.match(heard[0], /no history/);
  t.same(last().take(), [], "nothing else was asked for");
  shown.showPast(THEN);
  t.match(last().take(), [{ op: "subscribe", view: "v3", at: iso(THEN) }], "it can be asked for again");
  last().receive(playback("v3", "loading"), snapshot("v3"), playback("v3", "paused"));
  await settled();
  t.equal(shown.view, shown.past);
  connection.close();
});

t.test("[W18] a past that cannot go on gives way to the live view", async (t) => {
  const { last, shown, heard, connection } = await opened();
  shown.showPast(THEN);
  last().receive(playback("v2", "loading"), snapshot("v2"), playback("v2", "paused"));
  await settled();
  last().take();
  const { view } = shown;
  last().receive(problem("v2", true));
  t.match(last().take(), [{ op: "subscribe", view: "v3", bbox: [0, 0, 1, 1] }]);
  t.equal(shown.view, view, "it is shown until the other is there");
  last().receive(snapshot("v3"));
  await settled();
  t.equal(shown.view.isLive, true);
  t.same(heard, []);
  connection.close();
});

t.test("[W18] live again, what moves goes on before it is told anew", async (t) => {
  const { last, clock, shown, connection } = await opened();
  const moving = new Moving(
    connection,
    shown,
    () => true,
    () => clock.time,
  );
  shown.showPast(THEN);
  last().receive(playback("v2", "loading"), snapshot("v2"), playback("v2", "paused"));
  await settled();
  t.equal(moving.at("a", clock.time)!.moving, false, "what was stands");
  shown.showLive();
  const ship = full("a", 0.5, 0.5, { speed: 10, course: 90 });
  last().receive({ ...snapshot("v3"), entities: [ship] });
  await settled();
  const [before, after] = [1_000, 3_000].map((ms) => moving.at("a", clock.time + ms)!);
  t.ok(before.moving && after.moving);
  t.ok(
    after.position[0] > before.position[0] && before.position[0] > 0.5,
    `${before.position} ${after.position}`,
  );
  const shouldBe = shown.view.placeOf(shown.view.entities.get("a")!, connection.serverNow() + 3_000);
  t.same(after.position, [shouldBe.lon, shouldBe.lat]);
  connection.close();
});

const FAST = "entity.speed > 5.0";
/** What became of a promise. */
const outcome = (promise: Promise<void>) => {
  const told: unknown[] = [];
  promise.then(
    () => told.push("done"),
    (error) => told.push(error),
  );
  return told;
};

t.test("[W37] a filter asked for just before another view is in force there", async (t) => {
  const { last, shown, connection } = await opened();
  const told = [outcome(shown.setFilter({ where: FAST })), outcome(shown.setFilter({ kinds: ["tug"] }))];
  t.match(last().take(), [{ op: "update", view: "v1", where: FAST }]);
  shown.showPast(THEN);
  t.match(last().take(), [{ op: "subscribe", view: "v2", where: FAST }]);
  last().receive(playback("v2", "loading"));
  await settled();
  t.same(told, [[], []], "not known yet");
  last().receive({ op: "view", view: "v2", number: 2, cover: [], filters: 0 }, snapshot("v2"));
  last().receive(playback("v2", "paused"));
  await settled();
  t.same(told, [["done"], []]);
  t.match(last().take(), [
    { op: "unsubscribe", view: "v1" },
    { op: "update", view: "v2", kinds: ["tug"] },
  ]);
  last().receive({ op: "view", view: "v2", number: 2, cover: [], filters: 1 }, { ...snapshot("v2"), n: 2 });
  await settled();
  t.same(told, [["done"], ["done"]], "also the one that waited");
  t.same(shown.view.filter, { kinds: ["tug"], where: FAST });
  connection.close();
});

t.test("[W37] a filter asked for just before another view may be refused by that one", async (t) => {
  const { last, shown, connection } = await opened();
  const live = shown.view;
  shown.showPast(THEN);
  const told = outcome(shown.setFilter({ where: "entity." }));
  shown.showLive();
  t.match(last().take().at(-2), { op: "subscribe", view: "v3", where: "entity." });
  await settled();
  t.same(told, []);
  last().receive({ ...problem("v3"), type: "urn:muster:problem:bad-request", position: 7 });
  await settled();
  t.match(told, [{ name: "ProblemError", position: 7 }]);
  t.equal(shown.view, live);
  t.same(live.filter, {});
  connection.close();
  const late = outcome(shown.setFilter({ where: FAST }));
  await settled();
  t.match(late, [{ message: /closed/ }], "a connection that is closed decides too");
});

t.test("[W37] a filter asked of a past that cannot go on is in force in the live view", async (t) => {
  const { last, shown, connection } = await opened();
  shown.showPast(THEN);
  last().receive(playback("v2", "loading"), snapshot("v2"), playback("v2", "paused"));
  await settled();
  const told = outcome(shown.setFilter({ where: FAST }));
  last().take();
  last().receive(problem("v2", true));
  t.match(last().take(), [{ op: "subscribe", view: "v3", where: FAST }]);
  await settled();
  t.same(told, []);
  last().receive(snapshot("v3"));
  await settled();
  t.same(told, ["done"]);
  connection.close();
});

t.test("[W10] what moves goes on from when it was at its place, and no longer than is known", async (t) => {
  const { last, clock, shown, connection } = await opened();
  const moving = new Moving(
    connection,
    shown,
    () => false,
    () => clock.time,
  );
  const known = connection.serverNow();
  const times = { t: iso(known), placedAt: iso(known - 6_000) };
  const ship = full("a", 0.5, 0.5, { ...times, speed: 10, course: 90 });
  last().receive({ ...snapshot("v1"), op: "delta", n: 2, departures: [], updates: [ship] });
  await settled();
  const [now, late, over] = [0, 3_900, 4_100].map((ms) => moving.at("a", clock.time + ms)!);
  t.equal(Math.round((now!.position[0] - 0.5) * 111_195), 60);
  t.same([now!.moving, late!.moving, over!.moving], [true, true, false]);
  connection.close();
});

/** What no view outlives. */
const refusal = (view: string, ended?: true) => ({
  ...problem(view, ended),
  ...{ type: "urn:muster:problem:forbidden", status: 403, detail: "not for you" },
});

t.test("[W12] [W38] a live view that ends of a filter gives way to one without it", async (t) => {
  const { last, clock, shown, heard, connection } = await opened();
  const { view } = shown;
  const first = outcome(shown.setFilter({ kinds: ["tug"] }));
  last().receive({ op: "view", view: "v1", number: 1, cover: [], filters: 1 }, { ...snapshot("v1"), n: 2 });
  await settled();
  t.same(first, ["done"]);
  clock.advance(5_000);
  const told = outcome(shown.setFilter({ where: FAST }));
  last().take();
  last().receive(refusal("v1", true));
  await settled();
  t.match(told, [{ name: "ProblemError", detail: "not for you" }]);
  t.equal(shown.view, view, "the picture is as it was");
  clock.advance(0);
  t.match(last().take(), [{ op: "subscribe", view: "v2", kinds: ["tug"], where: undefined }]);
  last().receive(snapshot("v2"));
  await settled();
  t.equal(shown.view.state, "live");
  t.not(shown.view, view);
  clock.advance(4_999);
  last().receive(refusal("v2", true));
  clock.advance(0);
  t.same(last().take(), [], "one that fails at once is not asked for again and again");
  clock.advance(1);
  t.match(last().take(), [{ op: "subscribe", view: "v3", kinds: ["tug"] }]);
  t.same(heard, [], "no past was refused");
  connection.close();
});

t.test("[W38] a live view is asked for each 5 s until it is there, the first one too", async (t) => {
  const { options, clock, last } = script();
  const connection = connect("ws://node", options);
  last().open();
  const shown = new Shown(connection, [0, 0, 1, 1], clock);
  last().receive(refusal("v1"));
  shown.update([0, 0, 2, 2]);
  last().take();
  for (const view of ["v2", "v3"]) {
    clock.advance(4_999);
    t.same(last().take(), []);
    clock.advance(1);
    t.match(last().take(), [{ op: "subscribe", view, bbox: [0, 0, 2, 2] }]);
    last().receive(refusal(view));
    await settled();
    t.equal(shown.view.state, "failed");
  }
  shown.showLive();
  t.match(last().take(), [{ op: "subscribe", view: "v4" }], "`Live` does not wait");
  last().receive(snapshot("v4"));
  await settled();
  t.equal(shown.view.state, "live");
  clock.advance(6_000);
  t.same(last().take(), [], "nothing else is asked for");
  last().receive(refusal("v4", true));
  connection.close();
  clock.advance(0);
  await settled();
  t.equal(clock.pending, 0, "nothing is tried on a connection that is closed");
});

t.test("[W38] after a live view has failed a filter is asked for with the next one at once", async (t) => {
  const { last, clock, shown, connection } = await opened();
  last().receive(refusal("v1", true));
  last().take();
  const told = [outcome(shown.setFilter({ where: "entity." }))];
  t.match(last().take(), [{ op: "subscribe", view: "v2", where: "entity." }]);
  last().receive({ ...refusal("v2"), position: 7 });
  await settled();
  t.match(told[0], [{ name: "ProblemError", position: 7 }]);
  clock.advance(5_000);
  t.strictSame(last().take()[0].where, undefined, "it is not asked for once more");
  last().receive(refusal("v3"));
  await settled();
  told.push(outcome(shown.setFilter({ where: FAST })));
  t.match(last().take(), [{ op: "subscribe", view: "v4", where: FAST }]);
  last().receive(snapshot("v4"));
  await settled();
  t.same(told[1], ["done"]);
  last().receive(refusal("v4", true));
  clock.advance(5_000);
  t.match(last().take(), [{ op: "subscribe", view: "v5", where: FAST }], "it was in force");
  last().receive(refusal("v5"));
  await settled();
  told.push(outcome(shown.setFilter({ where: null })));
  const [subscribed] = last().take();
  t.strictSame([subscribed.view, subscribed.where], ["v6", undefined], "who empties the field need not wait");
  last().receive(snapshot("v6"));
  await settled();
  t.same(told[2], ["done"]);
  connection.close();
});

t.test("[W38] a past is shown after a live view has failed, and a live one after both have", async (t) => {
  const { last, clock, shown, heard, connection } = await opened();
  const told = outcome(shown.setFilter({ where: FAST }));
  last().receive(refusal("v1", true));
  await settled();
  t.equal(told.length, 1);
  last().take();
  shown.showPast(THEN);
  const [subscribed] = last().take();
  t.strictSame([subscribed.view, subscribed.where], ["v2", undefined], "without the filter that was refused");
  clock.advance(6_000);
  t.same(last().take(), [], "the past is what is asked for");
  last().receive(problem("v2"));
  await settled();
  t.equal(heard.length, 1);
  clock.advance(0);
  t.match(last().take(), [{ op: "subscribe", view: "v3", at: undefined }]);
  shown.showPast(THEN);
  last().receive(playback("v4", "loading"), snapshot("v4"), playback("v4", "paused"));
  await settled();
  last().receive(problem("v4", true), refusal("v5"));
  await settled();
  last().take();
  clock.advance(5_000);
  t.match(last().take(), [{ op: "subscribe", view: "v6", at: undefined }]);
  last().receive(snapshot("v6"));
  await settled();
  t.ok(shown.view.isLive && shown.view.state === "live");
  connection.close();
});

t.test(
  "[W18] a past that has caught up asks for the live view each 5 s, as long as that is refused",
  async (t) => {
    const { last, clock, shown, connection } = await opened();
    shown.on("asked", () => shown.past?.playback === "present" && shown.goOnLive());
    shown.showPast(THEN);
    last().take();
    clock.advance(6_000);
    last().receive(playback("v2", "loading"), snapshot("v2"), playback("v2", "playing"));
    await settled();
    const past = shown.view;
    last().take();
    last().receive(playback("v2", "present"));
    for (const view of ["v3", "v4", "v5"]) {
      t.match(last().take(), [{ op: "subscribe", view, at: undefined }]);
      last().receive(refusal(view));
      await settled();
      t.equal(shown.view, past);
      clock.advance(4_999);
      t.same(last().take(), []);
      clock.advance(1);
    }
    last().receive(refusal("v6"));
    last().take();
    await settled();
    last().receive(playback("v2", "playing"));
    clock.advance(6_000);
    t.same(last().take(), [], "it was sought meanwhile");
    last().receive(playback("v2", "present"));
    last().receive(snapshot("v7"));
    await settled();
    t.ok(shown.view.isLive && shown.view.state === "live");
    connection.close();
  },
);

t.test("[W18] nothing is tried on a connection that is closed", async (t) => {
  const { last, clock, shown, connection } = await opened();
  shown.on("asked", () => shown.past?.playback === "present" && shown.goOnLive());
  shown.showPast(THEN);
  last().receive(playback("v2", "loading"), snapshot("v2"), playback("v2", "playing"));
  await settled();
  last().receive(playback("v2", "present"));
  t.equal(shown.past?.playback, "present", "the live view was asked for just now");
  const { pending } = clock;
  connection.close();
  clock.advance(60_000);
  await settled();
  t.equal(clock.pending, 0);
  t.ok(pending > 0);
});
