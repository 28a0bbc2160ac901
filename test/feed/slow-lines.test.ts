import assert from "node:assert/strict";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import t from "tap";
import { WebSocket } from "ws";
import { ADMIN } from "../../src/access/ports.ts";
import {
  MAX_ATTRIBUTES_BYTES,
  MAX_UNSENT_BYTES,
  SLOW_SOCKET_BYTES,
  SNAPSHOT_PART_BYTES,
  SNAPSHOT_PART_RECORDS,
} from "../../src/limits.ts";
import { PROTOCOL_BINARY, PROTOCOL_JSON } from "../../src/transport/feed/protocol.ts";
import type { Socket } from "../../src/transport/server/server.ts";
import { SERVERS } from "../support/servers.ts";
import { type Asked, add, harness, TestClient } from "./harness.ts";

/** In a tick: 2 MB/s. */
const LINE_BYTES = 200_000;
const COUNT = 1_000;
const IDS = Array.from({ length: COUNT }, (_, i) => `e${i}`);
const ATTRIBUTES = JSON.stringify({ text: "x".repeat(MAX_ATTRIBUTES_BYTES - 100) });
/** A cell is narrower. */
const CELL = 0.006;

for (const [protocol, copies] of [
  [PROTOCOL_JSON, false],
  [PROTOCOL_JSON, true],
  [PROTOCOL_BINARY, false],
  [PROTOCOL_BINARY, true],
] as const)
  for (const [place, step, looking] of [
    ["in cells of their own", CELL, { bbox: [10, 50, 20, 50.1] }],
    ["in one cell", 0, { bbox: [10, 50, 20, 50.1] }],
    ["by ids", CELL, { ids: IDS }],
  ] as const satisfies [string, number, Asked][]) {
    const how = `${protocol}, ${copies ? "of a server that copies" : "of one that does not"}`;
    t.test(`[F8] [F58] a slow line gets all of a large picture, ${place}: ${how}`, async (t) => {
      const { feed, picture, errors } = harness({
        partRecords: SNAPSHOT_PART_RECORDS,
      });
      for (const [i, id] of IDS.entries()) {
        const slot = add(picture, id);
        picture.columns.attributes.set(slot, ATTRIBUTES);
        picture.place(slot, 10.1 + i * step, 50.05);
      }
      const sizes: number[] = [];
      const client = new TestClient(feed, ({ op }, size) => op === "snapshot" && sizes.push(size), protocol);
      const { socket } = client;
      socket.pace = "stalled";
      socket.copies = copies;
      const replica = client.open("v", looking);
      let most = 0;
      const ticks = Math.ceil((COUNT * (ATTRIBUTES.length + 500)) / LINE_BYTES) + 10;
      for (let i = 0; i < ticks && replica.state !== "complete"; i++) {
        // One of them moves, so that something is told in each tick.
        picture.place(picture.find("e0"), 10.1 + (i % 2) * 1e-4, 50.05);
        feed.tick();
        most = Math.max(most, socket.buffered);
        socket.take(LINE_BYTES);
      }
      t.same(errors, []);
      t.equal(replica.state, "complete", `${replica.entities.size} in ${ticks} ticks`);
      t.equal(replica.entities.size, COUNT);
      t.equal(client.received.filter((one) => one.op === "snapshot" && one.first).length, 1);
      const largest = Math.max(...sizes);
      t.ok(largest <= SNAPSHOT_PART_BYTES + MAX_ATTRIBUTES_BYTES + 1_000, `a part has ${largest} bytes`);
      // A cell is sent at once.
      const atOnce = step === 0 ? sizes.reduce((sum, size) => sum + size) : 0;
      t.ok(most <= atOnce + SLOW_SOCKET_BYTES, `${most} unsent`);
      socket.resume();
      feed.tick();
      t.same(replica.entities, replica.expected(picture));
    });
  }

t.test(
  "[F8] a socket that takes nothing is left out, however large the frame that it was begun with",
  async (t) => {
    const { feed, picture } = harness();
    const slots = Array.from({ length: 200 }, (_, i) => {
      const slot = add(picture, `e${i}`);
      picture.place(slot, 10.1 + i * CELL, 50.05);
      picture.columns.attributes.set(slot, ATTRIBUTES);
      return slot;
    });
    const client = new TestClient(feed);
    client.socket.pace = "stalled";
    client.open("v", { bbox: [10, 50, 20, 50.1] });
    for (let tick = 1; tick < 40; tick++) {
      for (const [i, slot] of slots.entries()) picture.place(slot, 10.1 + (i + (tick % 2)) * CELL, 50.05);
      feed.tick();
    }
    const { buffered } = client.socket;
    t.ok(buffered > SLOW_SOCKET_BYTES && buffered < MAX_UNSENT_BYTES, `${buffered} unsent`);
  },
);

for (const name of ["ws", "uws"] as const) {
  t.test(`[F8] a large picture is begun once for a peer that reads late: ${name}`, async (t) => {
    const { feed, picture, errors } = harness();
    // More than any system keeps for a connection on one machine.
    for (let i = 0; i < 2_000; i++) picture.columns.attributes.set(add(picture, `e${i}`), ATTRIBUTES);
    let peer: Socket | undefined;
    const server = SERVERS[name](
      {
        fetch: () => new Response(),
        upgrade: () => ({ accept: true, protocol: PROTOCOL_JSON, principal: ADMIN }),
        socket: {
          ...feed.handlers,
          open(socket) {
            peer = socket;
            feed.handlers.open(socket);
          },
        },
        maxMessageBytes: 65_536,
        maxConnections: 1,
      },
      (error) => assert.fail(error as Error),
    );
    const client = new WebSocket(`http://127.0.0.1:${await server.listen("127.0.0.1", 0)}`, PROTOCOL_JSON);
    let firsts = 0;
    let entities = 0;
    let isComplete = false;
    client.on("message", (data: Buffer) => {
      const message = JSON.parse(data.toString());
      if (message.op !== "snapshot") return;
      if (message.first) firsts++;
      entities += message.entities.length;
      isComplete = message.last === true;
    });
    try {
      await once(client, "open");
      client.send(JSON.stringify({ op: "subscribe", view: "v", bbox: [10, 50, 20, 50.1] }));
      while (feed.stats.views === 0) await sleep(1);
      client.pause();
      for (let i = 0; i < 5; i++) {
        feed.tick();
        await sleep(10);
      }
      t.ok(peer!.buffered > SLOW_SOCKET_BYTES, `${peer!.buffered} unsent`);
      client.resume();
      const end = performance.now() + 30_000;
      while (!isComplete && performance.now() < end) {
        feed.tick();
        await sleep(10);
      }
      t.same([isComplete, firsts, entities, feed.stats.skipped, errors], [true, 1, 2_000, 0, []]);
    } finally {
      client.terminate();
      feed.stop();
      await server.close(0);
    }
  });
}
