/**
 * A filter of one view's own. What the view's cover cuts out of the unfiltered channel is looked at record by record; so that departures can be
 * told, it is known which entities the client holds.
 */
import type { Channel } from "../../picture/channel.ts";
import type { Cover } from "../../picture/cover.ts";
import { type Lens, whyHidden } from "../../picture/lens.ts";
import type { EncodedLists, Publication, RecordEncoder } from "../../picture/tick.ts";
import { parts } from "./frame-parts.ts";

/** A part of a snapshot, or of what a pan brings. */
interface PrivatePart {
  /** Records, about, and how many the client may hold with them. */
  limit: number;
  max: number;
  write(slot: number): void;
  /** Asked between two cells: whether what was written is enough, and after so many looks, whether it may be looked no longer. */
  isFull(): boolean;
  looks: number;
  isOver(): boolean;
}

interface PrivateGrowth {
  /** The key up to which all was given. */
  end: number;
  /** There is more than the client may hold. */
  isCrowd: boolean;
}

export class PrivateRecords {
  readonly lens: Lens;
  /** Slots that the client holds. */
  readonly held = new Set<number>();
  /** Of these, who was not permitted at a base tick since the last publication, nor is since. */
  readonly #denied = new Set<number>();

  constructor(lens: Lens) {
    this.lens = lens;
  }

  /** As `Channel.noteDenied`. */
  noteDenied(channel: Channel): void {
    noteDenied(channel, this.lens, this.held, this.#denied);
  }

  /** As `Channel.grow`, of what is for this client, which then holds it: by that alone is decided where a part ends. */
  grow(channel: Channel, cover: Cover, part: PrivatePart): PrivateGrowth {
    const { held, lens } = this;
    let records = 0;
    let isCrowd = false;
    /** Of who was looked at last, and of who was given last. */
    let looked = -1;
    let given = -1;
    let looks = 0;
    const end = channel.walk(cover, (slot, key) => {
      if (++looks > part.looks && key !== looked) {
        if (part.isOver()) return true;
        looks = 0;
      }
      looked = key;
      if (!lens.test(slot)) return false;
      if (key !== given && (records >= part.limit || part.isFull())) return true;
      isCrowd = held.size >= part.max;
      if (isCrowd) return true;
      const isGiven = channel.give(slot, (slot) => {
        held.add(slot);
        part.write(slot);
      });
      if (!isGiven) return false;
      records++;
      given = key;
      return false;
    });
    // Of the cell of which there were too many to give all, who was given counts.
    return { end: isCrowd ? end + 1 : end, isCrowd };
  }

  /** Makes this view's own records of the shared ranges of the frame's parts, which are then to be cleared. */
  select(publication: Publication, encoded: EncodedLists, encoder: RecordEncoder): void {
    const { departures, moves, fulls } = parts;
    const { held, lens } = this;
    departures.ranges.each((place) => this.#depart(publication, place, encoded, encoder));
    fulls.ranges.each((place) => {
      const slot = publication.fullSlot(place);
      if (!this.#shows(slot, encoder)) return;
      held.add(slot);
      fulls.add(encoded.fulls, place);
    });
    const movesDecide = lens.reads === "motion";
    moves.ranges.each((place) => {
      const slot = publication.moveSlot(place);
      const isHeld = held.has(slot);
      if (movesDecide && !this.#shows(slot, encoder)) return;
      if (isHeld) moves.add(encoded.moves, place);
      else if (movesDecide) {
        held.add(slot);
        encoder.full(slot, fulls.own);
        fulls.ownCount++;
      }
    });
    this.#denied.clear();
  }

  /** As `select`, but of whom the client holds and may go on seeing in `cover` nothing is told. */
  selectQuietly(publication: Publication, encoded: EncodedLists, encoder: RecordEncoder, cover: Cover): void {
    const { departures, moves, fulls } = parts;
    departures.ranges.each((place) => {
      if (!publication.comesBack(publication.departureSlot(place), cover))
        this.#depart(publication, place, encoded, encoder);
    });
    fulls.ranges.each((place) => {
      const slot = publication.fullSlot(place);
      if (!this.#shows(slot, encoder) || this.held.has(slot)) return;
      this.held.add(slot);
      fulls.add(encoded.fulls, place);
    });
    if (this.lens.reads === "motion")
      moves.ranges.each((place) => this.#shows(publication.moveSlot(place), encoder));
    this.#denied.clear();
  }

  #depart(publication: Publication, place: number, encoded: EncodedLists, encoder: RecordEncoder): void {
    const { departures } = parts;
    const slot = publication.departureSlot(place);
    if (!this.held.delete(slot)) return;
    // It left its cell, but a client that may see it there is told so by the full record that follows.
    const reason = publication.departureReason(place);
    const isGone = publication.placeOf(slot) === undefined;
    if (
      (isGone && this.#denied.has(slot)) ||
      (reason === "expired" && whyHidden(this.lens, slot) === "denied")
    ) {
      encoder.departure(slot, "denied", departures.own);
      departures.ownCount++;
    } else if (reason === "left" && publication.placeOf(slot) !== undefined && !this.lens.test(slot)) {
      encoder.departure(slot, whyHidden(this.lens, slot), departures.own);
      departures.ownCount++;
    } else departures.add(encoded.departures, place);
  }

  /** Whether the client may see the entity; if not, and it holds it, that is told. */
  #shows(slot: number, encoder: RecordEncoder): boolean {
    if (this.lens.test(slot)) return true;
    if (this.held.delete(slot)) {
      encoder.departure(slot, whyHidden(this.lens, slot), parts.departures.own);
      parts.departures.ownCount++;
    }
    return false;
  }
}

/** Notes who of those that a client holds may be seen no longer, and forgets who may again. What was removed stays as it was. */
export function noteDenied(
  channel: Channel,
  { permits }: Lens,
  held: Iterable<number>,
  denied: Set<number>,
): void {
  if (permits === undefined) return;
  for (const slot of held) {
    if (channel.hasTold(slot) || channel.isRemoved(slot)) continue;
    if (permits(slot)) denied.delete(slot);
    else denied.add(slot);
  }
}
