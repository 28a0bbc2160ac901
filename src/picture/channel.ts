/**
 * A channel: what has been published through one lens at one rate with one tolerance. All its views are served from the same records.
 *
 * By slot it knows whether the entity is a *member* (published and not departed), at which Morton key it was published
 * (an entity is where its published key says, never where it is now), which of its motion was, and whether it is *dirty*
 * (changed since). A record that a view could not be given outside a tick because the entity passes no longer is
 * *withheld*: that view has nothing that a move could build on, so the next publication is a full one. A move that the tolerance allows to
 * hold back leaves the slot dirty.
 */
import { EXPIRED } from "../actors/messages.ts";
import { HAS_PLACE, widenU8, widenU32 } from "./columns.ts";
import type { Cover } from "./cover.ts";
import { Hold, type Tolerance } from "./hold.ts";
import { everything, type Lens, whyHidden } from "./lens.ts";
import { type Changes, FULL, MOTION, type Picture } from "./picture.ts";
import { fitsMove, isKnown } from "./record.ts";
import { RecordList } from "./record-list.ts";
import { BUCKET_KEYS } from "./spatial-index.ts";
import { ALT, COURSE, type DepartureReason, HEADING, type Publication, SPEED } from "./tick.ts";

/** Publications a second. */
export type Rate = 10 | 1;
/** Base ticks a second. */
const BASE_RATE = 10;

/** Bits of a slot's flags. The upper four are the published motion: ALT … HEADING, shifted. */
const MEMBER = 1;
const WITHHELD = 2;
const DIRTY_SHIFT = 2;
const DIRTY_FULL = FULL << DIRTY_SHIFT;
const DIRTY = (FULL | MOTION) << DIRTY_SHIFT;
const MOTION_SHIFT = 4;

/** What the lens says of a slot, as far as it was asked since something that it reads changed. */
const UNASKED = 0;
const PASSES = 1;
const FAILS = 2;
/** Of a member: it was not permitted at a base tick, and is not since. */
const DENIED = 3;

/** Entities that a new channel looks at before it asks whether its time is over. */
export const FILL_SLOTS = 256;

/** Entities that may be looked at in vain to count the others. */
const FREE_LOOKS = 1_000;

/** Beyond the last key. */
export const KEYS_END = 2 ** 32;

/** What `grow` gave: how many records, how many are published there, given or withheld, and the key up to which that is all. */
export interface Growth {
  records: number;
  published: number;
  end: number;
}

export class Channel {
  readonly lens: Lens;
  readonly rate: Rate;
  /** How many entities are members. */
  members = 0;
  readonly #picture: Picture;
  readonly #hold: Hold | undefined;
  #flags = new Uint8Array(0);
  #verdict = new Uint8Array(0);
  #publishedKey = new Uint32Array(0);
  #dirty = new Uint32Array(0);
  #dirtyCount = 0;
  #lastTick: number;
  /** Slots from here on were not looked at. */
  #looked = 0;
  /** The dirty members by published key; made when first asked for between two publications. */
  readonly #dirtyByKey = new RecordList();
  #dirtyIsSorted = false;
  readonly #chunk = new RecordList();

  /** A new channel starts with everything published as of now, unless it is over before: then `fill` goes on. @param now Unix ms. */
  constructor(
    picture: Picture,
    lens: Lens,
    rate: Rate,
    tolerance: Tolerance | undefined,
    tick: number,
    now: number,
    isOver = () => false,
  ) {
    this.#picture = picture;
    this.lens = lens;
    this.rate = rate;
    this.#hold = tolerance && new Hold(picture.columns, tolerance);
    this.#lastTick = tick;
    this.fill(tick, now, isOver);
  }

  /** Whether all entities were looked at. Before, the channel only takes over what changes. */
  get isFilled(): boolean {
    return this.#looked === Infinity;
  }

