import t from "tap";
import {
  MAX_ATTRIBUTES_BYTES,
  MAX_UNSENT_BYTES,
  SLOW_SOCKET_BYTES,
  SNAPSHOT_PART_BYTES,
  SNAPSHOT_PART_RECORDS,
} from "../../src/limits.ts";
import { PROTOCOL_BINARY, PROTOCOL_JSON } from "../../src/transport/feed/protocol.ts";
import { add, harness, TestClient } from "./harness.ts";

/** In a tick: 2 MB/s. */
const LINE_BYTES = 200_000;
const COUNT = 1_200;
const ATTRIBUTES = JSON.stringify({ text: "x".repeat(MAX_ATTRIBUTES_BYTES - 100) });
/** A cell is narrower. */
const CELL = 0.006;

for (const protocol of [PROTOCOL_JSON, PROTOCOL_BINARY])
  for (const [place, step] of [
    ["in cells of their own", CELL],
    ["in one cell", 0],
  ] as const) {
    t.test(`[F8] a slow line gets all of a large picture, ${place}: ${protocol}`, async (t) => {
      const { feed, picture, errors } = harness({
        partRecords: SNAPSHOT_PART_RECORDS,
      });
      for (let i = 0; i < COUNT; i++) {
        const slot = add(picture, `e${i}`);
        picture.columns.attributes.set(slot, ATTRIBUTES);
        picture.place(slot, 10.1 + i * step, 50.05);
      }
      const sizes: number[] = [];
      const client = new TestClient(feed, ({ op }, size) => op === "snapshot" && sizes.push(size), protocol);
      const { socket } = client;
      socket.pace = "stalled";
      const replica = client.open("v", { bbox: [10, 50, 20, 50.1] });
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
      if (step === 0) t.ok(most <= sizes[0] + 2 * SLOW_SOCKET_BYTES, "nothing is added to what is unsent");
      else {
        const late = Math.max(...sizes.slice(1));
        t.ok(late <= SNAPSHOT_PART_BYTES * 1.1, `after the first a part has ${late} bytes at most`);
        t.ok(most < MAX_UNSENT_BYTES, `${most} unsent`);
      }
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
