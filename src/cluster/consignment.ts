/** Batches as they came in, and their reports on the way to one place. */
import type { IngestResult, RefusalType, Report } from "../actors/messages.ts";

/** What one call of `submit` brought; answered when each of its reports is. */
export class Batch {
  readonly reports: readonly Report[];
  /** By index of the report. */
  readonly shards: Uint8Array;
  /** Place among all batches. */
  readonly order: number;
  /** Monotonic ms. */
  readonly deadline: number;
  readonly #result: IngestResult = { accepted: 0, refused: [] };
  readonly #resolve: (result: IngestResult) => void;
  #left: number;

  constructor(
    reports: readonly Report[],
    shards: Uint8Array,
    order: number,
    deadline: number,
    resolve: (result: IngestResult) => void,
  ) {
    this.reports = reports;
    this.shards = shards;
    this.order = order;
    this.deadline = deadline;
    this.#resolve = resolve;
    this.#left = reports.length;
  }

  get answered(): boolean {
    return this.#left === 0;
  }

  accept(): void {
    this.#result.accepted += 1;
    this.#answer();
  }

  refuse(index: number, type: RefusalType, detail: string): void {
    this.#result.refused.push({ index, type, detail });
    this.#answer();
  }

  #answer(): void {
    this.#left -= 1;
    if (this.#left > 0) return;
    this.#result.refused.sort((a, b) => a.index - b.index);
    this.#resolve(this.#result);
  }
}

/** One report that waits or has waited. */
export interface Item {
  batch: Batch;
  index: number;
}

/** Reports that were sent to one place in one go: all or some of one batch, or some that waited. */
export class Consignment {
  readonly #batch: Batch | undefined;
  /** Into the batch; absent = all of it. */
  readonly #indices: Uint32Array | undefined;
  readonly #items: readonly Item[] | undefined;
  count: number;
  /** Those which still count as being there. */
  left: number;
  /** Earliest of its reports, monotonic ms. */
  readonly deadline: number;
  /** On a link: the number of the frame with its last report; ∞ = it is open yet. */
  lastFrame = Infinity;
  /** By position: 1 = withdrawn, timed out or settled. Made when that first happens to a part of it. */
  #gone: Uint8Array | undefined;

  private constructor(
    batch: Batch | undefined,
    indices: Uint32Array | undefined,
    items: readonly Item[] | undefined,
    count: number,
    deadline: number,
  ) {
    this.#batch = batch;
    this.#indices = indices;
    this.#items = items;
    this.count = count;
    this.left = count;
    this.deadline = deadline;
  }

  static of(batch: Batch, indices?: Uint32Array): Consignment {
    const count = indices?.length ?? batch.reports.length;
    return new Consignment(batch, indices, undefined, count, batch.deadline);
  }

  /** @param items in the order of their submission. */
  static waited(items: readonly Item[]): Consignment {
    return new Consignment(undefined, undefined, items, items.length, items[0].batch.deadline);
  }

  batchOf(position: number): Batch {
    return this.#batch ?? this.#items![position].batch;
  }
  indexOf(position: number): number {
    if (this.#items !== undefined) return this.#items[position].index;
    return this.#indices === undefined ? position : this.#indices[position];
  }
  shardOf(position: number): number {
    return this.batchOf(position).shards[this.indexOf(position)];
  }
  reportOf(position: number): Report {
    return this.batchOf(position).reports[this.indexOf(position)];
  }

  /** As an array: the batch's own if it is all of it. */
  reports(): readonly Report[] {
    if (this.#batch !== undefined && this.#indices === undefined) return this.#batch.reports;
    return Array.from({ length: this.count }, (_, position) => this.reportOf(position));
  }

  has(position: number): boolean {
    return this.left > 0 && (this.#gone === undefined || this.#gone[position] === 0);
  }

  remove(position: number): void {
    this.#gone ??= new Uint8Array(this.count);
    this.#gone[position] = 1;
    this.left -= 1;
  }

  /** Those in [from, to) are settled; `live` of them counted as being there. */
  settled(from: number, to: number, live: number): void {
    this.left -= live;
    if (this.left === 0) return;
    this.#gone ??= new Uint8Array(this.count);
    this.#gone.fill(1, from, to);
  }

  /** Only the first `count` were sent. */
  cut(count: number): void {
    this.left -= this.count - count;
    this.count = count;
  }

  /** Whether nobody waits for the answers to [from, to) any more. Withdrawn reports have not been answered by that. */
  answered(from: number, to: number): boolean {
    if (this.#batch !== undefined) return this.#batch.answered;
    for (let position = from; position < to; position++) {
      if (!this.#items![position].batch.answered) return false;
    }
    return true;
  }
}
