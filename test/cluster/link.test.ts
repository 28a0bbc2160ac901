// A link on its own: one sender, one owner, and the frames between them.
import t from "tap";
import type { Report } from "../../src/actors/messages.ts";
import { encodeControl, FIRST_CONTROL, FRAME, inboxOf, repliesOf } from "../../src/cluster/frames.ts";
import { encodeProbe } from "../../src/cluster/link-frames.ts";
import {
  CLUSTER_WAIT_MS,
  LINK_FRAME_OVERHEAD_BYTES,
  LINK_RESEND_LONGEST_MS,
  LINK_RESEND_MS,
  LINK_WINDOW_BYTES,
} from "../../src/limits.ts";
import { stillThere } from "../support/still-there.ts";
import { CALM } from "./lossy-bus.ts";
import { CLUSTER, idIn, ModelCluster, SELF } from "./model-cluster.ts";

const SHARD = 3;
const id = idIn(SHARD);
const INBOX = inboxOf(CLUSTER, "b");
const REPLIES = repliesOf(CLUSTER, SELF);
const report = (seq: number): Report => ({ id, t: 1, seq });

/** A router that sends everything to "b", and when which frames were published. */
function start() {
  const cluster = new ModelCluster(["b"]);
  cluster.claim(SHARD, "b");
  cluster.tell(SHARD);
  const log: { at: number; channel: string; type: number; payload: Uint8Array }[] = [];
  const lose = { next: (_channel: string) => false };
  const { bus, clock } = cluster;
  const publish = bus.publish.bind(bus);
  bus.publish = async (channel, payload) => {
    log.push({ at: clock.monotonic(), channel, type: payload[1], payload: payload.slice() });
    return lose.next(channel) ? 1 : publish(channel, payload);
  };
  let given = 0;
  const answers: { accepted: number; at: number }[] = [];
  const submit = (count = 1) => {
    const reports = Array.from({ length: count }, () => report(given++));
    void cluster.router
      .submit(reports)
      .then(({ accepted }) => answers.push({ accepted, at: clock.monotonic() }));
  };
  const times = (type: number) => log.filter((one) => one.type === type).map(({ at }) => at);
  return { cluster, clock, bus, log, lose, submit, answers, times, receiver: cluster.receivers.get("b")! };
}

t.test("[L5] what goes to one node in one turn is one frame, cut at 64 KiB", async (t) => {
  const { clock, submit, log, answers } = start();
  for (let i = 0; i < 10; i++) submit(3);
  await clock.advance(1);
  t.equal(log.filter(({ channel }) => channel === INBOX).length, 1);
  await clock.advance(1);
  t.equal(answers.length, 10);
  log.length = 0;
  submit(10_000);
  await clock.advance(5);
  const sizes = log.filter(({ channel }) => channel === INBOX).map(({ payload }) => payload.length);
  t.equal(sizes.length, Math.ceil(sizes.reduce((sum, size) => sum + size, 0) / 65_600));
  t.ok(Math.max(...sizes) < 65_536 + 60, `${sizes}`);
  t.equal(answers.at(-1)!.accepted, 10_000);
  const replies = log.filter(({ channel }) => channel === REPLIES);
  t.ok(replies.length <= 3, "so are the replies");
});

t.test("[L6] frames that come twice are taken once, and answered again", async (t) => {
  const { cluster, clock, bus, submit, answers, receiver } = start();
  bus.faults = { drop: 0, double: 1, delay: 0 };
  for (let i = 0; i < 5; i++) {
    submit();
    await clock.advance(2);
  }
  t.equal(answers.length, 5);
  t.equal(cluster.owner("b").calls.length, 5);
  t.equal(receiver.stats.repeated, 5);
});

t.test("[L6] a lost frame and what came ahead of its turn are sent again, in order", async (t) => {
  const { cluster, clock, lose, submit, answers, receiver } = start();
  lose.next = () => true;
  submit();
  await clock.advance(1);
  lose.next = () => false;
  submit();
  await clock.advance(1);
  submit();
  await clock.advance(LINK_RESEND_MS - 10);
  t.equal(answers.length, 0);
  t.equal(receiver.stats.ahead, 2);
  await clock.advance(20);
  t.equal(answers.length, 3);
  t.same(cluster.authority.applied.get(SHARD), [0, 1, 2]);
});

