import t from "tap";
import { ASK_AGAIN_MS } from "../../client/command-queue.ts";
import { connect } from "../../client/connection.ts";
import { full, script } from "./scripted.ts";

const NOW = "2024-06-06T08:00:00.000Z";
const settled = () => new Promise((resolve) => setImmediate(resolve));

/** A connection with all that can wait for something. */
function opened(protocol: string) {
  const { options, last, clock } = script();
  const connection = connect("ws://node", options);
  const problems: string[] = [];
  connection.on("problem", (problem) => problems.push(problem.message));
  last().open(protocol);
  return { connection, clock, socket: last(), problems };
}

/** Frames that name nobody who waits. */
const NAMELESS: (object | string)[] = [
  ...["null", "5", '"text"', "[]", "{}", '{"op":5}', '{"op":"toString"}', '{"op":"constructor","n":1}'],
  ...["ack", "reply", "error", "view", "snapshot", "events", "event", "heartbeat"].map((op) => ({ op })),
  { op: "ack", n: "1", accepted: 1, refused: [] },
  { op: "heartbeat", t: 5, tick: 1, lag: 0 },
  { op: "delta", view: {}, n: 1 },
];

for (const protocol of ["muster.v1.json", "muster.v1.bin"])
  t.test(
    `[K6] [K54] JSON that is not the protocol is a problem each, and no more: ${protocol}`,
    async (t) => {
      const { connection, socket, problems } = opened(protocol);
      const told: string[] = [];
      connection.on("heartbeat", () => told.push("heartbeat"));
      connection.events({}, () => told.push("event"));
      const view = connection.view({ bbox: [0, 0, 1, 1] });
      const reported = connection.report([{ id: "a", t: NOW }]);
      socket.take();
      socket.receive(...NAMELESS);
      t.equal(problems.length, NAMELESS.length, problems.join("\n"));
      t.match(problems[0], "the server sent an unknown message: null");
      t.same([told, socket.take(), view.state, connection.state], [[], [], "loading", { name: "open" }]);
      socket.receive({ op: "ack", n: 1, accepted: 1, refused: [] });
      t.same(await reported, { accepted: 1, refused: [] });
      connection.close();
    },
  );

t.test("[K54] an answer that is not the protocol rejects its call, and no other", async (t) => {
  const answers: [members: object, wrong: string][] = [
    [{ op: "ack" }, "accepted"],
    [{ op: "ack", accepted: 1 }, "refused"],
    [{ op: "ack", accepted: 0, refused: [null] }, "refused"],
    [{ op: "ack", accepted: 0, refused: [{ index: 0, type: "retry" }] }, "refused"],
    [{ op: "error", title: "T", status: 400, detail: "D" }, "type"],
    [{ op: "reply", command: "c" }, "accepted"],
    [{ op: "reply", command: "c", accepted: true }, "state"],
    [{ op: "reply", command: "c", accepted: false, type: "retry" }, "detail"],
  ];
  for (const [members, wrong] of answers) {
    const { connection, clock, socket, problems } = opened("muster.v1.json");
    const { op } = members as { op: string };
    const message = `the server sent a message ${op} whose ${wrong} is not the protocol`;
    const calls: [() => Promise<unknown>, object][] = [
      [() => connection.report([{ id: "a", t: NOW }]), { op: "ack", accepted: 1, refused: [] }],
      [
        () => connection.command("a", "x", {}, { id: "c" }),
        { op: "reply", command: "c", accepted: true, state: "s" },
      ],
    ];
    const [[call, right]] = op === "reply" ? calls.slice(1) : calls;
    const refused = t.rejects(call(), { name: "NotTheProtocol", message }, JSON.stringify(members));
    const other = call();
    socket.receive({ ...members, n: 1 }, { ...right, n: 2 });
    await refused;
    t.ok(await other);
    t.same([problems, connection.unacknowledged], [[message], 0]);
    socket.break();
    clock.advance(ASK_AGAIN_MS);
    connection.close();
  }
});

const frame = { op: "snapshot", view: "v1", n: 1, tick: 1, first: true, last: true };
const delta = { op: "delta", view: "v1", n: 2, tick: 2 };
/** Of a view that has shown `a`. */
const OF_VIEWS: object[] = [
  { ...frame },
  { ...frame, entities: [null] },
  { ...frame, entities: [full("b", 1, 1), full("c", 1, 1, { kind: undefined })] },
  { ...frame, n: undefined, entities: [] },
  { ...frame, entities: [full("b", 1, 1, { labels: "x" })] },
  { op: "clusters", view: "v1", n: 1 },
  { op: "clusters", view: "v1", n: 1, cells: [[1, 2]] },
  { ...delta, departures: [["a", "left"]] },
  { ...delta, departures: [["a"]], updates: [] },
  { ...delta, departures: [["a", "left"]], updates: [full("b", 1, 1), { id: "b", t: NOW, lon: 1 }] },
  { op: "view", view: "v1", filters: 0 },
  { op: "view", view: "v1", cover: [[0, 0, 1]], filters: 0 },
  { op: "ended", view: "v1" },
  { op: "playback", view: "v1", t: "soon", speed: 1, state: "playing", updates: 0 },
  { op: "error", view: "v1", type: "urn:muster:problem:internal" },
];
for (const protocol of ["muster.v1.json", "muster.v1.bin"])
  t.test(`[K54] a view starts again after what is not the protocol: ${protocol}`, async (t) => {
    for (const wrong of OF_VIEWS) {
      const { connection, clock, socket, problems } = opened(protocol);
      const name = JSON.stringify(wrong);
      const view = connection.view({ bbox: [0, 0, 1, 1] });
      const ofView: string[] = [];
      view.on("problem", (problem) => ofView.push(problem.message));
      socket.receive({ ...frame, entities: [full("a", 0.5, 0.5)] });
      let changes = 0;
      view.on("change", () => changes++);
      socket.take();
      socket.receive(wrong);
      t.same([view.state, [...view.entities.keys()], changes], ["stale", ["a"], 0], name);
      t.match(problems, [/is not the protocol$/], name);
      t.same(ofView, problems, name);
      clock.advance(1_000);
      t.match(socket.take(), [
        { op: "unsubscribe", view: "v1" },
        { op: "subscribe", view: "v2" },
      ]);
      socket.receive({ ...frame, view: "v2", entities: [] });
      t.same([view.state, view.entities.size], ["live", 0], name);
      connection.close();
    }
  });

t.test("[K54] a stream of events goes on after the last that was one", async (t) => {
  const event = (id: string) => ({ op: "event", events: "e1", cursor: id, event: { id } });
  for (const wrong of [
    { op: "event", events: "e1", cursor: "c2" },
    { ...event("c2"), cursor: undefined },
    { ...event("c2"), event: null },
    { op: "events", events: "e1" },
    { op: "error", events: "e1", type: "urn:muster:problem:unavailable" },
  ]) {
    const { connection, clock, socket, problems } = opened("muster.v1.json");
    const heard: string[] = [];
    const stream = connection.events({}, ({ id }) => heard.push(id));
    socket.receive({ op: "events", events: "e1", cursor: "c0" }, event("c1"));
    socket.take();
    socket.receive(wrong, event("c3"));
    t.same([stream.state, heard, problems.length], ["stale", ["c1"], 1], JSON.stringify(wrong));
    clock.advance(1_000);
    t.match(socket.take(), [
      { op: "unsubscribe", events: "e1" },
      { op: "subscribe", events: "e2", after: "c1" },
    ]);
    connection.close();
    await settled();
    t.equal(clock.pending, 0);
  }
});
