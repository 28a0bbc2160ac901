import type { lookup } from "node:dns";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import t, { type Test } from "tap";
import { type Clock, systemClock } from "../../src/clock.ts";
import { HttpSender, type HttpSenderOptions, retryAfter } from "../../src/transport/webhooks/http-sender.ts";
import { isPublicAddress } from "../../src/transport/webhooks/public-address.ts";
import type { Outcome } from "../../src/webhooks/ports.ts";
import { type Answer, Receiver } from "./receiver.ts";
import { until } from "./rig.ts";

const request = (url: string) => ({ url, headers: {}, body: '{"subject":"a","data":{"n":1}}' });
const sender = (options: Partial<HttpSenderOptions> = {}) =>
  new HttpSender({ clock: systemClock, allowPrivate: false, ...options });
/** Gives each name the same addresses. */
const naming = (...addresses: string[]) =>
  ((_name: string, _options: unknown, done: (error: null, found: object[]) => void) =>
    done(
      null,
      addresses.map((address) => ({ address, family: address.includes(":") ? 6 : 4 })),
    )) as unknown as typeof lookup;

t.test("[EV30] private, local and reserved addresses are told from those of anybody", async (t) => {
  for (const address of [
    "0.0.0.0",
    "10.1.2.3",
    "100.64.0.1",
    "127.0.0.1",
    "127.255.255.254",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.8",
    "192.0.2.1",
    "192.168.1.1",
    "198.18.0.1",
    "198.51.100.7",
    "203.0.113.9",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::ffff:8.8.8.8",
    "::ffff:127.0.0.1",
    "64:ff9b::7f00:1",
    "fc00::1",
    "fd12::1",
    "fe80::1",
    "ff02::1",
    "2001::1",
    "2001:db8::1",
    "2002:7f00:1::1",
    "3fff::1",
    "example.com",
    "",
    "127.1",
  ])
    t.equal(isPublicAddress(address), false, address);
  for (const address of [
    "8.8.8.8",
    "1.1.1.1",
    "172.32.0.1",
    "100.128.0.1",
    "2606:4700::1111",
    "2a00:1450:4001::200e",
  ])
    t.equal(isPublicAddress(address), true, address);
});

t.test("[EV30] the address that is connected to is the one that was looked at", async (t) => {
  const receiver = await Receiver.start(t);
  const { port } = new URL(receiver.url);
  const refused = async (options: Partial<HttpSenderOptions>, url: string) => {
    using one = sender(options);
    const outcome = await one.send(request(url));
    t.match(outcome.error, /private, local or reserved/, url);
  };
  for (const host of [
    "127.0.0.1",
    "[::1]",
    "[::ffff:127.0.0.1]",
    "0x7f000001",
    "2130706433",
    "127.1",
    "localhost",
  ])
    await refused({}, `http://${host}:${port}/`);
  await refused({ resolve: naming("10.0.0.1", "fd00::1") }, `http://inside.example:${port}/`);
  await refused({ resolve: naming("127.0.0.1") }, "https://inside.example/");
  t.equal(receiver.received.length, 0);

  let asked = 0;
  const rebinding: typeof lookup = ((
    _name: string,
    _options: unknown,
    done: (error: null, found: object[]) => void,
  ) => done(null, [{ address: asked++ === 0 ? "192.0.2.1" : "127.0.0.1", family: 4 }])) as never;
  await refused({ resolve: rebinding }, `http://rebinding.example:${port}/`);
  t.equal(asked, 1, "a name is resolved once");

  using allowing = sender({ allowPrivate: true, resolve: naming("127.0.0.1") });
  t.same(await allowing.send(request(`http://inside.example:${port}/hook`)), {
    status: 204,
    retryAfterMs: undefined,
  });
  t.equal(receiver.received[0]!.headers.host, `inside.example:${port}`);
});

t.test("[EV31] redirects are not followed, and what does not answer is given up", async (t) => {
  const receiver = await Receiver.start(t);
  receiver.answer = () => ({ status: 302, headers: { location: receiver.url } });
  using one = sender({ allowPrivate: true, timeoutMs: 200 });
  t.match(await one.send(request(receiver.url)), { status: 302 });
  t.equal(receiver.received.length, 1);
  receiver.answer = () => new Promise(() => {});
  t.match(await one.send(request(receiver.url)), { error: "no answer within 200 ms" });
  t.match(await one.send(request("http://127.0.0.1:9/")), { error: String });
  t.match(await one.send(request("http://no-such-name.invalid/")), { error: String });
});

t.test("[EV37] whatever an endpoint answers with, an attempt ends within its time", async (t) => {
  const upgrade = "upgrade: x\r\nconnection: upgrade\r\n";
  const answers: [string, string, object][] = [
    ["another protocol", `HTTP/1.1 101 Switching Protocols\r\n${upgrade}\r\n`, { status: 101 }],
    ["another protocol that has no name", "HTTP/1.1 101 Switching Protocols\r\n\r\n", {}],
    ["a hint and no more", "HTTP/1.1 103 Early Hints\r\n\r\n", { error: /within 200 ms/ }],
    ["half an answer", "HTTP/1.1 200 OK\r\ncontent-le", { error: /within 200 ms/ }],
    ["nonsense", "SSH-2.0-x\r\n", { error: String }],
  ];
  for (const [name, bytes, expected] of answers) {
    const url = await raw(t, (socket) => void socket.write(bytes));
    using one = sender({ allowPrivate: true, timeoutMs: 200 });
    const outcome = await Promise.race([one.send(request(url)), sleep(2_000, "never ends")]);
    t.match(outcome, expected, name);
    t.not((outcome as Outcome).status, 200, name);
  }
  const hints = await raw(t, async (socket) => {
    while (!socket.destroyed) {
      socket.write("HTTP/1.1 100 Continue\r\n\r\n");
      await sleep(1);
    }
  });
  using one = sender({ allowPrivate: true, timeoutMs: 200 });
  t.match(await one.send(request(hints)), { error: /within 200 ms/ }, "hints without end");
  const ended = await raw(t, (socket) => void socket.end());
  t.match(await one.send(request(ended)), { error: String }, "no answer at all");
  using silent = sender({ allowPrivate: true, timeoutMs: 200, resolve: (() => {}) as never });
  t.match(await silent.send(request("http://silent.example/")), { error: /within 200 ms/ }, "a name");
});

