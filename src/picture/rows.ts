/**
 * A table of numbers by slot: the values of a row lie next to each other, since whoever looks at an entity looks at most of what is known of it. With a million
 * entities a row is in two or three lines of the processor's cache; with an array for each column it was in as many lines as there are columns.
 *
 * A slot is one that there is a row of. To look beside it gives `undefined`, and makes each look at any column of that type slower from then on.
 */
import assert from "node:assert/strict";

/** Rows begin at multiples of it, bytes: so many has the largest value. */
const ROW_ALIGNMENT = 8;
/** Of a line of the cache, as most processors have them, in words of 32 bits. */
const LINE_WORDS = 16;

/** A type of typed arrays. */
interface Values<T> {
  new (buffer: ArrayBuffer, offset: number, length: number): T;
  readonly BYTES_PER_ELEMENT: number;
}

/** There is a class for each type of value, so that `of` and `set` see one type of array each. */
abstract class Column<T = unknown> {
  /** Values of a row. */
  readonly length: number;
  readonly valueBytes: number;
  readonly #type: Values<T>;
  protected values: T;
  /** From row to row, in values. */
  protected stride = 0;

  constructor(type: Values<T>, length: number) {
    this.#type = type;
    this.length = length;
    this.valueBytes = type.BYTES_PER_ELEMENT;
    this.values = new type(new ArrayBuffer(0), 0, 0);
  }

  /** Says where the values are. @param at of the first, bytes. @param rowBytes from row to row. */
  lie(buffer: ArrayBuffer, at: number, rowBytes: number): void {
    this.values = new this.#type(buffer, at, (buffer.byteLength - at) / this.valueBytes);
    this.stride = rowBytes / this.valueBytes;
  }
}

export class Float64Column extends Column<Float64Array> {
  of(slot: number, i = 0): number {
    return this.values[slot * this.stride + i]!;
  }
  set(slot: number, value: number, i = 0): void {
    this.values[slot * this.stride + i] = value;
  }
}
export class Float32Column extends Column<Float32Array> {
  of(slot: number): number {
    return this.values[slot * this.stride]!;
  }
  set(slot: number, value: number): void {
    this.values[slot * this.stride] = value;
  }
}
export class Uint32Column extends Column<Uint32Array> {
  of(slot: number, i = 0): number {
    return this.values[slot * this.stride + i]!;
  }
  set(slot: number, value: number, i = 0): void {
    this.values[slot * this.stride + i] = value;
  }
}
export class Uint16Column extends Column<Uint16Array> {
  of(slot: number): number {
    return this.values[slot * this.stride]!;
  }
  set(slot: number, value: number): void {
    this.values[slot * this.stride] = value;
  }
}
export class Uint8Column extends Column<Uint8Array> {
  of(slot: number): number {
    return this.values[slot * this.stride]!;
  }
  set(slot: number, value: number): void {
    this.values[slot * this.stride] = value;
  }
}

export class Rows {
  /** Of how many slots there is a row. */
  capacity = 0;
  readonly #columns: Column[] = [];
  #words = new Uint32Array(0);
  /** Of a row. */
  #rowWords = 0;

  /** @param length values of a row. */
  float64(length = 1): Float64Column {
    return this.#add(new Float64Column(Float64Array, length));
  }
  float32(): Float32Column {
    return this.#add(new Float32Column(Float32Array, 1));
  }
  /** @param length values of a row. */
  uint32(length = 1): Uint32Column {
    return this.#add(new Uint32Column(Uint32Array, length));
  }
  uint16(): Uint16Column {
    return this.#add(new Uint16Column(Uint16Array, 1));
  }
  uint8(): Uint8Column {
    return this.#add(new Uint8Column(Uint8Array, 1));
  }

  #add<T extends Column>(column: T): T {
    assert.equal(this.capacity, 0, "there are columns before there are rows");
    this.#columns.push(column);
    return column;
  }

  /** Reads a little of each line of a row, so that whoever looks at it next does not wait for memory. @returns what sums up of it, so that nobody leaves the reading out. */
  touch(slot: number): number {
    const words = this.#words;
    const last = (slot + 1) * this.#rowWords - 1;
    let sum = words[last]!;
    for (let at = last + 1 - this.#rowWords; at < last; at += LINE_WORDS) sum += words[at]!;
    return sum;
  }

  /** Makes room for `capacity` rows; there must not be more. Those that there are stay, new ones are all zeros. */
  grow(capacity: number): void {
    // The largest values first, so that none lies askew; of more than one value, what all look at is not far apart.
    const columns = this.#columns.toSorted(
      (a, b) => Number(a.length > 1) - Number(b.length > 1) || b.valueBytes - a.valueBytes,
    );
    const places: number[] = [];
    let end = 0;
    for (const { length, valueBytes } of columns) {
      const at = roundUp(end, valueBytes);
      places.push(at);
      end = at + length * valueBytes;
    }
    const rowBytes = roundUp(end, ROW_ALIGNMENT);
    const buffer = new ArrayBuffer(capacity * rowBytes);
    const words = new Uint32Array(buffer);
    words.set(this.#words);
    this.#words = words;
    this.#rowWords = rowBytes / words.BYTES_PER_ELEMENT;
    this.capacity = capacity;
    for (const [i, column] of columns.entries()) column.lie(buffer, places[i]!, rowBytes);
  }
}

function roundUp(bytes: number, multiple: number): number {
  return Math.ceil(bytes / multiple) * multiple;
}
