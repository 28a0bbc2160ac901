/**
 * What of a log is durable: pieces, each of which went with a checkpoint, one after the other from the log's first byte on. Of the oldest nothing is
 * wanted any more after a while: then they are dropped.
 */
import type { TakenTail } from "./taken-tail.ts";

interface Piece {
  /** Ascending. */
  no: number;
  /** Bytes of the log before it. */
  at: number;
}

/** Where a log is: its bytes, how much has ended or come late, and how many numbers it has forgotten. */
export type Place = Pick<TakenTail, "end" | "turn" | "forgotten">;

export class TrackPieces {
  #pieces: Piece[] = [];
  #durable: Place = { end: 0, turn: 0, forgotten: 0 };
  /** Of the next. */
  #no = 0;
  /** One was taken, and may be written yet. */
  isPending = false;

  /** Up to where the log is in pieces. */
  get durable(): Readonly<Place> {
    return this.#durable;
  }

  /** @param place up to where the next piece goes. */
  take(place: Place): Place & Pick<TakenTail, "no" | "firstNo"> {
    this.isPending = true;
    return { no: this.#no, firstNo: this.#pieces[0]?.no ?? this.#no, ...place };
  }

  /** A piece that was taken is durable. */
  wasWritten({ no, end, turn, forgotten }: TakenTail): void {
    if (no < this.#no) return;
    this.isPending = false;
    this.add(no, { end, turn, forgotten });
  }

  /** Adds a durable piece, with which the log is at `place`. One without bytes is kept nowhere. */
  add(no: number, place: Place): void {
    const at = this.#durable.end;
    if (place.end > at) this.#pieces.push({ no, at });
    this.#durable = place;
    this.#no = no + 1;
  }

  /**
   * Drops the pieces before the one with what is at `wanted`.
   * @param least bytes that they must have, else they stay. @returns their bytes.
   */
  dropBefore(wanted: number, least: number): number {
    const index = this.#pieces.findLastIndex(({ at }) => at <= wanted);
    const bytes = this.#pieces[index]?.at ?? 0;
    if (bytes === 0 || bytes < least) return 0;
    this.#pieces = this.#pieces.slice(index).map(({ no, at }) => ({ no, at: at - bytes }));
    this.#durable.end -= bytes;
    return bytes;
  }

  /** The log is another from its first byte on: the next piece takes the place of all. */
  dropAll(): void {
    this.#pieces = [];
    this.#durable.end = 0;
  }
}
