// Where reports go when their shard is here, elsewhere, nowhere, or on its way. The owners are models; the links are real.
import t from "tap";
import type { IngestResult, Report } from "../../src/actors/messages.ts";
import {
  CLUSTER_COMMIT_WAIT_MS,
  CLUSTER_DOUBT_MS,
  CLUSTER_SWEEP_MS,
  CLUSTER_WAIT_MS,
  MAX_QUEUED_REPORTS,
} from "../../src/limits.ts";
import { idIn, ModelCluster, SELF } from "./model-cluster.ts";

const A = 3;
const B = 50;
const ids = new Map([A, B].map((shard) => [shard, idIn(shard)]));
const report = (shard: number, seq: number, rest: Partial<Report> = {}): Report => ({
  id: ids.get(shard)!,
  t: 1,
  seq,
  ...rest,
});
const accepted = (count: number): IngestResult => ({ accepted: count, refused: [] });
/** 8 KB of attributes: 520 of them fill a link. */
const large = (seq: number) => report(A, seq, { attributes: { text: "x".repeat(8_000) } });

function start(owners: Record<number, string>): ModelCluster {
  const cluster = new ModelCluster(["b", "c"]);
  for (const [shard, owner] of Object.entries(owners)) {
    cluster.claim(Number(shard), owner);
    cluster.tell(Number(shard));
  }
  return cluster;
}

/** Submits and looks later. */
function submit(cluster: ModelCluster, reports: Report[]): { result?: IngestResult } {
  const answer: { result?: IngestResult } = {};
  void cluster.router.submit(reports).then((result) => {
    answer.result = result;
  });
  return answer;
}

const sent = (cluster: ModelCluster, name: string) =>
  cluster.owner(name).calls.flatMap(({ reports, epochs }) => reports.map(({ seq }, i) => [seq, epochs[i]]));

t.test("[L11] a batch that is all here is handed on as the array that it is", async (t) => {
  const cluster = start({ [A]: SELF, [B]: SELF });
  const reports = [report(A, 1), report(B, 2)];
  const answer = submit(cluster, reports);
  t.equal(cluster.owner(SELF).calls[0].reports, reports, "at once");
  t.same(sent(cluster, SELF), [
    [1, 1],
    [2, 1],
  ]);
  await cluster.clock.advance(1);
  t.same(answer.result, accepted(2));
  t.same(await cluster.router.submit([]), accepted(0));
  t.ok(cluster.router.idle);
  t.equal(cluster.clock.pending, 0, "nothing is timed");
});

t.test("[L4] each report of a batch that goes several ways gets its own answer", async (t) => {
  const cluster = start({ [A]: SELF, [B]: "b" });
  const nowhere = { id: idIn(200), t: 1, seq: 4 };
  const wrong = { accuracy: 13 };
  const reports = [
    report(B, 0, wrong),
    report(A, 1),
    report(B, 2),
    report(A, 3, wrong),
    nowhere,
    report(B, 5),
  ];
  const answer = submit(cluster, reports);
  await cluster.clock.advance(CLUSTER_WAIT_MS - 1);
  t.equal(answer.result, undefined);
  await cluster.clock.advance(CLUSTER_SWEEP_MS);
  t.equal(answer.result!.accepted, 3);
  t.same(
    answer.result!.refused.map(({ index, type }) => [index, type]),
    [
      [0, "clock-skew"],
      [3, "clock-skew"],
      [4, "retry"],
    ],
  );
  t.equal(answer.result!.refused[0].detail, "of 0");
});

t.test("[L12] what is for a shard that nobody has waits, and goes on in its order", async (t) => {
  const cluster = start({});
  const answers = [submit(cluster, [report(A, 1), report(A, 2)]), submit(cluster, [report(A, 3)])];
  await cluster.clock.advance(3_000);
  t.equal(cluster.router.waiting, 3);
  cluster.claim(A, "b");
  cluster.tell(A);
  answers.push(submit(cluster, [report(A, 4)]));
  await cluster.clock.advance(10);
  t.same(
    answers.map(({ result }) => result),
    [accepted(2), accepted(1), accepted(1)],
  );
  t.same(cluster.authority.applied.get(A), [1, 2, 3, 4]);
  t.equal(cluster.router.waiting, 0);
});

