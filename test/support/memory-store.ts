import type { EventFact } from "../../src/actors/messages.ts";
import {
  type AppendOutcome,
  type Batch,
  type Checkpoint,
  type CheckpointStore,
  type Journal,
  type RecoveryItem,
  type ShardStore,
  StoreAway,
  type TrackPiece,
} from "../../src/actors/ports.ts";

/** The actors' store in memory, with the faults that a real one has, on demand. Survives the node that uses it. */
export class MemoryStore implements Journal, CheckpointStore, ShardStore {
  readonly batches: { journalId: number; batch: Batch }[] = [];
  readonly checkpoints = new Map<number, Checkpoint>();
  /** By shard, by number. */
  readonly pieces = new Map<number, Map<number, TrackPiece>>();
  readonly epochs = new Map<number, number>();
  readonly flushNumbers = new Set<string>();
  incarnation = 0;
  /** Appends fail with `StoreAway`; `after` = the batch was written all the same. */
  away: "no" | "before" | "after" = "no";
  /** Appends wait until this is resolved. */
  gate: Promise<void> | undefined;
  /** Claims wait until this is resolved. */
  claimGate: Promise<void> | undefined;
  /** Checkpoints wait until this is resolved. */
  writeGate: Promise<void> | undefined;
  fenced = false;
  /** Whether the store refuses a batch as `poisoned`. */
  poison: (batch: Batch) => boolean = () => false;
  appends = 0;
  #journalId = 0;
  /** Of rows that are in the journal no more. */
  #events: EventFact[] = [];

  get events(): EventFact[] {
    return [...this.#events, ...this.batches.flatMap(({ batch }) => batch.events)];
  }

  /** As `Traces.empty`. */
  async empty(upTo: number): Promise<number> {
    for (let i = 0; i < this.batches.length; ) {
      const { journalId, batch } = this.batches[i]!;
      const isPast = batch.sections.every(
        ({ shard }) => journalId <= (this.checkpoints.get(shard)?.mark ?? 0),
      );
      if (journalId > upTo || !isPast) i += 1;
      else this.#events.push(...this.batches.splice(i, 1)[0]!.batch.events);
    }
    return this.batches[0]?.journalId ?? Infinity;
  }

  /** Drops the events about an entity. */
  dropEvents(subject: string): void {
    this.#events = this.events.filter((event) => event.subject !== subject);
    for (const { batch } of this.batches) batch.events = [];
  }

  async append(batch: Batch, attempt: number): Promise<AppendOutcome> {
    this.appends += 1;
    const { incarnation } = this;
    await this.gate;
    if (incarnation !== this.incarnation) return { status: "fenced" };
    if (this.away === "before" || (this.away === "after" && attempt > 1)) throw new StoreAway("away");
    if (this.fenced) return { status: "fenced" };
    const key = `${incarnation}/${batch.flushNo}`;
    if (attempt > 1) {
      const found = this.batches.findLast(
        (entry) => this.flushNumbers.has(key) && entry.batch.flushNo === batch.flushNo,
      );
      if (found !== undefined) return { status: "committed", journalId: found.journalId };
    }
    if (this.flushNumbers.has(key)) throw new Error(`flush ${key} written twice`);
    if (this.poison(batch)) return { status: "poisoned", detail: "poison" };
    this.flushNumbers.add(key);
    this.#journalId = Math.max(this.#journalId, this.batches.at(-1)?.journalId ?? 0) + 1;
    const journalId = this.#journalId;
    this.batches.push({ journalId, batch });
    if (this.away === "after") throw new StoreAway("away after the commit");
    return { status: "committed", journalId };
  }

  async write(checkpoint: Checkpoint): Promise<boolean> {
    if (this.away === "before") throw new StoreAway("away");
    await this.writeGate;
    if (this.fenced) return false;
    if (this.epochs.get(checkpoint.shard) !== checkpoint.epoch) return false;
    const { tail, ...rest } = checkpoint;
    this.checkpoints.set(checkpoint.shard, { ...rest, body: checkpoint.body.slice() });
    this.pieces.set(checkpoint.shard, keptPieces(this.pieces.get(checkpoint.shard), tail));
    if (this.away === "after") throw new StoreAway("away after the commit");
    return true;
  }

  async claim(shards: readonly number[]): Promise<Map<number, number>> {
    if (this.away !== "no") throw new StoreAway("away");
    const { incarnation } = this;
    await this.claimGate;
    if (incarnation !== this.incarnation) throw new StoreAway("another incarnation took its place");
    this.fenced = false;
    return new Map(
      shards.map((shard) => {
        const epoch = (this.epochs.get(shard) ?? 0) + 1;
        this.epochs.set(shard, epoch);
        return [shard, epoch];
      }),
    );
  }

  async *recover(shards: readonly number[]): AsyncIterable<RecoveryItem> {
    for (const shard of shards) {
      const checkpoint = this.checkpoints.get(shard);
      const pieces = [...(this.pieces.get(shard)?.values() ?? [])];
      if (checkpoint !== undefined) yield { is: "checkpoint", checkpoint, pieces };
    }
    for (const { journalId, batch } of this.batches) {
      for (const section of batch.sections) {
        if (!shards.includes(section.shard)) continue;
        if (journalId <= (this.checkpoints.get(section.shard)?.mark ?? 0)) continue;
        yield { is: "section", journalId, section };
      }
    }
  }
}

/** The pieces of a shard's tracks after a checkpoint with another one. */
export function keptPieces(
  before: ReadonlyMap<number, TrackPiece> | undefined,
  tail: Checkpoint["tail"],
): Map<number, TrackPiece> {
  const pieces = new Map(before);
  if (tail === undefined) return pieces;
  for (const no of pieces.keys()) if (no < tail.firstNo) pieces.delete(no);
  if (tail.body.length > 0) pieces.set(tail.no, { no: tail.no, body: tail.body.slice() });
  return pieces;
}
