/**
 * The ring of a cluster: many nodes append to the same parts, so no node knows by memory what they hold.
 *
 * Invariant: a row leaves the journal only by the TRUNCATE of its part, in a transaction that holds the ACCESS EXCLUSIVE lock of the part and in which a
 * statement begun after the lock was given found no row of the part above the mark of one of its shards. The lock keeps every
 * writer out, so that statement sees all rows that were or will be committed there before the TRUNCATE, whoever wrote them; marks only rise, and in one
 * statement with the checkpoint that covers their rows. So nothing here rests on where nodes believe the ring to be: one that is
 * behind appends to an older part, which is then kept until its checkpoints have passed, and a flush that waits for the lock lands in an
 * empty part. A row whose flush has an unknown outcome is above the marks of its shards, as its node has not covered what it does not know of; so
 * a look for it finds it.
 *
 * Where the ring stands is in the database only so that nodes agree soon and parts are emptied in turn.
 */
import type { PoolClient } from "pg";
import type { Alone } from "../actors/ports.ts";
import { JOURNAL_PART_BYTES, JOURNAL_PART_ROWS } from "../limits.ts";
import { isLocked } from "./errors.ts";
import type { Fence } from "./fence.ts";
import { PARTS, RETRY_MS, type Ring, type Turn } from "./ring.ts";
import { inTransaction, type StoreContext, withClient } from "./session.ts";

/** A node looks after this share of a part that it has written itself: so much a part may become too large by each. */
const LOOK_SHARE = 1 / 16;
/** … and so often at least, ms, as long as it writes. */
const LOOK_MS = 1_000;
/** Recoveries read all parts for moments; a backup holds them for minutes, and flushes must not queue up behind a lock that waits. */
const LOCK_TIMEOUT_MS = 100;

/** Ids without gaps would be as many as the rows; counting would read them. */
const lookAt = (part: number) => `
SELECT turns::float8 AS turns, pg_total_relation_size('journal_${part}')::float8 AS bytes,
  (SELECT coalesce(max(id) - min(id) + 1, 0)::float8 FROM journal_${part}) AS rows FROM journal_ring`;
const neededOf = (part: number) => `
SELECT EXISTS (
  SELECT FROM journal_${part} j CROSS JOIN unnest(j.shards) AS section (shard) JOIN mark m USING (shard) WHERE j.id > m.checkpoint
) AS needed`;
/** `oldest`: by part the lowest id in it, null = it is empty. */
const LOOK_AT_ALL = `
SELECT turns::float8 AS turns, ARRAY[${Array.from(
  { length: PARTS },
  (_, part) => `(SELECT min(id) FROM journal_${part})`,
).join(", ")}]::float8[] AS oldest FROM journal_ring`;
/** Somebody else turns it: then there is nothing to do. */
const TAKE = "SELECT turns::float8 AS turns FROM journal_ring FOR UPDATE SKIP LOCKED";

interface Look {
  turns: number;
  bytes: number;
  rows: number;
}

export class SharedRing implements Ring {
  readonly #context: StoreContext;
  readonly #partBytes: number;
  #turns = 0;
  /** How often it has turned as far as this node knows; flushes follow between two of them. */
  #seen = 0;
  /** Written by this node since it looked. */
  #bytes = 0;
  #rows = 0;
  #lookAt = 0;
  #notBefore = -Infinity;

  /** @param partBytes when a part is full. */
  constructor(context: StoreContext, partBytes = JOURNAL_PART_BYTES) {
    this.#context = context;
    this.#partBytes = partBytes;
  }

  get current(): number {
    return this.#turns % PARTS;
  }

  async open(): Promise<void> {
    this.#seen = (await this.#look()).turns;
    this.advance();
  }

  appended(_id: number, _shards: readonly number[], bytes: number): void {
    this.#bytes += bytes;
    this.#rows += 1;
  }

  /** The database knows the marks. */
  marked(): void {}

  advance(): void {
    this.#turns = this.#seen;
  }

