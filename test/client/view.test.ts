import t from "tap";
import { connect } from "../../client/connection.ts";
import { ConnectionClosed, ProblemError } from "../../client/errors.ts";
import type { Change } from "../../client/replica.ts";
import { full, script } from "./scripted.ts";

function opened() {
  const scripted = script();
  const connection = connect("ws://node", scripted.options);
  scripted.last().open();
  return { ...scripted, connection };
}
const cover = (view: string) => ({ op: "view", view, cover: [[0, 0, 45, 45]], filters: 0 });
const first = (view: string, n: number, ...entities: object[]) => ({
  op: "snapshot",
  view,
  n,
  tick: 1,
  first: true,
  last: true,
  entities,
});

t.test(
  "[K7] a view subscribes, is ready after its last part, and tells each frame's change once",
  async (t) => {
    const { connection, last } = opened();
    const view = connection.view({ bbox: [1, 2, 3, 4], kinds: ["vessel"], rate: 1 });
    const changes: Change[] = [];
    view.on("change", (change) => changes.push(change));
    t.strictSame(last().take(), [
      { op: "subscribe", view: "v1", bbox: [1, 2, 3, 4], kinds: ["vessel"], rate: 1 },
    ]);
    last().receive(cover("v1"), { ...first("v1", 1, full("a", 2, 3)), last: undefined });
    t.equal(view.state, "loading");
    last().receive({ op: "snapshot", view: "v1", n: 2, tick: 1, last: true, entities: [full("b", 9, 9)] });
    await view.ready;
    t.equal(view.state, "live");
    last().receive(
      { op: "delta", view: "v1", n: 3, tick: 2, departures: [], updates: [] },
      {
        op: "delta",
        view: "v1",
        n: 4,
        tick: 3,
        departures: [["b", "left"]],
        updates: [{ id: "a", t: "T", lon: 2, lat: 3.5 }],
      },
    );
    t.strictSame(changes, [
      { added: ["a"], updated: [], removed: [] },
      { added: ["b"], updated: [], removed: [] },
      { added: [], updated: ["a"], removed: [["b", "left"]] },
    ]);
    t.strictSame(view.cover, [[0, 0, 45, 45]]);
    connection.close();
  },
);

t.test("[K13] inBox clips the cover to the box, which update moves", async (t) => {
  const { connection, last } = opened();
  const view = connection.view({ bbox: [1, 2, 3, 4] });
  last().receive(cover("v1"), first("v1", 1, full("in", 2, 3), full("edge", 3, 4), full("out", 3.1, 4)));
  t.strictSame(
    view.inBox().map(({ id }) => id),
    ["in", "edge"],
  );
  t.equal(view.entities.size, 3);
  last().take();
  view.update([3.05, 3, 4, 5]);
  t.strictSame(last().take(), [{ op: "update", view: "v1", bbox: [3.05, 3, 4, 5] }]);
  t.strictSame(
    view.inBox().map(({ id }) => id),
    ["out"],
  );
  connection.close();
});

t.test("[K13] an update to what is no box is an error, and changes nothing", async (t) => {
  const { connection, last } = opened();
  const view = connection.view({ bbox: [1, 2, 3, 4] });
  last().receive(cover("v1"));
  last().take();
  for (const wrong of [
    [Number.NaN, 2, 3, 4],
    [1, 2, Number.POSITIVE_INFINITY, 4],
    [1, 4.1, 3, 4],
    [1, Number.NaN, 3, 4],
    [1, -91, 3, 4],
    [1, 2, 3, 91],
    [-180.1, 2, 3, 4],
    [1, 2, 3],
  ] as [number, number, number, number][])
    t.throws(() => view.update(wrong), RangeError, `${wrong}`);
  t.strictSame([view.bbox, last().take()], [[1, 2, 3, 4], []]);
  const world: [number, number, number, number] = [-180, -90, 180, 90];
  view.update(world);
  t.strictSame(last().take(), [{ op: "update", view: "v1", bbox: world }]);
  connection.close();
});

t.test("[K8] after a reconnect a view is stale but readable until its new first snapshot", async (t) => {
  const { connection, clock, sockets, last } = opened();
  const one = connection.view({ bbox: [1, 2, 3, 4] });
  const two = connection.view({ bbox: [5, 6, 7, 8] });
  last().receive(cover("v1"), first("v1", 1, full("a", 2, 3)), cover("v2"), first("v2", 1));
  last().break();
  t.strictSame([one.state, two.state, one.inBox().length], ["stale", "stale", 1]);
  one.update([2, 2, 4, 4]);
  clock.advance(50);
  last().open();
  t.strictSame(last().take(), [
    { op: "subscribe", view: "v3", bbox: [2, 2, 4, 4] },
    { op: "subscribe", view: "v4", bbox: [5, 6, 7, 8] },
  ]);
  t.equal(one.stale, true);
  t.equal(one.entities.size, 1);
  const changes: Change[] = [];
  one.on("change", (change) => changes.push(change));
  last().receive(cover("v3"), first("v3", 1, full("b", 2, 3)));
  t.strictSame([one.state, two.state], ["live", "stale"]);
  t.strictSame(changes, [{ added: ["b"], updated: [], removed: [["a", "replaced"]] }]);
  t.equal(sockets.length, 2);
  connection.close();
});

