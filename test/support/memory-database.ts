/**
 * The database of a cluster in memory, for simulations: one `MemoryDatabase` for all, and a handle for each node, behind the same ports as the store
 * on PostgreSQL and with its locking rules. A flush or a checkpoint holds its fence shared from its first statement to its commit;
 * eviction and release want it alone. Sharers do not queue up behind one who waits. What a transaction writes shows at its commit.
 *
 * Nothing takes time of its own. A fault that a test asks for makes a call fail, hang, or lose its answer.
 */
import { type Batch, type Checkpoint, StoreAway, type TrackPiece } from "../../src/actors/ports.ts";
import type { Clock } from "../../src/clock.ts";
import { LEASE_MS } from "../../src/cluster/ports.ts";
import { SHARDS } from "../../src/limits.ts";
import { RowLock } from "./row-lock.ts";

export type Call =
  | "renew"
  | "claimFree"
  | "release"
  | "raise"
  | "drain"
  | "append"
  | "write"
  | "claim"
  | "recover"
  | "take"
  | "empty"
  | "leave";

export type Fault =
  /** It rejects at once, nothing was done. */
  | { is: "away" }
  /** The connection is cut: it rejects, and was done or not. */
  | { is: "cut"; done: boolean }
  /** The statement reaches the database when `until` resolves; who called has given up at its deadline. */
  | { is: "late"; until: Promise<unknown> }
  /** It has its locks and commits when `until` resolves, or is rolled back at the statement time-out. */
  | { is: "hang"; until: Promise<unknown> };

/** As the store's: of the server's statements, and of who calls. */
const STATEMENT_MS = 4_000;
const DEADLINE_MS = 4_500;
const RENEW_MS = 1_000;
export const HOUR_MS = 3_600_000;

export interface NodeRow {
  incarnation: string;
  url: string;
  version: string;
  draining: boolean;
  /** By the clock of the database, which is the clock's monotonic time. */
  leaseUntil: number;
  gen: number;
  down: boolean;
  readonly fence: RowLock;
}

export interface JournalRow {
  id: number;
  incarnation: string;
  batch: Batch;
}

/** Told of what commits, in order. */
export interface Watch {
  appended?(row: JournalRow): void;
  /** `renewed` sees the row as it was before. */
  renewed?(row: NodeRow): void;
  claimed?(shard: number, epoch: number, incarnation: string): void;
  evicted?(incarnation: string, by: string): void;
}

export class MemoryDatabase {
  readonly clock: Clock;
  watch: Watch = {};
  readonly nodes = new Map<string, NodeRow>();
  readonly shards = Array.from({ length: SHARDS }, () => ({
    owner: undefined as string | undefined,
    epoch: 0,
  }));
  readonly marks = new Array<number>(SHARDS).fill(0);
  readonly checkpoints = new Map<number, Checkpoint>();
  /** Of tracks, by shard, by number. */
  readonly pieces = new Map<number, Map<number, TrackPiece>>();
  journal: JournalRow[] = [];
  /** Rows of shards that a claim under way holds. */
  readonly claiming = new Set<number>();
  readonly evictor = new RowLock();
  #ids = 0;
  #incarnations = 0;

  constructor(clock: Clock) {
    this.clock = clock;
  }

  /** A new incarnation with a lease. */
  join(url: string, version: string): string {
    const incarnation = `node-${++this.#incarnations}`;
    const leaseUntil = this.clock.monotonic() + LEASE_MS;
    const row = { incarnation, url, version, leaseUntil, draining: false, gen: 0, down: false };
    this.nodes.set(incarnation, { ...row, fence: new RowLock() });
    return incarnation;
  }

  nextId(): number {
    return ++this.#ids;
  }

  /** Empties the journal, up to a row, of what all checkpoints have passed, as the ring does now and then. */
  trim(upTo = Infinity): void {
    this.journal = this.journal.filter((row) => row.id > upTo || this.isNeeded(row));
  }

  /** Whether a checkpoint has not passed a row yet. */
  isNeeded({ id, batch }: JournalRow): boolean {
    return batch.sections.some((section) => id > this.marks[section.shard]!);
  }

  isDown(incarnation: string | undefined): boolean {
    return incarnation !== undefined && this.nodes.get(incarnation)?.down !== false;
  }
}

/** Its locks and what it writes; both end with it. */
export class Transaction {
  readonly #late: Promise<never>;
  readonly #fault: Fault | undefined;
  readonly #locks: (() => void)[] = [];
  readonly #writes: (() => void)[] = [];

  constructor(late: Promise<never>, fault: Fault | undefined) {
    this.#late = late;
    this.#fault = fault;
  }

  async share(lock: RowLock): Promise<void> {
    await this.#take(lock.share());
  }

  async alone(lock: RowLock): Promise<void> {
    await this.#take(lock.alone());
  }

  write(change: () => void): void {
    this.#writes.push(change);
  }

  onEnd(release: () => void): void {
    this.#locks.push(release);
  }

  async commit(): Promise<void> {
    if (this.#fault?.is === "hang") await Promise.race([this.#fault.until, this.#late]);
    for (const change of this.#writes) change();
  }

  end(): void {
    for (const release of this.#locks.reverse()) release();
  }

  async #take(granted: Promise<() => void>): Promise<void> {
    try {
      this.#locks.push(await Promise.race([granted, this.#late]));
    } catch (error) {
      // Granted after all, too late.
      void granted.then((release) => release());
      throw error;
    }
  }
}

/** Runs `work` as a transaction of a call, with the deadlines and the fault that it has. */
export async function transact<T>(
  clock: Clock,
  call: Call,
  fault: Fault | undefined,
  work: (tx: Transaction) => Promise<T>,
): Promise<T> {
  if (fault?.is === "away" || (fault?.is === "cut" && !fault.done)) throw new StoreAway(`${call}: away`);
  const deadlineMs = call === "renew" ? RENEW_MS : DEADLINE_MS;
  const statementMs = Math.min(STATEMENT_MS, deadlineMs);
  const gaveUp = after(clock, deadlineMs, `${call}: no answer`);
  const done = (async () => {
    if (fault?.is === "late") await fault.until;
    const timeOut = after(clock, statementMs, `${call}: statement time-out`);
    const tx = new Transaction(timeOut.late, fault);
    try {
      const result = await work(tx);
      await tx.commit();
      return result;
    } finally {
      tx.end();
      timeOut.cancel();
    }
  })();
  done.catch(() => {});
  try {
    const result = await Promise.race([done, gaveUp.late]);
    if (fault?.is === "cut") throw new StoreAway(`${call}: done, and the answer is lost`);
    return result;
  } finally {
    gaveUp.cancel();
  }
}

/** Rejects after so long, unless it is cancelled. */
function after(clock: Clock, ms: number, message: string): { late: Promise<never>; cancel: () => void } {
  let cancel = () => {};
  const late = new Promise<never>((_, reject) => {
    cancel = clock.schedule(ms, () => reject(new StoreAway(message)));
  });
  late.catch(() => {});
  return { late, cancel };
}
