/**
 * One process of a simulated cluster: started, killed, stopped for a while, told to leave, and started anew under another incarnation. It is put
 * together as `node.ts` does, without a server.
 *
 * States: down → starting → up → (killed | leaving | evicted) → down.
 */
import { Policy } from "../../src/access/policy.ts";
import { compileMachine } from "../../src/actors/machine/compile.ts";
import { parseMachine } from "../../src/actors/machine/definition.ts";
import { TRACKED_JSON } from "../../src/actors/machine/tracked.ts";
import {
  type CommandResult,
  type IngestResult,
  MOVED,
  type Report,
  type Request,
} from "../../src/actors/messages.ts";
import { type Gate, StoreAway } from "../../src/actors/ports.ts";
import { ActorSystem } from "../../src/actors/system.ts";
import { Cluster } from "../../src/cluster/cluster.ts";
import { SUSPEND_MS } from "../../src/cluster/lease.ts";
import { BusAway, LEASE_MS } from "../../src/cluster/ports.ts";
import { MIRROR } from "../../src/picture/columns.ts";
import { FilterTime } from "../../src/picture/filter-time.ts";
import { Feed } from "../../src/transport/feed/feed.ts";
import { NO_COMMANDS } from "../feed/harness.ts";
import { FaultyBus } from "./faulty-bus.ts";
import { FaultyStore } from "./faulty-store.ts";
import { Seen } from "./seen.ts";
import { ProcessClock } from "./sim-clock.ts";
import { Viewer } from "./viewer.ts";
import { ensure } from "./violation.ts";
import type { World } from "./world.ts";

/** `tracked` in a hurry. */
const machine = compileMachine(
  parseMachine(JSON.parse(JSON.stringify(TRACKED_JSON).replace("300000", "2000"))),
);
const RECEIVE = {
  maxClockSkew: 60_000,
  maxReportAge: 86_400_000,
  staleAfter: 3_000,
  lostAfter: 8_000,
  expiredAfter: 15_000,
};
const CHECKPOINT_INTERVAL_MS = 1_000;
/** As `node.ts`. */
const FORWARD_GRACE_MS = 1_500;
const HAND_OVER_GRACE_MS = 4_500;
const COMMIT_GRACE_MS = 10_000;
const REJOIN_MS = 1_000;
const VIEWERS = 2;
/** How often it is looked whether anything in the picture goes back. */
const LOOK_MS = 100;

/** What one incarnation consists of. */
interface Life {
  clock: ProcessClock;
  store: FaultyStore;
  bus: FaultyBus;
  cluster: Cluster;
  system: ActorSystem;
  feed: Feed;
  viewers: Viewer[];
  /** What its picture showed. */
  seen: Seen;
}

export class SimNode {
  readonly name: string;
  version = "1";
  readonly #world: World;
  #life: Life | undefined;
  #isUp = false;
  /** Told when the process of an incarnation is gone, with whatever it was asked. */
  onGone: (node: SimNode, incarnation: string) => void = () => {};

  constructor(name: string, world: World) {
    this.name = name;
    this.#world = world;
  }

  /** Clients can reach it. */
  get isUp(): boolean {
    return this.#isUp;
  }

  get isPaused(): boolean {
    return this.#life?.clock.state === "paused";
  }

  /** There is a process, though perhaps one that is starting, leaving, or paused. */
  get exists(): boolean {
    return this.#life !== undefined;
  }

  get incarnation(): string {
    return this.#life?.store.incarnation ?? "";
  }

