/** What every `Bus` must do. Run by one test file per implementation. */
import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import type { Test } from "tap";
import { type Bus, BusAway } from "../../src/cluster/ports.ts";
import { until } from "./until.ts";

/** Opens another node's end of the same bus; it is closed when the test ends. */
export type OpenBus = (t: Test) => Promise<Bus>;

/** Long enough for a message that must not come to come. */
const QUIET_MS = 50;
const text = (payload: Uint8Array) => Buffer.from(payload).toString();
const bytes = (content: string) => new TextEncoder().encode(content);
/** The bus may be shared with other tests. */
const newChannel = () => `muster-test:${randomUUID()}`;

/** Subscribes and keeps what comes. */
async function collect(bus: Bus, channel: string) {
  const received: Uint8Array[] = [];
  const end = await bus.subscribe(channel, (payload) => received.push(payload));
  return { received, end, texts: () => received.map(text) };
}

export function busContract(t: Test, open: OpenBus): void {
  t.test(
    "[X1] a message comes once to each bus that subscribes to its channel, the publisher's too",
    async (t) => {
      const [a, b, c] = [await open(t), await open(t), await open(t)];
      const [one, two] = [newChannel(), newChannel()];
      const [aOne, bOne, bTwo, cTwo] = [
        await collect(a, one),
        await collect(b, one),
        await collect(b, two),
        await collect(c, two),
      ];
      await a.publish(one, bytes("to one"));
      await a.publish(two, bytes("to two"));
      await until(
        "all have come",
        () => aOne.received.length + bOne.received.length + bTwo.received.length + cTwo.received.length === 4,
      );
      await sleep(QUIET_MS);
      t.strictSame(
        [aOne.texts(), bOne.texts(), bTwo.texts(), cTwo.texts()],
        [["to one"], ["to one"], ["to two"], ["to two"]],
      );
    },
  );

  t.test("[X1] nothing is handed over inside the call of publish", async (t) => {
    const bus = await open(t);
    const channel = newChannel();
    const { received } = await collect(bus, channel);
    const published = bus.publish(channel, bytes("x"));
    t.equal(received.length, 0);
    await published;
    await until("it came", () => received.length === 1);
  });

  t.test("[X2] messages of one publisher to one channel come in order, whatever their sizes", async (t) => {
    const [a, b] = [await open(t), await open(t)];
    const channel = newChannel();
    const { received } = await collect(b, channel);
    const own = await collect(a, channel);
    const published: Promise<number>[] = [];
    for (let n = 0; n < 2_000; n++) {
      const payload = Buffer.alloc(n % 100 === 7 ? 100_000 : 4 + (n % 50));
      payload.writeUInt32LE(n);
      published.push(a.publish(channel, payload));
      if (n % 500 === 0) await sleep(1);
    }
    t.ok((await Promise.all(published)).every((listeners) => listeners === 2));
    await until("all came", () => received.length === 2_000 && own.received.length === 2_000);
    const number = (payload: Uint8Array) => Buffer.from(payload).readUInt32LE();
    const inOrder = (all: Uint8Array[]) => all.every((payload, n) => number(payload) === n);
    t.ok(inOrder(received), "elsewhere");
    t.ok(inOrder(own.received), "at home");
  });

  t.test("[X3] payloads of 0 bytes and of megabytes come bit by bit", async (t) => {
    const [a, b] = [await open(t), await open(t)];
    const channel = newChannel();
    const { received } = await collect(b, channel);
    const large = new Uint8Array(4 * 2 ** 20).map((_, i) => (i * 2_654_435_761) >>> 13);
    const every = Uint8Array.from({ length: 256 }, (_, i) => i);
    const sent = [
      new Uint8Array(0),
      every,
      large,
      bytes("\r\n$5\r\n"),
      every.subarray(10, 20),
      new Uint8Array(8 * 2 ** 20).fill(7),
    ];
    for (const payload of sent) await a.publish(channel, payload);
    await until("all came", () => received.length === sent.length);
    for (const [i, payload] of sent.entries())
      t.ok(Buffer.from(payload).equals(received[i]), `${payload.length} bytes`);
    await t.rejects(
      a.publish(channel, new Uint8Array(8 * 2 ** 20 + 1)),
      { code: "ERR_ASSERTION" },
      "one that is too large",
    );
  });

  t.test("[X3] a payload may be reused after publish, and a received one kept and changed", async (t) => {
    const [a, b] = [await open(t), await open(t)];
    const channel = newChannel();
    const first = await collect(b, channel);
    const second = await collect(b, channel);
    const third = await collect(a, channel);
    const scratch = new Uint8Array(20);
    const published: Promise<number>[] = [];
    for (let n = 0; n < 100; n++) {
      scratch.fill(n);
      published.push(a.publish(channel, scratch));
      scratch.fill(255);
    }
    await Promise.all(published);
    const all = [first.received, second.received, third.received];
    await until("all came", () => all.every((received) => received.length === 100));
    for (const payload of first.received) payload.fill(200);
    for (const received of all.slice(1))
      t.ok(received.every((payload, n) => payload.every((byte) => byte === n)));
    const buffers = new Set(all.flat().map(({ buffer }) => buffer));
    t.equal(buffers.size, 300, "none shares its memory with another");
    t.ok(
      all.flat().every((payload) => payload.buffer.byteLength === payload.length),
      "nor keeps more than itself",
    );
  });

  t.test("[X4] publish says how many buses listen", async (t) => {
    const [a, b] = [await open(t), await open(t)];
    const channel = newChannel();
    t.equal(await a.publish(channel, bytes("x")), 0, "nobody");
    const first = await collect(b, channel);
    t.equal(await a.publish(channel, bytes("x")), 1);
    const again = await collect(b, channel);
    t.equal(await a.publish(channel, bytes("x")), 1, "twice on one bus");
    const own = await collect(a, channel);
    t.equal(await a.publish(channel, bytes("x")), 2);
    await first.end();
    t.equal(await a.publish(channel, bytes("x")), 2);
    await Promise.all([again.end(), own.end()]);
    t.equal(await a.publish(channel, bytes("x")), 0);
    await b.close();
    await collect(a, channel);
    t.equal(await a.publish(channel, bytes("x")), 1);
  });

  t.test(
    "[X5] after the end of a subscription nothing is handed over, and other subscriptions go on",
    async (t) => {
      const [a, b] = [await open(t), await open(t)];
      const channel = newChannel();
      const ended = await collect(b, channel);
      const stays = await collect(b, channel);
      const elsewhere = await collect(b, newChannel());
      const published = a.publish(channel, bytes("1"));
      // What is on its way or waits does not come any more either.
      const ending = ended.end();
      await Promise.all([published, ending]);
      await a.publish(channel, bytes("2"));
      await until("both came", () => stays.received.length === 2);
      await ended.end();
      await elsewhere.end();
      await a.publish(channel, bytes("3"));
      await until("the third came", () => stays.received.length === 3);
      t.strictSame([ended.texts(), stays.texts(), elsewhere.texts()], [[], ["1", "2", "3"], []]);

      const again = stays.end();
      const renewed = await collect(b, channel);
      await again;
      t.equal(await a.publish(channel, bytes("4")), 1, "subscribed again while it ended");
      await until("the fourth came", () => renewed.received.length === 1);
    },
  );

  t.test("[X5] a receiver may end itself and others, and subscribe", async (t) => {
    const bus = await open(t);
    const channel = newChannel();
    const received: string[] = [];
    const end = await bus.subscribe(channel, () => {
      received.push("first");
      void end();
      void endOther();
      void bus.subscribe(channel, () => received.push("late"));
    });
    const endOther = await bus.subscribe(channel, () => received.push("other"));
    await bus.publish(channel, bytes("x"));
    await until("it came", () => received.length > 0);
    await sleep(QUIET_MS);
    await bus.publish(channel, bytes("x"));
    await until("it came again", () => received.length > 1);
    t.strictSame(received, ["first", "late"]);
  });

  t.test("[X16] a message at which a receiver throws is lost to that one only", async (t) => {
    const bus = await open(t);
    const channel = newChannel();
    await bus.subscribe(channel, (payload) => {
      if (payload.length === 1) throw new Error("of a test");
    });
    await bus.publish(channel, bytes("x"));
    const { texts } = await collect(bus, channel);
    for (const content of ["y", "zz"]) await bus.publish(channel, bytes(content));
    await until("the others came", () => texts().includes("zz"));
    t.strictSame(
      texts().filter((content) => content !== "x"),
      ["y", "zz"],
    );
  });

  t.test("[X18] a bus tells what waits in it", async (t) => {
    const bus = await open(t);
    const channel = newChannel();
    const { received } = await collect(bus, channel);
    t.strictSame(bus.queued, { out: 0, in: 0 });
    const published = bus.publish(channel, new Uint8Array(1_000));
    t.ok(bus.queued.out + bus.queued.in >= 1_000);
    t.equal(await published, 1);
    await until("it came", () => received.length === 1);
    t.strictSame(bus.queued, { out: 0, in: 0 });
  });

  t.test("[X17] an open bus is not away, and a closed one is", async (t) => {
    const [a, b] = [await open(t), await open(t)];
    t.equal(a.away, false);
    await collect(a, newChannel());
    t.equal(a.away, false);
    await a.close();
    t.equal(a.away, true);
    t.equal(b.away, false);
  });

  t.test("[X6] a closed bus takes and delivers nothing", async (t) => {
    const [a, b] = [await open(t), await open(t)];
    const channel = newChannel();
    const { received, end } = await collect(b, channel);
    let lost = 0;
    b.onLoss(() => lost++);
    const published = a.publish(channel, bytes("x"));
    await b.close();
    await published;
    await b.close();
    await end();
    await t.rejects(b.publish(channel, bytes("x")), BusAway);
    await t.rejects(
      b.subscribe(channel, () => {}),
      BusAway,
    );
    await sleep(QUIET_MS);
    t.equal(received.length, 0);
    t.equal(lost, 0, "one's own closing is no loss");
  });
}
