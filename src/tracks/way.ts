/** A stretch while it is played: its numbers in one array, 48 bytes a point, a third of what objects take. */
import { PLAYBACK_WAY_BYTES } from "../limits.ts";
import type { Description, TrackPoint } from "./segment.ts";
import { pointAt } from "./segment.ts";
import type { Stretch } from "./stretch.ts";

/** t, lon, lat, alt, speed, course. */
const NUMBERS = 6;

interface WayOptions {
  description: Description;
  /** The description is the one of a way before, as an object too. */
  isShared: boolean;
  recorded: number;
  hold: boolean;
  first: number;
  end: number;
  numbers: Float64Array;
}

export class Way {
  readonly description: Description;
  /** Unix ms. */
  readonly recorded: number;
  /** When it ends, nothing had been heard of its entity any more. */
  readonly hold: boolean;
  /** It tells where its entity is from `first`, up to and without `end`; Unix ms, ∞ = it has not ended. */
  readonly first: number;
  readonly end: number;
  readonly #isShared: boolean;
  readonly #numbers: Float64Array;
  /** Of the point before the time that was asked for last: mostly the next is near. */
  #index = 0;

  private constructor({ description, isShared, recorded, hold, first, end, numbers }: WayOptions) {
    this.description = description;
    this.recorded = recorded;
    this.hold = hold;
    this.first = first;
    this.end = end;
    this.#isShared = isShared;
    this.#numbers = numbers;
  }

  /** @param before another one of the entity: texts that are equal are kept once */
  static of(stretch: Stretch, before: Way | undefined): Way {
    const { recorded, hold, first, open, points } = stretch;
    const numbers = new Float64Array(points.length * NUMBERS);
    let next = 0;
    for (const { t, lon, lat, alt, speed, course } of points) {
      numbers[next] = t;
      numbers[next + 1] = lon;
      numbers[next + 2] = lat;
      numbers[next + 3] = alt;
      numbers[next + 4] = speed;
      numbers[next + 5] = course;
      next += NUMBERS;
    }
    const { kind, state, attributes, labels, fences } = stretch;
    const isShared = before !== undefined && isSame(before.description, stretch);
    return new Way({
      description: isShared ? before.description : { kind, state, attributes, labels, fences },
      ...{ isShared, recorded, hold, first, numbers },
      end: open ? Infinity : points.at(-1)!.t,
    });
  }

  /** How many points it has. */
  get count(): number {
    return this.#numbers.length / NUMBERS;
  }
  /** What it takes of memory, about. */
  get bytes(): number {
    const texts = this.#isShared ? 0 : textBytes(this.description);
    return PLAYBACK_WAY_BYTES + this.#numbers.byteLength + texts;
  }

  /** What is wanted of it up to `to`, Unix ms: with one point after; `undefined` if it begins later. */
  upTo(to: number): Way | undefined {
    if (this.first > to) return undefined;
    const numbers = this.#numbers;
    let count = 1;
    while (count < this.count && numbers[(count - 1) * NUMBERS] <= to) count++;
    if (count === this.count) return this;
    return new Way({
      ...{ description: this.description, isShared: this.#isShared, recorded: this.recorded },
      ...{ hold: false, first: this.first, end: numbers[(count - 1) * NUMBERS] },
      numbers: numbers.slice(0, count * NUMBERS),
    });
  }

  /** Where its entity is at `t`, from `first` to before `end`. */
  at(t: number): TrackPoint {
    const numbers = this.#numbers;
    const last = this.count - 1;
    let index = this.#index;
    while (index > 0 && numbers[index * NUMBERS] > t) index--;
    while (index < last && numbers[(index + 1) * NUMBERS] <= t) index++;
    this.#index = index;
    const near = index < last ? [this.#point(index), this.#point(index + 1)] : [this.#point(index)];
    return pointAt(near, t)!;
  }

  /** Two times, the first not before its own, and those of its points in between; without the second if it has ended by then. Unix ms. */
  *moments(from: number, to: number): Generator<number, void> {
    const begin = Math.max(from, this.first);
    yield begin;
    for (let i = 0; i < this.#numbers.length; i += NUMBERS) {
      const t = this.#numbers[i];
      if (t > begin && t < to) yield t;
    }
    if (to > begin && to < this.end) yield to;
  }

  #point(index: number): TrackPoint {
    const numbers = this.#numbers;
    const at = index * NUMBERS;
    return {
      t: numbers[at],
      lon: numbers[at + 1],
      lat: numbers[at + 2],
      alt: numbers[at + 3],
      speed: numbers[at + 4],
      course: numbers[at + 5],
    };
  }
}

function isSame(a: Description, b: Description): boolean {
  return (
    a.kind === b.kind &&
    a.state === b.state &&
    a.attributes === b.attributes &&
    isSameList(a.labels, b.labels) &&
    isSameList(a.fences, b.fences)
  );
}

export function isSameList(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((name, i) => name === b[i]);
}

/** Two bytes a character at most. */
function textBytes({ kind, state, attributes, labels, fences }: Description): number {
  return 2 * [kind, state, attributes, ...labels, ...fences].reduce((sum, text) => sum + text.length, 0);
}
