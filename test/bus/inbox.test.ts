// Handing over, on a clock that is moved by hand.
import t from "tap";
import { BUS_MESSAGE_OVERHEAD_BYTES, MAX_BUS_INBOX_BYTES, SLICE_MS } from "../../src/limits.ts";
import { Inbox } from "../../src/transport/bus/inbox.ts";
import { FakeClock } from "../support/fake-clock.ts";

const NO_LOG = { error: ({ err }: { err: unknown }) => t.fail(String(err)) };

t.test("[X7] messages are handed over in order, and never while they come in", async (t) => {
  const clock = new FakeClock();
  const inbox = new Inbox(clock, NO_LOG);
  const received: number[] = [];
  inbox.add("c", (payload) => received.push(Buffer.from(payload).readUInt16LE()));
  // Far more than stay in the array before its begin is cut off.
  for (let n = 0; n < 10_000; n++) inbox.push("c", Uint8Array.of(n % 256, n >> 8));
  t.equal(received.length, 0);
  await clock.advance(0);
  t.strictSame(
    received,
    Array.from({ length: 10_000 }, (_, n) => n),
  );
});

t.test("[X7] other work has its turn between two slices", async (t) => {
  const clock = new FakeClock();
  const inbox = new Inbox(clock, NO_LOG);
  const order: string[] = [];
  inbox.add("c", (payload) => {
    order.push(String(payload[0]));
    clock.pass(SLICE_MS / 2);
  });
  for (let n = 0; n < 5; n++) inbox.push("c", Uint8Array.of(n));
  clock.yield(() => order.push("work"));
  await clock.advance(100);
  t.strictSame(order, ["0", "1", "work", "2", "3", "4"]);
});

t.test(
  "[X7] beyond its bound the oldest are dropped, and the loss is told before what is newer",
  async (t) => {
    const clock = new FakeClock();
    const inbox = new Inbox(clock, NO_LOG);
    const order: (string | number)[] = [];
    inbox.add("c", (payload) => order.push(payload[0]));
    inbox.onLoss(() => order.push("lost"));
    const size = MAX_BUS_INBOX_BYTES / 4 - BUS_MESSAGE_OVERHEAD_BYTES;
    const push = (n: number) => inbox.push("c", new Uint8Array(size).fill(n, 0, 1));
    for (let n = 0; n < 4; n++) push(n);
    await clock.advance(0);
    t.strictSame(order.splice(0), [0, 1, 2, 3], "just as much as it takes");
    for (let n = 0; n < 6; n++) push(n);
    await clock.advance(0);
    t.strictSame(order.splice(0), ["lost", 2, 3, 4, 5]);
    push(6);
    await clock.advance(0);
    t.strictSame(order.splice(0), [6], "told once");
  },
);

t.test("[X7] a message for nobody takes no room, and small ones count with what they cost", async (t) => {
  const clock = new FakeClock();
  const inbox = new Inbox(clock, NO_LOG);
  let received = 0;
  let lost = 0;
  inbox.onLoss(() => lost++);
  inbox.push("c", new Uint8Array(MAX_BUS_INBOX_BYTES));
  t.equal(clock.pending, 0);
  inbox.add("c", () => received++);
  const most = MAX_BUS_INBOX_BYTES / BUS_MESSAGE_OVERHEAD_BYTES;
  for (let n = 0; n < most + 10; n++) inbox.push("c", new Uint8Array(0));
  await clock.advance(1);
  t.strictSame([received, lost], [most, 1]);
});

t.test("[X16] what a receiver throws is counted, and logged once a second", async (t) => {
  const clock = new FakeClock();
  const logged: object[] = [];
  const inbox = new Inbox(clock, { error: (details) => logged.push(details) });
  const err = new Error("of another node");
  const others: number[] = [];
  inbox.add("c", () => {
    throw err;
  });
  const push = async () => {
    for (let n = 0; n < 3; n++) inbox.push("c", Uint8Array.of(n));
    await clock.advance(1);
  };
  await push();
  t.strictSame(logged.splice(0), [{ err, channel: "c", failures: 1 }]);
  inbox.add("c", (payload) => others.push(payload[0]));
  await clock.advance(990);
  await push();
  t.strictSame(logged, []);
  await clock.advance(10);
  await push();
  t.strictSame(logged, [{ err, channel: "c", failures: 7 }]);
  t.strictSame(others, [0, 1, 2, 0, 1, 2]);
});
