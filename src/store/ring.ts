/**
 * The journal of a single node is a ring of four parts. The current one takes flushes until it is full; then the next is emptied with TRUNCATE and becomes the
 * current one, if every shard is past what it holds: its checkpoint includes it, or the shard has nothing in the journal that is
 * newer than its checkpoint. Deleting rows instead would leave as much to vacuum as was written. This node is the only writer, so it knows by
 * memory what the parts hold; nodes of a cluster share one (`shared-ring.ts`).
 */
import type { PoolClient } from "pg";
import type { Alone } from "../actors/ports.ts";
import { JOURNAL_PART_BYTES, JOURNAL_PART_ROWS, SHARDS } from "../limits.ts";
import { isLocked } from "./errors.ts";
import type { Fence, FenceKey } from "./fence.ts";
import { inTransaction, type StoreContext, withClient } from "./session.ts";

export const PARTS = 4;
/** After a turn that was not possible the next is tried so much later, ms: each costs a statement. */
export const RETRY_MS = 1_000;

const LOOK = Array.from(
  { length: PARTS },
  (_, part) =>
    `SELECT ${part} AS part, coalesce(min(id), 0)::float8 AS oldest, coalesce(max(id), 0)::float8 AS newest, count(*)::float8 AS rows,
      pg_total_relation_size('journal_${part}')::float8 AS bytes FROM journal_${part}`,
).join(" UNION ALL ");
const NEWEST =
  "SELECT shard::int AS shard, max(id)::float8 AS newest FROM journal, unnest(shards) AS shard GROUP BY 1";
const MARKS = "SELECT shard::int AS shard, checkpoint::float8 AS mark FROM mark";
/** A node that was evicted while it paused must not empty what its successor writes. */
const FENCE = "SELECT 1 FROM fence WHERE incarnation = $1 AND gen = $2 AND NOT down FOR SHARE";

/** How a try to move on ended: there was no need, it did, checkpoints are behind, or someone else (a backup) holds the part. */
export type Turn = "none" | "turned" | "behind" | "locked" | "fenced";

export interface Ring {
  /** The part that the next flush goes to. Changes in `open`, `advance` and `empty` only, so all attempts of a flush go to the same. */
  readonly current: number;
  /** Looks where the ring stands. Nothing may be appended before. */
  open(): Promise<void>;
  /** A row with sections of these shards was written to the current part. */
  appended(id: number, shards: readonly number[], bytes: number): void;
  /** A shard's checkpoint includes all rows up to `mark`. */
  marked(shard: number, mark: number): void;
  /** Moves on to the next part if it was made ready. Only while no flush is in flight. */
  advance(): void;
  /**
   * Once the current part is full, makes the next one ready if it is not needed any more. Flushes go on beside it: the files of an emptied part are written to the
   * disk, which may take as long as ten flushes. Not before the call before has ended.
   */
  prepare(fence: Fence): Promise<Turn>;
  /**
   * Empties each part that has rows up to `upTo` and is not needed any more; the current one by moving on, full or not. What is
   * needed still, or locked, is left for the next call.
   * @returns the oldest row of the ring then, Infinity if it is empty. @throws StoreAway
   */
  empty(upTo: number, fence: Fence, alone: Alone): Promise<number>;
}

export class JournalRing implements Ring {
  readonly #context: StoreContext;
  readonly #partBytes: number;
  /** By part: the lowest and the highest id in it, 0 = empty. */
  #oldest: number[] = [];
  #newest: number[] = [];
  #current = 0;
  #bytes = 0;
  #rows = 0;
  #notBefore = -Infinity;
  /** Ends, and does not fail, when no part is being emptied beside flushes. */
  #preparing: Promise<unknown> = Promise.resolve();
  /** By shard: the newest row that has a section of it, up to where its checkpoint goes, and before which row it has none after that. */
  readonly #last = new Float64Array(SHARDS);
  readonly #mark = new Float64Array(SHARDS);
  readonly #first = new Float64Array(SHARDS);

  /** @param partBytes when a part is full. */
  constructor(context: StoreContext, partBytes = JOURNAL_PART_BYTES) {
    this.#context = context;
    this.#partBytes = partBytes;
  }

  get current(): number {
    return this.#current;
  }

