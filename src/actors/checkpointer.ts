/**
 * Decides which shard is checkpointed when. One at a time: taken when a batch is sealed (or when nothing waits), written once that batch is
 * committed. The shard dirty for longest goes first. Paced by bytes, unless so many facts would have to be replayed that recovery would exceed its bound.
 */
import type { Clock } from "../clock.ts";
import { CHECKPOINT_INTERVAL_MS, MAX_REPLAY_FACTS } from "../limits.ts";
import { ByteWriter } from "./bytes.ts";
import { encodeCheckpoint } from "./checkpoint.ts";
import type { EntityTable } from "./entity-table.ts";
import type { TakenCheckpoint } from "./group-commit.ts";
import { type CheckpointStore, StoreAway } from "./ports.ts";
import type { Shard } from "./shard.ts";

/** Background writing, bytes a second: a few per cent of what one disk or the embedded store takes. */
const BYTES_PER_SECOND = 8 * 2 ** 20;
const SHORTEST_PAUSE_MS = 10;
/** Memory for checkpoints that is used again: few are larger. */
const MAX_KEPT_BYTES = 4 * 2 ** 20;
/** Share of the facts that recovery may fold, from which on nothing is paced any more. */
const URGENT_SHARE = 9 / 10;

export interface CheckpointerHooks {
  /** The checkpoint is durable: `entity` rows may follow. Its body is there during the call. */
  written(checkpoint: TakenCheckpoint): void;
  /** The write failed for a reason other than the store being away. */
  fatal(error: unknown): void;
}

interface Wanted {
  epoch: number;
  resolve(isDurable: boolean): void;
}

export class Checkpointer {
  readonly #table: EntityTable;
  readonly #store: CheckpointStore;
  readonly #clock: Clock;
  readonly #hooks: CheckpointerHooks;
  readonly #intervalMs: number;
  /** Taken, and not yet written or void. */
  #busy: TakenCheckpoint | undefined;
  /** Has the body of that one, and nothing else: what is erased must not stay there. New memory for each would have the garbage collector go through the heap twice a second under load. */
  readonly #out = new ByteWriter(0);
  #factsTaken = 0;
  #writing: Promise<void> = Promise.resolve();
  #notBefore = 0;
  /** What has been dirty since then is due. */
  #hastened = -Infinity;
  /** By shard: who waits for a checkpoint that is taken from now on. */
  readonly #wanted = new Map<Shard, Wanted[]>();
  /** Of those, who waits for the one that was taken. */
  #awaiting: Wanted[] = [];
  readonly stats = { written: 0, bytes: 0 };

  /** @param intervalMs how long a shard that changes goes without a checkpoint. */
  constructor(
    table: EntityTable,
    store: CheckpointStore,
    clock: Clock,
    hooks: CheckpointerHooks,
    intervalMs = CHECKPOINT_INTERVAL_MS,
  ) {
    this.#table = table;
    this.#store = store;
    this.#clock = clock;
    this.#hooks = hooks;
    this.#intervalMs = intervalMs;
  }

