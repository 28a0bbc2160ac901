// What a Redis must be like for a node to start.
import { once } from "node:events";
import { connect, createServer as createTcpServer, type Socket } from "node:net";
import { Writable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { createServer as createTlsServer, getCACertificates, setDefaultCACertificates } from "node:tls";
import t, { type Test } from "tap";
import { systemClock } from "../../src/clock.ts";
import { BUS_PING_MS } from "../../src/limits.ts";
import { createLog } from "../../src/telemetry/log.ts";
import { BusStartError } from "../../src/transport/bus/errors.ts";
import { openRedisBus } from "../../src/transport/bus/redis-bus.ts";
import { freePort } from "../support/programs.ts";
import { ownRedis } from "../support/redis.ts";
import { TEST_CERTIFICATE, TEST_KEY } from "./certificate.ts";
import { until } from "./until.ts";

const SECRET = "s3cret-of-the-bus";

async function open(t: Test, url: string, log = createLog("silent")) {
  const bus = await openRedisBus({ url, log, clock: systemClock, random: Math.random });
  t.teardown(() => bus.close());
  return bus;
}

async function refusal(t: Test, url: string): Promise<BusStartError> {
  const error = await open(t, url).then(
    () => undefined,
    (error: unknown) => error,
  );
  t.type(error, BusStartError);
  t.notMatch(JSON.stringify([error, (error as Error).message, (error as Error).cause]), SECRET);
  return error as BusStartError;
}

/** Says `info` when it is asked about itself, and OK to the rest. */
async function startPretender(t: Test, info: string): Promise<string> {
  const sockets = new Set<Socket>();
  const server = createTcpServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    socket.on("data", (data) => {
      for (const [, name] of data.toString().matchAll(/\*\d+\r\n\$\d+\r\n(\w+)\r\n/g)) {
        if (name === "hello") socket.write("-ERR unknown command 'HELLO'\r\n");
        else if (name === "info") socket.write(`$${info.length}\r\n${info}\r\n`);
        else socket.write("+OK\r\n");
      }
    });
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  t.teardown(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return `redis://127.0.0.1:${(server.address() as { port: number }).port}`;
}

t.test("[X8] a start without a Redis is refused", async (t) => {
  const error = await refusal(t, `redis://user:${SECRET}@127.0.0.1:${await freePort()}/2`);
  t.match(error, {
    code: "cannot-connect",
    message: /^REDIS_URL: redis:\/\/127.*\/2 cannot be reached: .*ECONNREFUSED/,
  });
  t.match(await refusal(t, "redis://nowhere.invalid"), {
    code: "cannot-connect",
    message: /nowhere\.invalid/,
  });
});

t.test("[X8] a start with something that takes connections and is silent is refused in time", async (t) => {
  const server = createTcpServer((socket) => t.teardown(() => socket.destroy())).listen(0, "127.0.0.1");
  await once(server, "listening");
  t.teardown(() => server.close());
  const start = performance.now();
  const error = await refusal(t, `redis://127.0.0.1:${(server.address() as { port: number }).port}`);
  t.match(error, { code: "cannot-connect", message: /no connection within 3000 ms/ });
  t.ok(performance.now() - start < 4_000);
});

t.test("[X8] a wrong password, a missing one and a database that is not there are refused", async (t) => {
  const redis = await ownRedis(t, "--requirepass", SECRET, "--databases", "2");
  const to = (credentials: string, rest = "") => redis.url.replace("//", `//${credentials}`) + rest;
  t.match(await refusal(t, to(`:wrong-${SECRET}@`)), { code: "wrong-password" });
  t.match(await refusal(t, to(`nobody:${SECRET}@`)), { code: "wrong-password" });
  t.match(await refusal(t, to("")), { code: "wrong-password" });
  t.match(await refusal(t, to(`:${SECRET}@`, "/7")), { code: "refused", message: /DB index/ });
  const bus = await open(t, to(`default:${SECRET}@`, "/1"));
  t.equal(await bus.publish("c", new Uint8Array(1)), 0);
});

t.test("[X8] passwords and users with reserved characters are taken as written in a URL", async (t) => {
  const password = "p@ss:/?#word";
  const redis = await ownRedis(t, "--user", "b&s", "on", `>${password}`, "~*", "&*", "+@all");
  const bus = await open(
    t,
    redis.url.replace("//", `//${encodeURIComponent("b&s")}:${encodeURIComponent(password)}@`),
  );
  t.equal(await bus.publish("c", new Uint8Array(1)), 0);
  const percent = await ownRedis(t, "--requirepass", "100%sure");
  await open(t, percent.url.replace("//", "//:100%sure@"));
  await open(t, percent.url.replace("//", "//:100%25sure@"));
});

t.test("[X8] a Redis that is too old, and what is no Redis, is refused", async (t) => {
  const old = await startPretender(t, "# Server\r\nredis_version:6.2.14\r\n");
  t.match(await refusal(t, old), {
    code: "version-too-old",
    message: /is Redis 6\.2\.14; Muster needs Redis 7 or newer, or Valkey/,
  });
  t.match(await refusal(t, await startPretender(t, "# Nothing\r\n")), { code: "not-redis" });
  const valkey = "# Server\r\nredis_version:7.2.4\r\nserver_name:valkey\r\nvalkey_version:8.1.0\r\n";
  await open(t, await startPretender(t, valkey));
});

t.test("[X8] a user who may not ask for the version is refused", async (t) => {
  const redis = await ownRedis(t, "--user", "default", "on", "nopass", "~*", "&*", "+@all", "-info");
  const warnings = t.capture(console, "warn", () => {});
  t.match(await refusal(t, redis.url), {
    code: "refused",
    message: /does not say which version it is: NOPERM/,
  });
  t.equal(warnings().length, 1, "ioredis tells too");
});

t.test("[X13] rediss:// speaks TLS, with a server whose certificate is known", async (t) => {
  const redis = await ownRedis(t);
  const server = createTlsServer({ key: TEST_KEY, cert: TEST_CERTIFICATE }, (socket) => {
    const plain = connect(Number(new URL(redis.url).port), "127.0.0.1");
    socket.pipe(plain).pipe(socket);
    for (const one of [socket, plain]) one.on("error", () => {});
    socket.on("close", () => plain.destroy());
    t.teardown(() => socket.destroy());
  }).listen(0, "127.0.0.1");
  server.on("tlsClientError", () => {});
  await once(server, "listening");
  t.teardown(() => server.close());
  const url = `rediss://localhost:${(server.address() as { port: number }).port}`;

  t.match(await refusal(t, url), { code: "cannot-connect", message: /self-signed certificate/ });
  t.match(await refusal(t, url.replace("rediss", "redis")), { code: "cannot-connect" }, "plain text");

  const known = getCACertificates("default");
  t.teardown(() => setDefaultCACertificates(known));
  setDefaultCACertificates([...known, TEST_CERTIFICATE]);
  const bus = await open(t, url);
  const received: Uint8Array[] = [];
  await bus.subscribe("c", (payload) => received.push(payload));
  t.equal(await bus.publish("c", new Uint8Array(300_000).fill(3)), 1);
  await until("it came", () => received.length === 1);
  t.ok(Buffer.alloc(300_000, 3).equals(received[0]));

  let losses = 0;
  bus.onLoss(() => losses++);
  await sleep(2 * BUS_PING_MS + 500);
  t.equal(losses, 0, "signs of life are seen through TLS too");
});

t.test("[X14] the password is not in the log", async (t) => {
  const redis = await ownRedis(t, "--requirepass", SECRET);
  const lines: string[] = [];
  const log = createLog(
    "trace",
    new Writable({ write: (chunk, _, done) => done(void lines.push(String(chunk))) }),
  );
  const bus = await open(t, redis.url.replace("//", `//:${SECRET}@`), log);
  await bus.subscribe("c", () => {});
  await redis.stop();
  await until("it is noticed", () => lines.some((line) => line.includes("Redis is away")));
  await redis.start();
  await until("both are back", () => lines.filter((line) => line.includes("Redis is back")).length === 2);
  t.match(lines.join(""), redis.url);
  t.notMatch(lines.join(""), SECRET);
});
