import t from "tap";
import { backoff } from "../../client/backoff.ts";
import { connect } from "../../client/connection.ts";
import type { ConnectionState } from "../../client/connection-state.ts";
import { CLOSE_CODES } from "../../src/transport/feed/protocol.ts";
import { script } from "./scripted.ts";

const heartbeat = { op: "heartbeat", t: "2024-06-06T08:00:00.000Z", tick: 1, lag: 0, stale: false };

t.test("[K1] connect understands http and ws URLs, adds the feed's path and the token", async (t) => {
  const rows: [string, string | undefined, string][] = [
    ["http://127.0.0.1:8080", "s3 cret", "ws://127.0.0.1:8080/v1/feed?token=s3+cret"],
    ["https://node.example/", undefined, "wss://node.example/v1/feed"],
    ["wss://node.example/behind/a/proxy/feed", "x", "wss://node.example/behind/a/proxy/feed?token=x"],
    ["http://127.0.0.1:8080/?token=inside#3/1/2", undefined, "ws://127.0.0.1:8080/v1/feed?token=inside"],
  ];
  for (const [url, token, expected] of rows) {
    const { options, last } = script();
    const connection = connect(url, { ...options, token });
    t.equal(last().url, expected);
    connection.close();
  }
  t.throws(() => connect("ftp://node.example", script().options), TypeError);
  t.throws(() => connect("no url", script().options), TypeError);
});

t.test(
  "[K22] both subprotocols are offered, the binary one first, or the one that is asked for",
  async (t) => {
    for (const [protocol, offered] of [
      [undefined, ["muster.v1.bin", "muster.v1.json"]],
      ["binary", ["muster.v1.bin"]],
      ["json", ["muster.v1.json"]],
    ] as const) {
      const { options, last } = script();
      const connection = connect("ws://node", { ...options, protocol });
      t.strictSame(last().protocols, offered);
      t.equal(connection.protocol, undefined);
      last().open(offered[0]);
      t.equal(connection.protocol, offered[0] === "muster.v1.bin" ? "binary" : "json");
      t.equal(last().binaryType, "arraybuffer");
      connection.close();
    }
  },
);

t.test("[K2] the state goes connecting, open, waiting, connecting, open, closed", async (t) => {
  const { options, sockets, clock, last } = script();
  const connection = connect("ws://node", options);
  const states: ConnectionState[] = [connection.state];
  connection.on("state", (state) => states.push(state));
  last().open();
  last().break(1006, "");
  clock.advance(50);
  last().open();
  connection.close();
  t.strictSame(states, [
    { name: "connecting", attempt: 0 },
    { name: "open" },
    { name: "waiting", attempt: 1, delayMs: 50, code: 1006, reason: "the connection broke" },
    { name: "connecting", attempt: 1 },
    { name: "open" },
    { name: "closed", code: 1000, reason: "closed by the client" },
  ]);
  t.equal(sockets.length, 2);
  t.equal(last().closedWith, 1000);
  t.equal(clock.pending, 0, "no timer is left");
  last().break();
  clock.advance(60_000);
  t.equal(sockets.length, 2, "a closed connection does not come back");
});

t.test("[K3] the wait doubles up to its maximum, with full jitter, and never is nothing", async (t) => {
  const rows: [attempt: number, random: number, ms: number][] = [
    [0, 0.5, 50],
    [1, 0.5, 100],
    [2, 0.999, 399.6],
    [3, 0.5, 400],
    [4, 0.5, 500],
    [400, 0.5, 500],
    [5, 0, 10],
  ];
  for (const [attempt, random, ms] of rows) {
    t.equal(Math.round(backoff(attempt, 100, 1_000, random) * 10) / 10, ms, `attempt ${attempt}`);
  }
});

t.test("[K3] failures in a row wait longer; a connection that lived 10 s starts again", async (t) => {
  const { options, sockets, clock, last } = script();
  const connection = connect("ws://node", options);
  const delays: number[] = [];
  connection.on("state", (state) => state.name === "waiting" && delays.push(state.delayMs));
  for (let i = 0; i < 3; i++) {
    last().break();
    clock.advance(delays[i]);
  }
  last().open();
  clock.advance(9_999);
  last().break();
  clock.advance(delays[3]);
  last().open();
  clock.advance(10_000);
  last().break();
  t.strictSame(delays, [50, 100, 200, 400, 50]);
  t.equal(sockets.length, 5);
  connection.close();
});

