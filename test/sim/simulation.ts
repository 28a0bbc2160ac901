/** One run of a cluster on virtual time, with the faults that its seed says, and what must hold at its end. */
import { EXPIRED } from "../../src/actors/messages.ts";
import { LEASE_MS } from "../../src/cluster/ports.ts";
import { CLUSTER_SWEEP_MS, SHARDS } from "../../src/limits.ts";
import { HAS_PLACE } from "../../src/picture/columns.ts";
import { type Cover, coverOf, covers } from "../../src/picture/cover.ts";
import { fullRecord } from "../../src/picture/record.ts";
import type { FullRecord } from "../../src/transport/feed/protocol.ts";
import type { Chance } from "./chance.ts";
import { Commander } from "./commander.ts";
import { Producer } from "./producer.ts";
import { disturb, heal, KINDS, type Kind } from "./scenario.ts";
import { SimNode } from "./sim-node.ts";
import { ensure, Violation } from "./violation.ts";
import { World } from "./world.ts";

export interface SimulationOptions {
  seed: number;
  /** Moments at which something goes wrong. */
  steps?: number;
  /** Default: by the seed. */
  kind?: Kind;
}

export interface Outcome {
  seed: number;
  kind: Kind;
  /** Of all that happened. */
  hash: string;
  events: number;
  /** Virtual, ms. */
  time: number;
  acknowledgements: number;
  evictions: number;
  /** Timers of entities. */
  fired: number;
  /** Commands that were accepted. */
  commands: number;
  /** What did not hold, or was thrown. */
  failure: unknown;
  /** The newest events, of a run that failed. */
  last: string[];
}

export const DEFAULT_STEPS = 20;
/** Of those that run with all tests. */
export const TEST_STEPS = 9;
const STEP_MS = [200, 1_500] as const;
const PRODUCERS = 3;
/** The bit of a seed that says whether somebody commands. Seeds without it are as they were before there were commands, and find what they found. */
const COMMANDED = 8;
/** C8: after the faults. */
const REST_MS = LEASE_MS + 5_000;
/** Reports that were refused at the end of that are sent again. */
const LAST_ANSWERS_MS = 15_000;
/** What must hold at rest may take a moment: hand-overs go on, and the feed lags a little. */
const LOOKS = 40;
const LOOK_MS = 100;
const TRIM_MS = 500;

export async function simulate({
  seed,
  steps = DEFAULT_STEPS,
  kind = KINDS[seed % KINDS.length],
}: SimulationOptions): Promise<Outcome> {
  const world = new World(seed);
  const run = new Run(world, steps, kind, (seed & COMMANDED) !== 0);
  const onRejection = (error: unknown) => world.fail(error);
  process.on("unhandledRejection", onRejection);
  let failure: unknown;
  try {
    await run.go();
  } catch (error) {
    failure = error;
  } finally {
    run.end();
    process.off("unhandledRejection", onRejection);
  }
  const { clock, trace, history } = world;
  return {
    seed,
    kind,
    hash: trace.hash,
    events: clock.events,
    time: clock.monotonic(),
    acknowledgements: history.acknowledgements,
    evictions: history.evictions,
    fired: history.fired,
    commands: history.commands,
    failure,
    last: failure === undefined ? [] : trace.last(80),
  };
}

class Run {
  readonly #world: World;
  readonly #steps: number;
  readonly #kind: Kind;
  readonly #nodes: SimNode[];
  readonly #producers: Producer[];
  readonly #commanders: Commander[];
  readonly #chance: Chance;

