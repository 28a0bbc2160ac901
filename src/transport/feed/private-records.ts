/**
 * A filter of one view's own. What the view's cover cuts out of the unfiltered channel is looked at record by record; so that departures can be
 * told, it is known which entities the client holds.
 */
import type { Lens } from "../../picture/lens.ts";
import type { Publication, RecordEncoder } from "../../picture/tick.ts";
import { parts } from "./frame-parts.ts";

export class PrivateRecords {
  readonly lens: Lens;
  /** Slots that the client holds. */
  readonly held = new Set<number>();

  constructor(lens: Lens) {
    this.lens = lens;
  }

  /** Whether a full record outside of the tick is for this client, which then holds it. */
  take(slot: number): boolean {
    if (!this.lens.test(slot)) return false;
    this.held.add(slot);
    return true;
  }

  /** Turns the shared ranges of the frame's parts into this view's own records. */
  select(
    publication: Publication,
    encoded: ReturnType<Publication["encoded"]>,
    encoder: RecordEncoder,
  ): void {
    const { departures, moves, fulls } = parts;
    const { held, lens } = this;
    forEachPlace(departures.ranges.at, (place) => {
      const slot = publication.departureSlot(place);
      if (!held.delete(slot)) return;
      // It left its cell, but a client that may see it there is told so by the full record that follows.
      const reason = publication.departureReason(place);
      if (reason === "left" && publication.placeOf(slot) !== undefined && !lens.test(slot)) {
        encoder.departure(slot, "filter", departures.own);
        departures.ownCount++;
      } else departures.add(encoded.departures, place);
    });
    forEachPlace(fulls.ranges.at, (place) => {
      const slot = publication.fullSlot(place);
      if (!this.#shows(slot, encoder)) return;
      held.add(slot);
      fulls.add(encoded.fulls, place);
    });
    const movesDecide = lens.reads === "motion";
    forEachPlace(moves.ranges.at, (place) => {
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
    departures.ranges.clear();
    moves.ranges.clear();
    fulls.ranges.clear();
  }

  /** Whether the client may see the entity; if not, and it holds it, that is told. */
  #shows(slot: number, encoder: RecordEncoder): boolean {
    if (this.lens.test(slot)) return true;
    if (this.held.delete(slot)) {
      encoder.departure(slot, "filter", parts.departures.own);
      parts.departures.ownCount++;
    }
    return false;
  }
}

function forEachPlace(ranges: readonly number[], look: (place: number) => void): void {
  for (let i = 0; i < ranges.length; i += 2)
    for (let place = ranges[i]; place < ranges[i + 1]; place++) look(place);
}
