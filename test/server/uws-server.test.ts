import { once } from "node:events";
import { connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import t from "tap";
import { MAX_SOCKET_UNSENT_BYTES, NO_PROGRESS_MS } from "../../src/limits.ts";
import { uwsForTests, uwsServer } from "../support/servers.ts";
import { serverContract } from "./contract.ts";
import { HANG_MS, openDeaf, start, until } from "./contract-rig.ts";

/** Longer than the time-out of the library, which nothing can shorten. */
const LONG_MS = 36_000;
const STREAM_BYTES = 32 * 2 ** 20;

t.comment(`uWebSockets.js: ${uwsForTests().from}`);

const slowClients = start(t, uwsServer, {
  async fetch(request) {
    const { pathname } = new URL(request.url);
    if (pathname === "/late") await sleep(LONG_MS);
    if (pathname !== "/stream") return new Response(`got ${await request.text()}`);
    let made = 0;
    return new Response(
      new ReadableStream({
        pull(controller) {
          controller.enqueue(new Uint8Array(65_536));
          made += 65_536;
          if (made >= STREAM_BYTES) controller.close();
        },
      }),
    );
  },
}).then(({ port }) => ({
  body: slowBody(port),
  late: answerTo(port, "GET /late HTTP/1.1\r\nHost: x\r\n\r\n"),
  stream: slowReader(port),
  idle: lifetime(port, "GET / HTTP/1.1\r\nHost: x\r\n\r\n", true),
  deaf: lifetime(port, "GET /stream HTTP/1.1\r\nHost: x\r\n\r\n", false),
}));

serverContract(t, uwsServer, {
  headersMs: [25_000, 25_000 + HANG_MS],
  noise: "nothing",
  continues: "always",
  badText: 1006,
  afterEarly: "waits",
  rare: "refused",
  unanswered: "closed",
});

t.test("[S26] a socket with more than 64 MiB unsent is cut: nothing is left out in the middle", async (t) => {
  const running = await start(t, uwsServer);
  await openDeaf(t, running.port);
  await until("open", () => running.sockets.length === 1);
  const [socket] = running.sockets;
  const bytes = Buffer.alloc(2 ** 20);
  let most = 0;
  for (let i = 0; i < 100 && running.closes.length === 0; i++) {
    socket.send(bytes, true);
    most = Math.max(most, socket.buffered);
    await sleep(0);
  }
  t.strictSame(running.closes, [1006]);
  t.ok(most > MAX_SOCKET_UNSENT_BYTES, `${most} bytes were unsent`);
  t.equal(socket.buffered, 0);
});

t.test(
  "[S22] who sends or takes slowly is not cut by the library's time-out",
  { timeout: 90_000 },
  async (t) => {
    const { body, late, stream } = await slowClients;
    t.match(await body, /got x{12}$/, "a body");
    t.match(await late, /got $/, "an application that takes its time");
    t.ok((await stream) > STREAM_BYTES, "a long answer");
  },
);

t.test(
  "[S4] [S23] who takes nothing of an answer, or asks for nothing, is cut",
  { timeout: 90_000 },
  async (t) => {
    const { idle, deaf } = await slowClients;
    const [idleMs, deafMs] = await Promise.all([idle, deaf]);
    t.ok(idleMs > 25_000 && idleMs < 40_000, `without a request after ${idleMs} ms`);
    t.ok(deafMs > NO_PROGRESS_MS * 0.9 && deafMs < NO_PROGRESS_MS + 10_000, `not reading after ${deafMs} ms`);
  },
);

/** A body of which a byte comes every few seconds. */
async function slowBody(port: number): Promise<string> {
  const tcp = connect(port, "127.0.0.1");
  const steps = 12;
  tcp.write(`POST / HTTP/1.1\r\nHost: x\r\nContent-Length: ${steps}\r\n\r\n`);
  const answer = once(tcp, "data");
  answer.catch(() => {});
  for (let i = 0; i < steps; i++) {
    await sleep(LONG_MS / steps);
    tcp.write("x");
  }
  const [data] = await answer;
  tcp.destroy();
  return String(data);
}

async function answerTo(port: number, text: string): Promise<string> {
  const tcp = connect(port, "127.0.0.1");
  tcp.write(text);
  const [data] = await once(tcp, "data");
  tcp.destroy();
  return String(data);
}

/** Takes a quarter of a stream now and then. @returns how many bytes came. */
async function slowReader(port: number): Promise<number> {
  const tcp = connect(port, "127.0.0.1");
  tcp.on("error", () => {});
  tcp.write("GET /stream HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  let bytes = 0;
  const take = async (upTo: number) => {
    while (bytes < upTo && !tcp.readableEnded) {
      const chunk = tcp.read() as Buffer | null;
      if (chunk !== null) bytes += chunk.length;
      else if (!tcp.destroyed) await Promise.race([once(tcp, "readable"), once(tcp, "close")]);
      if (chunk === null && tcp.destroyed) return;
    }
  };
  for (let i = 1; i <= 3; i++) {
    await sleep(LONG_MS / 3);
    await take((STREAM_BYTES / 4) * i);
  }
  await take(Number.POSITIVE_INFINITY);
  return bytes;
}

/** How long the server keeps a connection, in ms. */
async function lifetime(port: number, text: string, reads: boolean): Promise<number> {
  const began = performance.now();
  const tcp = connect(port, "127.0.0.1");
  tcp.on("error", () => {});
  tcp.write(text);
  if (reads) tcp.resume();
  else {
    // Without reading, only what cannot be sent any more tells that the other side is gone.
    while (!tcp.destroyed && performance.now() - began < 2 * LONG_MS) {
      await sleep(500);
      tcp.write("x");
    }
    return performance.now() - began;
  }
  await once(tcp, "close");
  return performance.now() - began;
}
