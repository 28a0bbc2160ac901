// Commands on their way to an owner. The actors are real, on a store in memory; what is between the nodes is the test's.
import t from "tap";
import type { CommandResult, Request } from "../../src/actors/messages.ts";
import { shardOf } from "../../src/actors/shard-hash.ts";
import type { CommandAnswer, CommandRequest } from "../../src/cluster/command-message.ts";
import { CommandReceiver } from "../../src/cluster/command-receiver.ts";
import { CommandRouter } from "../../src/cluster/command-router.ts";
import { Routing } from "../../src/cluster/routing.ts";
import { CLUSTER_WAIT_MS, COMMAND_RESEND_MS, LINK_JITTER, MAX_COMMANDS_UNDER_WAY } from "../../src/limits.ts";
import { type Harness, report, seen, startSystem } from "../support/actor-system.ts";
import { FakeClock } from "../support/fake-clock.ts";

const SHARD = shardOf("a");
const signOff = (id: string): Request => ({ id, entity: "a", name: "sign-off" });
const OFF: CommandResult = { accepted: true, state: "offline" };
const RESEND_MS = COMMAND_RESEND_MS * (1 + LINK_JITTER);

/** One node that sends, and others that own. What the sender gives to `lose` is lost. */
class Cluster {
  readonly routing = new Routing();
  readonly clock: FakeClock;
  readonly router: CommandRouter;
  readonly requests: { node: string; request: CommandRequest }[] = [];
  readonly answers: CommandAnswer[] = [];
  misplaced = 0;
  loseRequests = 0;
  loseAnswers = 0;
  readonly #owners = new Map<string, CommandReceiver>();

