// Places, filters, clusters and the end of a view.
import t from "tap";
import { connect } from "../../client/connection.ts";
import { ProblemError, ViewEnded } from "../../client/errors.ts";
import type { Change } from "../../client/replica.ts";
import type { ViewOptions } from "../../client/view-options.ts";
import { FRAME_CLUSTERS } from "../../src/transport/feed/layout.ts";
import { encodeFrame } from "../feed/binary-frames.ts";
import { full, script } from "./scripted.ts";

function opened(options: ViewOptions, protocol?: string) {
  const scripted = script();
  const connection = connect("ws://node", scripted.options);
  scripted.last().open(protocol);
  const view = connection.view(options);
  return { ...scripted, connection, view };
}
const reply = (view: string, more: object = {}) => ({
  ...{ op: "view", view, cover: [[0, 0, 45, 45]], filters: 0 },
  ...more,
});
const first = (view: string, n: number, ...entities: object[]) => ({
  ...{ op: "snapshot", view, n, tick: 1, t: "2024-06-06T08:00:00.000Z", lag: 0, first: true, last: true },
  entities,
});
const problem = (view: string, more: object = {}) => ({
  ...{ op: "error", type: "urn:muster:problem:bad-request", title: "T", status: 400, detail: "D", view },
  ...more,
});
const BBOX: [number, number, number, number] = [1, 2, 3, 4];

t.test("[K25] a view is of a box, of ids, or follows; all its options are in its subscription", async (t) => {
  const rows: [ViewOptions, object][] = [
    [
      { bbox: BBOX, kinds: ["a"], where: "true", rate: 1, tolerance: "10m", max: 7 },
      { bbox: BBOX, kinds: ["a"], where: "true", rate: 1, tolerance: "10m", max: 7 },
    ],
    [{ ids: ["a", "b"] }, { ids: ["a", "b"] }],
    [{ follow: { id: "a", radius: 500 } }, { follow: { id: "a", radius: 500 } }],
  ];
  for (const [options, members] of rows) {
    const { connection, last } = opened(options);
    t.strictSame(last().take(), [{ op: "subscribe", view: "v1", ...members }]);
    connection.close();
  }
});

t.test(
  "[K25] a view of ids shows all it has; one that follows has the box that the server told last",
  async (t) => {
    const ids = opened({ ids: ["a", "b"] });
    ids.last().receive(reply("v1", { cover: [] }), first("v1", 1, full("a", 1, 1), full("b", 100, 50)));
    t.strictSame([ids.view.bbox, ids.view.inBox().length, ids.view.state], [undefined, 2, "live"]);
    t.throws(() => ids.view.update(BBOX), TypeError);
    const follow = opened({ follow: { id: "a", radius: 500 } });
    follow
      .last()
      .receive(reply("v1", { bbox: [0, 0, 2, 2] }), first("v1", 1, full("a", 1, 1), full("b", 3, 1)));
    t.strictSame(
      follow.view.inBox().map(({ id }) => id),
      ["a"],
    );
    follow.last().receive(reply("v1", { bbox: [2, 0, 4, 2] }));
    t.strictSame([follow.view.bbox, follow.view.inBox().map(({ id }) => id)], [[2, 0, 4, 2], ["b"]]);
    t.throws(() => follow.view.update(BBOX), TypeError);
    ids.connection.close();
    follow.connection.close();
  },
);

