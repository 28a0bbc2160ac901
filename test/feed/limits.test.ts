// Limits that only a crowd reaches.
import { Buffer } from "node:buffer";
import t from "tap";
import { MAX_HANDLE_TEXT, MAX_HANDLES_PER_CONNECTION, MAX_ID_LENGTH } from "../../src/limits.ts";
import { encodeBatch, type Introduction } from "../../src/transport/feed/batch-layout.ts";
import { PROTOCOL_BINARY } from "../../src/transport/feed/protocol.ts";
import { add, HERE, harness, start, TestClient, THERE } from "./harness.ts";

t.test("[F47] snapshots of a tick are limited in bytes, views take turns, deltas do not wait", async (t) => {
  const limit = 20_000;
  const part = 10;
  const { client, feed, picture } = start({ partRecords: part, snapshotBytesPerTick: limit });
  for (let i = 0; i < 100; i++) add(picture, `e${i}`, 10 + i / 1_000);
  const mover = add(picture, "mover", 100.05, 10.05);
  client.subscribe("live", THERE);
  feed.tick();
  let bytes = 0;
  let largest = 0;
  const storm = Array.from({ length: 20 }, () => {
    const one = new TestClient(feed, (message) => {
      if (message.op !== "snapshot") return;
      const records = JSON.stringify(message.entities).length;
      largest = Math.max(largest, records);
      bytes += records;
    });
    one.subscribe("v", HERE);
    return one;
  });
  const held = () => storm.map((one) => one.replicas.get("v")!.entities.size);
  let ticks = 0;
  for (; held().some((size) => size < 100); ticks++) {
    bytes = 0;
    picture.place(mover, 100.05, 10.05 + (ticks + 1) * 1e-5);
    feed.tick();
    t.ok(bytes > 0 && bytes <= limit + largest, `${bytes} bytes in tick ${ticks}, a part has ${largest}`);
    t.equal(client.last("delta")!.n, 2 + ticks, "the delta came in its tick");
    const sizes = held();
    t.ok(Math.max(...sizes) - Math.min(...sizes) <= part, `they get on together: ${sizes}`);
  }
  t.ok(ticks > 10, `${ticks} ticks`);
});

function reporter() {
  const { feed } = harness();
  const client = new TestClient(feed, () => {}, PROTOCOL_BINARY);
  let n = 0;
  const introduce = (introductions: Introduction[]): void => {
    const batch = encodeBatch(++n, 0, introductions, []);
    feed.handlers.message(client.socket, Buffer.from(batch.buffer), true);
  };
  return { client, introduce, settled: () => new Promise((resolve) => setImmediate(resolve)) };
}

const named = (id: string): Introduction => ({ id, kind: "", source: "" });

t.test("[F48] a connection that introduces too many handles is closed", async (t) => {
  const { client, introduce, settled } = reporter();
  const part = MAX_HANDLES_PER_CONNECTION / 4;
  for (let i = 0; i < 4; i++) introduce(Array.from({ length: part }, (_, j) => named(`${i * part + j}`)));
  await settled();
  t.match(
    client.received.map(({ op }) => op),
    ["ack", "ack", "ack", "ack"],
  );
  t.equal(client.socket.closedWith, undefined);
  introduce([named("one more")]);
  t.match(client.last("error"), { type: /bad-request$/, detail: /at most 200000 handles/, n: 5 });
  t.equal(client.socket.closedWith, 4400);
  t.match(client.socket.closedBecause, /more handles than a connection may introduce/);
});

t.test("[F48] a connection whose handles have too long names is closed", async (t) => {
  const { client, introduce, settled } = reporter();
  const long = named("x".repeat(MAX_ID_LENGTH));
  introduce(Array.from({ length: MAX_HANDLE_TEXT / MAX_ID_LENGTH }, () => long));
  await settled();
  t.equal(client.last("ack")?.n, 1);
  introduce([named("x")]);
  t.match(client.last("error"), { type: /bad-request$/, detail: /8388608 characters/, n: 2 });
  t.equal(client.socket.closedWith, 4400);
  t.match(client.socket.closedBecause, /more handles than a connection may introduce/);
});
