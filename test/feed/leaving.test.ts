// A node that stops, seen from its feeds.
import { Buffer } from "node:buffer";
import t from "tap";
import type { CommandResult, IngestResult, Report } from "../../src/actors/messages.ts";
import { encodeBatch } from "../../src/transport/feed/batch-layout.ts";
import { PROTOCOL_BINARY, PROTOCOL_JSON } from "../../src/transport/feed/protocol.ts";
import { start, TestClient, WORLD } from "./harness.ts";

const settled = () => new Promise((resolve) => setImmediate(resolve));

/** A feed whose reports and commands are answered by hand, in any order. */
function held() {
  const reports: { ids: string[]; answer(result: IngestResult): void }[] = [];
  const commands: { id: string; answer(result: CommandResult): void }[] = [];
  const made = start({
    ingest: {
      overloaded: false,
      submit: (taken: readonly Report[]) =>
        new Promise((answer) => reports.push({ ids: taken.map(({ id }) => id), answer })),
    },
    commands: {
      command: ({ id }) => new Promise((answer) => commands.push({ id, answer })),
    },
    decodeReport: (value) => ({ id: String(value), t: 0 }),
  });
  return { ...made, reports, commands };
}

const done = { accepted: 1, refused: [] };

for (const protocol of [PROTOCOL_JSON, PROTOCOL_BINARY])
  t.test(`[F75] [F22] what was taken is answered, what comes later is not: ${protocol}`, async (t) => {
    const { feed, reports, commands } = held();
    const client = new TestClient(feed, undefined, protocol);
    const idle = new TestClient(feed, undefined, protocol);
    client.send({ op: "report", n: 1, reports: ["a"] });
    client.send({ op: "command", n: 2, id: "a", command: "c-1", name: "x" });
    client.send({ op: "report", n: 3, reports: ["b"] });
    feed.leave();
    t.equal(idle.socket.closedWith, 1001, "at once");
    client.send({ op: "report", n: 4, reports: ["c"] });
    client.send({ op: "report", n: 5, reports: [] });
    client.send({ op: "command", n: 6, id: "a", command: "c-2", name: "x" });
    client.send({ op: "delete", n: 7, id: "a", command: "c-3" });
    if (protocol === PROTOCOL_BINARY)
      for (const batch of [encodeBatch(8, 1, [], []), Buffer.from("no batch")])
        feed.handlers.message(client.socket, batch, true);
    client.send({ op: "subscribe", view: "v", bbox: WORLD });
    feed.tick();
    t.match(client.received.splice(0), [{ op: "view" }, { op: "snapshot" }], "its views go on");
    t.same(
      [reports.map(({ ids }) => ids), commands.map(({ id }) => id)],
      [[["a"], ["b"]], ["c-1"]],
      "nothing of it gets further",
    );
    reports[1]!.answer(done);
    await settled();
    commands[0]!.answer({ accepted: true, state: "s" });
    await settled();
    t.equal(client.socket.closedWith, undefined, "one is owed");
    reports[0]!.answer(done);
    await settled();
    t.match(client.received, [
      { op: "ack", n: 3, accepted: 1 },
      { op: "reply", n: 2, accepted: true },
      { op: "ack", n: 1, accepted: 1 },
    ]);
    t.equal(client.received.length, 3);
    t.equal(client.socket.closedWith, 1001);
    t.equal(new TestClient(feed, undefined, protocol).socket.closedWith, 1001, "who comes later");
  });

t.test("[F75] a feed that ends before its answer comes harms nobody", async (t) => {
  const { feed, client, reports, errors } = held();
  client.send({ op: "report", n: 1, reports: ["a"] });
  feed.leave();
  client.disconnect();
  reports[0]!.answer(done);
  await settled();
  t.same([client.received, errors, client.socket.closedWith], [[], [], undefined]);
});