t.test(
  "[K26] a view whose followed entity has gone is ended, says why, and does not come back",
  async (t) => {
    const { connection, view, last, clock } = opened({ follow: { id: "a", radius: 500 } });
    const states: string[] = [];
    view.on("state", (state) => states.push(`${state} ${view.endReason}`));
    last().receive(reply("v1", { bbox: BBOX }), first("v1", 1, full("a", 2, 3)));
    last().receive({ op: "ended", view: "v1", reason: "expired" }, first("v1", 2));
    t.strictSame(
      [states, view.endReason, view.entities.size],
      [["live undefined", "ended expired"], "expired", 1],
    );
    await t.rejects(view.setFilter({ where: "true" }), { message: "the view is ended" });
    last().take();
    last().break();
    clock.advance(50);
    last().open();
    t.strictSame(last().take(), []);
    const early = connection.view({ follow: { id: "b", radius: 500 } });
    last().receive({ op: "ended", view: "v2", reason: "denied" });
    await t.rejects(early.ready, ViewEnded);
    connection.close();
    t.equal(view.state, "ended");
  },
);

for (const protocol of ["muster.v1.json", "muster.v1.bin"]) {
  t.test(`[K24] in ${protocol} a view shows clusters instead of entities, and entities again`, async (t) => {
    const { connection, view, last } = opened({ bbox: BBOX }, protocol);
    const changes: Change[] = [];
    view.on("change", (change) => changes.push(change));
    const clusters = (n: number, count: number) => {
      const head = { type: FRAME_CLUSTERS, first: false, last: false, view: 9, n, tick: 1, t: 5_000, lag: 0 };
      return protocol === "muster.v1.bin"
        ? encodeFrame({ head, cells: [{ lon: 2.1234, lat: 3, count }] })
        : {
            op: "clusters",
            view: "v1",
            n,
            tick: 1,
            t: "1970-01-01T00:00:05.000Z",
            lag: 0,
            cells: [[2.1234, 3, count]],
          };
    };
    last().receive(reply("v1", { number: 9 }), clusters(1, 6_000));
    await view.ready;
    t.strictSame([view.state, view.clusters, view.entities.size], ["live", [[2.1234, 3, 6_000]], 0]);
    last().receive(clusters(2, 7_000));
    t.strictSame(view.clusters, [[2.1234, 3, 7_000]]);
    t.strictSame(changes, Array(2).fill({ added: [], updated: [], removed: [] }));
    t.equal(view.asOf, 5_000);
    last().receive({ op: "heartbeat", t: "1970-01-01T00:00:09.000Z", tick: 1, lag: 0, stale: false });
    t.equal(view.asOf, 8_000, "clusters are told once a second");
    if (protocol === "muster.v1.json") {
      last().receive(first("v1", 3));
      t.strictSame([view.clusters, changes.length], [[], 3], "an empty picture is a change as well");
    }
    connection.close();
  });
}

t.test("[K27] setFilter changes the filter and resolves when the new snapshot begins", async (t) => {
  const { connection, view, last, clock } = opened({ bbox: BBOX, kinds: ["vessel"] });
  last().receive(reply("v1"), first("v1", 1, full("a", 2, 3)));
  last().take();
  let done = 0;
  const change = view.setFilter({ where: "entity.speed > 5.0" }).then(() => done++);
  t.strictSame(last().take(), [{ op: "update", view: "v1", where: "entity.speed > 5.0" }]);
  last().receive({ ...first("v1", 2), op: "delta", departures: [], updates: [] });
  last().receive(reply("v1", { filters: 1 }));
  await Promise.resolve();
  t.equal(done, 0);
  last().receive(first("v1", 3));
  await change;
  t.strictSame(view.filter, { kinds: ["vessel"], where: "entity.speed > 5.0" });
  last().break();
  clock.advance(50);
  last().open();
  t.strictSame(last().take(), [
    { op: "subscribe", view: "v2", bbox: BBOX, kinds: ["vessel"], where: "entity.speed > 5.0" },
  ]);
  last().receive(reply("v2"));
  void view.setFilter({ kinds: null });
  t.strictSame(last().take(), [{ op: "update", view: "v2", kinds: null }]);
  t.strictSame(view.filter, { where: "entity.speed > 5.0" });
  last().receive(reply("v2", { filters: 1 }), first("v2", 1));
  await view.setFilter({ where: "entity.speed > 5.0" });
  t.strictSame(last().take(), [], "what is in force already is not asked for");
  connection.close();
});

