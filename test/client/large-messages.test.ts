// What is too large for a message is refused here: the server would close the connection.
import { Buffer } from "node:buffer";
import t from "tap";
import { connect } from "../../client/connection.ts";
import { MessageNotSendable } from "../../client/errors.ts";
import { MAX_MESSAGE_BYTES, messageText } from "../../client/message-text.ts";
import { MAX_FEED_MESSAGE_BYTES } from "../../src/limits.ts";
import type { Bbox } from "../../src/transport/feed/protocol.ts";
import { script } from "./scripted.ts";

const bbox: Bbox = [0, 0, 1, 1];
const LARGE = "x".repeat(MAX_FEED_MESSAGE_BYTES);
const reply = { op: "view", view: "v1", cover: [], filters: 0 };
const snapshot = (n: number) => ({
  ...{ op: "snapshot", view: "v1", n, tick: 1, first: true, last: true, entities: [] },
});

function opened() {
  const scripted = script();
  const connection = connect("ws://node", scripted.options);
  scripted.last().open();
  return { ...scripted, connection };
}

t.test("[K41] a message may have what the server takes, in bytes and not in characters", async (t) => {
  t.equal(MAX_MESSAGE_BYTES, MAX_FEED_MESSAGE_BYTES);
  const frame = Buffer.byteLength(messageText({ a: "" }));
  for (const [letter, bytes] of [
    ["x", 1],
    ["ä", 2],
    ["€", 3],
  ] as const) {
    const fits = Math.floor((MAX_MESSAGE_BYTES - frame) / bytes);
    t.equal(messageText({ a: letter.repeat(fits) }).length, frame + fits);
    t.throws(() => messageText({ a: letter.repeat(fits + 1) }), { name: "MessageNotSendable" });
  }
});

t.test(
  "[K41] a command that is too large or no JSON is rejected alone, with or without a connection",
  async (t) => {
    const { connection, options, last } = opened();
    await t.rejects(connection.command("a", "note", { text: LARGE }), {
      name: "MessageNotSendable",
      message: /the message has 1048\d{3} bytes, the limit is 1048576/,
    });
    await t.rejects(connection.command("a", "note", { n: 1n } as never), MessageNotSendable);
    const fine = connection.command("a", "note", { text: "short" });
    const [sent, ...others] = last().take();
    t.match([sent, others], [{ name: "note", data: { text: "short" } }, []]);
    last().receive({ op: "reply", n: sent.n, command: "c", accepted: true, state: "s" });
    t.match(await fine, { accepted: true });
    connection.close();
    const early = connect("ws://node", options);
    await t.rejects(early.delete(LARGE), MessageNotSendable);
    last().open();
    t.strictSame(last().take(), []);
    early.close();
  },
);

t.test("[K41] a view that asks too much fails alone", async (t) => {
  const { connection, options, last } = opened();
  const other = connection.view({ bbox });
  const ids = Array.from({ length: 1_000 }, (_, i) => `${i}-${"\u0001".repeat(200)}`);
  for (const view of [connection.view({ ids }), connection.view({ bbox, where: LARGE })]) {
    await t.rejects(view.ready, MessageNotSendable);
    t.equal(view.state, "failed");
    await t.rejects(view.setFilter({ where: null }));
  }
  t.strictSame(last().take(), [{ op: "subscribe", view: "v1", bbox }]);
  last().receive(reply, snapshot(1));
  t.equal(other.state, "live");
  connection.close();
  const early = connect("ws://node", options);
  const waits = early.view({ bbox, where: LARGE });
  const problems: Error[] = [];
  waits.on("problem", (problem) => problems.push(problem));
  last().open();
  await t.rejects(waits.ready, MessageNotSendable);
  t.match([problems, last().take()], [[{ name: "MessageNotSendable" }], []]);
  early.close();
});

t.test("[K41] a change of a filter that is too large leaves the view as it was", async (t) => {
  const { connection, clock, last } = opened();
  const view = connection.view({ bbox, where: "true" });
  last().receive(reply, snapshot(1));
  last().take();
  await t.rejects(view.setFilter({ where: LARGE }), MessageNotSendable);
  t.strictSame([view.state, view.filter.where, last().take()], ["live", "true", []]);
  const next = view.setFilter({ kinds: ["vessel"] });
  t.strictSame(last().take(), [{ op: "update", view: "v1", kinds: ["vessel"] }]);
  last().receive({ ...reply, filters: 1 }, snapshot(2));
  await next;
  last().break();
  const during = view.setFilter({ where: LARGE });
  clock.advance(50);
  last().open();
  await t.rejects(during, MessageNotSendable);
  t.strictSame(last().take(), [{ op: "subscribe", view: "v3", bbox, kinds: ["vessel"], where: "true" }]);
  connection.close();
});

t.test("[K41] so does a stream of events", async (t) => {
  const { connection, last } = opened();
  const events = connection.events({ where: LARGE });
  t.equal(events.state, "failed");
  await t.rejects(events.next(), MessageNotSendable);
  t.strictSame([last().take(), connection.state.name], [[], "open"]);
  connection.close();
});