t.test("[L13] after `moved` nothing goes on until a newer epoch is known", async (t) => {
  const cluster = start({ [A]: "b" });
  cluster.claim(A, "c");
  const answers = [submit(cluster, [report(A, 1)])];
  await cluster.clock.advance(10);
  answers.push(submit(cluster, [report(A, 2)]));
  t.same(cluster.misplaced, [A]);
  await cluster.clock.advance(1_000);
  t.same(sent(cluster, "b"), [[1, 1]], "the second was not even tried");
  cluster.tell(A);
  await cluster.clock.advance(10);
  t.same(
    answers.map(({ result }) => result),
    [accepted(1), accepted(1)],
  );
  t.same(sent(cluster, "c"), [
    [1, 2],
    [2, 2],
  ]);
  t.same(cluster.misplaced, [A]);
});

t.test("[L13] an owner that refused for no reason is tried again after a while", async (t) => {
  const cluster = start({ [A]: "b" });
  cluster.authority.owner.set(A, "c");
  const first = submit(cluster, [report(A, 1)]);
  await cluster.clock.advance(CLUSTER_DOUBT_MS);
  t.same(sent(cluster, "b"), [[1, 1]]);
  await cluster.clock.advance(CLUSTER_DOUBT_MS + CLUSTER_SWEEP_MS);
  t.same(sent(cluster, "b"), [
    [1, 1],
    [1, 1],
  ]);
  cluster.authority.owner.set(A, "b");
  const later = submit(cluster, [report(A, 3)]);
  await cluster.clock.advance(CLUSTER_DOUBT_MS + CLUSTER_SWEEP_MS);
  t.same([first.result, later.result], [accepted(1), accepted(1)]);
  t.same(cluster.authority.applied.get(A), [1, 3]);
});

t.test("[L13] an owner that refused for no reason gets reports again when none waits any more", async (t) => {
  const cluster = start({ [A]: "b" });
  cluster.authority.owner.set(A, "c");
  const first = submit(cluster, [report(A, 1)]);
  await cluster.clock.advance(CLUSTER_WAIT_MS + CLUSTER_SWEEP_MS);
  t.equal(first.result!.refused[0].type, "retry");
  cluster.authority.owner.set(A, "b");
  const second = submit(cluster, [report(A, 2)]);
  await cluster.clock.advance(10);
  t.same(second.result, accepted(1));
});

t.test("[L13] what is under way in this node is waited for before a shard goes elsewhere", async (t) => {
  const cluster = start({ [A]: SELF });
  cluster.owner(SELF).commitDelay = () => 500;
  const answers = [submit(cluster, [report(A, 1)])];
  await cluster.clock.advance(1);
  cluster.claim(A, "b");
  cluster.tell(A);
  answers.push(submit(cluster, [report(A, 2)]));
  await cluster.clock.advance(400);
  t.same(sent(cluster, "b"), []);
  await cluster.clock.advance(200);
  t.same(sent(cluster, "b"), [
    [1, 2],
    [2, 2],
  ]);
  t.same(
    answers.map(({ result }) => result),
    [accepted(1), accepted(1)],
  );
});

t.test("[L13] a shard that is being handed over gets nothing new", async (t) => {
  const cluster = start({ [A]: "b", [B]: SELF });
  cluster.routing.vacant(
    new Map([
      [A, 1],
      [B, 1],
    ]),
  );
  const answer = submit(cluster, [report(A, 1), report(B, 2)]);
  await cluster.clock.advance(1_000);
  t.same([...sent(cluster, "b"), ...sent(cluster, SELF)], []);
  for (const shard of [A, B]) {
    cluster.claim(shard, "c");
    cluster.tell(shard);
  }
  await cluster.clock.advance(10);
  t.same(answer.result, accepted(2));
});

t.test("[L50] what waited for a hand-over that was given up goes on in its order", async (t) => {
  const cluster = start({ [A]: SELF, [B]: SELF });
  cluster.owner(SELF).commitDelay = () => 3_000;
  const answers = [submit(cluster, [report(B, 1)])];
  const epochs = new Map([A, B].map((shard) => [shard, 1]));
  cluster.routing.vacant(epochs);
  answers.push(submit(cluster, [report(A, 2)]), submit(cluster, [report(B, 3)]));
  await cluster.clock.advance(2_000);
  cluster.routing.opened(epochs);
  answers.push(submit(cluster, [report(A, 4)]));
  await cluster.clock.advance(1);
  t.same(sent(cluster, SELF).flat(), [1, 1, 2, 1, 4, 1], "at once, if nothing is under way");
  await cluster.clock.advance(1_000);
  t.same(sent(cluster, SELF).at(-1), [3, 1]);
  await cluster.clock.advance(3_000);
  for (const { result } of answers) t.same(result, accepted(1));
});