t.test("[L6] a result that was lost is asked for, also while others keep coming", async (t) => {
  const { clock, bus, lose, submit, answers, times } = start();
  submit();
  await clock.advance(0);
  let lost = false;
  lose.next = (channel) => channel === REPLIES && !lost;
  await clock.advance(2);
  lost = true;
  // So that there is always something on its way.
  bus.faults = { ...CALM, delay: 140 };
  for (let i = 0; i < 10; i++) {
    submit();
    await clock.advance(50);
  }
  await clock.advance(150);
  t.equal(answers.length, 10 + 1);
  t.equal(times(FRAME.probe).length, 1);
});

t.test("[L7] it repeats itself ever less often while nothing answers, and catches up at once", async (t) => {
  const { clock, bus, submit, answers, times } = start();
  bus.away = true;
  for (let i = 0; i < 5; i++) {
    submit();
    await clock.advance(10);
  }
  await clock.advance(4_000);
  const repeats = times(FRAME.reports).slice(5);
  t.same(repeats.slice(0, 5), Array(5).fill(LINK_RESEND_MS), "first all of them");
  t.same(repeats.slice(5), [250 + 500, 250 + 500 + 1_000, 250 + 500 + 1_000 + 2_000], "then only one");
  bus.away = false;
  await clock.advance(LINK_RESEND_LONGEST_MS);
  t.equal(answers.length, 5);
  t.ok(answers.at(-1)!.at - answers[0].at < 10);
});

t.test(
  "[L7] that nobody listens is a loss like any other, and an owner that works on is asked now and then",
  async (t) => {
    const { cluster, clock, submit, answers, times } = start();
    cluster.owner("b").commitDelay = () => 5_000;
    submit();
    await clock.advance(4_990);
    t.equal(times(FRAME.reports).length, 1);
    t.equal(times(FRAME.probe).length, 19, "it answers each");
    await clock.advance(500);
    t.equal(answers.length, 1);
    cluster.kill("b");
    submit();
    await clock.advance(CLUSTER_WAIT_MS + 1_000);
    t.same(answers.at(-1)!.accepted, 0);
    const silent = times(FRAME.reports).length;
    await clock.advance(60_000);
    t.equal(times(FRAME.reports).length, silent, "nobody waits for it any more");
    t.equal(clock.pending, 0);
  },
);

t.test("[L8] [L16] an owner that says nothing for hours fills the window, not the memory", async (t) => {
  const { cluster, clock, log, lose, submit, answers } = start();
  lose.next = (channel) => channel === INBOX;
  const kept: WeakRef<Report>[] = [];
  const send = () => {
    const one = report(-1);
    kept.push(new WeakRef(one));
    return cluster.router.submit([one]);
  };
  const first = send();
  await clock.advance(CLUSTER_WAIT_MS + 1_000);
  t.match(await first, { refused: [{ type: "retry" }] });
  const [link] = cluster.router.links;
  const left = link.unansweredBytes - LINK_FRAME_OVERHEAD_BYTES;
  t.ok(left > 0 && left < 100, "what is left of it counts, and the id that it brings");
  for (let round = 0; round < 20; round++) {
    for (let i = 0; i < 1_000; i++) {
      void send();
      await clock.advance(1);
    }
    await clock.advance(CLUSTER_WAIT_MS + 1_000);
    log.length = 0;
    t.ok(link.unansweredBytes <= LINK_WINDOW_BYTES + 1_000);
  }
  t.match(await send(), { refused: [{ type: "overloaded" }] });
  t.ok((await stillThere(kept)) < 10, "no report is kept");
  lose.next = () => false;
  await clock.advance(LINK_RESEND_LONGEST_MS * 2);
  t.equal(link.unansweredBytes, 0, "all that is owed is an empty frame each");
  submit();
  await clock.advance(10);
  t.equal(answers.at(-1)!.accepted, 1);
});

t.test("[L8] a frame that is settled before its turn keeps nothing of its reports", async (t) => {
  const { cluster, clock, lose, submit } = start();
  lose.next = (channel) => channel === REPLIES;
  submit(1_000);
  await clock.advance(10);
  lose.next = () => false;
  const [link] = cluster.router.links;
  const first = link.unansweredBytes;
  const kept: WeakRef<Report>[] = [];
  const send = () => {
    const reports = [report(-1), report(-2)];
    kept.push(...reports.map((one) => new WeakRef(one)));
    return cluster.router.submit(reports);
  };
  t.match(await Promise.all([send(), clock.advance(10)]), [{ accepted: 2 }]);
  t.equal(link.unansweredBytes, first + LINK_FRAME_OVERHEAD_BYTES);
  t.equal(await stillThere(kept), 0);
  await clock.advance(LINK_RESEND_MS * 2);
  t.equal(link.unansweredBytes, 0);
});

