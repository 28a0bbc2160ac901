// What is asked of a view before the server has answered its subscription.
import t from "tap";
import { connect } from "../../client/connection.ts";
import { ProblemError } from "../../client/errors.ts";
import type { Bbox } from "../../src/transport/feed/protocol.ts";
import { script } from "./scripted.ts";

const BBOX: Bbox = [1, 2, 3, 4];
const reply = (view: string, filters = 0) => ({ op: "view", view, cover: [[0, 0, 45, 45]], filters });
const first = (view: string, n: number) => ({
  ...{ op: "snapshot", view, n, tick: 1, t: "2024-06-06T08:00:00.000Z", lag: 0, first: true, last: true },
  entities: [],
});
const problem = (view: string, position: number) => ({
  ...{ op: "error", type: "urn:muster:problem:bad-expression", title: "T", status: 400, detail: "D" },
  ...{ view, position },
});

function opened() {
  const scripted = script();
  const connection = connect("ws://node", scripted.options);
  scripted.last().open();
  const problems: string[] = [];
  connection.on("problem", ({ message }) => problems.push(message));
  return { ...scripted, connection, problems };
}

t.test("[K57] a good change after a bad subscription is not what the server refused", async (t) => {
  const { connection, last, problems } = opened();
  const view = connection.view({ bbox: BBOX, where: "bad" });
  const told: unknown[] = [];
  view.on("problem", (error) => told.push((error as ProblemError).position));
  const change = view.setFilter({ where: "true" });
  const next = view.setFilter({ kinds: ["vessel"] });
  view.update([2, 2, 4, 4]);
  t.strictSame(last().take(), [{ op: "subscribe", view: "v1", bbox: BBOX, where: "bad" }]);
  last().receive(problem("v1", 4));
  await t.rejects(view.ready, { name: "ProblemError", position: 4 });
  for (const promise of [change, next]) {
    const error = await promise.catch((error) => error);
    t.match(error, { message: "the view failed: T: D", cause: ProblemError });
    t.equal(error.position, undefined);
  }
  t.strictSame([view.state, told, problems, last().take()], ["failed", [4], ["T: D"], []]);
  connection.close();
});

t.test("[K57] the last box and the first change of a filter are sent after the answer", async (t) => {
  const { connection, last } = opened();
  const view = connection.view({ bbox: BBOX });
  const box: Bbox = [3, 2, 5, 4];
  view.update([2, 2, 4, 4]);
  const kinds = ["vessel"];
  const change = view.setFilter({ kinds });
  const next = view.setFilter({ where: "true" });
  view.update(box);
  box[0] = 4;
  kinds.push("tug");
  t.equal(last().take().length, 1);
  last().receive(reply("v1"));
  t.strictSame(last().take(), [
    { op: "update", view: "v1", bbox: [3, 2, 5, 4] },
    { op: "update", view: "v1", kinds: ["vessel"] },
  ]);
  last().receive(first("v1", 1), reply("v1", 0));
  t.strictSame(last().take(), [], "once");
  last().receive(reply("v1", 1), first("v1", 2));
  await change;
  t.strictSame(last().take(), [{ op: "update", view: "v1", where: "true" }]);
  last().receive(problem("v1", 0));
  await t.rejects(next, { name: "ProblemError", position: 0 });
  t.equal(view.state, "live");
  connection.close();
});

t.test("[K57] of a subscription that is made anew nothing is sent that it has", async (t) => {
  const { connection, clock, last } = opened();
  const view = connection.view({ bbox: BBOX });
  view.update([2, 2, 4, 4]);
  const change = view.setFilter({ where: "true" });
  last().break();
  clock.advance(1_000);
  last().open();
  t.strictSame(last().take(), [{ op: "subscribe", view: "v2", bbox: [2, 2, 4, 4], where: "true" }]);
  last().receive(reply("v2"), first("v2", 1));
  await change;
  t.strictSame(last().take(), []);
  connection.close();
});

t.test("[K27, K57] a change that was in the subscription is refused with it", async (t) => {
  const { connection, clock, last } = opened();
  const view = connection.view({ bbox: BBOX });
  const change = view.setFilter({ where: "bad" });
  last().break();
  clock.advance(1_000);
  last().open();
  last().take();
  const next = view.setFilter({ kinds: ["vessel"] });
  last().receive(problem("v2", 4));
  await t.rejects(change, { name: "ProblemError", position: 4 });
  t.strictSame(last().take(), [{ op: "subscribe", view: "v3", bbox: BBOX, kinds: ["vessel"] }]);
  last().receive(reply("v3"), first("v3", 1));
  await next;
  connection.close();
});

t.test("[K38, K57] the last time and speed of a playback are sent after the answer, and count", async (t) => {
  const { connection, last } = opened();
  const view = connection.view({ bbox: BBOX, at: 1_000_000, speed: 0 });
  last().take();
  view.seek(800_000);
  view.play(10);
  view.seek(900_000);
  t.strictSame(last().take(), []);
  const told = (t: number, speed: number, updates: number) => ({
    ...{ op: "playback", view: "v1", t: new Date(t).toISOString(), speed, state: "paused", updates },
  });
  last().receive(told(1_000_000, 0, 0));
  t.strictSame(last().take(), [
    { op: "update", view: "v1", at: "1970-01-01T00:15:00.000Z" },
    { op: "update", view: "v1", speed: 10 },
  ]);
  last().receive(told(900_000, 0, 1));
  t.strictSame([view.time, view.speed, view.playback], [900_000, 10, "loading"], "one is under way");
  last().receive(told(900_500, 10, 2));
  t.strictSame([view.time, view.speed, view.playback], [900_500, 10, "paused"]);
  connection.close();
});