t.test("[L50] what this node refused itself meanwhile is tried again after a while", async (t) => {
  const cluster = start({ [A]: SELF });
  cluster.authority.owner.set(A, "b");
  const answer = submit(cluster, [report(A, 1)]);
  cluster.routing.vacant(new Map([[A, 1]]));
  await cluster.clock.advance(10);
  cluster.routing.opened(new Map([[A, 1]]));
  await cluster.clock.advance(CLUSTER_DOUBT_MS - 100);
  t.same(sent(cluster, SELF), [[1, 1]]);
  cluster.authority.owner.set(A, SELF);
  await cluster.clock.advance(100 + CLUSTER_SWEEP_MS);
  t.same(answer.result, accepted(1));
});

t.test("[L13] what is under way on a link is withdrawn when its shard moves", async (t) => {
  const cluster = start({ [A]: "b", [B]: "b" });
  cluster.owner("b").commitDelay = () => 1_000;
  const answer = submit(cluster, [report(A, 1), report(B, 2)]);
  await cluster.clock.advance(1);
  cluster.claim(A, "c");
  cluster.tell(A);
  const second = submit(cluster, [report(A, 3)]);
  await cluster.clock.advance(10);
  t.same(sent(cluster, "c"), [
    [1, 2],
    [3, 2],
  ]);
  t.same(second.result, accepted(1));
  t.equal(answer.result, undefined, "the other shard's report is still there");
  await cluster.clock.advance(1_000);
  t.same(answer.result, accepted(2));
});

t.test(
  "[L13] a link repeats what was withdrawn as it was, or the owner would decide the rest without it",
  async (t) => {
    const cluster = start({ [A]: "b", [B]: "b" });
    cluster.bus.away = true;
    submit(cluster, [report(A, 1)]);
    await cluster.clock.advance(1);
    submit(cluster, [report(A, 2), report(B, 3)]);
    await cluster.clock.advance(1);
    // Announced, and not done yet.
    cluster.routing.vacant(new Map([[A, 1]]));
    await cluster.clock.advance(200);
    cluster.bus.away = false;
    await cluster.clock.advance(2_000);
    t.same(cluster.authority.applied.get(A), [1, 2]);
  },
);

t.test("[L4] reports to an owner that dies with them are given up after 10 s", async (t) => {
  const cluster = start({ [A]: "b" });
  cluster.owner("b").commitDelay = () => 5_000;
  const answer = submit(cluster, [report(A, 0)]);
  await cluster.clock.advance(1_000);
  cluster.kill("b");
  await cluster.clock.advance(CLUSTER_WAIT_MS - 1_001);
  t.equal(answer.result, undefined);
  await cluster.clock.advance(CLUSTER_SWEEP_MS);
  t.match(answer.result!.refused, [{ type: "retry", detail: /in time/ }]);
});

t.test(
  "[L4] what an owner has taken waits for its commit, a minute at most, and the link forgets it",
  async (t) => {
    const cluster = start({ [A]: "b" });
    cluster.owner("b").commitDelay = () => CLUSTER_COMMIT_WAIT_MS + 1_000;
    const first = submit(
      cluster,
      Array.from({ length: 1_000 }, (_, i) => large(i)),
    );
    await cluster.clock.advance(5_000);
    const second = submit(cluster, [large(1_000)]);
    await cluster.clock.advance(1);
    t.match(second.result!.refused, [{ type: "overloaded" }], "the window is full");
    await cluster.clock.advance(CLUSTER_COMMIT_WAIT_MS - 5_002);
    t.equal(first.result, undefined);
    await cluster.clock.advance(CLUSTER_SWEEP_MS + 1);
    t.equal(first.result!.refused.length, 1_000);
    t.equal(first.result!.accepted, 0);
    t.match(first.result!.refused[0], { type: "retry", detail: /in time/ });
    t.match(first.result!.refused.at(-1), { type: "overloaded" });
    const [link] = cluster.router.links;
    t.ok(link.unansweredBytes < 20_000, "empty frames");
    cluster.owner("b").commitDelay = () => 1;
    const third = submit(cluster, [report(A, 2_000)]);
    await cluster.clock.advance(CLUSTER_WAIT_MS);
    t.same(third.result, accepted(1), "there is room again");
  },
);

