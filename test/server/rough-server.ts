/**
 * A server with short times and an application that does everything at any moment, for `rough-clients.test.ts`: a process of its own, for what a
 * native library does wrong ends the process.
 */

import type { Socket } from "../../src/transport/server/server.ts";
import { uwsServer } from "../support/servers.ts";

const sockets = new Set<Socket>();
const failures = new Map<string, number>();
const chance = (part: number) => Math.random() < part;

function stream(bytes: number): ReadableStream<Uint8Array> {
  let left = bytes;
  return new ReadableStream({
    async pull(controller) {
      if (chance(0.3)) await new Promise((resolve) => setTimeout(resolve, 2));
      if (chance(0.01)) throw new Error("a stream that fails");
      const size = Math.min(left, 1 + Math.floor(Math.random() * 100_000));
      left -= size;
      controller.enqueue(new Uint8Array(size));
      if (left === 0) controller.close();
    },
  });
}

async function answer(request: Request): Promise<Response> {
  const { pathname } = new URL(request.url);
  if (pathname === "/echo") return new Response(request.body);
  if (pathname === "/stream") return new Response(stream(1 + Math.floor(Math.random() * 2e6)));
  if (pathname === "/read") return new Response(String((await request.arrayBuffer()).byteLength));
  if (pathname === "/late") await new Promise((resolve) => setTimeout(resolve, Math.random() * 30));
  if (pathname === "/large") return new Response(Buffer.alloc(Math.floor(Math.random() * 8e6)));
  return new Response("not here", { status: 404 });
}

const server = uwsServer(
  {
    fetch: answer,
    upgrade: () =>
      chance(0.2)
        ? { accept: false, response: new Response("no", { status: 403 }) }
        : { accept: true, protocol: "", principal: undefined },
    socket: {
      open(socket) {
        sockets.add(socket);
        socket.send("hello", false);
      },
      message(socket, data, binary) {
        socket.send(data, binary);
        if (chance(0.1)) socket.close(4400, "enough");
      },
      drain() {},
      close: (socket) => void sockets.delete(socket),
    },
    maxMessageBytes: 10_000,
    maxConnections: 100,
  },
  (error) => failures.set(String(error), (failures.get(String(error)) ?? 0) + 1),
  { lingerMs: 100, closeHandshakeMs: 100, noProgressMs: 500, requestMs: 2_000 },
);

setInterval(() => {
  for (const socket of sockets) {
    if (chance(0.3)) socket.send(Buffer.alloc(Math.floor(Math.random() * 200_000)), true);
    else if (chance(0.05)) socket.close(1001, "bye");
  }
}, 5).unref();

process.send!(await server.listen("127.0.0.1", 0));
process.once("message", async () => {
  await server.close(300);
  process.send!({ sockets: sockets.size, failures: Object.fromEntries(failures) });
  process.disconnect();
});
