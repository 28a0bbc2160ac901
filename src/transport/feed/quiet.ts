/** What is told to a view that fills quietly: see `box-view.ts`. */
import type { Cover } from "../../picture/cover.ts";
import type { EncodedLists, Publication } from "../../picture/tick.ts";
import { parts } from "./frame-parts.ts";

/** Leaves of a publication who departs and who comes. Of who stays the client keeps what it has, with its handle. */
export function selectQuietly(publication: Publication, encoded: EncodedLists, kept: Cover): void {
  const { departures, fulls } = parts;
  const staying = new Set<number>();
  departures.ranges.each((place) => {
    const slot = publication.departureSlot(place);
    if (publication.comesBack(slot, kept)) staying.add(slot);
    else departures.add(encoded.departures, place);
  });
  fulls.ranges.each((place) => {
    if (publication.isEntering(place) && !staying.has(publication.fullSlot(place)))
      fulls.add(encoded.fulls, place);
  });
}
