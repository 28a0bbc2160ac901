/**
 * Writes the rows of `track` behind the checkpoints, a batch at a time: segments first, then what late reports change of rows that are there.
 * What is not written stays with the checkpoints, so nothing is lost while the database is away, slow, or refuses it.
 *
 * States: made → running (by `start`) → stopped.
 */

import { StoreAway } from "../../actors/ports.ts";
import type { LateOfEntity, SegmentBatch } from "../../actors/track-source.ts";
import {
  MAX_BACKGROUND_ROWS,
  MAX_LATE_ASIDE,
  MAX_LATE_POINTS,
  SLICE_MS,
  TRACK_BATCH_ROWS,
  TRACK_ROWS_PER_SECOND,
} from "../../limits.ts";
import { correct } from "../../tracks/correct.ts";
import { PackedSegments } from "../../tracks/packed-segments.ts";
import type { Segment } from "../../tracks/segment.ts";
import { isPoison } from "../errors.ts";
import type { Fence, FenceKey } from "../fence.ts";
import { type StoreContext, withClient } from "../session.ts";
import { insertSegments } from "./insert-segments.ts";
import { segmentsAround } from "./segments-around.ts";

/** How often it looks whether there is anything to write. */
const LOOK_MS = 250;
const RETRY_MS = 1_000;
/** Rows that are read for an entity of which something came late: the one before, the one after, and mostly not more than these. */
const ROWS_AROUND = 4;
const NEIGHBOURS = 2;
/** By this share what is read at a time grows again, after it was too much. */
const GROWTH = 1 / 16;

/** Where the rows come from. */
export interface TrackRows {
  readonly holdMs: number;
  segments(limit: number): SegmentBatch | undefined;
  late(most: { entities: number; points: number }, isAside: (id: string) => boolean): LateOfEntity[];
}

export class TrackWriter {
  readonly #context: StoreContext;
  readonly #fence: Fence;
  readonly #batchRows: number;
  readonly #failed: (error: unknown) => void;
  #rows: TrackRows | undefined;
  #running: Promise<void> = Promise.resolve();
  #writing: Promise<unknown> = Promise.resolve();
  #stopped = false;
  /** Rows that are read for what came late, at a time. */
  #around = MAX_BACKGROUND_ROWS;
  /** Entities of which something came late that could not be written, until all others had their turn. */
  readonly #aside = new Set<string>();
  #wake = () => {};
  readonly stats = { rows: 0, points: 0, corrections: 0 };

  /** @param failed is told of an error that trying again does not mend. @param embedded flushes wait behind each statement. */
  constructor(context: StoreContext, fence: Fence, embedded: boolean, failed: (error: unknown) => void) {
    this.#context = context;
    this.#fence = fence;
    this.#batchRows = embedded ? MAX_BACKGROUND_ROWS : TRACK_BATCH_ROWS;
    this.#failed = failed;
  }

  /** Writes what `rows` has, from now on. */
  start(rows: TrackRows): void {
    this.#rows = rows;
    this.#running = this.#run();
  }

