// Views that were live, and for which the server has no room for a while.
import t from "tap";
import { connect } from "../../client/connection.ts";
import { ProblemError } from "../../client/errors.ts";
import { full, script } from "./scripted.ts";

const BBOX: [number, number, number, number] = [1, 2, 3, 4];
const reply = (view: string) => ({ op: "view", view, cover: [[0, 0, 45, 45]], filters: 0 });
const first = (view: string, ...entities: object[]) => ({
  ...{ op: "snapshot", view, n: 1, tick: 1, t: "2024-06-06T08:00:00.000Z", lag: 0, first: true, last: true },
  entities,
});
const unavailable = (view: string, more: object = {}) => ({
  ...{ op: "error", type: "urn:muster:problem:unavailable", title: "T", status: 503, detail: "D", view },
  ...more,
});

/** A view that is live, and what it told since. */
function live() {
  const scripted = script();
  const { options, clock, last } = scripted;
  const connection = connect("ws://node", options);
  last().open();
  const view = connection.view({ bbox: BBOX });
  last().receive(reply("v1"), first("v1", full("a", 2, 3)));
  last().take();
  const told: string[] = [];
  view.on("state", (state) => told.push(state));
  view.on("problem", (error) => told.push(`problem ${(error as ProblemError).status}`));
  const reconnect = () => {
    last().break();
    clock.advance(1_000);
    last().open();
  };
  return { ...scripted, connection, view, told, reconnect };
}

t.test(
  "[K56] a view that is refused `unavailable` after a reconnect tries again until it is served",
  async (t) => {
    const { connection, view, told, reconnect, clock, last } = live();
    reconnect();
    t.match(last().take(), [{ op: "subscribe", view: "v2" }]);
    last().receive(unavailable("v2"));
    t.strictSame([view.state, view.entities.size, last().take()], ["stale", 1, []]);
    view.update([2, 2, 4, 4]);
    clock.advance(1_499);
    t.strictSame(last().take(), [], "not before");
    clock.advance(1);
    t.strictSame(last().take(), [{ op: "subscribe", view: "v3", bbox: [2, 2, 4, 4] }]);
    last().receive(unavailable("v3"));
    clock.advance(1_500);
    t.strictSame(last().take(), [{ op: "subscribe", view: "v4", bbox: [2, 2, 4, 4] }]);
    last().receive(reply("v4"), first("v4", full("b", 2, 3)));
    t.strictSame([view.state, [...view.entities.keys()]], ["live", ["b"]]);
    t.strictSame(told, ["stale", "problem 503", "problem 503", "live"]);
    clock.advance(5_000);
    t.strictSame(last().take(), []);
    last().receive(unavailable("v4"));
    t.equal(view.state, "live", "a refused update leaves it as it is");
    connection.close();
  },
);

t.test(
  "[K56] a view that is ended as `unavailable` does too, with the change that was under way",
  async (t) => {
    const { connection, view, told, clock, last } = live();
    const change = view.setFilter({ where: "true" });
    last().take();
    last().receive(unavailable("v1", { ended: true }), { ...first("v1"), n: 2 });
    t.strictSame([told, view.entities.size], [["stale", "problem 503"], 1]);
    clock.advance(1_499);
    t.strictSame(last().take(), []);
    clock.advance(1);
    t.strictSame(last().take(), [{ op: "subscribe", view: "v2", bbox: BBOX, where: "true" }]);
    last().receive(reply("v2"), first("v2"));
    await change;
    t.equal(view.state, "live");
    connection.close();
  },
);

t.test("[K27, K56] a change that is refused so is given up, and the filter before is tried", async (t) => {
  const { connection, view, reconnect, clock, last } = live();
  const change = view.setFilter({ where: "true" });
  reconnect();
  last().take();
  last().receive(unavailable("v2"));
  await t.rejects(change, ProblemError);
  t.strictSame(last().take(), [{ op: "subscribe", view: "v3", bbox: BBOX }]);
  last().receive(unavailable("v3"));
  t.equal(view.state, "stale");
  const waits = view.setFilter({ kinds: ["vessel"] });
  clock.advance(1_500);
  t.strictSame(last().take(), [{ op: "subscribe", view: "v4", bbox: BBOX, kinds: ["vessel"] }]);
  last().receive(reply("v4"), first("v4"));
  await waits;
  connection.close();
});

t.test("[K56] a new connection subscribes at once instead; who closes is not kept", async (t) => {
  const { connection, view, reconnect, clock, last } = live();
  reconnect();
  last().receive(unavailable("v2"));
  reconnect();
  t.match(last().take(), [{ op: "subscribe", view: "v3" }]);
  clock.advance(5_000);
  t.strictSame(last().take(), [], "once");
  last().receive(unavailable("v3"));
  const waiting = clock.pending;
  view.close();
  t.equal(clock.pending, waiting - 1);
  clock.advance(5_000);
  t.strictSame([last().take(), view.state], [[], "closed"]);
  const other = live();
  other.last().receive(unavailable("v1", { ended: true }));
  other.connection.close();
  t.strictSame([other.view.state, other.clock.pending], ["closed", 0]);
  const eager = live();
  eager.view.on("state", () => eager.connection.close());
  eager.last().receive(unavailable("v1", { ended: true }));
  t.equal(eager.clock.pending, 0, "also a listener who closes");
  connection.close();
});

t.test("[K14, K56] a first subscription is not tried again, nor one that is refused otherwise", async (t) => {
  const { connection, view, reconnect, clock, last } = live();
  const never = connection.view({ bbox: BBOX });
  last().receive(unavailable("v2"));
  await t.rejects(never.ready, ProblemError);
  t.equal(never.state, "failed");
  reconnect();
  last().take();
  last().receive(unavailable("v3"));
  clock.advance(1_500);
  last().receive(unavailable("v4", { type: "urn:muster:problem:bad-request", status: 400 }));
  t.equal(view.state, "failed");
  last().take();
  clock.advance(5_000);
  t.strictSame(last().take(), []);
  connection.close();
});

t.test("[K39] a playback that the server cannot begin again fails, live as it was", async (t) => {
  const { connection, reconnect, last } = live();
  const view = connection.view({ bbox: BBOX, at: 1_000 });
  const played = { op: "playback", view: "v2", t: "1970-01-01T00:00:01.000Z", speed: 1, updates: 0 };
  last().receive({ ...played, state: "playing" }, first("v2"));
  t.equal(view.state, "live");
  reconnect();
  last().receive(unavailable("v4"));
  t.equal(view.state, "failed");
  connection.close();
});
