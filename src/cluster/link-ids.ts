/**
 * Ids of entities on a link: each is written out once, in the frame that first needs it, and is a number from then on. Both ends number them in
 * the order in which they come, which is the same for both because frames are taken in order and each once. A frame whose reports are
 * dropped before it was received still brings its ids.
 *
 * In a frame: u8 (1 = forget all before), then the ids, each a string, to the end.
 */
import { ByteReader, ByteWriter } from "../actors/bytes.ts";
import { MAX_LINK_IDS } from "../limits.ts";

const KEEP = 0;
const FORGET = 1;

/** The ids of a link, for its sender. */
export class SentIds {
  readonly #numbers = new Map<string, number>();
  /** Of the open frame. */
  readonly #new = new ByteWriter(1_024);

  constructor() {
    this.begin();
  }

  /** What follows is of a new frame. */
  begin(): void {
    const forget = this.#numbers.size >= MAX_LINK_IDS;
    if (forget) this.#numbers.clear();
    this.#new.clear();
    this.#new.reserve(1);
    this.#new.u8(forget ? FORGET : KEEP);
  }

  numberOf(id: string): number {
    const known = this.#numbers.get(id);
    if (known !== undefined) return known;
    const number = this.#numbers.size;
    this.#numbers.set(id, number);
    this.#new.string(id);
    return number;
  }

  /** Bytes of what the open frame has to bring; 0 = nothing. */
  get length(): number {
    const { bytes, length } = this.#new;
    return length === 1 && bytes[0] === KEEP ? 0 : length;
  }

  /** What it has to bring; a window on memory that is used again. */
  get bytes(): Uint8Array {
    return this.#new.bytes.subarray(0, this.length);
  }
}

/** An id of a link, for its receiver. */
export interface LinkId {
  readonly id: string;
  /** As in `Report`. */
  readonly hint: { slot: number };
}

/**
 * Adds what a frame brings to the ids known before.
 * @returns the list to go on with: the same, or a new one. @throws RangeError if there are too many, or these are none.
 */
export function readIds(bytes: Uint8Array, known: LinkId[]): LinkId[] {
  if (bytes.length === 0) return known;
  const input = new ByteReader(bytes);
  const ids = input.u8() === FORGET ? [] : known;
  while (!input.done) ids.push({ id: input.string(), hint: { slot: -1 } });
  // The sender looks when it begins a frame, which brings a few thousand at most.
  if (ids.length > 2 * MAX_LINK_IDS) throw new RangeError(`${ids.length} ids on a link`);
  return ids;
}
