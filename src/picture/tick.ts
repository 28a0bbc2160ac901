/**
 * What a channel publishes at one tick: departures, moves and full records, each list sorted by Morton key and encoded once a protocol, so
 * that a view's share is the few contiguous ranges that its cover cuts out.
 */
import type { Bytes } from "./bytes.ts";
import { type Cover, covers } from "./cover.ts";
import { Encoded, type Ranges, RecordList } from "./record-list.ts";

/** Why an entity leaves a view. */
export const DEPARTURE_REASONS = ["left", "filter", "expired", "deleted", "denied"] as const;
export type DepartureReason = (typeof DEPARTURE_REASONS)[number];

/** Bits of the motion that a channel has published of an entity. */
export const ALT = 1;
export const SPEED = 2;
export const COURSE = 4;
export const HEADING = 8;

/** When a tick is. */
export interface TickTime {
  tick: number;
  /** Unix ms, whole. */
  t: number;
  /** ms from the tick being due to its being worked on, whole. */
  lag: number;
}

/** Writes records; the protocol's side of the tick. */
export interface RecordEncoder {
  /** Reads a little of what a record of this slot is made of, and gives some number. */
  look(slot: number): number;
  departure(slot: number, reason: DepartureReason, out: Bytes): void;
  /** Everything about an entity. */
  full(slot: number, out: Bytes): void;
  /** A move within a cell. `published`: bits of motion that were published before. @param t of the tick, Unix ms. */
  move(slot: number, published: number, t: number, out: Bytes): void;
}

/** A value in the list of moves: the slot, and the motion published before. */
const MOVE_SLOT_SHIFT = 4;
const PUBLISHED = (1 << MOVE_SLOT_SHIFT) - 1;
/** Moves that are looked at before any of them is written. */
const LOOK_AHEAD = 32;
/** A value in the list of full records: the slot, and whether the entity is new to viewers of its place. */
const FULL_SLOT_SHIFT = 1;
const ENTERED = 1;
/** A value in the list of departures: the slot and the number of the reason. */
const DEPARTURE_SLOT_SHIFT = 3;

/** The three lists as bytes of one protocol. */
export interface EncodedLists {
  readonly departures: Encoded;
  readonly moves: Encoded;
  readonly fulls: Encoded;
}

interface InProtocol extends EncodedLists {
  encoder: RecordEncoder;
  /** Of the publication that it holds. */
  serial: number;
}

/** One object serves all channels in turn. */
export class Publication {
  readonly departures = new RecordList();
  readonly moves = new RecordList();
  readonly fulls = new RecordList();
  /** Of what was looked at, so that nobody leaves the looking out. */
  looked = 0;
  #t = 0;
  #serial = 0;
  /** By place in `fulls`: how many before it entered. */
  #entered = new Uint32Array(65);
  readonly #protocols: InProtocol[] = [];
  /** By slot: serial of the publication that has a record of it, and its place there; moves count from 0, full records from −1 down. */
  #placeSerial = new Uint32Array(0);
  #place = new Int32Array(0);
  #placedSerial = 0;

  /** Starts over, for the tick at `t`, Unix ms. */
  begin(t: number): void {
    this.#t = t;
    this.#serial++;
    this.departures.clear();
    this.moves.clear();
    this.fulls.clear();
  }

  addDeparture(key: number, slot: number, reason: DepartureReason): void {
    this.departures.add(key, (slot << DEPARTURE_SLOT_SHIFT) | DEPARTURE_REASONS.indexOf(reason));
  }

  addMove(key: number, slot: number, published: number): void {
    this.moves.add(key, (slot << MOVE_SLOT_SHIFT) | published);
  }

  /** @param entered those who look there have not had it yet. */
  addFull(key: number, slot: number, entered: boolean): void {
    this.fulls.add(key, (slot << FULL_SLOT_SHIFT) | (entered ? ENTERED : 0));
  }

