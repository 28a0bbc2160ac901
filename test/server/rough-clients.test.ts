import { fork } from "node:child_process";
import { once } from "node:events";
import { connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import t from "tap";
import { Random } from "../../bench/random.ts";
import { FORK } from "../support/node-program.ts";
import { runs, SEED } from "../support/seeded.ts";

const SERVER = fileURLToPath(new URL("rough-server.ts", import.meta.url));
const CLIENTS = 120;
/** Of each client. */
const VISITS = runs(8);

const HEADERS = ["Connection: close", "Expect: 100-continue", "X-Long: ".padEnd(3_000, "x")];
const PATHS = ["/echo", "/stream", "/read", "/late", "/large", "/none"];

class Client {
  readonly #random: Random;

  constructor(seed: number) {
    this.#random = new Random(seed);
  }

  upTo(limit: number): number {
    return Math.floor(this.#random.next() * limit);
  }

  chance(part: number): boolean {
    return this.#random.next() < part;
  }

  pick<T>(list: readonly T[]): T {
    return list[this.upTo(list.length)];
  }

  /** One request, or what is none. */
  request(): Buffer {
    if (this.chance(0.05)) return Buffer.from(Array.from({ length: this.upTo(300) }, () => this.upTo(256)));
    if (this.chance(0.2)) return this.webSocket();
    const method = this.pick(["GET", "GET", "HEAD", "POST", "POST", "POST", "PUT", "DELETE", "BREW"]);
    const head = [`${method} ${this.pick(PATHS)} HTTP/1.1`, "Host: x"];
    for (const header of HEADERS) if (this.chance(0.15)) head.push(header);
    let body = "";
    if (method !== "GET" && this.chance(0.9)) {
      const size = this.chance(0.3) ? this.upTo(1e6) : this.upTo(2e5);
      body = "x".repeat(size);
      if (this.chance(0.5)) head.push(`Content-Length: ${size + (this.chance(0.1) ? 1_000 : 0)}`);
      else {
        head.push("Transfer-Encoding: chunked");
        const half = Math.floor(size / 2);
        body = [half, size - half]
          .filter((part) => part > 0)
          .map((part) => `${part.toString(16)}\r\n${"x".repeat(part)}\r\n`)
          .join("");
        body += this.chance(0.9) ? "0\r\n\r\n" : "zz\r\n";
      }
    }
    return Buffer.from(`${head.join("\r\n")}\r\n\r\n${body}`);
  }

  /** An upgrade, and frames after it, of which some are wrong. */
  webSocket(): Buffer {
    const head =
      "GET /feed HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
      "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    const frames = Array.from({ length: this.upTo(5) }, () => {
      const size = this.upTo(125);
      const header = [0x80 | this.pick([1, 1, 2, 8, 9, 10]), 0x80 | size, 0, 0, 0, 0];
      return Buffer.concat([Buffer.from(header), Buffer.alloc(size, this.chance(0.9) ? 0x61 : 0xff)]);
    });
    return Buffer.concat([Buffer.from(head), ...frames]);
  }

  /** One connection: some requests, read or not, whole or not, and an end of any kind. */
  async visit(port: number): Promise<void> {
    const tcp = connect(port, "127.0.0.1");
    tcp.on("error", () => {});
    if (this.chance(0.7)) tcp.resume();
    for (let i = this.upTo(4); i >= 0; i--) {
      const bytes = this.request();
      tcp.write(this.chance(0.2) ? bytes.subarray(0, this.upTo(bytes.length)) : bytes);
      if (this.chance(0.5)) await sleep(this.upTo(30));
    }
    await sleep(this.upTo(60));
    if (this.chance(0.5)) tcp.end();
    if (this.chance(0.7)) tcp.destroy();
    else setTimeout(() => tcp.destroy(), 300);
  }
}

// The native library only: what it does wrong ends the process without a word.
const title = "[S27] whatever clients do, the process goes on";
t.test(title, { timeout: runs(60_000) }, async (t) => {
  t.comment(`TEST_SEED=${SEED}`);
  const child = fork(SERVER, FORK);
  t.teardown(() => child.kill("SIGKILL"));
  let ended: unknown;
  child.once("exit", (code, signal) => {
    ended = signal ?? code;
  });
  const [port] = (await once(child, "message")) as [number];
  let visits = 0;
  const clients = Array.from({ length: CLIENTS }, async (_, i) => {
    const client = new Client(SEED * 1_000 + i);
    for (let visit = 0; visit < VISITS && ended === undefined; visit++) {
      await client.visit(port);
      visits += 1;
    }
  });
  await Promise.all(clients);
  t.equal(ended, undefined, `it lives after ${visits} connections`);
  if (ended !== undefined) return;
  await sleep(500);
  t.equal((await fetch(`http://127.0.0.1:${port}/late`)).status, 404, "and serves");
  child.send("end");
  const [left] = await once(child, "message");
  t.equal(left.sockets, 0, "each socket was told closed");
  const expected = /a stream that fails|broke off/;
  for (const failure of Object.keys(left.failures)) t.match(failure, expected);
  if (ended === undefined) await once(child, "exit");
  t.equal(ended, 0, "and stops");
});