t.test("[K44] retryNow tries at once, once, and does not shorten the waits that follow", async (t) => {
  const { options, sockets, clock, last } = script();
  const connection = connect("ws://node", options);
  connection.retryNow();
  t.equal(sockets.length, 1, "it is trying");
  last().break();
  connection.retryNow();
  t.strictSame([connection.state, sockets.length], [{ name: "connecting", attempt: 1 }, 2]);
  clock.advance(50);
  t.equal(sockets.length, 2, "the wait is over");
  last().break();
  t.match(connection.state, { name: "waiting", attempt: 2, delayMs: 100 });
  clock.advance(100);
  t.equal(sockets.length, 3);
  last().open();
  connection.retryNow();
  t.strictSame([connection.state.name, sockets.length], ["open", 3]);
  connection.close();
  connection.retryNow();
  t.strictSame([sockets.length, clock.pending], [3, 0]);
});

t.test("[K4] close codes decide whether it connects again", async (t) => {
  for (const [name, { code, reason, reconnect }] of Object.entries(CLOSE_CODES)) {
    const { options, clock, sockets, last } = script();
    const connection = connect("ws://node", options);
    last().open();
    last().break(code, "");
    clock.advance(1_000);
    if (reconnect) t.equal(sockets.length, 2, `${name} connects again`);
    else t.strictSame([connection.state, sockets.length], [{ name: "closed", code, reason }, 1], name);
    connection.close();
  }
});

t.test("[K5] three heartbeats missing: it connects again, and the old socket is not heard", async (t) => {
  const { options, clock, sockets, last } = script();
  const connection = connect("ws://node", options);
  let heartbeats = 0;
  connection.on("heartbeat", () => heartbeats++);
  last().open();
  clock.advance(14_000);
  last().receive(heartbeat);
  clock.advance(14_999);
  t.equal(connection.state.name, "open");
  clock.advance(1);
  t.equal(connection.state.name, "waiting");
  t.equal(sockets[0].closedWith, 1000);
  clock.advance(50);
  sockets[0].receive(heartbeat);
  sockets[0].break(4401, "late");
  t.equal(heartbeats, 1);
  t.equal(connection.state.name, "connecting");
  clock.advance(15_000);
  t.equal(connection.state.name, "waiting", "a socket that never opens is given up as well");
  connection.close();
});

t.test("[K45] while a snapshot is not complete, silence may last 60 s", async (t) => {
  const { options, clock, last } = script();
  const connection = connect("ws://node", options);
  const view = connection.view({ bbox: [0, 0, 1, 1] });
  const part = { op: "snapshot", tick: 1, t: heartbeat.t, lag: 0, entities: [] };
  last().open();
  last().receive({ ...part, view: "v1", n: 1, first: true });
  clock.advance(59_999);
  t.equal(connection.state.name, "open");
  clock.advance(1);
  t.match(connection.state, { name: "waiting", reason: "nothing was heard for 60 s" });
  clock.advance(50);
  clock.advance(15_000);
  t.match(connection.state, { name: "waiting", reason: /15 s/ }, "a socket that never opens");
  clock.advance(100);
  last().open();
  clock.advance(15_000);
  t.match(connection.state, { name: "waiting", reason: /15 s/ }, "its snapshot has not begun");
  clock.advance(200);
  last().open();
  last().receive({ ...part, view: "v3", n: 1, first: true });
  clock.advance(30_000);
  last().receive({ ...part, view: "v3", n: 2, last: true });
  t.equal(view.state, "live");
  clock.advance(15_000);
  t.match(connection.state, { name: "waiting", reason: /15 s/ }, "it is complete");
  connection.close();
});

t.test("[K6] frames that are not the protocol are problems, and the connection goes on", async (t) => {
  const { options, last } = script();
  const connection = connect("ws://node", options);
  const problems: string[] = [];
  connection.on("problem", (problem) => problems.push(problem.message));
  last().open();
  last().receive(
    "{half",
    { op: "sing" },
    { op: "ack", n: 7, accepted: 1, refused: [] },
    { op: "error", type: "urn:muster:problem:unknown-op", title: "T", status: 400, detail: "D" },
    { op: "delta", view: "nobody", n: 1, tick: 1, departures: [], updates: [] },
  );
  t.strictSame(problems, [
    "the server sent a frame that is not JSON",
    'the server sent an unknown message: {"op":"sing"}',
    "the server acknowledged message 7, which does not wait",
    "T: D",
  ]);
  t.equal(connection.state.name, "open");
  connection.close();
});
