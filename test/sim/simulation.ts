/** One run of a cluster on virtual time, with the faults that its seed says, and what must hold at its end. */
import { LEASE_MS } from "../../src/cluster/ports.ts";
import { CLUSTER_SWEEP_MS } from "../../src/limits.ts";
import { checkOwners, checkState, checkViews } from "./at-rest.ts";
import type { Chance } from "./chance.ts";
import { COMMANDS, Commander, DELETIONS, type Habit } from "./commander.ts";
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
  /** Deletions that were carried out, erasures that were answered, and departures for a deletion, of viewers. */
  deletions: number;
  erasures: number;
  departures: number;
  /** What did not hold, or was thrown. */
  failure: unknown;
  /** The newest events, of a run that failed. */
  last: string[];
}

export const DEFAULT_STEPS = 20;
/** Of those that run with all tests. */
export const TEST_STEPS = 8;
const STEP_MS = [200, 1_500] as const;
const PRODUCERS = 3;
/** The bit of a seed that says whether somebody commands. Seeds without it are as they were before there were commands, and find what they found. */
const COMMANDED = 8;
/** And whether somebody deletes. */
const DELETED = 32;
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
  const run = new Run(world, steps, kind, (seed & COMMANDED) !== 0, (seed & DELETED) !== 0);
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
    fired: history.lives.fired,
    commands: history.lives.commands,
    deletions: history.lives.deletions,
    erasures: history.erasures,
    departures: history.departures,
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
  readonly #deleters: Commander[];
  readonly #chance: Chance;

  /** @param commanded somebody commands. @param deleted somebody deletes. */
  constructor(world: World, steps: number, kind: Kind, commanded: boolean, deleted: boolean) {
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
    const commander = (name: string, habit: Habit) =>
      new Commander(name, world, this.#nodes, chance.fork(), habit);
    this.#commanders = commanded ? [commander("c1", COMMANDS)] : [];
    this.#deleters = deleted ? [commander("d1", DELETIONS)] : [];
    for (const node of this.#nodes)
      node.onGone = (_, incarnation) => {
        for (const asking of this.#asking) asking.gone(incarnation);
      };
    world.gatesLie = kind === "injected" && chance.is(0.5);
  }

  get #asking(): (Producer | Commander)[] {
    return [...this.#producers, ...this.#commanders, ...this.#deleters];
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
    for (const asking of [...this.#producers, ...this.#commanders]) asking.stop();
    const ended = clock.monotonic();
    const half = REST_MS / 2;
    await this.#pass(half);
    // What was deleted since has no other life.
    for (const deleter of this.#deleters) deleter.stop();
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
    this.#world.history.lives.checkOrder();
    this.#world.history.lives.checkTimers(clock.now(), 1_000);
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
