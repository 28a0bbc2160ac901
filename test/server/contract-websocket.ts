/** What every `Server` must do with WebSockets. */

import { once } from "node:events";
import { connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import type { Test } from "tap";
import { WebSocket } from "ws";
import {
  type CreateServer,
  HANG_MS,
  MAX_MESSAGE_BYTES,
  type Manners,
  openDeaf,
  openSocket,
  raw,
  start,
  TIMES,
  until,
} from "./contract-rig.ts";

export function websocketContract(t: Test, create: CreateServer, manners: Manners): void {
  t.test("[S10] more connections than the limit are refused", async (t) => {
    const { port } = await start(t, create, { maxConnections: 2 });
    const first = await openSocket(t, port);
    await openSocket(t, port);
    const third = connect(port, "127.0.0.1");
    third.on("error", () => {});
    third.resume();
    await once(third, "close");
    first.close();
    await once(first, "close");
    await sleep(50);
    t.ok(await openSocket(t, port), "there is room again");
  });

  t.test("[S11] an upgrade is judged before there is a WebSocket", async (t) => {
    const { port, sockets } = await start(t, create, {
      upgrade({ url, headers, protocols }) {
        const body = JSON.stringify([url.pathname, url.search, headers.get("x-in"), protocols]);
        return { accept: false, response: new Response(body, { status: 401, headers: { "x-why": "no" } }) };
      },
    });
    const ws = new WebSocket(`ws://127.0.0.1:${port}/feed?a=1`, ["one", "two"], {
      headers: { "x-in": "yes" },
    });
    ws.on("error", () => {});
    const [, response] = await once(ws, "unexpected-response");
    let body = "";
    for await (const part of response) body += part;
    t.equal(response.statusCode, 401);
    t.equal(response.headers["x-why"], "no");
    t.strictSame(JSON.parse(body), ["/feed", "?a=1", "yes", ["one", "two"]]);
    t.equal(sockets.length, 0);
  });

  t.test(
    "[S11] an upgrade that comes before the request before it is answered cuts the connection",
    async (t) => {
      const answers = [true, false];
      for (const accept of answers) {
        const { port, sockets } = await start(t, create, {
          async fetch() {
            await sleep(30);
            return new Response("late");
          },
          upgrade: () =>
            accept
              ? { accept, protocol: "", principal: undefined }
              : { accept, response: new Response("no", { status: 401 }) },
        });
        const upgrade =
          "GET /feed HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
          "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
        t.equal(await raw(port, `GET / HTTP/1.1\r\nHost: x\r\n\r\n${upgrade}`), "");
        t.equal(sockets.length, 0);
        t.equal(await (await fetch(`http://127.0.0.1:${port}/`)).text(), "late", "others are served");
      }
    },
  );

  t.test("[S12] the subprotocol is the one that `upgrade` chose", async (t) => {
    const running = await start(t, create, {
      upgrade: ({ protocols }) => ({
        accept: true,
        protocol: protocols.includes("two") ? "two" : "",
        principal: 7,
      }),
    });
    const ws = await openSocket(t, running.port, ["one", "two"]);
    t.equal(ws.protocol, "two");
    t.equal(ws.extensions, "", "nothing is compressed");
    await until("open", () => running.sockets.length === 1);
    t.equal(running.sockets[0].protocol, "two");
    t.equal(running.sockets[0].principal, 7);
    t.equal((await openSocket(t, running.port)).protocol, "");
  });

  t.test("[S13] messages come whole, in order, text apart from binary, both ways", async (t) => {
    const running = await start(t, create);
    const ws = await openSocket(t, running.port);
    ws.send("ä");
    ws.send(Buffer.from("b"));
    ws.send("in ", { fin: false });
    ws.send("parts");
    await until("messages", () => running.messages.length === 3);
    t.strictSame(running.messages, [
      { text: "ä", binary: false },
      { text: "b", binary: true },
      { text: "in parts", binary: false },
    ]);
    const got: [string, boolean][] = [];
    ws.on("message", (data, binary) => got.push([String(data), binary]));
    running.sockets[0].send("ä", false);
    running.sockets[0].send(Buffer.from("ö"), false);
    running.sockets[0].send(Buffer.from("b"), true);
    await until("answers", () => got.length === 3);
    t.strictSame(got, [
      ["ä", false],
      ["ö", false],
      ["b", true],
    ]);
  });

  t.test(
    "[S14] a message over the limit closes the socket with 1009, text that is not UTF-8 with 1007",
    async (t) => {
      const running = await start(t, create);
      const large = await openSocket(t, running.port);
      large.send(Buffer.alloc(MAX_MESSAGE_BYTES));
      large.send(Buffer.alloc(MAX_MESSAGE_BYTES + 1));
      t.equal((await once(large, "close"))[0], 1009);
      t.equal(running.messages.length, 1, "what fits is taken");
      const garbled = await openSocket(t, running.port);
      garbled.send(Buffer.from([0xff]), { binary: false });
      t.equal((await once(garbled, "close"))[0], manners.badText);
      await until("closes", () => running.closes.length === 2);
    },
  );

  t.test("[S15] close codes reach the other side, and `close` is told once a socket", async (t) => {
    const running = await start(t, create);
    const ours = await openSocket(t, running.port);
    await until("open", () => running.sockets.length === 1);
    running.sockets[0].close(4400, "why");
    const [code, reason] = await once(ours, "close");
    t.strictSame([code, String(reason)], [4400, "why"]);
    running.sockets[0].send("late", false);
    running.sockets[0].close(1000, "");
    const theirs = await openSocket(t, running.port);
    theirs.close(4001);
    await once(theirs, "close");
    const cut = await openSocket(t, running.port);
    cut.terminate();
    await until("closes", () => running.closes.length === 3);
    t.strictSame(running.closes, [4400, 4001, 1006]);
  });

  t.test("[S16] `buffered` and `written` tell what the system took, `drain` when all of it is", async (t) => {
    const running = await start(t, create);
    const tcp = await openDeaf(t, running.port);
    await until("open", () => running.sockets.length === 1);
    const socket = running.sockets[0];
    t.equal(socket.written, 0);
    const message = Buffer.alloc(2 ** 20);
    let sent = 0;
    for (; sent < 32; sent++) socket.send(message, true);
    const total = sent * (message.length + 10);
    await sleep(50);
    t.equal(socket.buffered + socket.written, total, "nothing is counted twice or forgotten");
    t.ok(socket.buffered > total / 2);
    const before = socket.written;
    await sleep(100);
    t.equal(socket.written, before, "it stands still while the peer does not read");
    t.equal(running.drains, 0);

    // The peer reads a little: the figures must follow within one message.
    let read = 0;
    while (read < 8 * 2 ** 20) {
      const chunk = tcp.read() as Buffer | null;
      if (chunk === null) await once(tcp, "readable");
      else read += chunk.length;
    }
    await until("progress", () => socket.written > before);
    t.equal(socket.buffered + socket.written, total);
    t.equal(running.drains, 0);

    tcp.resume();
    await until("drain", () => running.drains === 1);
    t.equal(socket.buffered, 0);
    t.equal(socket.written, total);
    await sleep(20);
    t.equal(running.drains, 1);
  });

  t.test("[S25] bytes that `send` does not read any more may be changed", async (t) => {
    const running = await start(t, create);
    const tcp = await openDeaf(t, running.port);
    await until("open", () => running.sockets.length === 1);
    const size = 2 ** 20;
    let bytes = Buffer.alloc(size);
    let kept = 0;
    for (let i = 1; i <= 24; i++) {
      if (!running.sockets[0].send(bytes.fill(i), true)) {
        kept += 1;
        bytes = Buffer.alloc(size);
      }
    }
    bytes.fill(0xff);
    t.ok(running.sockets[0].buffered > 0, `${kept} were still read`);
    const received: Buffer[] = [];
    tcp.on("data", (data) => received.push(data));
    const total = 24 * (size + 10);
    await until("all", () => received.reduce((sum, { length }) => sum + length, 0) >= total);
    const all = Buffer.concat(received);
    for (let i = 1; i <= 24; i++) {
      const at = all.length - total + (i - 1) * (size + 10) + 10;
      t.ok(all.subarray(at, at + size).equals(Buffer.alloc(size, i)), `message ${i}`);
    }
  });

  t.test("[S17] a peer that does not answer the closing handshake is cut", async (t) => {
    const running = await start(t, create);
    const tcp = await openDeaf(t, running.port);
    await until("open", () => running.sockets.length === 1);
    for (let i = 0; i < 16; i++) running.sockets[0].send(Buffer.alloc(2 ** 20), true);
    const began = performance.now();
    running.sockets[0].close(4408, "too slow");
    await until("cut", () => running.closes.length === 1);
    t.ok(performance.now() - began >= TIMES.closeHandshakeMs * 0.9);
    t.equal(running.closes[0], 1006);
    t.equal(running.sockets[0].buffered, 0);
    tcp.destroy();

    const deaf = await openDeaf(t, running.port);
    await until("open", () => running.sockets.length === 2);
    running.sockets[1].close(4408, "too slow");
    await until("cut", () => running.closes.length === 2);
    t.equal(running.closes[1], manners.unanswered === "closed" ? 4408 : 1006);
    deaf.resume();
    await once(deaf, "close");
  });

  t.test(
    "[S18] `close` answers what is under way, closes sockets with 1001, and cuts the rest",
    async (t) => {
      let go = () => {};
      const running = await start(t, create, {
        async fetch() {
          await new Promise<void>((resolve) => {
            go = resolve;
          });
          return new Response("done");
        },
      });
      const clients = await Promise.all(Array.from({ length: 50 }, () => openSocket(t, running.port)));
      const codes = Promise.all(clients.map(async (ws) => (await once(ws, "close"))[0]));
      await openDeaf(t, running.port);
      const underWay = fetch(`http://127.0.0.1:${running.port}/`);
      await until("all open", () => running.sockets.length === 51);
      await sleep(50);
      const began = performance.now();
      const closed = running.server.close(250);
      t.strictSame(new Set(await codes), new Set([1001]));
      await t.rejects(fetch(`http://127.0.0.1:${running.port}/`), "nobody listens any more");
      go();
      const response = await underWay;
      t.equal(await response.text(), "done");
      t.equal(response.headers.get("connection"), "close");
      await closed;
      const took = performance.now() - began;
      t.ok(took < HANG_MS, `closed after ${took} ms in spite of the peer that does not answer`);
      t.equal(running.closes.length, 51);
    },
  );
}
