/**
 * What became durable, in the order of the commits, and what must hold of it: the judge of a simulation. It reads the journal's sections by itself and
 * takes nothing from the nodes but their acknowledgements.
 */
import { OUTCOME } from "../../src/actors/command-memory.ts";
import { readFacts } from "../../src/actors/fact-codec.ts";
import type { Commanded, Fact } from "../../src/actors/facts.ts";
import type { Command, CommandResult, EventFact } from "../../src/actors/messages.ts";
import { LEASE_MS } from "../../src/cluster/ports.ts";
import { SHARDS } from "../../src/limits.ts";
import type { JournalRow, MemoryDatabase, NodeRow } from "../support/memory-database.ts";
import type { Trace } from "./trace.ts";
import { ensure } from "./violation.ts";

/** A state with a timer, and the one it leads to: of `tracked`. */
const TIMED = "online.stopped";
const TIMED_OUT = "online.idle";
/** Between the moment of an eviction and the renewals that it follows from there is a renewal's way to the database. */
const WAY_MS = 1_000;

/** One entity, as the journal tells it. */
interface Line {
  id: string;
  seq: number;
  /** Numbers of its reports, as they were stored. */
  order: number[];
  stored: Set<number>;
  state: string;
  /** When the timer of its state is due; ∞ = it has none. */
  due: number;
  /** By id. */
  commands: Map<string, Pick<Commanded, "outcome" | "state">>;
  /** Due times of the timers that fired, whose events are to come. */
  fired: number[];
}

interface Submission {
  times: number;
  via: string;
  order: number;
}

export class History {
  readonly #database: MemoryDatabase;
  readonly #trace: Trace;
  readonly #epochs = new Uint32Array(SHARDS);
  readonly #lines = new Map<string, Line>();
  readonly #byId = new Map<string, Line>();
  readonly #submissions = new Map<string, Map<number, Submission>>();
  /** By incarnation: since when its lease has not run out, by the database. */
  readonly #steadySince = new Map<string, number>();
  #order = 0;
  acknowledgements = 0;
  commits = 0;
  evictions = 0;
  fired = 0;
  /** Accepted. */
  commands = 0;