t.test("[L6] the owner keeps results until the sender has them", async (t) => {
  const { clock, submit, receiver } = start();
  for (let i = 0; i < 100; i++) {
    submit();
    await clock.advance(3);
    t.ok(receiver.kept <= 1);
  }
});

t.test("[L9] frames for others, of other kinds or damaged are dropped and counted", async (t) => {
  const { cluster, clock, bus, submit, log, receiver, answers } = start();
  submit();
  await clock.advance(5);
  const frame = log.find(({ channel }) => channel === INBOX)!.payload;
  const reply = log.find(({ channel }) => channel === REPLIES)!.payload;
  const publish = async (channel: string, payload: Uint8Array) => {
    await bus.publish(channel, payload);
    await clock.advance(1);
  };
  await publish(INBOX, encodeProbe(SELF, "other", 0));
  t.equal(receiver.stats.dropped, 1, "for another incarnation");
  await publish(INBOX, encodeControl(FIRST_CONTROL, SELF, {}));
  t.equal(receiver.stats.dropped, 2, "of another type");
  await publish(INBOX, frame.subarray(0, -10));
  t.equal(receiver.stats.dropped, 3, "cut");
  const other = frame.slice();
  other[other.indexOf("b".charCodeAt(0))] = "c".charCodeAt(0);
  await publish(INBOX, other);
  t.equal(receiver.stats.dropped, 4, "reports for another incarnation");
  await publish(REPLIES, reply.subarray(0, -1));
  const far = reply.slice();
  new DataView(far.buffer).setFloat64(far.indexOf(SELF.charCodeAt(0)) + SELF.length, 99, true);
  await publish(REPLIES, far);
  t.equal(cluster.router.links[0].stats.malformed, 2);
  await publish(REPLIES, encodeControl(FIRST_CONTROL, "b", {}));
  await publish(REPLIES, encodeProbe("other", SELF, 0));
  t.equal(cluster.router.stats.dropped, 2);
  submit();
  await clock.advance(5);
  t.equal(answers.length, 2);
  t.equal(cluster.owner("b").calls.length, 2);
});

t.test("[L10] late frames of a sender that is down are dropped", async (t) => {
  const { cluster, clock, bus, submit, log, receiver } = start();
  submit();
  await clock.advance(5);
  t.equal(receiver.kept, 1);
  receiver.forget(SELF);
  t.equal(receiver.kept, 0);
  const replies = bus.published.get(REPLIES);
  await bus.publish(INBOX, log.find(({ channel }) => channel === INBOX)!.payload);
  await clock.advance(5);
  t.equal(cluster.owner("b").calls.length, 1);
  t.equal(receiver.stats.dropped, 1);
  t.equal(bus.published.get(REPLIES), replies);
});

t.test(
  "[L15] after a hand-over that was given up, nothing overtakes what was refused meanwhile",
  async (t) => {
    const { cluster, clock, lose, submit, answers, receiver } = start();
    const { authority } = cluster;
    const epoch = authority.epoch.get(SHARD)!;
    authority.owner.set(SHARD, "nobody");
    lose.next = (channel) => channel === REPLIES;
    submit();
    await clock.advance(10);
    receiver.keeping(new Map([[SHARD, epoch]]));
    authority.owner.set(SHARD, "b");
    submit();
    await clock.advance(10);
    t.strictSame(authority.applied.get(SHARD), undefined, "the sender does not know of the first yet");
    lose.next = () => false;
    await clock.advance(5_000);
    submit();
    await clock.advance(10);
    t.strictSame(authority.applied.get(SHARD), [0, 1, 2], "in their order");
    t.equal(answers.length, 3);
  },
);

t.test("[L15] what is of another epoch or shard is taken as ever", async (t) => {
  const { cluster, clock, submit, answers, receiver } = start();
  receiver.keeping(new Map([[SHARD + 1, cluster.authority.epoch.get(SHARD)!]]));
  submit();
  await clock.advance(10);
  t.equal(answers.length, 1);
  submit();
  receiver.keeping(new Map([[SHARD, cluster.authority.epoch.get(SHARD)! - 1]]));
  await clock.advance(10);
  t.equal(answers.length, 2);
});
