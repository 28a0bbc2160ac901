interface Timer {
  readonly at: number;
  readonly order: number;
  /** Absent once it has fired or was cancelled. */
  fire: (() => void) | undefined;
}

/** A heap by time, and among those of one moment by when they were asked for. */
export class Timers {
  readonly #heap: Timer[] = [];
  #order = 0;
  /** Those which are armed. */
  armed = 0;

  /** @returns what cancels it. */
  add(at: number, fire: () => void): () => void {
    const timer: Timer = { at, order: this.#order++, fire };
    this.#push(timer);
    this.armed += 1;
    return () => void this.#disarm(timer);
  }

  /** Takes out the first that is due by `end`. */
  take(end: number): { at: number; fire: () => void } | undefined {
    for (;;) {
      const timer = this.#heap[0];
      if (timer === undefined || timer.at > end) return undefined;
      this.#pop();
      const fire = this.#disarm(timer);
      if (fire !== undefined) return { at: timer.at, fire };
    }
  }

  #disarm(timer: Timer): (() => void) | undefined {
    const { fire } = timer;
    if (fire !== undefined) this.armed -= 1;
    timer.fire = undefined;
    return fire;
  }

  #push(timer: Timer): void {
    const heap = this.#heap;
    let at = heap.length;
    heap.push(timer);
    while (at > 0) {
      const above = (at - 1) >> 1;
      if (!isBefore(timer, heap[above])) break;
      heap[at] = heap[above];
      at = above;
    }
    heap[at] = timer;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop()!;
    if (heap.length === 0) return;
    let at = 0;
    for (;;) {
      let below = 2 * at + 1;
      if (below >= heap.length) break;
      if (below + 1 < heap.length && isBefore(heap[below + 1], heap[below])) below += 1;
      if (!isBefore(heap[below], last)) break;
      heap[at] = heap[below];
      at = below;
    }
    heap[at] = last;
  }
}

function isBefore(a: Timer, b: Timer): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}