  constructor(clock: FakeClock, here: Harness | undefined, random: () => number = () => 0.5) {
    this.clock = clock;
    this.router = new CommandRouter({
      ...{ routing: this.routing, clock, random },
      local: here?.system.router ?? { commandPlaced: () => Promise.reject(new Error("nothing is here")) },
      misplaced: () => {
        this.misplaced += 1;
      },
      send: (node, request) => {
        this.requests.push({ node, request });
        if (this.loseRequests-- > 0) return;
        const body = JSON.parse(JSON.stringify(request));
        clock.schedule(1, () => this.#owners.get(node)?.take("sender", body));
      },
    });
  }

  /** A node that may be asked. */
  add(name: string, { system }: Harness): CommandReceiver {
    const receiver = new CommandReceiver({
      local: system.router,
      send: (node, answer) => {
        t.equal(node, "sender");
        this.answers.push(answer);
        if (this.loseAnswers-- > 0) return;
        const body = JSON.parse(JSON.stringify(answer));
        this.clock.schedule(1, () => this.router.takeAnswer(body));
      },
    });
    this.#owners.set(name, receiver);
    return receiver;
  }

  /** The shard is open at a node, under its epoch there. */
  at(name: string, { system }: Harness): void {
    this.routing.elsewhere(name, new Map([[SHARD, system.table.shards[SHARD].epoch]]));
  }

  command(command: Request) {
    const state: { answer: CommandResult | undefined } = { answer: undefined };
    void this.router.command(command).then((answer) => {
      state.answer = answer;
    });
    return state;
  }
}

async function owner(store?: Harness["store"], clock?: FakeClock): Promise<Harness> {
  const h = await startSystem({ store, clock });
  if (store !== undefined) return h;
  void h.system.router.submit([report("a", 0, { speed: 5 })]);
  await h.clock.advance(10);
  return h;
}

/** How often the entity went offline by the journal. */
const timesApplied = ({ store }: Harness) =>
  store.events.filter(({ type, data }) => type === "state.changed" && data.to === "offline").length;

t.test("[J1] a command is answered after the commit of its owner, here or elsewhere", async (t) => {
  const h = await owner();
  const cluster = new Cluster(h.clock, undefined);
  cluster.add("b", h);
  cluster.at("b", h);
  let open = () => {};
  h.store.gate = new Promise<void>((resolve) => {
    open = resolve;
  });
  const there = cluster.command(signOff("1"));
  await h.clock.advance(100);
  t.equal(seen(h.system, "a")!.state, "offline");
  t.equal(there.answer, undefined);
  t.same(cluster.answers, []);
  h.store.gate = undefined;
  open();
  await h.clock.advance(20);
  t.same(there.answer, OFF);
  t.ok(cluster.router.idle);

  const alone = new Cluster(h.clock, h);
  alone.routing.opened(new Map([[SHARD, h.system.table.shards[SHARD].epoch]]));
  const here = alone.command(signOff("1"));
  await h.clock.advance(10);
  t.same(here.answer, OFF, "as before");
  t.equal(alone.requests.length, 0);
});

t.test("[J2] what is lost is sent again under the same id, and carried out once", async (t) => {
  const h = await owner();
  const cluster = new Cluster(h.clock, undefined);
  const receiver = cluster.add("b", h);
  cluster.at("b", h);
  cluster.loseRequests = 2;
  cluster.loseAnswers = 1;
  const state = cluster.command(signOff("1"));
  await h.clock.advance(2 * RESEND_MS);
  t.equal(state.answer, undefined);
  await h.clock.advance(2 * RESEND_MS);
  t.same(state.answer, OFF);
  t.equal(cluster.requests.length, 4, "two were lost, and one answer");
  t.equal(new Set(cluster.requests.map(({ request }) => JSON.stringify(request))).size, 1);
  t.equal(timesApplied(h), 1);
  t.equal(receiver.stats.taken, 2);
  await h.clock.advance(1_000);
  t.equal(cluster.requests.length, 4, "and then no more is sent");
});

t.test("[J2] times are scattered by a fifth", async (t) => {
  for (const [random, ms] of [
    [0, 199],
    [0.999, 299],
  ]) {
    const clock = new FakeClock();
    const cluster = new Cluster(clock, undefined, () => random);
    cluster.routing.elsewhere("b", new Map([[SHARD, 1]]));
    cluster.command(signOff("1"));
    await clock.advance(ms);
    t.equal(cluster.requests.length, 1);
    await clock.advance(2);
    t.equal(cluster.requests.length, 2);
    cluster.router.stop();
  }
});

t.test("[J2] a command that was stored and not answered is known to the next owner", async (t) => {
  const first = await owner();
  const { store, clock } = first;
  const cluster = new Cluster(clock, undefined);
  cluster.add("b", first);
  cluster.at("b", first);
  cluster.loseAnswers = Infinity;
  const state = cluster.command(signOff("1"));
  await clock.advance(20);
  t.equal(timesApplied(first), 1, "it is durable");
  t.equal(state.answer, undefined);
  const next = await owner(store, clock);
  void next.system.router.submit([report("a", 1, { speed: 5 })]);
  await clock.advance(10);
  cluster.add("c", next);
  cluster.loseAnswers = 0;
  const before = cluster.requests.length;
  cluster.at("c", next);
  t.equal(cluster.requests.length, before + 1, "asked at once");
  await clock.advance(10);
  t.same(state.answer, OFF);
  t.equal(seen(next.system, "a")!.state, "online.moving", "and it is not carried out again");
  t.equal(timesApplied(next), 1);
});

t.test("[J2] a command that was decided and not stored is decided by the next owner", async (t) => {
  const first = await owner();
  const { store, clock } = first;
  const cluster = new Cluster(clock, undefined);
  cluster.add("b", first);
  cluster.at("b", first);
  let open = () => {};
  store.gate = new Promise<void>((resolve) => {
    open = resolve;
  });
  const state = cluster.command(signOff("1"));
  await clock.advance(20);
  const next = await owner(store, clock);
  cluster.add("c", next);
  store.gate = undefined;
  open();
  await clock.advance(1_000);
  t.equal(state.answer, undefined, "its flush is fenced");
  cluster.at("c", next);
  await clock.advance(20);
  t.same(state.answer, OFF);
  t.equal(timesApplied(next), 1);
});

t.test("[J2] [AC43] labels take the way of commands, and are set once", async (t) => {
  const first = await owner();
  const { store, clock } = first;
  const cluster = new Cluster(clock, undefined);
  cluster.add("b", first);
  cluster.at("b", first);
  cluster.loseRequests = 1;
  cluster.loseAnswers = Infinity;
  const labels = ({ system }: Harness) => system.picture.columns.labels.get(system.picture.find("a"));
  const state = cluster.command({ id: "1", entity: "a", labels: ["north"] });
  await clock.advance(2 * RESEND_MS);
  t.same(labels(first), ["north"], "it is durable");
  t.equal(state.answer, undefined);
  const other = first.system.router.command({ id: "2", entity: "a", labels: ["south"] });
  await clock.advance(20);
  t.match(await other, { accepted: true });
  const next = await owner(store, clock);
  cluster.add("c", next);
  cluster.loseAnswers = 0;
  cluster.at("c", next);
  await clock.advance(20);
  t.same(state.answer, { accepted: true, state: "online.moving" });
  t.same(labels(next), ["south"], "which came since, and stays");
});

t.test("[J3] after 10 s a command is refused retry, and may be asked again", async (t) => {
  const h = await owner();
  const cluster = new Cluster(h.clock, undefined);
  cluster.add("b", h);
  const state = cluster.command(signOff("1"));
  await h.clock.advance(CLUSTER_WAIT_MS - 100);
  t.equal(state.answer, undefined, "nobody is known to have it");
  cluster.at("b", h);
  cluster.loseAnswers = 1;
  await h.clock.advance(110);
  t.match(state.answer, { accepted: false, type: "retry", detail: /may have been applied/ });
  t.equal(timesApplied(h), 1, "as it was");
  const again = cluster.command(signOff("1"));
  await h.clock.advance(10);
  t.same(again.answer, OFF);
  t.equal(timesApplied(h), 1);
  t.equal(cluster.router.stats.late, 1);

  const stopped = cluster.command({ ...signOff("2"), entity: "elsewhere" });
  cluster.router.stop();
  await h.clock.advance(0);
  t.match(stopped.answer, { type: "retry" }, "a node that stops answers all");
  t.match(await cluster.router.command(signOff("3")), { accepted: false, type: "overloaded" });
});

t.test("[J4] commands under way are bounded, on both ends", async (t) => {
  const h = await owner();
  const cluster = new Cluster(h.clock, undefined);
  for (let i = 0; i < MAX_COMMANDS_UNDER_WAY; i++) void cluster.router.command(signOff(`${i}`));
  t.equal(cluster.router.waiting, MAX_COMMANDS_UNDER_WAY);
  t.match(await cluster.router.command(signOff("more")), { accepted: false, type: "overloaded" });
  cluster.router.stop();

  h.store.gate = new Promise(() => {});
  const receiver = cluster.add("b", h);
  const { epoch } = h.system.table.shards[SHARD];
  const request = (n: number) => ({ n, epoch, command: { ...signOff(`${n}`), name: "dance" } });
  for (let n = 0; n < MAX_COMMANDS_UNDER_WAY + 1; n++) receiver.take("sender", request(n));
  receiver.take("sender", request(0));
  t.same(receiver.stats, { taken: MAX_COMMANDS_UNDER_WAY, dropped: 2, malformed: 0 });
});

t.test("[J5] who does not have the shard says so, and the authority is asked", async (t) => {
  const { store, clock } = await owner();
  const h = await owner(store, clock);
  const cluster = new Cluster(clock, undefined);
  cluster.add("b", h);
  const { epoch } = h.system.table.shards[SHARD];
  const { seq } = seen(h.system, "a")!;
  cluster.routing.elsewhere("b", new Map([[SHARD, epoch - 1]]));
  const state = cluster.command(signOff("1"));
  await h.clock.advance(10);
  t.match(cluster.answers, [{ result: "moved" }]);
  t.equal(cluster.misplaced, 1);
  t.equal(state.answer, undefined);
  t.equal(seen(h.system, "a")!.seq, seq, "nothing is decided");
  cluster.at("b", h);
  await h.clock.advance(10);
  t.same(state.answer, OFF);
});

t.test("[J6] what is neither a question nor an answer is dropped and counted", async (t) => {
  const h = await owner();
  const cluster = new Cluster(h.clock, undefined);
  const receiver = cluster.add("b", h);
  const good = { n: 1, epoch: 1, command: signOff("1") };
  const questions: object[] = [
    {},
    { ...good, n: -1 },
    { ...good, epoch: "1" },
    { ...good, command: null },
    { ...good, command: { ...signOff("1"), id: "" } },
    { ...good, command: { ...signOff("1"), id: "x".repeat(65) } },
    { ...good, command: { ...signOff("1"), entity: 7 } },
    { ...good, command: { ...signOff("1"), name: undefined } },
    { ...good, command: { ...signOff("1"), data: [] } },
    { ...good, command: { id: "1", entity: "a", labels: "x" } },
    { ...good, command: { id: "1", entity: "a", attributes: "x" } },
    { ...good, command: { id: "1", entity: "a", labels: "x", attributes: {} } },
    { ...good, command: { id: "1", entity: "a", labels: ["x", 7] } },
    { ...good, command: { id: "1", entity: "a", labels: ["x".repeat(65)] } },
    { ...good, command: { id: "1", entity: "a", labels: Array.from({ length: 33 }, String) } },
  ];
  for (const body of questions) receiver.take("sender", body as Record<string, unknown>);
  t.same(receiver.stats, { taken: 0, dropped: 0, malformed: questions.length });
  cluster.routing.elsewhere("nobody", new Map([[SHARD, 1]]));
  const state = cluster.command(signOff("1"));
  const answers: object[] = [
    {},
    { n: 1 },
    { n: 1, result: "gone" },
    { n: 1, result: { accepted: true } },
    { n: 1, result: { accepted: 1, state: "x" } },
    { n: 1, result: { accepted: false, type: "toString", detail: "x" } },
    { n: 1, result: { accepted: false, type: "retry" } },
  ];
  for (const body of answers) cluster.router.takeAnswer(body as Record<string, unknown>);
  await h.clock.advance(0);
  t.equal(cluster.router.stats.malformed, answers.length);
  t.equal(state.answer, undefined);
  cluster.router.takeAnswer({ n: 1, result: OFF });
  cluster.router.takeAnswer({ n: 1, result: { accepted: false, type: "command-refused", detail: "late" } });
  await h.clock.advance(0);
  t.same(state.answer, OFF, "the first counts");
});