  get life(): Life {
    if (this.#life === undefined) throw new Error(`${this.name} is down`);
    return this.#life;
  }

  /** As the program does: tries until it succeeds. */
  start(): void {
    if (this.exists) return;
    const life = this.#make();
    this.#life = life;
    const { system, cluster, feed } = life;
    this.#world.trace.note(`${this.name} starts as ${life.store.incarnation}`);
    system.startTimers();
    cluster
      .start()
      .then(() => {
        if (this.#life !== life) return;
        feed.start();
        this.#isUp = true;
        for (const viewer of life.viewers) viewer.start();
        this.#watch(life);
      })
      .catch((error) => {
        if (!(error instanceof StoreAway || error instanceof BusAway)) this.#world.fail(error);
        if (this.#life === life) this.#drop(life, "cannot start");
      });
  }

  #make(): Life {
    const world = this.#world;
    const { database, trace, clock: time } = world;
    const chance = world.chance.fork();
    const clock = new ProcessClock(time);
    const store = new FaultyStore(
      database,
      this.name,
      this.version,
      time,
      clock,
      world.storeFaults,
      chance.fork(),
      trace,
    );
    const number = world.processes.push(this.name) - 1;
    const bus = new FaultyBus(
      world.bus.open(clock),
      this.name,
      number,
      (of) => world.processes[of],
      world.busFaults,
      clock,
      chance.fork(),
      trace,
    );
    const log = {
      info: (details: object, message: string) =>
        trace.note(`${this.name} ${message} ${JSON.stringify(details)}`),
      warn: (details: object, message: string) =>
        trace.note(`${this.name} ${message} ${JSON.stringify(details)}`),
    };
    const evicted = () => {
      if (this.#life === life) this.#drop(life, "was evicted");
    };
    const cluster = new Cluster({
      name: "sim",
      store,
      bus,
      clock,
      log,
      random: chance.fork().next,
      onStale: (stale) => {
        feed.stale = stale;
      },
      onDown: evicted,
      onFatal: world.fail,
    });
    const { gate, ...forSystem } = cluster.forSystem;
    const system = new ActorSystem({
      receive: RECEIVE,
      machine,
      store,
      traces: store.traces,
      clock,
      ...forSystem,
      gate: this.#gate(gate!, chance.fork().next),
      checkpointIntervalMs: CHECKPOINT_INTERVAL_MS,
      onCheckpoint: () => {},
      onLost: (shards) => trace.note(`${this.name} lost shards ${shards}`),
      onAway: () => {},
      onFatal: world.fail,
    });
    const falseMoved = chance.fork();
    const { submitPlaced } = system.router;
    system.router.submitPlaced = (reports, epochs) => {
      if (!falseMoved.is(world.falseMoved)) return submitPlaced.call(system.router, reports, epochs);
      trace.note(`${this.name} says that ${reports.length} reports have moved`);
      for (const { id, seq } of reports) world.history.sent.mistreated(id, seq!);
      return Promise.resolve({ accepted: 0, refused: [], moved: reports.map((_, index) => index) });
    };
    const { commandPlaced } = system.router;
    system.router.commandPlaced = (command, epoch) =>
      falseMoved.is(world.falseMoved)
        ? Promise.resolve(MOVED)
        : commandPlaced.call(system.router, command, epoch);
    const { commit } = system;
    const { record } = commit;
    commit.record = (shard, fact) => {
      if (fact.is === "deleted") world.history.decided(fact.id, shard.epoch);
      record.call(commit, shard, fact);
    };
    cluster.attach(system);
    const feed = new Feed({
      ...{ picture: system.picture, policy: new Policy(), clock },
      ingest: cluster.ingest,
      ...NO_COMMANDS,
      log: { error: (details) => world.fail(new Error(JSON.stringify(details))) },
      decodeReport: () => ({ type: "invalid-report", detail: "nobody reports by the feed" }),
      interest: cluster.interest,
      filterTime: new FilterTime(clock),
    });
    store.onDown(evicted);
    const viewers = Array.from({ length: VIEWERS }, () => new Viewer(feed, clock, chance.fork(), world));
    const life = {
      clock,
      store,
      bus,
      cluster,
      system,
      feed,
      viewers,
      seen: new Seen(world.history, `at ${this.name}`),
    };
    if (!world.gatesLie) this.#guard(life);
    return life;
  }

  /** The lease's, unless gates lie. */
  #gate(real: Gate, random: () => number): Gate {
    const world = this.#world;
    return {
      get open() {
        return real.open || (world.gatesLie && random() < 0.5);
      },
      passed: () => real.passed(),
    };
  }

  /** Whatever the node decides, writes and answers, it does while its lease is its own. */
  #guard({ store, system, clock }: Life): void {
    const { database } = this.#world;
    const check = (what: string) => {
      const left = database.nodes.get(store.incarnation)!.leaseUntil - clock.monotonic();
      ensure(
        left > LEASE_MS - SUSPEND_MS - 1,
        "gate",
        () => `${this.name} ${what} with ${left} ms of its lease left`,
      );
    };
    const guarded = (what: string) => {
      try {
        check(what);
      } catch (error) {
        this.#world.fail(error);
      }
    };
    store.onAppend = () => guarded("flushes");
    const { commit } = system;
    const { record, join } = commit;
    commit.record = (shard, fact) => {
      guarded("decides");
      record.call(commit, shard, fact);
    };
    commit.join = (waiter) =>
      join.call(commit, (verdict) => {
        if (verdict === "committed") guarded("acknowledges");
        waiter(verdict);
      });
  }

  /** C5: nothing in the picture goes back. */
  #watch(life: Life): void {
    life.clock.schedule(LOOK_MS, () => {
      try {
        this.#look(life);
      } catch (error) {
        this.#world.fail(error);
      }
      if (this.#life === life) this.#watch(life);
    });
  }

  #look({ system, seen }: Life): void {
    const { columns } = system.picture;
    for (let slot = 0; slot < columns.extent; slot++) {
      const id = columns.id[slot];
      if (id === undefined || system.picture.removal(slot) !== undefined) continue;
      seen.see(id, columns.epoch.of(slot), columns.seq.of(slot));
    }
  }