  /** Facts that a recovery would replay now. */
  get replayFacts(): number {
    let facts = 0;
    for (const shard of this.#table.shards) facts += shard.factsSinceCheckpoint;
    return facts;
  }

  /** A checkpoint of the shard is the next that is taken. Resolves when it is durable; to false when the shard is another's. */
  soon(shard: Shard): Promise<boolean> {
    const { epoch } = shard;
    return new Promise((resolve) => {
      this.#wanted.set(shard, [...(this.#wanted.get(shard) ?? []), { epoch, resolve }]);
    });
  }

  /** Every shard that is dirty now is due. */
  hasten(): void {
    this.#hastened = this.#clock.monotonic();
  }

  /** For how long no checkpoint is taken, ms. */
  get pauseMs(): number {
    return Math.max(0, this.#notBefore - this.#clock.monotonic());
  }

  /** The shard of which a checkpoint is wanted soon, if it may be taken. */
  #wantedSoon(): Shard | undefined {
    for (const [shard, wanted] of this.#wanted) {
      const lost = wanted.filter(({ epoch }) => shard.status === "closed" || epoch !== shard.epoch);
      const left = wanted.filter((one) => !lost.includes(one));
      if (left.length === 0) this.#wanted.delete(shard);
      else this.#wanted.set(shard, left);
      for (const { resolve } of lost) resolve(false);
      if (left.length > 0 && shard.status === "open") return shard;
    }
    return undefined;
  }

  /** A checkpoint of the state as it is now, if one is due. @param settle take any dirty shard, due or not. */
  take(settle = false): TakenCheckpoint | undefined {
    if (this.#busy !== undefined) return undefined;
    const now = this.#clock.monotonic();
    const urgent = settle || this.replayFacts > MAX_REPLAY_FACTS * URGENT_SHARE;
    if (!urgent && now < this.#notBefore) return undefined;
    const due = urgent ? Infinity : Math.max(now - this.#intervalMs, this.#hastened);
    const shard = this.#wantedSoon() ?? this.#dirtiest(due, urgent);
    if (shard === undefined) return undefined;
    this.#awaiting = this.#wanted.get(shard) ?? [];
    this.#wanted.delete(shard);
    const body = encodeCheckpoint(this.#table, shard, this.#out);
    // One that is only full is not due again at once.
    if (shard.factsSinceCheckpoint === 0) shard.dirtySince = now;
    this.#factsTaken = shard.factsSinceCheckpoint;
    shard.factsSinceCheckpoint = 0;
    const tail = this.#table.tracks.logs[shard.index].take();
    const bytes = body.length + tail.body.length;
    this.#notBefore = now + Math.max(SHORTEST_PAUSE_MS, (bytes / BYTES_PER_SECOND) * 1_000);
    this.#busy = { shard: shard.index, epoch: shard.epoch, body, tail };
    return this.#busy;
  }

  /** Writes a taken checkpoint whose facts are durable up to journal row `mark`. Never rejects. */
  write(checkpoint: TakenCheckpoint, mark: number): Promise<void> {
    this.#writing = this.#write(checkpoint, mark);
    return this.#writing;
  }

  /** Resolves when no write is under way. */
  settled(): Promise<void> {
    return this.#writing;
  }

  async #write(checkpoint: TakenCheckpoint, mark: number): Promise<void> {
    try {
      if (await this.#store.write({ ...checkpoint, mark })) {
        this.stats.written += 1;
        this.stats.bytes += checkpoint.body.length + checkpoint.tail.body.length;
        checkpoint.tail.log.wasWritten(checkpoint.tail);
        this.#busy = undefined;
        for (const { resolve } of this.#awaiting.splice(0)) resolve(true);
        this.#hooks.written(checkpoint);
        this.#out.wipe(MAX_KEPT_BYTES);
      } else this.discard(checkpoint);
    } catch (error) {
      this.discard(checkpoint);
      if (!(error instanceof StoreAway)) this.#hooks.fatal(error);
    }
  }

  /** A taken checkpoint is not to be written: its shard is as dirty as before. */
  discard(checkpoint: TakenCheckpoint): void {
    const shard = this.#table.shards[checkpoint.shard];
    if (shard.epoch === checkpoint.epoch && shard.status !== "closed")
      shard.factsSinceCheckpoint += this.#factsTaken;
    if (this.#awaiting.length > 0)
      this.#wanted.set(shard, [...this.#awaiting.splice(0), ...(this.#wanted.get(shard) ?? [])]);
    this.#busy = undefined;
    this.#out.wipe(MAX_KEPT_BYTES);
  }

  #dirtiest(before: number, byFacts: boolean): Shard | undefined {
    let best: Shard | undefined;
    for (const shard of this.#table.shards) {
      // One that is full takes no reports until its tracks are tidied.
      const isDirty = shard.factsSinceCheckpoint > 0 || this.#table.tracks.isFull(shard.index);
      if (shard.status !== "open" || !isDirty || shard.dirtySince > before) continue;
      if (best === undefined) best = shard;
      else if (
        byFacts ? shard.factsSinceCheckpoint > best.factsSinceCheckpoint : shard.dirtySince < best.dirtySince
      )
        best = shard;
    }
    return best;
  }
}
