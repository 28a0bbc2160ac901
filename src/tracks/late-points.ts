/** Points that belong before the open segment of their entity, until what they change is in rows: where their records are in the log, by number. */

/** Of one number, in the order in which they came. Without an object for each point, as there may be 100,000 of them. */
export interface LateOfOne {
  /** When each was observed, Unix ms. */
  readonly times: number[];
  /** Where its record begins. */
  readonly places: number[];
  /** As of a segment that ended: ascending. */
  readonly turns: number[];
}

/** What a point takes beside its record, and what a number does. */
const POINT_BYTES = 40;
const NUMBER_BYTES = 220;

/** Into which a time is divided to find how much of it is wanted. */
const PARTS = 256;

const NONE: LateOfOne = { times: [], places: [], turns: [] };

export class LatePoints {
  readonly #byNumber = new Map<number, LateOfOne>();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** What they take beside their records, about. */
  get bytes(): number {
    // Mostly there are none: whoever looks at the map waits for memory three times.
    return this.#size === 0 ? 0 : POINT_BYTES * this.#size + NUMBER_BYTES * this.#byNumber.size;
  }

  has(number: number): boolean {
    return this.#byNumber.has(number);
  }

  numbers(): Iterable<number> {
    return this.#byNumber.keys();
  }

  of(number: number): LateOfOne {
    return this.#byNumber.get(number) ?? NONE;
  }

  add(number: number, time: number, place: number, turn: number): void {
    this.#size += 1;
    const known = this.#byNumber.get(number);
    if (known === undefined) {
      this.#byNumber.set(number, { times: [time], places: [place], turns: [turn] });
      return;
    }
    known.times.push(time);
    known.places.push(place);
    known.turns.push(turn);
  }

  /** Where the records of those of a number begin that were observed at `begin` or later. */
  since(number: number, begin: number): number[] {
    const { times, places } = this.of(number);
    return places.filter((_, i) => times[i] >= begin);
  }

  /** Forgets some points of a number. @param gone their turns. @param newest when the last of them was observed, Unix ms */
  remove(number: number, gone: ReadonlySet<number>, newest: number): void {
    const { times, places, turns } = this.of(number);
    let left = 0;
    for (let i = 0; i < turns.length; i++) {
      if (times[i] <= newest && gone.has(turns[i])) continue;
      times[left] = times[i];
      places[left] = places[i];
      turns[left++] = turns[i];
    }
    this.#size -= turns.length - left;
    for (const column of [times, places, turns]) column.length = left;
    if (left === 0) this.#byNumber.delete(number);
  }

  /** Forgets a number. */
  drop(number: number): void {
    this.#size -= this.of(number).turns.length;
    this.#byNumber.delete(number);
  }

  /** Forgets other numbers. */
  keep(isKnown: (number: number) => boolean): void {
    for (const number of this.#byNumber.keys()) if (!isKnown(number)) this.drop(number);
  }

  /** Where the first record of all begins, ∞ = there is none. */
  get first(): number {
    let first = Infinity;
    for (const { places } of this.#byNumber.values()) first = Math.min(first, places[0]);
    return first;
  }

  /** All records are elsewhere. @param to says where, in the order in which those of each number came. */
  move(to: (place: number) => number): void {
    for (const { places } of this.#byNumber.values())
      for (let i = 0; i < places.length; i++) places[i] = to(places[i]);
  }
}

/** Which of the first `count` of `times` are the oldest before `end`: so many at most, and less than `spanMs` apart. By ascending time, of the same time as they came. */
export function oldest(
  times: readonly number[],
  count: number,
  end: number,
  most: number,
  spanMs: number,
): number[] {
  let first = end;
  for (let i = 0; i < count; i++) if (times[i] < first) first = times[i];
  const limit = Math.min(end, first + spanOf(times, count, first, most, spanMs));
  const found: number[] = [];
  for (let i = 0; i < count; i++) if (times[i] < limit) found.push(i);
  return found.sort((a, b) => times[a] - times[b]).slice(0, most);
}

/** From `first` on a time with so many of `times` at most, if they are not all at once: by parts, as to sort all for each portion would take too long. */
function spanOf(
  times: readonly number[],
  count: number,
  first: number,
  most: number,
  spanMs: number,
): number {
  let part = spanMs / PARTS;
  for (;;) {
    const counts = new Uint32Array(PARTS);
    for (let i = 0; i < count; i++) {
      const at = Math.floor((times[i] - first) / part);
      if (at < PARTS) counts[at] += 1;
    }
    let parts = 0;
    for (let sum = 0; parts < PARTS && sum + counts[parts] <= most; parts++) sum += counts[parts];
    if (parts > 0 || part < 1) return Math.max(1, part * parts);
    part /= PARTS;
  }
}