  /** A client's batch. Never resolves if the process ends before. */
  submit(reports: readonly Report[]): Promise<IngestResult> {
    const { cluster, clock } = this.life;
    return new Promise((resolve) => {
      clock.schedule(0, () => {
        void cluster.ingest.submit(reports).then(resolve);
      });
    });
  }

  /** A client's command or deletion. Never resolves if the process ends before. */
  command(command: Request): Promise<CommandResult> {
    const { cluster, clock } = this.life;
    return new Promise((resolve) => {
      clock.schedule(0, () => {
        void cluster.commands.command(command).then(resolve);
      });
    });
  }

  /** kill -9. */
  kill(): void {
    const life = this.#life;
    if (life === undefined) return;
    this.#world.trace.note(`${this.name} is killed`);
    this.#end(life);
  }

  pause(): void {
    this.#world.trace.note(`${this.name} stands still`);
    this.#life?.clock.pause();
  }

  resume(): void {
    if (this.#life?.clock.state !== "paused") return;
    this.#world.trace.note(`${this.name} goes on`);
    this.#life.clock.resume();
  }

  /** SIGTERM: as `stop` in `node.ts`. */
  async leave(): Promise<void> {
    const life = this.#life;
    if (life === undefined || !this.#isUp) return;
    const { cluster, system, clock } = life;
    this.#world.trace.note(`${this.name} leaves`);
    this.#isUp = false;
    cluster.close();
    await within(clock, FORWARD_GRACE_MS, cluster.answered());
    await within(clock, HAND_OVER_GRACE_MS, cluster.leave());
    await within(clock, COMMIT_GRACE_MS, system.settle());
    if (this.#life === life) await this.#stop(life);
    this.#world.trace.note(`${this.name} has left`);
  }

  async #stop(life: Life): Promise<void> {
    const { feed, cluster, system, store, bus } = life;
    feed.stop();
    await cluster.stop();
    system.abandon();
    await store.close();
    await bus.close();
    if (this.#life === life) this.#end(life);
  }

  /** The node cannot go on under this incarnation; the program starts another one. */
  #drop(life: Life, why: string): void {
    this.#world.trace.note(`${this.name} ${why}`);
    this.#isUp = false;
    void this.#stop(life).then(() => {
      this.#world.clock.schedule(REJOIN_MS, () => this.start());
    }, this.#world.fail);
  }

  #end(life: Life): void {
    const { incarnation } = life.store;
    life.clock.end();
    void life.bus.close();
    this.#isUp = false;
    this.#life = undefined;
    this.onGone(this, incarnation);
  }

  /** The slots of entities that this node owns. */
  owned(): number[] {
    const { columns } = this.life.system.picture;
    const slots: number[] = [];
    for (let slot = 0; slot < columns.extent; slot++) {
      if (columns.id[slot] === undefined || this.life.system.picture.removal(slot) !== undefined) continue;
      if ((columns.flags.of(slot) & MIRROR) === 0) slots.push(slot);
    }
    return slots;
  }
}

function within(clock: ProcessClock, ms: number, promise: Promise<void>): Promise<void> {
  return new Promise((resolve, reject) => {
    clock.schedule(ms, resolve);
    promise.then(resolve, reject);
  });
}
