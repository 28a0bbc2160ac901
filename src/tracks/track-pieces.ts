/**
 * What of a log is durable: pieces, each of which went with a checkpoint, one after the other from the log's first byte on. Of the oldest nothing is
 * wanted any more after a while: then they are dropped.
 */
import type { TakenTail } from "./taken-tail.ts";

interface Piece {
  /** Ascending. */
  no: number;
  /** Bytes and points of the log before it. */
  at: number;
  points: number;
}

/** Where a log is: its bytes, its points, how many segments and late points came, and how many numbers it has forgotten. */
export type Place = Pick<TakenTail, "end" | "points" | "turn" | "forgotten">;

export class TrackPieces {
  #pieces: Piece[] = [];
  #durable: Place = { end: 0, points: 0, turn: 0, forgotten: 0 };
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
  wasWritten({ no, end, points, turn, forgotten }: TakenTail): void {
    if (no < this.#no) return;
    this.isPending = false;
    const { end: at, points: before } = this.#durable;
    if (end > at) this.#pieces.push({ no, at, points: before });
    this.#durable = { end, points, turn, forgotten };
    this.#no = no + 1;
  }

  /** A piece was read again, with which the log is at `place`. */
  wasRead(no: number, place: Place): void {
    const { end: at, points } = this.#durable;
    this.#pieces.push({ no, at, points });
    this.#durable = place;
    this.#no = no + 1;
  }

  /**
   * Drops the pieces before the one with what is at `wanted`.
   * @param least bytes that they must have, else they stay. @returns their bytes and points.
   */
  dropBefore(wanted: number, least: number): { bytes: number; points: number } {
    const index = this.#pieces.findLastIndex(({ at }) => at <= wanted);
    const { at: bytes, points } = this.#pieces[index] ?? { at: 0, points: 0 };
    if (bytes === 0 || bytes < least) return { bytes: 0, points: 0 };
    this.#pieces = this.#pieces
      .slice(index)
      .map((piece) => ({ no: piece.no, at: piece.at - bytes, points: piece.points - points }));
    this.#durable.end -= bytes;
    this.#durable.points -= points;
    return { bytes, points };
  }

  /** The log is another from its first byte on: the next piece takes the place of all. */
  dropAll(): void {
    this.#pieces = [];
    this.#durable.end = this.#durable.points = 0;
  }
}