  /** Sorts all lists; nothing may be added any more. */
  sort(): void {
    this.departures.sort();
    this.moves.sort();
    this.fulls.sort();
    const { values, count } = this.fulls;
    if (this.#entered.length <= count) this.#entered = new Uint32Array(values.length + 1);
    let entered = 0;
    for (let i = 0; i < count; i++) {
      this.#entered[i] = entered;
      entered += values[i] & ENTERED;
    }
    this.#entered[count] = entered;
  }

  /** How many of these full records are of entities that entered there. */
  entered({ at, length }: Ranges): number {
    let entered = 0;
    for (let i = 0; i < length; i += 2) entered += this.#entered[at[i + 1]] - this.#entered[at[i]];
    return entered;
  }

  departureSlot(place: number): number {
    return this.departures.values[place] >>> DEPARTURE_SLOT_SHIFT;
  }
  departureReason(place: number): DepartureReason {
    return DEPARTURE_REASONS[this.departures.values[place] & 7];
  }
  moveSlot(place: number): number {
    return this.moves.values[place] >>> MOVE_SLOT_SHIFT;
  }
  fullSlot(place: number): number {
    return this.fulls.values[place] >>> FULL_SLOT_SHIFT;
  }

  /** Whether a full record is of an entity that those who look there have not had yet. */
  isEntering(place: number): boolean {
    return (this.fulls.values[place] & ENTERED) !== 0;
  }

  /** The lists in the protocol of `encoder`, encoded when first asked for. */
  encoded(encoder: RecordEncoder): EncodedLists {
    let found = this.#protocols.find((one) => one.encoder === encoder);
    if (found === undefined) {
      found = { encoder, serial: 0, departures: new Encoded(), moves: new Encoded(), fulls: new Encoded() };
      this.#protocols.push(found);
    }
    if (found.serial === this.#serial) return found;
    found.departures.encode(this.departures, (value, out) =>
      encoder.departure(value >>> DEPARTURE_SLOT_SHIFT, DEPARTURE_REASONS[value & 7], out),
    );
    this.#encodeMoves(encoder, found.moves);
    found.fulls.encode(this.fulls, (value, out) => encoder.full(value >>> FULL_SLOT_SHIFT, out));
    // Not before: of lists that an encoder did not finish nobody may be given anything.
    found.serial = this.#serial;
    return found;
  }

  /**
   * Who is near each other on the map is far apart in memory. So some are looked at before they are written: a loop that does nothing else waits for many lines of
   * memory at once. 100,000 moves take 12 ms in place of 21; with functions for `Encoded.encode` that differ by list, 16.
   */
  #encodeMoves(encoder: RecordEncoder, to: Encoded): void {
    to.begin(this.moves);
    const { bytes, offsets } = to;
    const { values, count } = this.moves;
    const t = this.#t;
    let looked = 0;
    for (let from = 0; from < count; from += LOOK_AHEAD) {
      const end = Math.min(from + LOOK_AHEAD, count);
      for (let i = from; i < end; i++) looked ^= encoder.look(values[i] >>> MOVE_SLOT_SHIFT);
      for (let i = from; i < end; i++) {
        offsets[i] = bytes.length;
        const value = values[i];
        encoder.move(value >>> MOVE_SLOT_SHIFT, value & PUBLISHED, t, bytes);
      }
    }
    offsets[count] = bytes.length;
    this.looked = looked;
  }

  /** Where the record of a slot is: a place in `moves`, or −1 − a place in `fulls`; `undefined` if there is none. */
  placeOf(slot: number): number | undefined {
    if (this.#placedSerial !== this.#serial) this.#placeAll();
    return this.#placeSerial[slot] === this.#serial ? this.#place[slot] : undefined;
  }

  /** Whether who departs comes again with a full record in a cover. */
  comesBack(slot: number, cover: Cover): boolean {
    const place = this.placeOf(slot);
    return place !== undefined && place < 0 && covers(cover, this.fulls.keys[-1 - place]);
  }

  #placeAll(): void {
    this.#placedSerial = this.#serial;
    const { moves, fulls } = this;
    for (let i = 0; i < moves.count; i++) this.#put(this.moveSlot(i), i);
    for (let i = 0; i < fulls.count; i++) this.#put(this.fullSlot(i), -1 - i);
  }

  #put(slot: number, place: number): void {
    if (slot >= this.#place.length) {
      const capacity = Math.max(1_024, 2 ** Math.ceil(Math.log2(slot + 1)));
      const serials = new Uint32Array(capacity);
      serials.set(this.#placeSerial);
      this.#placeSerial = serials;
      const places = new Int32Array(capacity);
      places.set(this.#place);
      this.#place = places;
    }
    this.#placeSerial[slot] = this.#serial;
    this.#place[slot] = place;
  }
}
