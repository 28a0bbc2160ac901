// Listeners of the application that throw.
import t, { type Test } from "tap";
import { connect } from "../../client/connection.ts";
import { full, script } from "./scripted.ts";

const NOW = "2024-06-06T08:00:00.000Z";
const snapshot = (view: string) => ({
  ...{ op: "snapshot", view, n: 1, first: true, last: true, tick: 1, t: NOW, lag: 0 },
  entities: [full("a", 0.5, 0.5)],
});
const heartbeat = { op: "heartbeat", t: NOW, tick: 1, lag: 0, stale: false };
const settled = () => new Promise((resolve) => setImmediate(resolve));

/** A connection that is open, what is uncaught, and a listener that throws. */
function opened(t: Test) {
  const uncaught: string[] = [];
  const real = globalThis.queueMicrotask;
  globalThis.queueMicrotask = (run) =>
    real(() => {
      try {
        run();
      } catch (error) {
        uncaught.push((error as Error).message);
      }
    });
  const { options, last } = script();
  const connection = connect("ws://node", options);
  last().open();
  t.teardown(() => {
    connection.close();
    globalThis.queueMicrotask = real;
  });
  const mistaken = () => {
    throw new Error("mine");
  };
  const told: string[] = [];
  connection.on("state", ({ name }) => told.push(name));
  return { connection, socket: last(), uncaught, mistaken, told };
}

t.test("[K46] a listener that throws hides nothing from the others, and its error is uncaught", async (t) => {
  const { connection, socket, uncaught, mistaken } = opened(t);
  let called = 0;
  connection.on("heartbeat", mistaken);
  const off = connection.on("heartbeat", () => called++);
  socket.receive(heartbeat);
  t.equal(called, 1);
  t.same(uncaught, [], "later");
  await settled();
  t.same(uncaught, ["mine"]);
  off();
  socket.receive(heartbeat);
  t.equal(called, 1, "a listener taken off is not called");
});

t.test("[K46] a view is ready, and its filter is set, though who was told of a change throws", async (t) => {
  const { connection, socket, mistaken } = opened(t);
  const view = connection.view({ bbox: [0, 0, 1, 1] });
  view.on("change", mistaken);
  view.on("state", mistaken);
  socket.receive(snapshot("v1"));
  await view.ready;
  const set = view.setFilter({ kinds: ["vessel"] });
  socket.receive({ op: "view", view: "v1", bbox: [0, 0, 1, 1], cover: [[0, 0, 1, 1]], filters: 1 });
  socket.receive({ ...snapshot("v1"), n: 2 });
  await set;
  t.same([view.state, view.filter, view.entities.size], ["live", { kinds: ["vessel"] }, 1]);
});

t.test("[K46] all views are told of a loss though one's listener throws", async (t) => {
  const { connection, socket, mistaken, told } = opened(t);
  const [first, second] = [0, 1].map(() => connection.view({ bbox: [0, 0, 1, 1] }));
  socket.receive(snapshot("v1"), snapshot("v2"));
  first.on("state", mistaken);
  socket.break();
  t.same([first.state, second.state, told], ["stale", "stale", ["waiting"]]);
});

t.test("[K46] a connection that closes ends everything though a listener throws", async (t) => {
  const { connection, mistaken, told } = opened(t);
  const [first, second] = [0, 1].map(() => connection.view({ bbox: [0, 0, 1, 1] }));
  const events = connection.events();
  const next = events.next();
  first.on("state", mistaken);
  connection.close();
  t.same([first.state, second.state, events.state, told], ["closed", "closed", "closed", ["closed"]]);
  await t.rejects(second.ready);
  await t.rejects(next);
});

t.test("[K46] a stream of events goes on after its listener has thrown", async (t) => {
  const { connection, socket, uncaught } = opened(t);
  const heard: string[] = [];
  connection.events({}, ({ id }) => {
    heard.push(id);
    throw new Error(id);
  });
  const event = (id: string) => ({ op: "event", events: "e1", cursor: id, event: { id } });
  socket.receive({ op: "events", events: "e1", cursor: "c" }, event("c1"), event("c2"));
  await settled();
  t.same(
    [heard, uncaught],
    [
      ["c1", "c2"],
      ["c1", "c2"],
    ],
  );
});
