// When a change of a filter is done: with a scripted server, and with the feed itself.
import { Buffer } from "node:buffer";
import t from "tap";
import { connect } from "../../client/connection.ts";
import type { ViewOptions } from "../../client/view-options.ts";
import { ADMIN } from "../../src/access/ports.ts";
import { SLOW_SOCKET_BYTES } from "../../src/limits.ts";
import type { Feed } from "../../src/transport/feed/feed.ts";
import { FRAME_CLUSTERS, FRAME_SNAPSHOT } from "../../src/transport/feed/layout.ts";
import { type Bbox, PROTOCOL_BINARY, PROTOCOL_JSON } from "../../src/transport/feed/protocol.ts";
import type { Socket } from "../../src/transport/server/server.ts";
import { encodeFrame } from "../feed/binary-frames.ts";
import { add, HERE, harness } from "../feed/harness.ts";
import { type ScriptedSocket, script } from "./scripted.ts";

const BBOX: Bbox = [1, 2, 3, 4];
const WHERE = "entity.speed > 5.0";

/** A promise, looked at from outside. */
async function isDone(promise: Promise<void>): Promise<boolean> {
  return Promise.race([promise.then(() => true), Promise.resolve().then(() => false)]);
}

for (const protocol of [PROTOCOL_BINARY, PROTOCOL_JSON]) {
  const reply = (filters: number, view = "v1") => ({
    ...{ op: "view", view, cover: [[0, 0, 45, 45]], filters },
    ...(protocol === PROTOCOL_BINARY ? { number: Number(view.slice(1)) } : {}),
  });
  const frame = (op: "snapshot" | "clusters", n: number, view = "v1") => {
    const marks = op === "snapshot" ? { first: true, last: true } : { first: false, last: false };
    if (protocol === PROTOCOL_JSON) {
      const content = op === "snapshot" ? { ...marks, entities: [] } : { cells: [] };
      return { op, view, n, tick: 1, t: "2024-06-06T08:00:00.000Z", lag: 0, ...content };
    }
    const type = op === "snapshot" ? FRAME_SNAPSHOT : FRAME_CLUSTERS;
    return encodeFrame({
      head: { type, ...marks, view: Number(view.slice(1)), n, tick: 1, t: 5_000, lag: 0 },
    });
  };
  const opened = () => {
    const scripted = script();
    const connection = connect("ws://node", scripted.options);
    scripted.last().open(protocol);
    return { ...scripted, connection, view: connection.view({ bbox: BBOX }) };
  };

  t.test(`[K33] in ${protocol} no frame before the reply that counts it makes a change done`, async (t) => {
    const { connection, view, last } = opened();
    last().receive(reply(0), frame("snapshot", 1));
    const change = view.setFilter({ where: WHERE });
    last().receive(frame("snapshot", 2), frame("clusters", 3));
    t.notOk(await isDone(change), "they were on their way");
    last().receive(reply(0), frame("snapshot", 4));
    t.notOk(await isDone(change), "nor does the reply to a move");
    last().receive(reply(1));
    t.notOk(await isDone(change), "the replica has the old filter still");
    last().receive(frame("clusters", 5));
    t.ok(await isDone(change));
    const second = view.setFilter({ where: null });
    last().receive(reply(1), frame("snapshot", 6));
    t.notOk(await isDone(second));
    last().receive(reply(2), frame("snapshot", 7));
    t.ok(await isDone(second));
    connection.close();
  });

  t.test(
    `[K33] in ${protocol} the snapshot of the subscription before it makes no change done`,
    async (t) => {
      const { connection, view, last } = opened();
      const change = view.setFilter({ where: WHERE });
      last().receive(reply(0), frame("snapshot", 1));
      t.notOk(await isDone(change));
      last().receive(reply(1), frame("snapshot", 2));
      t.ok(await isDone(change));
      connection.close();
    },
  );

  t.test(`[K33] in ${protocol} a new subscription has the change in it`, async (t) => {
    const { connection, view, last, clock } = opened();
    last().receive(reply(0), frame("snapshot", 1));
    const first = view.setFilter({ where: "true" });
    last().receive(reply(1), frame("snapshot", 2));
    await first;
    const change = view.setFilter({ where: WHERE });
    const next = view.setFilter({ kinds: ["vessel"] });
    last().break();
    clock.advance(50);
    last().open(protocol);
    t.strictSame(last().take(), [{ op: "subscribe", view: "v2", bbox: BBOX, where: WHERE }]);
    t.notOk(await isDone(change));
    last().receive(reply(0, "v2"), frame("snapshot", 1, "v2"));
    t.ok(await isDone(change));
    t.strictSame(last().take(), [{ op: "update", view: "v2", kinds: ["vessel"] }]);
    last().receive(frame("snapshot", 2, "v2"));
    t.notOk(await isDone(next));
    last().receive(reply(1, "v2"), frame("snapshot", 3, "v2"));
    t.ok(await isDone(next));
    last().break();
    clock.advance(1_000);
    last().open(protocol);
    const early = view.setFilter({ where: null });
    last().receive(reply(0, "v3"), frame("snapshot", 1, "v3"));
    t.notOk(await isDone(early));
    last().receive(reply(1, "v3"), frame("snapshot", 2, "v3"));
    t.ok(await isDone(early), "and counts from its beginning");
    connection.close();
  });
}