  /** Writes what is there without pauses, for so long at most. */
  async stop(graceMs: number): Promise<void> {
    this.#stopped = true;
    this.#wake();
    const cancel = this.#context.clock.schedule(graceMs, () => {
      this.#rows = undefined;
    });
    await this.#running;
    cancel();
  }

  async #run(): Promise<void> {
    while (this.#rows !== undefined) {
      let pause = LOOK_MS;
      const { clock } = this.#context;
      const began = clock.monotonic();
      try {
        const written =
          (await this.#alone(this.#writeSegments(this.#rows))) ??
          (await this.#alone(this.#writeLate(this.#rows)));
        if (written !== undefined)
          pause = (written / TRACK_ROWS_PER_SECOND) * 1_000 - (clock.monotonic() - began);
        else if (this.#stopped) return;
      } catch (error) {
        if (!(error instanceof StoreAway)) this.#failed(error);
        if (this.#stopped) return;
        pause = RETRY_MS;
      }
      if (!this.#stopped) await this.#pause(Math.max(0, pause));
    }
  }

  /** Resolves when what was taken to be written until now is, or was given up. */
  async settled(): Promise<void> {
    await this.#writing;
  }

  #alone<T>(writing: Promise<T>): Promise<T> {
    this.#writing = writing.catch(() => {});
    return writing;
  }

  /** @returns how many rows; `undefined` if there was nothing to write. */
  async #writeSegments(rows: TrackRows): Promise<number | undefined> {
    const key = await this.#key();
    const batch = rows.segments(this.#batchRows);
    if (batch === undefined) return undefined;
    const { list } = batch.segments;
    await this.#insert(key, batch.segments);
    batch.written();
    this.stats.rows += list.length;
    for (const { path } of list) this.stats.points += path.points - 1;
    return list.length;
  }

  async #writeLate(rows: TrackRows): Promise<number | undefined> {
    const key = await this.#key();
    const most = {
      entities: Math.ceil(this.#around / ROWS_AROUND),
      points: Math.ceil((MAX_LATE_POINTS * this.#around) / MAX_BACKGROUND_ROWS),
    };
    const batch = rows.late(most, (id) => this.#aside.has(id));
    if (batch.length === 0 || this.#aside.size > MAX_LATE_ASIDE) this.#aside.clear();
    if (batch.length === 0) return undefined;
    try {
      const changed = await this.#correct(key, batch, rows.holdMs);
      this.#around = Math.min(MAX_BACKGROUND_ROWS, Math.ceil(this.#around * (1 + GROWTH)));
      return Math.max(1, changed);
    } catch (error) {
      if (!(error instanceof StoreAway)) throw error;
      // It may have been too much. Told once: while the database is away others tell it.
      if (this.#around === MAX_BACKGROUND_ROWS) this.#failed(error);
      this.#around = Math.max(1, this.#around >> 1);
      throw error;
    }
  }

  /** Of many by halves, if it fails: one that cannot be corrected is told, and keeps no other from it. @returns how many rows were written. @throws StoreAway */
  async #correct(key: FenceKey, batch: readonly LateOfEntity[], holdMs: number): Promise<number> {
    try {
      return await this.#correctAll(key, batch, holdMs);
    } catch (error) {
      if (error instanceof StoreAway) throw error;
      if (batch.length === 1) {
        const [{ id }] = batch;
        this.#aside.add(id);
        const { message } = error as Error;
        throw new Error(`what came late of ${JSON.stringify(id)}: ${message}`, { cause: error });
      }
      const middle = batch.length >> 1;
      const changed = await this.#correct(key, batch.slice(0, middle), holdMs);
      return changed + (await this.#correct(key, batch.slice(middle), holdMs));
    }
  }

  async #correctAll(key: FenceKey, batch: readonly LateOfEntity[], holdMs: number): Promise<number> {
    const { clock } = this.#context;
    const wanted = batch.map(({ id, points }) => ({
      id,
      from: points[0].point.t,
      to: points.at(-1)!.point.t,
    }));
    const limit = Math.max(1, Math.floor(this.#around / batch.length) - NEIGHBOURS);
    const around = await withClient(this.#context, (client) => segmentsAround(client, wanted, limit));
    const changed: Segment[] = [];
    let slice = clock.monotonic();
    for (const { id, points, end, former, otherwise } of batch) {
      if (clock.monotonic() - slice > SLICE_MS) {
        await new Promise<void>((resolve) => clock.yield(resolve));
        slice = clock.monotonic();
      }
      const { segments, until } = around.get(id)!;
      const told = points.filter(({ point }) => point.t < until);
      changed.push(...correct(id, segments, told, end, holdMs, former, otherwise));
    }
    for (let at = 0; at < changed.length; at += this.#batchRows)
      await this.#insert(key, PackedSegments.of(changed.slice(at, at + this.#batchRows)));
    for (const { id, written } of batch) written(around.get(id)!.until);
    this.stats.corrections += changed.length;
    return changed.length;
  }

  /** From before it is looked what there is to write: what is given away after that is not let in with it. @throws StoreAway */
  async #key(): Promise<FenceKey> {
    const key = await this.#fence.key();
    // The next owner of the shards writes it.
    if (key === undefined) throw new StoreAway("this incarnation is down");
    return key;
  }

  /** A row that PostgreSQL refuses is told and left out; the others are written. @throws StoreAway */
  async #insert(key: FenceKey, segments: PackedSegments, from = 0, to = segments.list.length): Promise<void> {
    if (from === to) return;
    try {
      const held = await withClient(this.#context, (client) =>
        insertSegments(client, key, segments, from, to),
      );
      if (!held) throw new StoreAway("the fence has moved on");
    } catch (error) {
      if (!isPoison(error)) throw error;
      if (to - from === 1) {
        const { id } = segments.list[from]!;
        this.#failed(
          new Error(`a segment of ${JSON.stringify(id)} was refused: ${error.message}`, { cause: error }),
        );
        return;
      }
      const middle = (from + to) >> 1;
      await this.#insert(key, segments, from, middle);
      await this.#insert(key, segments, middle, to);
    }
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const cancel = this.#context.clock.schedule(ms, resolve);
      this.#wake = () => {
        cancel();
        resolve();
      };
    });
  }
}