t.test(
  "[K12] a gap makes a new subscription under a new name; late frames of the old are dropped",
  async (t) => {
    const { connection, clock, last } = opened();
    const view = connection.view({ bbox: [1, 2, 3, 4] });
    const problems: string[] = [];
    view.on("problem", (problem) => problems.push(problem.message));
    last().receive(cover("v1"), first("v1", 1, full("a", 2, 3)));
    clock.advance(2_000);
    last().take();
    const delta = { op: "delta", view: "v1", tick: 3, departures: [["a", "left"]], updates: [] };
    last().receive({ ...delta, n: 3 }, { ...delta, n: 4 });
    t.strictSame(last().take(), [
      { op: "unsubscribe", view: "v1" },
      { op: "subscribe", view: "v2", bbox: [1, 2, 3, 4] },
    ]);
    t.strictSame([view.state, view.entities.size], ["stale", 1]);
    last().receive(cover("v2"), first("v2", 1, full("a", 2, 3)), { ...delta, view: "v2", n: 3 });
    t.strictSame(last().take(), [{ op: "unsubscribe", view: "v2" }], "not at once again");
    clock.advance(1_000);
    t.strictSame(last().take(), [{ op: "subscribe", view: "v3", bbox: [1, 2, 3, 4] }]);
    last().receive(cover("v3"), first("v3", 1));
    t.equal(view.state, "live");
    t.strictSame(problems, ["frame 3 came after frame 1", "frame 3 came after frame 1"]);
    connection.close();
  },
);

t.test("[K14] a refused subscription fails the view, a refused update does not", async (t) => {
  const { connection, clock, last } = opened();
  const problem = (view: string) => ({
    op: "error",
    type: "urn:muster:problem:bad-request",
    title: "The request is not valid",
    status: 400,
    detail: "south is north of north",
    view,
  });
  const bad = connection.view({ bbox: [1, 9, 3, 4] });
  const good = connection.view({ bbox: [1, 2, 3, 4] });
  const heard: Error[] = [];
  connection.on("problem", (error) => heard.push(error));
  last().receive(problem("v1"), cover("v2"), first("v2", 1), problem("v2"));
  await t.rejects(bad.ready, { message: "The request is not valid: south is north of north", status: 400 });
  t.strictSame([bad.state, good.state], ["failed", "live"]);
  t.strictSame([heard.length, heard[0] instanceof ProblemError], [2, true]);
  last().break();
  clock.advance(50);
  last().take();
  last().open();
  t.strictSame(last().take(), [{ op: "subscribe", view: "v3", bbox: [1, 2, 3, 4] }]);
  connection.close();
});

t.test("[K34] a problem that ends a view fails it, live as it was, and it does not come back", async (t) => {
  const { connection, clock, last } = opened();
  const view = connection.view({ bbox: [1, 2, 3, 4] });
  const other = connection.view({ bbox: [1, 2, 3, 4] });
  const problems: unknown[] = [];
  view.on("problem", (error) => problems.push((error as ProblemError).status));
  last().receive(cover("v1"), first("v1", 1, full("a", 2, 3)), cover("v2"), first("v2", 1));
  const change = view.setFilter({ where: "true" });
  last().take();
  const problem = {
    op: "error",
    type: "urn:muster:problem:entity-not-found",
    title: "T",
    status: 404,
    detail: "D",
  };
  last().receive({ ...problem, view: "v1", ended: true }, first("v1", 2));
  await t.rejects(change, { name: "ProblemError", status: 404 });
  t.strictSame([view.state, view.entities.size, other.state, problems], ["failed", 1, "live", [404]]);
  t.strictSame(last().take(), [], "the server has nothing of it");
  last().break();
  clock.advance(50);
  last().open();
  t.strictSame(last().take(), [{ op: "subscribe", view: "v3", bbox: [1, 2, 3, 4] }]);
  connection.close();
});

t.test("[K15] closing a view unsubscribes; closing the connection closes its views", async (t) => {
  const { connection, last } = opened();
  const one = connection.view({ bbox: [1, 2, 3, 4] });
  const two = connection.view({ bbox: [1, 2, 3, 4] });
  last().receive(cover("v1"), first("v1", 1, full("a", 2, 3)));
  last().take();
  one.close();
  one.close();
  t.strictSame(last().take(), [{ op: "unsubscribe", view: "v1" }]);
  last().receive({ op: "delta", view: "v1", n: 2, tick: 2, departures: [["a", "left"]], updates: [] });
  t.equal(one.entities.size, 1, "what was seen last stays readable");
  connection.close();
  t.equal(two.state, "closed");
  await t.rejects(two.ready, ConnectionClosed);
  const late = connection.view({ bbox: [1, 2, 3, 4] });
  await t.rejects(late.ready, ConnectionClosed);
  t.equal(late.state, "closed");
});

t.test("[K8] a view opened by a listener of the open state subscribes once", async (t) => {
  const { options, last } = script();
  const connection = connect("ws://node", options);
  connection.on("state", ({ name }) => name === "open" && connection.view({ bbox: [1, 2, 3, 4] }));
  last().open();
  t.equal(last().take().length, 1);
  connection.close();
});