/** Joins a scripted socket to a feed. What the feed sends is on its way until `deliver`. */
function join(client: ScriptedSocket, feed: Feed, protocol: string) {
  const way: { data: string | Uint8Array; binary: boolean }[] = [];
  const server = {
    ...{ protocol, principal: ADMIN, buffered: 0, written: 0 },
    send(data: string | Uint8Array, binary: boolean) {
      way.push({ data: typeof data === "string" ? data : Uint8Array.from(data), binary });
      return true;
    },
    close() {},
  } satisfies Socket;
  client.send = (message) => feed.handlers.message(server, Buffer.from(message as string), false);
  feed.handlers.open(server);
  client.open(protocol);
  const deliver = () => {
    for (const { data, binary } of way.splice(0))
      client.receive(binary ? (data as Uint8Array<ArrayBuffer>) : Buffer.from(data).toString("utf8"));
  };
  return { server, deliver };
}

for (const protocol of [PROTOCOL_BINARY, PROTOCOL_JSON]) {
  for (const place of [{ bbox: HERE }, { ids: ["ship", "truck"] }] satisfies ViewOptions[]) {
    const title = `${protocol}, ${Object.keys(place)}`;
    t.test(
      `[F44, K33] a change waits for its own snapshot, not for that of a slow view: ${title}`,
      async (t) => {
        const { feed, picture } = harness();
        add(picture, "ship");
        add(picture, "truck", 10.05, 50.05, "truck");
        const scripted = script();
        const connection = connect("ws://node", scripted.options);
        const { server, deliver } = join(scripted.last(), feed, protocol);
        const view = connection.view(place);
        feed.tick();
        deliver();
        server.buffered = SLOW_SOCKET_BYTES + 1;
        feed.tick();
        server.buffered = 0;
        feed.tick();
        const change = view.setFilter({ kinds: ["truck"] });
        const snapshots: number[] = [];
        view.on("change", () => snapshots.push(view.entities.size));
        deliver();
        t.strictSame(snapshots, [2], "the fresh snapshot of the slow view has the old filter");
        t.notOk(await isDone(change));
        feed.tick();
        deliver();
        t.ok(await isDone(change));
        t.strictSame([...view.entities.keys()], ["truck"]);
        const [second, third] = [view.setFilter({ kinds: null }), view.setFilter({ kinds: ["ship"] })];
        feed.tick();
        deliver();
        t.ok(await isDone(second));
        t.notOk(await isDone(third));
        feed.tick();
        deliver();
        t.ok(await isDone(third));
        t.strictSame([...view.entities.keys()], ["ship"]);
        connection.close();
      },
    );
  }
}