t.test("[K27] a refused filter leaves the view as it was, and says where the mistake is", async (t) => {
  const { connection, view, last, clock } = opened({ bbox: BBOX });
  const problems: unknown[] = [];
  view.on("problem", (error) => problems.push((error as ProblemError).position));
  last().receive(reply("v1"), first("v1", 1, full("a", 2, 3)));
  last().take();
  const wrong = view.setFilter({ where: "entity.speed >" });
  const right = view.setFilter({ kinds: ["vessel"] });
  t.equal(last().take().length, 1, "one change at a time");
  last().receive(problem("v1", { position: 14 }));
  await t.rejects(wrong, { message: "T: D", position: 14, status: 400 });
  await t.rejects(wrong, ProblemError);
  t.strictSame([view.state, view.entities.size, problems], ["live", 1, [14]]);
  t.strictSame(last().take(), [{ op: "update", view: "v1", kinds: ["vessel"] }]);
  last().receive(reply("v1", { filters: 1 }), first("v1", 2));
  await right;
  t.strictSame(view.filter, { kinds: ["vessel"] });

  const late = view.setFilter({ where: "late" });
  last().receive(first("v1", 3), problem("v1", { position: 0 }));
  await t.rejects(late, ProblemError, "a snapshot for another reason does not make it done");
  t.strictSame(view.filter, { kinds: ["vessel"] });
  last().receive(problem("v1", { position: 0 }), problem("v1"));
  t.strictSame(view.filter, { kinds: ["vessel"] });

  const lost = view.setFilter({ where: "also wrong" });
  last().break();
  clock.advance(50);
  last().open();
  t.strictSame(last().take().at(-1), {
    op: "subscribe",
    view: "v2",
    bbox: BBOX,
    kinds: ["vessel"],
    where: "also wrong",
  });
  const next = view.setFilter({ where: "true" });
  last().receive(problem("v2", { position: 5 }));
  await t.rejects(lost, ProblemError);
  t.strictSame(last().take(), [
    { op: "subscribe", view: "v3", bbox: BBOX, kinds: ["vessel"], where: "true" },
  ]);
  last().receive(reply("v3"), first("v3", 1));
  await next;
  t.equal(view.state, "live");
  const open = view.setFilter({ where: null });
  connection.close();
  await t.rejects(open, { name: "ConnectionClosed" });
});

t.test("[K14] a view that is opened with a wrong filter fails, and says where the mistake is", async (t) => {
  const { connection, view, last } = opened({ bbox: BBOX, where: "entity." });
  last().receive(problem("v1", { position: 7 }));
  await t.rejects(view.ready, { message: "T: D", position: 7 });
  t.equal(view.state, "failed");
  connection.close();
});

t.test("[K14] a tolerance that there is not is the server's to refuse", async (t) => {
  const { view, last, connection } = opened({ bbox: BBOX, tolerance: "1m" as "10m" });
  t.match(last().take(), [{ op: "subscribe", view: "v1", tolerance: "1m" }]);
  last().receive(problem("v1", { detail: "`tolerance` must be 10m or 100m" }));
  await t.rejects(view.ready, { name: "ProblemError", message: /tolerance/ });
  connection.close();
});

t.test("[K13] a box that its caller changes later is as it was given", async (t) => {
  const box: [number, number, number, number] = [0, 0, 10, 10];
  const { view, last, connection, clock } = opened({ bbox: box });
  box[0] = 5;
  t.strictSame(view.bbox, [0, 0, 10, 10]);
  view.update(box);
  box[0] = 200;
  t.strictSame(view.bbox, [5, 0, 10, 10]);
  last().break();
  clock.advance(1_000);
  last().open();
  t.match(last().take(), [{ op: "subscribe", bbox: [5, 0, 10, 10] }]);
  connection.close();
});