  /** Looks at some entities at least, until `isOver`; it is filled when none is left. @param now Unix ms. */
  fill(tick: number, now: number, isOver: () => boolean): void {
    if (this.isFilled) return;
    this.#lastTick = tick;
    this.#makeRoom();
    // Nobody was told of what has changed since, and so nobody is: it is taken over as it is now.
    for (let i = 0; i < this.#dirtyCount; i++) this.#take(this.#dirty[i], now);
    this.#dirtyCount = 0;
    this.#dirtyIsSorted = false;
    const { extent } = this.#picture.columns;
    const start = this.#looked;
    for (let slot = start; slot < extent; slot++) {
      if (slot % FILL_SLOTS === 0 && slot > start && isOver()) {
        this.#looked = slot;
        return;
      }
      this.#take(slot, now);
    }
    this.#looked = Infinity;
  }

  /** Takes an entity for published as it is now, if it passes. */
  #take(slot: number, now: number): void {
    if (this.isMember(slot)) this.members--;
    this.#flags[slot] = 0;
    if (!this.passes(slot)) return;
    this.#published(slot, this.#picture.columns.key.of(slot), now);
    this.members++;
  }

  /** An entity is published as it is now, and nothing of it is left to tell. */
  #published(slot: number, key: number, now: number): void {
    this.#flags[slot] = MEMBER | (this.#motion(slot) << MOTION_SHIFT);
    this.#publishedKey[slot] = key;
    this.#hold?.sent(slot, now);
  }

  /** Whether an entity belongs to the channel now: in use, somewhere, not expired, and seen through the lens. */
  passes(slot: number): boolean {
    const { flags, liveness } = this.#picture.columns;
    return (flags.of(slot) & HAS_PLACE) !== 0 && liveness.of(slot) !== EXPIRED && this.#isSeen(slot);
  }

  #isSeen(slot: number): boolean {
    if (this.lens === everything) return true;
    const verdict = this.#verdict;
    if (verdict[slot] === UNASKED) verdict[slot] = this.lens.test(slot) ? PASSES : FAILS;
    return verdict[slot] === PASSES;
  }

  /** Whether an entity is published and has not departed. */
  isMember(slot: number): boolean {
    return (this.#flags[slot] & MEMBER) !== 0;
  }

  /** Whether the channel has nothing left to tell about a slot. */
  hasTold(slot: number): boolean {
    return (this.#flags[slot] & DIRTY) === 0;
  }

  /** Takes over what changed since the last base tick. */
  merge(changes: Changes): void {
    this.#makeRoom();
    const flags = this.#flags;
    const { slots, what, count } = changes;
    const doubtful = this.lens.reads === "motion" ? FULL | MOTION : FULL;
    for (let i = 0; i < count; i++) {
      const slot = slots[i];
      if (slot >= this.#looked) continue;
      if ((flags[slot] & DIRTY) === 0) this.#dirty[this.#dirtyCount++] = slot;
      flags[slot] |= what.of(slot) << DIRTY_SHIFT;
      const isDenied = this.#verdict[slot] === DENIED && this.isRemoved(slot);
      if (what.of(slot) & doubtful && !isDenied) this.#verdict[slot] = UNASKED;
    }
    this.#dirtyIsSorted = false;
  }

  /** Between two publications: who may be seen no longer departs as `denied`, also if it is removed until then. @throws FilterCostly */
  noteDenied(): void {
    if (this.lens.permits === undefined) return;
    for (let i = 0; i < this.#dirtyCount; i++) {
      const slot = this.#dirty[i];
      if (!this.isMember(slot) || this.isRemoved(slot) || this.#isSeen(slot)) continue;
      if (whyHidden(this.lens, slot) === "denied") this.#verdict[slot] = DENIED;
    }
  }

  /** Whether the entity is there no more: what it was is not known then. */
  isRemoved(slot: number): boolean {
    return this.#picture.removal(slot) !== undefined;
  }

  isDue(tick: number): boolean {
    return (tick - this.#lastTick) * this.rate >= BASE_RATE;
  }

  /** Whether what is published is so as of this tick. */
  isCurrent(tick: number): boolean {
    return this.#lastTick === tick;
  }

  /** Publishes what is dirty, but for moves that the tolerance holds back. @param now time of the tick, Unix ms. */
  publish(tick: number, now: number, publication: Publication): void {
    this.#lastTick = tick;
    publication.begin(now);
    const dirty = this.#dirty;
    const count = this.#dirtyCount;
    // What is held back goes to the start of the same list, never past the place that is read.
    this.#dirtyCount = 0;
    for (let i = 0; i < count; i++) this.#decide(dirty[i], now, publication);
    this.#dirtyIsSorted = false;
    publication.sort();
  }

  #decide(slot: number, now: number, publication: Publication): void {
    const flags = this.#flags[slot];
    const isMember = (flags & MEMBER) !== 0;
    const was = this.#publishedKey[slot];
    if (!this.passes(slot)) {
      this.#flags[slot] = 0;
      if (!isMember) return;
      this.members--;
      publication.addDeparture(was, slot, this.#reason(slot));
      return;
    }
    const { columns } = this.#picture;
    const key = columns.key.of(slot);
    const stays = isMember && was === key;
    const isMotion = stays && (flags & (DIRTY_FULL | WITHHELD)) === 0;
    if (isMotion && this.#hold?.isGoodEnough(slot, now)) {
      this.#dirty[this.#dirtyCount++] = slot;
      return;
    }
    if (isMotion && fitsMove(columns, slot, now)) publication.addMove(key, slot, flags >>> MOTION_SHIFT);
    else {
      if (isMember && !stays) publication.addDeparture(was, slot, "left");
      publication.addFull(key, slot, !stays);
      if (!isMember) this.members++;
    }
    this.#published(slot, key, now);
  }

  #reason(slot: number): DepartureReason {
    const isDenied = this.isRemoved(slot)
      ? this.#verdict[slot] === DENIED
      : whyHidden(this.lens, slot) === "denied";
    if (isDenied) return "denied";
    const columns = this.#picture.columns;
    if (columns.flags.of(slot) & HAS_PLACE)
      return columns.liveness.of(slot) === EXPIRED ? "expired" : "filter";
    return this.#picture.removal(slot) ?? "left";
  }

  /**
   * Gives full records of what is published in a cover, in ascending parts of the cover: about `limit` of them, more only
   * if a single cell holds more. For a view between two publications, so a record that fails now is withheld.
   * @param isFull asked between two cells: whether what was written is enough
   */
  grow(cover: Cover, limit: number, write: (slot: number) => void, isFull = () => false): Growth {
    let records = 0;
    let published = 0;
    for (const bucketEnd of this.#buckets(cover)) {
      const { keys, values, count } = this.#chunk;
      const take = records + count <= limit ? count : this.#chunk.cut(limit - records, records === 0);
      for (let j = 0; j < take; j++) {
        if ((j === 0 || keys[j] !== keys[j - 1]) && isFull())
          return { records, published: published + j, end: keys[j] };
        if (this.give(values[j], write)) records++;
      }
      published += take;
      if (take < count) return { records, published, end: keys[take] };
      if (records >= limit) return { records, published, end: bucketEnd + 1 };
    }
    return { records, published, end: KEYS_END };
  }

  /** Calls `found` for each slot published in a cover, by ascending key, until it says that it is enough. @returns the key at which it did */
  walk(cover: Cover, found: (slot: number, key: number) => boolean): number {
    for (const _ of this.#buckets(cover)) {
      const { keys, values, count } = this.#chunk;
      for (let j = 0; j < count; j++) if (found(values[j], keys[j])) return keys[j];
    }
    return KEYS_END;
  }

  /** Collects what is published in a cover, one bucket after the other, sorted. Each ends with the key that is yielded. */
  *#buckets(cover: Cover): Generator<number> {
    for (let i = 0; i < cover.length; i += 2) {
      const high = cover[i + 1];
      for (let low = this.#nextPublished(cover[i], high); low <= high; ) {
        const end = Math.min(high, low - (low % BUCKET_KEYS) + BUCKET_KEYS - 1);
        this.#collect(low, end).sort();
        yield end;
        if (end === high) break;
        low = this.#nextPublished(end + 1, high);
      }
    }
  }

  /** Gives a member to one view alone. @returns false if it may not be seen now: its next publication is a full record then. */
  give(slot: number, write: (slot: number) => void): boolean {
    if (!this.passes(slot)) {
      this.#flags[slot] |= WITHHELD;
      return false;
    }
    // This view may now hold motion that the others were never given: it too must be told when it is gone.
    this.#flags[slot] |= this.#motion(slot) << MOTION_SHIFT;
    if (this.#flags[slot] & DIRTY) this.#hold?.spoil(slot);
    write(slot);
    return true;
  }

  /**
   * Whether more than `limit` entities are published in a cover, about: what is dirty is counted where it is now. `undefined` if that would take
   * long to find out, since few of those who are there are members.
   */
  holdsMoreThan(cover: Cover, limit: number): boolean | undefined {
    if (this.members <= limit) return false;
    let count = 0;
    let looks = 2 * limit + FREE_LOOKS;
    for (let i = 0; i < cover.length; i += 2) {
      const enough = this.#picture.index.some(cover[i], cover[i + 1], (slot) => {
        if (this.#flags[slot] & MEMBER) count++;
        return count > limit || --looks < 0;
      });
      if (enough) return count > limit ? true : undefined;
    }
    return false;
  }

  /** Adds the published key of each member to a list, unsorted. */
  addMemberKeys(list: RecordList): void {
    const flags = this.#flags;
    const { extent } = this.#picture.columns;
    for (let slot = 0; slot < extent; slot++)
      if (flags[slot] & MEMBER) list.add(this.#publishedKey[slot], slot);
  }

  /** Calls `found` for each slot published in a cover. */
  published(cover: Cover, found: (slot: number) => void): void {
    for (let i = 0; i < cover.length; i += 2) {
      const chunk = this.#collect(cover[i], cover[i + 1]);
      for (let j = 0; j < chunk.count; j++) found(chunk.values[j]);
    }
  }

  /** What is published from `low` to `high`: what is clean there now, and what is dirty and was there. Valid until called again. */
  #collect(low: number, high: number): RecordList {
    const chunk = this.#chunk;
    chunk.clear();
    const key = this.#picture.columns.key;
    this.#picture.index.range(low, high, (slot) => {
      if ((this.#flags[slot] & (MEMBER | DIRTY)) === MEMBER) chunk.add(key.of(slot), slot);
    });
    const dirty = this.#sortedDirty();
    for (let i = dirty.lowerBound(low); i < dirty.count && dirty.keys[i] <= high; i++)
      chunk.add(dirty.keys[i], dirty.values[i]);
    return chunk;
  }

  #nextPublished(low: number, high: number): number {
    const clean = this.#picture.index.nextOccupied(low, high);
    const dirty = this.#sortedDirty();
    const at = dirty.lowerBound(low);
    return at < dirty.count ? Math.min(clean, dirty.keys[at]) : clean;
  }

  #sortedDirty(): RecordList {
    const list = this.#dirtyByKey;
    if (this.#dirtyIsSorted) return list;
    list.clear();
    for (let i = 0; i < this.#dirtyCount; i++) {
      const slot = this.#dirty[i];
      if (this.#flags[slot] & MEMBER) list.add(this.#publishedKey[slot], slot);
    }
    list.sort();
    this.#dirtyIsSorted = true;
    return list;
  }

  /** Which motion is known of a slot now. */
  #motion(slot: number): number {
    const { alt, speed, course, heading } = this.#picture.columns;
    return (
      (isKnown(alt.of(slot)) ? ALT : 0) |
      (isKnown(speed.of(slot)) ? SPEED : 0) |
      (isKnown(course.of(slot)) ? COURSE : 0) |
      (isKnown(heading.of(slot)) ? HEADING : 0)
    );
  }

  #makeRoom(): void {
    const capacity = this.#picture.columns.capacity;
    if (this.#flags.length >= capacity) return;
    this.#hold?.grow();
    this.#flags = widenU8(this.#flags, capacity);
    this.#verdict = widenU8(this.#verdict, capacity);
    this.#publishedKey = widenU32(this.#publishedKey, capacity);
    this.#dirty = widenU32(this.#dirty, capacity);
  }
}
