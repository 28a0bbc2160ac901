/** What the viewers of a benchmark count of the frames that they get, and what they tell while they do. */
import assert from "node:assert/strict";

export interface TickCount {
  frames: number;
  /** Moves and full records, or cells of clusters. */
  records: number;
  bytes: number;
}

/** By tick of the server, of all viewers together. */
export type TickCounts = Map<number, TickCount>;

export interface ViewerEvents {
  /** A snapshot is complete, or clusters have come. */
  complete(): void;
  /** A delta, or clusters, began to arrive. */
  delta(tick: number): void;
}

/** What a viewer expects: anything else is a mistake of the benchmark. */
export type Expected = "entities" | "clusters";

/** The frames of one view: their numbers, and what was counted of them by tick. */
export class ViewCounter {
  readonly #ticks: TickCounts;
  readonly #events: ViewerEvents;
  readonly #expected: Expected;
  /** Number of the last frame of the view. */
  #n = 0;

  constructor(ticks: TickCounts, events: ViewerEvents, expected: Expected) {
    this.#ticks = ticks;
    this.#events = events;
    this.#expected = expected;
  }

  /** Notes a frame when its head is known. @returns where to count its records, if they count. */
  frame(
    op: "snapshot" | "delta" | "clusters",
    n: number,
    tick: number,
    bytes: number,
    last: boolean,
  ): TickCount | undefined {
    assert.equal(n, this.#n + 1, "a view's frames are numbered without gaps");
    this.#n = n;
    assert.equal(op === "clusters", this.#expected === "clusters", `a view gets ${op}`);
    if (op === "snapshot") {
      if (last) this.#events.complete();
      return undefined;
    }
    if (op === "clusters" && n === 1) this.#events.complete();
    this.#events.delta(tick);
    let count = this.#ticks.get(tick);
    if (count === undefined) {
      count = { frames: 0, records: 0, bytes: 0 };
      this.#ticks.set(tick, count);
    }
    count.frames += 1;
    count.bytes += bytes;
    return count;
  }
}
