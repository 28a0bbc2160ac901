/** A stretch while it is played: its numbers in one array, 48 bytes a point, a third of what objects take. */
import type { Description, TrackPoint } from "./segment.ts";
import { pointAt } from "./segment.ts";
import type { Stretch } from "./stretch.ts";

/** t, lon, lat, alt, speed, course. */
const NUMBERS = 6;

export class Way {
  readonly description: Description;
  /** Unix ms. */
  readonly recorded: number;
  /** It tells where its entity is from `first`, up to and without `end`; Unix ms, ∞ = it has not ended. */
  readonly first: number;
  readonly end: number;
  readonly #numbers: Float64Array;
  /** Of the point before the time that was asked for last: mostly the next is near. */
  #index = 0;

  private constructor(
    description: Description,
    recorded: number,
    first: number,
    end: number,
    numbers: Float64Array,
  ) {
    this.description = description;
    this.recorded = recorded;
    this.first = first;
    this.end = end;
    this.#numbers = numbers;
  }

  static of({ kind, state, attributes, labels, recorded, first, open, points }: Stretch): Way {
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
    const end = open ? Infinity : points.at(-1)!.t;
    return new Way({ kind, state, attributes, labels }, recorded, first, end, numbers);
  }

  /** How many points it has. */
  get count(): number {
    return this.#numbers.length / NUMBERS;
  }

  /** What is wanted of it up to `to`, Unix ms: with one point after; `undefined` if it begins later. */
  upTo(to: number): Way | undefined {
    if (this.first > to) return undefined;
    let count = 1;
    while (count < this.count && this.#numbers[(count - 1) * NUMBERS] <= to) count++;
    if (count === this.count) return this;
    const numbers = this.#numbers.slice(0, count * NUMBERS);
    return new Way(this.description, this.recorded, this.first, numbers[(count - 1) * NUMBERS], numbers);
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
