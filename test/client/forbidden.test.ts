// What the SDK makes of views that may not be seen, or not any more.
import t from "tap";
import { connect } from "../../client/connection.ts";
import { full, script } from "./scripted.ts";

const made = { tick: 1, t: "2024-06-06T08:00:00.000Z", lag: 0 };
const reply = (view: string) => ({ op: "view", view, cover: [[0, 0, 45, 45]], filters: 0 });
const first = (view: string, n: number, ...entities: object[]) => ({
  ...{ op: "snapshot", view, n, ...made, first: true, last: true },
  entities,
});
const forbidden = (view: string, more: object = {}) => ({
  ...{ op: "error", type: "urn:muster:problem:forbidden", title: "T", status: 403, detail: "D", view },
  ...more,
});
const HOUR_MS = 3_600_000;

function open() {
  const scripted = script();
  const connection = connect("ws://node", scripted.options);
  scripted.last().open();
  const view = connection.view({ bbox: [1, 2, 3, 4] });
  return { ...scripted, connection, view };
}

t.test("[AC29] a view that is refused as `forbidden` has failed, and is not asked for again", async (t) => {
  const { connection, view, clock, last } = open();
  last().take();
  last().receive(forbidden("v1"));
  t.equal(view.state, "failed");
  await t.rejects(view.ready, /^T: D$/);
  clock.advance(HOUR_MS / 1_000);
  last().break();
  clock.advance(1_000);
  last().open();
  t.strictSame(last().take(), []);
  connection.close();
});

t.test("[AC29] what is denied goes; a view that ends as `forbidden` has failed, empty", async (t) => {
  const { connection, view, clock, last } = open();
  last().receive(reply("v1"), first("v1", 1, full("a", 2, 3), full("b", 2, 3)));
  const removed: [id: string, reason: string][] = [];
  view.on("change", (change) => removed.push(...change.removed));
  last().receive({ op: "delta", view: "v1", n: 2, ...made, departures: [["a", "denied"]], updates: [] });
  last().receive(reply("v1"), first("v1", 3, full("b", 2, 3)));
  t.strictSame([view.state, [...view.entities.keys()], removed], ["live", ["b"], [["a", "denied"]]]);
  last().take();
  last().receive({ op: "delta", view: "v1", n: 4, ...made, departures: [["b", "denied"]], updates: [] });
  last().receive(forbidden("v1", { ended: true }));
  t.strictSame([view.state, view.entities.size], ["failed", 0]);
  clock.advance(10_000);
  t.strictSame(last().take(), []);
  connection.close();
});

t.test("[AC29] a connection whose token is not valid any more is not tried again", async (t) => {
  const { connection, view, sockets, clock, last } = open();
  last().receive(reply("v1"), first("v1", 1));
  last().break(4401, "the token is not valid any more");
  t.match(connection.state, { name: "closed", code: 4401, reason: "the token is not valid any more" });
  t.equal(view.state, "closed");
  clock.advance(HOUR_MS / 1_000);
  t.equal(sockets.length, 1);
});
