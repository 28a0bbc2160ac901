/**
 * What became durable, in the order of the commits, and what must hold of it: the judge of a simulation. It reads the journal's sections by itself and
 * takes nothing from the nodes but their acknowledgements.
 */
import { decodeCheckpoint } from "../../src/actors/checkpoint.ts";
import { OUTCOME } from "../../src/actors/command-memory.ts";
import { readFacts } from "../../src/actors/fact-codec.ts";
import { type CommandResult, isDeletion, type Request } from "../../src/actors/messages.ts";
import { LEASE_MS } from "../../src/cluster/ports.ts";
import { SHARDS } from "../../src/limits.ts";
import type { JournalRow, MemoryDatabase, NodeRow } from "../support/memory-database.ts";
import { type Decision, Lives } from "./lives.ts";
import { Sent } from "./sent.ts";
import type { Trace } from "./trace.ts";
import { ensure } from "./violation.ts";

/** Between the moment of an eviction and the renewals that it follows from there is a renewal's way to the database. */
const WAY_MS = 1_000;

export class History {
  readonly sent = new Sent();
  readonly lives = new Lives(this.sent);
  readonly #database: MemoryDatabase;
  readonly #trace: Trace;
  readonly #epochs = new Uint32Array(SHARDS);
  /** By id and epoch: how many deletions were decided, durable or not. */
  readonly #decided = new Map<string, number>();
  /** By incarnation: since when its lease has not run out, by the database. */
  readonly #steadySince = new Map<string, number>();
  acknowledgements = 0;
  commits = 0;
  evictions = 0;
  /** Erasures that were answered. */
  erasures = 0;
  /** Departures for a deletion, of viewers. */
  departures = 0;

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

  /** A deletion is decided under an epoch of its shard: viewers may see that, and another life, before it is durable. */
  decided(id: string, epoch: number): void {
    const key = `${id} ${epoch}`;
    this.#decided.set(key, (this.#decided.get(key) ?? 0) + 1);
  }

  /** Deletions of an id that were decided under an epoch. */
  decidedOf(id: string, epoch: number): number {
    return this.#decided.get(`${id} ${epoch}`) ?? 0;
  }

  /** C3: what a node calls accepted is durable by then, of a life that was not over when it was sent. @param since moment of that. */
  acknowledged(id: string, n: number, by: string, since: number): void {
    this.acknowledgements += 1;
    this.sent.acknowledged(id, n);
    const isStored = [...this.lives.since(id, since)].some(({ stored }) => stored.has(n));
    ensure(isStored, "C3", () => `${by} acknowledged ${id} ${n}, which is not stored`);
  }

  /** C3, C4: what a node says of a request is durable by then, and all say the same. @param since moment at which it was asked. */
  answered(request: Request, result: CommandResult, by: string, since: number): void {
    const { id, entity } = request;
    const known = this.lives.decision(id);
    const said = () => `${by} says of ${id} of ${entity} ${JSON.stringify(result)}`;
    if (!result.accepted && result.type === "entity-not-found") {
      ensure(!this.lives.wasThere(entity, since), "C3", () => `${said()}, which was there all the time`);
      ensure((known?.at ?? Infinity) > since, "C4", () => `${said()}, which was carried out before`);
      ensure(!isDeletion(request) || !request.erase, "C3", () => `${said()}, and anything can be erased`);
      return;
    }
    ensure(known !== undefined, "C3", () => `${said()}, which is not stored`);
    const { outcome, state } = known;
    const isDone = outcome === OUTCOME.accepted || outcome === OUTCOME.deleted;
    const agrees = result.accepted
      ? isDone && result.state === state
      : !isDone && result.type === "command-refused" && result.detail.includes(state);
    ensure(agrees, "C4", () => `${said()}, and there is ${JSON.stringify({ outcome, state })}`);
    if (isDeletion(request) && request.erase) this.#erased(known, said);
  }

  /** Nothing of an entity, nor of those that had its id before, is in the journal and in the checkpoint of its shard. */
  #erased({ life, shard }: Decision, said: () => string): void {
    this.erasures += 1;
    ensure(life.removed < Infinity, "erased", () => `${said()}, and its end is not stored`);
    const isOf = (number: number) => {
      const other = this.lives.numbered(shard, number);
      return other?.id === life.id && other.no <= life.no;
    };
    for (const { id, batch } of this.#database.journal) {
      const section = batch.sections.find((one) => one.shard === shard);
      if (section === undefined) continue;
      readFacts(section.body, ({ is, number }) =>
        ensure(
          is === "removed" || !isOf(number),
          "erased",
          () => `${said()}, and row ${id} has "${is}" of it`,
        ),
      );
    }
    const checkpoint = this.#database.checkpoints.get(shard);
    if (checkpoint === undefined) return;
    const { entities, departed, leaving } = decodeCheckpoint(checkpoint.body);
    const numbers = [...entities.map(({ number }) => number), ...leaving.map(({ number }) => number)];
    for (const number of [...numbers, ...departed.map(([number]) => number)])
      ensure(!isOf(number), "erased", () => `${said()}, and the checkpoint has it`);
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
      readFacts(body, (fact) => this.lives.fact(shard, fact, incarnation));
    }
    for (const event of batch.events) this.lives.event(event);
  }
}