  constructor(database: MemoryDatabase, trace: Trace, fail: (error: unknown) => void) {
    this.#database = database;
    this.#trace = trace;
    const failing =
      <Args extends unknown[]>(check: (...args: Args) => void) =>
      (...args: Args) => {
        try {
          check(...args);
        } catch (error) {
          fail(error);
        }
      };
    database.watch = {
      appended: failing((row) => this.#appended(row)),
      claimed: failing((shard, epoch, incarnation) => this.#claimed(shard, epoch, incarnation)),
      renewed: failing((row) => this.#renewed(row)),
      evicted: failing((incarnation, by) => this.#evicted(incarnation, by)),
    };
  }

  /** A report is sent to a node. */
  submitted(id: string, n: number, via: string): void {
    const of = this.#submissions.get(id) ?? new Map<number, Submission>();
    this.#submissions.set(id, of);
    const known = of.get(n);
    if (known === undefined) of.set(n, { times: 1, via, order: this.#order++ });
    else known.times += 1;
  }

  /** A report is refused as moved although nothing has: what comes after it may overtake it. */
  mistreated(id: string, n: number): void {
    this.#submissions.get(id)!.get(n)!.times += 1;
  }

  /** C3: what a node calls accepted is durable by then. */
  acknowledged(id: string, n: number, by: string): void {
    this.acknowledgements += 1;
    ensure(
      this.#byId.get(id)?.stored.has(n) === true,
      "C3",
      () => `${by} acknowledged ${id} ${n}, which is not stored`,
    );
  }

  /** C3, C4: what a node says of a command is durable by then, and all say the same. */
  commandAnswered({ id, entity }: Command, result: CommandResult, by: string): void {
    const known = this.#byId.get(entity)?.commands.get(id);
    const said = () => `${by} says of ${id} of ${entity} ${JSON.stringify(result)}`;
    ensure(known !== undefined, "C3", () => `${said()}, which is not stored`);
    const { outcome, state } = known;
    const agrees = result.accepted
      ? outcome === OUTCOME.accepted && result.state === state
      : outcome !== OUTCOME.accepted && result.type === "command-refused" && result.detail.includes(state);
    ensure(agrees, "C4", () => `${said()}, and there is ${JSON.stringify(known)}`);
  }

  /** How many reports of an entity are stored, and the number of its newest fact. */
  seqOf(id: string): number {
    return this.#byId.get(id)?.seq ?? 0;
  }

  get ids(): Iterable<string> {
    return this.#byId.keys();
  }

  /** The reports of each entity are stored in the order of their submission, as far as they were sent once, and to one node. */
  checkOrder(): void {
    for (const [id, { order }] of this.#byId) {
      const newest = new Map<string, number>();
      for (const n of order) {
        const submission = this.#submissions.get(id)?.get(n);
        ensure(submission !== undefined, "order", () => `${id} ${n} is stored and was never sent`);
        if (submission.times > 1) continue;
        const before = newest.get(submission.via) ?? -1;
        ensure(submission.order > before, "order", () => `${id} ${n} is stored after a later one: ${order}`);
        newest.set(submission.via, submission.order);
      }
    }
  }

  /** C7: at rest, no timer is long due. */
  checkTimers(now: number, graceMs: number): void {
    for (const { id, due } of this.#byId.values())
      ensure(
        due + graceMs > now,
        "C7",
        () => `a timer of ${id} was due ${now - due} ms ago and did not fire`,
      );
  }

  #claimed(shard: number, epoch: number, incarnation: string): void {
    const before = this.#epochs[shard];
    ensure(epoch > before, "C1", () => `${incarnation} claims shard ${shard} under ${epoch} after ${before}`);
    this.#epochs[shard] = epoch;
    this.#trace.mix(`claim ${shard} ${epoch} ${incarnation}`);
  }

  #renewed({ incarnation, leaseUntil }: NodeRow): void {
    const now = this.#database.clock.monotonic();
    if (!this.#steadySince.has(incarnation) || leaseUntil < now) this.#steadySince.set(incarnation, now);
  }

  #evicted(incarnation: string, by: string): void {
    const now = this.#database.clock.monotonic();
    this.evictions += 1;
    this.#trace.note(`${by} evicts ${incarnation}`);
    const steady = now - (this.#steadySince.get(by) ?? now);
    ensure(
      steady > LEASE_MS - WAY_MS,
      "steady",
      () => `${by} evicts ${incarnation} and is steady for ${steady} ms only`,
    );
  }

  #appended({ id, incarnation, batch }: JournalRow): void {
    this.commits += 1;
    this.#trace.mix(`commit ${id} ${incarnation} ${batch.flushNo}`);
    for (const { shard, epoch, body } of batch.sections) {
      const newest = this.#database.shards[shard];
      ensure(
        epoch === this.#epochs[shard] && newest.owner === incarnation,
        "C2",
        () =>
          `${incarnation} writes shard ${shard} under ${epoch}, which is ${newest.owner}'s under ${newest.epoch}`,
      );
      readFacts(body, (fact) => this.#fact(shard, fact, incarnation));
    }
    for (const event of batch.events) this.#event(event);
  }

  #fact(shard: number, fact: Fact, incarnation: string): void {
    const key = `${shard}/${fact.number}`;
    let line = this.#lines.get(key);
    if (line === undefined) {
      ensure(
        fact.is === "introduced",
        "C3",
        () => `${key} begins with a fact "${fact.is}" by ${incarnation}`,
      );
      line = {
        id: fact.id,
        seq: 0,
        order: [],
        stored: new Set(),
        state: "",
        due: Infinity,
        commands: new Map(),
        fired: [],
      };
      ensure(!this.#byId.has(fact.id), "C3", () => `${fact.id} is introduced twice, by ${incarnation}`);
      this.#lines.set(key, line);
      this.#byId.set(fact.id, line);
    }
    const { id, seq } = line;
    ensure(fact.seq === seq + 1, "C3", () => `${incarnation} writes fact ${fact.seq} of ${id} after ${seq}`);
    line.seq = fact.seq;
    if (fact.is === "reported") {
      ensure(
        !line.stored.has(fact.sourceSeq),
        "once",
        () => `${incarnation} stores ${id} ${fact.sourceSeq} twice`,
      );
      line.stored.add(fact.sourceSeq);
      line.order.push(fact.sourceSeq);
    } else if (fact.is === "commanded") this.#commanded(line, fact, incarnation);
    else if (fact.is === "transitioned") this.#transitioned(line, fact.state, fact.timers);
  }

  /** C4: a command is decided once, whichever nodes it comes to. */
  #commanded({ id: entity, commands }: Line, { id, outcome, state }: Commanded, incarnation: string): void {
    ensure(!commands.has(id), "C4", () => `${incarnation} decides ${id} of ${entity} twice`);
    commands.set(id, { outcome, state });
    if (outcome === OUTCOME.accepted) this.commands += 1;
  }

  #transitioned(line: Line, state: string, timers: readonly { due: number }[]): void {
    const { id, state: from, due } = line;
    if (state === TIMED_OUT) {
      ensure(from === TIMED, "C7", () => `${id} fires a timer in ${from}`);
      line.fired.push(due);
      this.fired += 1;
    }
    line.state = state;
    line.due = timers[0]?.due ?? Infinity;
  }

  #event({ type, subject, time, data }: EventFact): void {
    if (type !== "state.changed" || data.to !== TIMED_OUT) return;
    const due = this.#byId.get(subject)?.fired.shift();
    ensure(
      due !== undefined && due <= time,
      "C7",
      () => `a timer of ${subject}, due at ${due}, fired at ${time}`,
    );
  }
}