t.test(
  "[L8] more reports waiting than may are refused at once, and there is room when their time is over",
  async (t) => {
    const cluster = start({ [B]: SELF });
    const batch = Array.from({ length: 50_000 }, (_, i) => report(A, i));
    for (let i = 0; i < MAX_QUEUED_REPORTS / batch.length - 1; i++) submit(cluster, batch);
    t.notOk(cluster.router.overloaded);
    const over = submit(cluster, [...batch, report(A, 50_000), report(B, 50_001)]);
    t.ok(cluster.router.overloaded);
    t.match(await cluster.router.submit([report(B, 1)]), { accepted: 0, refused: [{ type: "overloaded" }] });
    await cluster.clock.advance(CLUSTER_WAIT_MS + CLUSTER_SWEEP_MS);
    t.equal(over.result!.accepted, 1, "what does not wait is not refused");
    t.match(over.result!.refused.at(-1), { index: 50_000, type: "overloaded" });
    t.notOk(cluster.router.overloaded);
    cluster.owner(SELF).overloaded = true;
    t.ok(cluster.router.overloaded, "like this node itself");
  },
);

t.test("[L8] what waited for an owner goes on as the window of its link allows", async (t) => {
  const cluster = start({});
  cluster.owner("b").commitDelay = () => 20;
  const answers = Array.from({ length: 15 }, (_, i) =>
    submit(
      cluster,
      Array.from({ length: 100 }, (_, j) => large(100 * i + j)),
    ),
  );
  cluster.claim(A, "b");
  cluster.tell(A);
  await cluster.clock.advance(1);
  t.ok(cluster.router.waiting > 900, "the first 4 MiB are on their way");
  answers.push(submit(cluster, [large(1_500)]));
  await cluster.clock.advance(100);
  t.ok(answers.every(({ result }) => result?.refused.length === 0));
  t.strictSame(
    cluster.authority.applied.get(A),
    Array.from({ length: 1_501 }, (_, i) => i),
  );
});

t.test("[L10] what was under way to a node that is down waits for the next owner", async (t) => {
  const cluster = start({ [A]: "b" });
  cluster.kill("b");
  const first = submit(cluster, [report(A, 1)]);
  await cluster.clock.advance(1_000);
  cluster.router.gone("b");
  const second = submit(cluster, [report(A, 2)]);
  await cluster.clock.advance(1_000);
  t.equal(cluster.router.waiting, 2);
  cluster.routing.elsewhere("b", new Map([[A, 2]]));
  await cluster.clock.advance(1_000);
  t.equal(cluster.router.waiting, 2, "late news of it");
  cluster.claim(A, "c");
  cluster.claim(A, "c");
  cluster.tell(A);
  await cluster.clock.advance(10);
  t.same([first.result, second.result], [accepted(1), accepted(1)]);
  t.same(cluster.authority.applied.get(A), [1, 2]);
  const published = new Map(cluster.bus.published);
  await cluster.clock.advance(10_000);
  t.strictSame(cluster.bus.published, published, "its link is silent");
});

t.test(
  "[L4] a router that is closed works off what it has, and one that is stopped answers it",
  async (t) => {
    const cluster = start({ [A]: "b", [B]: SELF });
    cluster.owner(SELF).commitDelay = () => 100;
    const first = submit(cluster, [report(A, 1), report(B, 2)]);
    cluster.router.close();
    t.match(await cluster.router.submit([report(B, 3)]), {
      refused: [{ type: "overloaded", detail: "the node is shutting down" }],
    });
    t.notOk(cluster.router.idle);
    await cluster.clock.advance(100);
    t.same(first.result, accepted(2));
    t.ok(cluster.router.idle);

    const other = start({ [A]: "b", [B]: SELF });
    const cut = submit(other, [report(A, 1), report(B, 2), { id: idIn(200), t: 1, seq: 3 }]);
    other.router.stop();
    await other.clock.advance(10);
    t.equal(other.clock.pending, 0);
    t.equal(cut.result!.accepted, 1);
    t.match(cut.result!.refused, [
      { index: 0, type: "retry" },
      { index: 2, type: "retry" },
    ]);
  },
);
