// The proxy that breaks links: what arrives when, and what never does.
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import t, { type Test } from "tap";
import { FaultyLink } from "../../chaos/faulty-link.ts";

interface Rig {
  link: FaultyLink;
  client: Socket;
  /** What came back of what the client wrote. */
  echoed(): string;
}

/** A client of a server that sends everything back. */
async function rig(t: Test): Promise<Rig> {
  const server = createServer((socket) => {
    socket.on("error", () => {});
    socket.pipe(socket);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  const link = await FaultyLink.start(`tcp://127.0.0.1:${port}/name`);
  const client = connect(Number(new URL(link.url).port), "127.0.0.1");
  client.on("error", () => {});
  await once(client, "connect");
  let text = "";
  client.on("data", (chunk) => {
    text += chunk;
  });
  t.teardown(async () => {
    client.destroy();
    await link.stop();
    server.close();
    await once(server, "close");
  });
  client.write("a");
  while (text !== "a") await sleep(1);
  return { link, client, echoed: () => text };
}

t.test("it passes bytes on, under an address of its own with the same name", async (t) => {
  const { link } = await rig(t);
  t.match(link.url, /^tcp:\/\/127\.0\.0\.1:\d+\/name$/);
});

t.test("what a stalled link holds back arrives in order when it is mended", async (t) => {
  const { link, client, echoed } = await rig(t);
  link.mode = "stall";
  client.write("b");
  await sleep(30);
  client.write("c");
  await sleep(30);
  t.equal(echoed(), "a");
  link.mode = "pass";
  client.write("d");
  while (echoed().length < 4) await sleep(1);
  t.equal(echoed(), "abcd");
});

t.test("a half-open link takes bytes and says nothing; mended, it has lost its connections", async (t) => {
  const { link, client, echoed } = await rig(t);
  link.mode = "half-open";
  client.write("b");
  await sleep(50);
  t.equal(echoed(), "a");
  t.equal(client.destroyed, false);
  const closed = new Promise((resolve) => client.once("close", resolve));
  link.mode = "pass";
  await closed;
  t.equal(echoed(), "a");
});

t.test("a half-open link keeps what nothing was lost of", async (t) => {
  const { link, client, echoed } = await rig(t);
  link.mode = "half-open";
  await sleep(10);
  link.mode = "pass";
  client.write("b");
  while (echoed() !== "ab") await sleep(1);
});

t.test("a slow link takes its time both ways, and a smaller delay overtakes nothing", async (t) => {
  const { link, client, echoed } = await rig(t);
  link.delayMs = 40;
  const from = performance.now();
  client.write("b");
  await sleep(10);
  link.delayMs = 0;
  client.write("c");
  while (echoed().length < 3) await sleep(1);
  t.equal(echoed(), "abc");
  t.ok(performance.now() - from >= 39);
});

t.test("cut ends connections, and new ones are taken", async (t) => {
  const { link, client } = await rig(t);
  const closed = new Promise((resolve) => client.once("close", resolve));
  link.cut();
  await closed;
  const next = connect(Number(new URL(link.url).port), "127.0.0.1");
  next.write("z");
  t.equal(String((await once(next, "data"))[0]), "z");
  next.destroy();
});