  /** No fence: whoever asks, a part that nobody needs is emptied. */
  async prepare(): Promise<Turn> {
    const now = this.#context.clock.monotonic();
    const wrote = Math.max(this.#bytes / this.#partBytes, this.#rows / JOURNAL_PART_ROWS);
    if ((wrote < LOOK_SHARE && now < this.#lookAt) || now < this.#notBefore) return "none";
    this.#bytes = 0;
    this.#rows = 0;
    this.#lookAt = now + LOOK_MS;
    const { turns, bytes, rows } = await this.#look();
    if (turns !== this.#turns) {
      this.#sees(turns);
      return "none";
    }
    if (bytes < this.#partBytes && rows < JOURNAL_PART_ROWS) return "none";
    this.#notBefore = now + RETRY_MS;
    const next = (turns + 1) % PARTS;
    // First without the lock: a part that is needed is the usual reason.
    if (await this.#isNeeded(next)) return "behind";
    const turned = await this.#moveOn(turns, next);
    if (turned === "turned") this.#notBefore = -Infinity;
    return turned;
  }

  async empty(upTo: number, _fence: Fence, alone: Alone): Promise<number> {
    const { turns, oldest } = await this.#lookAtAll();
    const isOld = (part: number) => (oldest[part] ?? Infinity) <= upTo;
    const next = (turns + 1) % PARTS;
    // To look whether a part is needed may take seconds: flushes do not wait for it.
    const mayMoveOn = isOld(turns % PARTS) && !(await this.#isNeeded(next));
    await alone(async () => {
      this.#sees(turns);
      if (mayMoveOn) await this.#moveOn(turns, next);
      this.advance();
    });
    for (let part = 0; part < PARTS; part++) {
      if (part === this.current || !isOld(part) || (await this.#isNeeded(part))) continue;
      await inTransaction(this.#context, (client) => clear(client, part));
    }
    const left = await this.#lookAtAll();
    return Math.min(...left.oldest.map((id) => id ?? Infinity));
  }

  async #moveOn(turns: number, next: number): Promise<Turn> {
    const turned = await inTransaction(this.#context, (client) => empty(client, turns, next));
    if (turned === "turned") this.#sees(turns + 1);
    return turned;
  }

  #sees(turns: number): void {
    this.#seen = Math.max(this.#seen, turns);
  }

  #isNeeded(part: number): Promise<boolean> {
    return withClient(this.#context, (client) => isNeeded(client, part));
  }

  async #lookAtAll(): Promise<{ turns: number; oldest: (number | null)[] }> {
    const { rows } = await withClient(this.#context, (client) =>
      client.query<{ turns: number; oldest: (number | null)[] }>(LOOK_AT_ALL),
    );
    return rows[0]!;
  }

  async #look(): Promise<Look> {
    const { current } = this;
    const { rows } = await withClient(this.#context, (client) => client.query<Look>(lookAt(current)));
    return rows[0]!;
  }
}

async function isNeeded(client: PoolClient, part: number): Promise<boolean> {
  const { rows } = await client.query<{ needed: boolean }>(neededOf(part));
  return rows[0]!.needed;
}

async function empty(client: PoolClient, turns: number, part: number): Promise<Turn> {
  const taken = await client.query<{ turns: number }>(TAKE);
  if (taken.rows[0]?.turns !== turns) return "none";
  const cleared = await clear(client, part);
  if (cleared === "turned") await client.query("UPDATE journal_ring SET turns = turns + 1");
  return cleared;
}

async function clear(client: PoolClient, part: number): Promise<Turn> {
  await client.query(`SET LOCAL lock_timeout = ${LOCK_TIMEOUT_MS}`);
  try {
    await client.query(`LOCK TABLE journal_${part} IN ACCESS EXCLUSIVE MODE`);
  } catch (error) {
    if (isLocked(error)) return "locked";
    throw error;
  }
  if (await isNeeded(client, part)) return "behind";
  await client.query(`TRUNCATE journal_${part}`);
  return "turned";
}