  async open(): Promise<void> {
    await withClient(this.#context, async (client) => {
      const parts = await client.query<{ oldest: number; newest: number; rows: number; bytes: number }>(
        `${LOOK} ORDER BY part`,
      );
      this.#oldest = parts.rows.map((row) => row.oldest);
      this.#newest = parts.rows.map((row) => row.newest);
      this.#current = this.#newest.indexOf(Math.max(...this.#newest));
      this.#bytes = parts.rows[this.#current]!.bytes;
      this.#rows = parts.rows[this.#current]!.rows;
      const newest = await client.query<{ shard: number; newest: number }>(NEWEST);
      for (const row of newest.rows) this.#last[row.shard] = row.newest;
      const marks = await client.query<{ shard: number; mark: number }>(MARKS);
      for (const row of marks.rows) this.#mark[row.shard] = row.mark;
    });
  }

  appended(id: number, shards: readonly number[], bytes: number): void {
    for (const shard of shards) {
      if (this.#last[shard] <= this.#mark[shard]) this.#first[shard] = id;
      if (id > this.#last[shard]) this.#last[shard] = id;
    }
    if (this.#newest[this.#current] === 0) this.#oldest[this.#current] = id;
    this.#newest[this.#current] = Math.max(this.#newest[this.#current]!, id);
    this.#bytes += bytes;
    this.#rows += 1;
  }

  marked(shard: number, mark: number): void {
    if (mark > this.#mark[shard]) this.#mark[shard] = mark;
  }

  /** Shards with nothing in the journal that their checkpoint does not include. */
  cleanShards(): number[] {
    const clean: number[] = [];
    for (let shard = 0; shard < SHARDS; shard++)
      if (this.#last[shard] <= this.#mark[shard]) clean.push(shard);
    return clean;
  }

  /** The newest row of the ring, 0 if it is empty. */
  get newest(): number {
    return Math.max(0, ...this.#newest);
  }

  advance(): void {
    if (this.#isFull && this.#newest[this.#next] === 0) this.#moveOn();
  }

  async prepare(fence: Fence): Promise<Turn> {
    const next = this.#next;
    if (!this.#isFull || this.#newest[next] === 0) return "none";
    const now = this.#context.clock.monotonic();
    if (now < this.#notBefore) return "none";
    this.#notBefore = now + RETRY_MS;
    if (!this.#isPast(this.#newest[next]!)) return "behind";
    const cleared = this.#clear(next, fence);
    this.#preparing = cleared.catch(() => {});
    return cleared;
  }

  empty(upTo: number, fence: Fence, alone: Alone): Promise<number> {
    return alone(() => this.#empty(upTo, fence));
  }

  async #empty(upTo: number, fence: Fence): Promise<number> {
    await this.#preparing;
    const isOld = (part: number) => this.#newest[part]! > 0 && this.#oldest[part]! <= upTo;
    const next = this.#next;
    if (isOld(this.#current) && this.#isPast(this.#newest[next]!)) {
      if ((await this.#clear(next, fence)) === "turned") this.#moveOn();
    }
    for (let part = 0; part < PARTS; part++) {
      if (part !== this.#current && isOld(part) && this.#isPast(this.#newest[part]!))
        await this.#clear(part, fence);
    }
    return Math.min(...this.#oldest.filter((_, part) => this.#newest[part]! > 0), Infinity);
  }

  get #isFull(): boolean {
    return this.#bytes >= this.#partBytes || this.#rows >= JOURNAL_PART_ROWS;
  }

  get #next(): number {
    return (this.#current + 1) % PARTS;
  }

  #moveOn(): void {
    this.#current = this.#next;
    this.#bytes = 0;
    this.#rows = 0;
    this.#notBefore = -Infinity;
  }

  /** The part must not be needed any more. */
  async #clear(part: number, fence: Fence): Promise<Turn> {
    const key = await fence.key();
    if (key === undefined) return "fenced";
    const cleared = await inTransaction(this.#context, (client) => empty(client, part, key));
    if (cleared === "turned") this.#newest[part] = 0;
    return cleared;
  }

  #isPast(id: number): boolean {
    for (let shard = 0; shard < SHARDS; shard++) {
      const needed = Math.max(this.#first[shard], this.#mark[shard] + 1);
      if (this.#last[shard] > this.#mark[shard] && needed <= id) return false;
    }
    return true;
  }
}

async function empty(client: PoolClient, part: number, key: FenceKey): Promise<Turn> {
  const held = await client.query(FENCE, [key.incarnation, key.gen]);
  if (held.rowCount === 0) return "fenced";
  try {
    // A backup may hold the part for minutes; flushes must not queue up behind a lock that waits.
    await client.query(`LOCK TABLE journal_${part} IN ACCESS EXCLUSIVE MODE NOWAIT`);
  } catch (error) {
    if (isLocked(error)) return "locked";
    throw error;
  }
  await client.query(`TRUNCATE journal_${part}`);
  return "turned";
}