t.test("[EV37] the rest of an answer that comes late is waited for no longer than the attempt", async (t) => {
  for (const [passed, rest] of [
    [0, 500],
    [4_800, 200],
    [6_000, 0],
  ] as const) {
    let elapsed = 0;
    const waits: number[] = [];
    const clock: Clock = {
      now: () => systemClock.now(),
      monotonic: () => elapsed,
      schedule: (ms, fire) => {
        waits.push(ms);
        return systemClock.schedule(ms, fire);
      },
      yield: systemClock.yield,
    };
    const url = await raw(t, (socket) => {
      elapsed = passed;
      socket.write("HTTP/1.1 200 OK\r\ncontent-length: 60000\r\n\r\nx");
    });
    using one = sender({ clock, allowPrivate: true, timeoutMs: 5_000 });
    t.match(await one.send(request(url)), { status: 200 });
    t.same(waits, [5_000, rest], `answered after ${passed} ms`);
  }
});

t.test("[EV39] what an endpoint does after its status holds nothing up, and its status counts", async (t) => {
  using one = sender({ allowPrivate: true, timeoutMs: 5_000 });
  const dripped = Promise.withResolvers<void>();
  const dripping = await raw(t, async (socket) => {
    socket.once("close", () => dripped.resolve());
    socket.write("HTTP/1.1 200 OK\r\ncontent-length: 60000\r\n\r\n");
    while (!socket.destroyed) {
      socket.write("x");
      await sleep(20);
    }
  });
  const begun = performance.now();
  t.match(await one.send(request(dripping)), { status: 200 });
  await dripped.promise;
  const took = performance.now() - begun;
  t.ok(took < 3_000, `${Math.round(took)} ms for an answer that does not end`);
  const long = await raw(t, (socket) => {
    socket.write(`HTTP/1.1 200 OK\r\ncontent-length: 9000000\r\n\r\n${"x".repeat(200_000)}`);
  });
  t.match(await one.send(request(long)), { status: 200 }, "a long one");
  const broken = await raw(t, (socket) => {
    socket.write("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nno chunk", () =>
      socket.resetAndDestroy(),
    );
  });
  t.match(await one.send(request(broken)), { status: 200 }, "a broken one");
  const connections = new Set<Socket>();
  const short = await raw(t, (socket) => {
    connections.add(socket);
    const take = () => socket.write("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
    take();
    socket.on("data", take);
  });
  for (let i = 0; i < 5; i++) t.match(await one.send(request(short)), { status: 200 });
  t.equal(connections.size, 1, "the connection of a short answer is used again");
});

t.test("[EV39] a webhook waits for no requests of others to the same host", async (t) => {
  const receiver = await Receiver.start(t);
  const { promise: released, resolve: release } = Promise.withResolvers<Answer>();
  receiver.answer = ({ event }) => (event.subject === "slow" ? released : { status: 204 });
  using one = sender({ allowPrivate: true, timeoutMs: 5_000 });
  const slow = Array.from({ length: 20 }, () =>
    one.send({ ...request(receiver.url), body: '{"subject":"slow","data":{}}' }),
  );
  await until(() => receiver.received.length === 20);
  t.match(await one.send(request(receiver.url)), { status: 204 });
  release({ status: 204 });
  await Promise.all(slow);
});

t.test("[EV24] Retry-After is seconds or a date", async (t) => {
  const now = Date.UTC(2026, 0, 1);
  t.equal(retryAfter("120", now), 120_000);
  t.equal(retryAfter("Thu, 01 Jan 2026 00:01:00 GMT", now), 60_000);
  t.equal(retryAfter("Wed, 31 Dec 2025 00:00:00 GMT", now), 0);
  t.equal(retryAfter("33.5", now), 33_500, "a fraction is no date in 2033");
  t.equal(retryAfter("0.25", now), 250);
  t.equal(retryAfter("Thursday, 01-Jan-26 00:01:00 GMT", now), 60_000, "as it was written before 1995");
  t.equal(retryAfter("Thu Jan  1 00:01:00 2026", now), 60_000, "in GMT too");
  for (const none of [
    "soon",
    "12.",
    ".5",
    "-1",
    "+5",
    "5 s",
    "1e3",
    "12/31/2033",
    "2033-01-01",
    "Thu, 41 Jan 2026 00:01:00 GMT",
    "",
  ])
    t.equal(retryAfter(none, now), undefined, none);
  t.equal(retryAfter(undefined, now), undefined);
});

/** What comes after a request is `answer`'s. @returns its URL. */
async function raw(t: Test, answer: (socket: Socket) => void): Promise<string> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    socket.once("data", () => answer(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.teardown(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
}