  /** @param commanded somebody commands. */
  constructor(world: World, steps: number, kind: Kind, commanded: boolean) {
    this.#world = world;
    this.#steps = steps;
    this.#kind = kind;
    const { chance } = world;
    this.#chance = chance.fork();
    this.#nodes = Array.from({ length: chance.whole(2, 4) }, (_, i) => new SimNode(`n${i + 1}`, world));
    this.#producers = Array.from(
      { length: PRODUCERS },
      (_, i) => new Producer(`p${i + 1}`, world, this.#nodes, chance.fork()),
    );
    this.#commanders = commanded ? [new Commander("c1", world, this.#nodes, chance.fork())] : [];
    for (const node of this.#nodes)
      node.onGone = (_, incarnation) => {
        for (const asking of this.#asking) asking.gone(incarnation);
      };
    world.gatesLie = kind === "injected" && chance.is(0.5);
  }

  get #asking(): (Producer | Commander)[] {
    return [...this.#producers, ...this.#commanders];
  }

  async go(): Promise<void> {
    const world = this.#world;
    const stage = { world, nodes: this.#nodes, chance: this.#chance };
    const { clock } = world;
    const trim = () => {
      world.database.trim();
      clock.schedule(TRIM_MS, trim);
    };
    trim();
    for (const node of this.#nodes) clock.schedule(this.#chance.between(0, 400), () => node.start());
    for (const asking of this.#asking) asking.start();
    await this.#pass(1_000);
    for (let step = 0; step < this.#steps; step++) {
      disturb(this.#kind, stage);
      await this.#pass(this.#chance.between(...STEP_MS));
    }
    heal(stage);
    await this.#rest();
  }

  async #rest(): Promise<void> {
    const { clock } = this.#world;
    for (const asking of this.#asking) asking.stop();
    const ended = clock.monotonic();
    const half = REST_MS / 2;
    await this.#pass(half);
    for (const node of this.#nodes) if (node.exists) for (const viewer of node.life.viewers) viewer.stand();
    await this.#pass(half);
    for (const asking of this.#asking) {
      // One that waited as long as any may is refused when it is next looked for.
      const unanswered = asking.unanswered(ended - CLUSTER_SWEEP_MS);
      ensure(unanswered === 0, "C8", () => `${unanswered} batches or commands have no answer`);
    }
    await this.#soon(() => checkOwners(this.#nodes));
    for (let waited = 0; this.#open > 0; waited += LOOK_MS) {
      ensure(waited < LAST_ANSWERS_MS, "C8", () => `${this.#open} reports and commands are not answered`);
      await this.#pass(LOOK_MS);
    }
    await this.#soon(() => checkState(this.#nodes, this.#world));
    await this.#soon(() => checkViews(this.#nodes));
    this.#world.history.checkOrder();
    this.#world.history.checkTimers(clock.now(), 1_000);
  }

  get #open(): number {
    return this.#asking.reduce((sum, { open }) => sum + open, 0);
  }

  #pass(ms: number): Promise<void> {
    return this.#world.clock.pass(ms, () => this.#world.failure);
  }

  /** What must hold at some moment soon. */
  async #soon(check: () => void): Promise<void> {
    for (let look = 1; ; look++) {
      try {
        check();
        return;
      } catch (error) {
        if (!(error instanceof Violation) || look === LOOKS) throw error;
      }
      await this.#pass(LOOK_MS);
    }
  }

  end(): void {
    for (const node of this.#nodes) if (node.exists) node.life.clock.end();
  }
}

/** C8: each shard is open, in one node. */
function checkOwners(nodes: readonly SimNode[]): void {
  const owners = Array.from({ length: SHARDS }, (): string[] => []);
  for (const node of nodes) {
    if (!node.exists) continue;
    for (const { index, status } of node.life.system.table.shards)
      if (status === "open") owners[index].push(node.name);
  }
  for (const [shard, names] of owners.entries())
    ensure(
      names.length === 1,
      "C8",
      () => `shard ${shard} is open in ${names.length === 0 ? "no node" : names}`,
    );
}

/** C3: what owners have in memory is what is durable. */
function checkState(nodes: readonly SimNode[], { history }: World): void {
  const seqs = new Map<string, number>();
  for (const node of nodes) {
    if (!node.exists) continue;
    const { columns } = node.life.system.picture;
    for (const slot of node.owned()) seqs.set(columns.id[slot]!, columns.seq[slot]);
  }
  for (const id of history.ids)
    ensure(
      seqs.get(id) === history.seqOf(id),
      "C3",
      () => `${id} is at ${seqs.get(id)}, and at ${history.seqOf(id)} by the journal`,
    );
}

/** C6: each view holds what all owners together have within its cover. */
function checkViews(nodes: readonly SimNode[]): void {
  const living = nodes.filter(({ isUp }) => isUp);
  const all: { record: FullRecord; key: number }[] = [];
  for (const node of living) {
    const { picture } = node.life.system;
    const { columns } = picture;
    for (const slot of node.owned()) {
      if ((columns.flags[slot] & HAS_PLACE) === 0 || columns.liveness[slot] === EXPIRED) continue;
      all.push({ record: fullRecord(picture, slot) as FullRecord, key: columns.key[slot] });
    }
  }
  for (const node of living) {
    for (const { replica } of node.life.viewers) {
      const cover = coverOf(replica.asked.bbox!);
      ensure(replica.state === "complete", "C6", () => `a view of ${node.name} is ${replica.state}`);
      checkView(node.name, replica.entities, within(all, cover));
    }
  }
}

function within(all: readonly { record: FullRecord; key: number }[], cover: Cover): Map<string, FullRecord> {
  const inside = all.filter(({ key }) => covers(cover, key));
  return new Map(inside.map(({ record }) => [record.id, record]));
}

function checkView(
  node: string,
  held: ReadonlyMap<string, FullRecord>,
  expected: ReadonlyMap<string, FullRecord>,
): void {
  for (const [id, record] of expected) {
    const known = held.get(id);
    ensure(known !== undefined, "C6", () => `a view of ${node} lacks ${id}`);
    ensure(
      shown(known) === shown(record),
      "C6",
      () => `${node} shows ${shown(known)}, and there is ${shown(record)}`,
    );
  }
  for (const id of held.keys())
    ensure(expected.has(id), "C6", () => `a view of ${node} shows ${id}, which is not there`);
}

/** What is told of moves too, in one order. */
function shown({ epoch: _epoch, seq: _seq, received: _received, ...record }: FullRecord): string {
  return JSON.stringify(Object.entries(record).sort(([a], [b]) => (a < b ? -1 : 1)));
}
