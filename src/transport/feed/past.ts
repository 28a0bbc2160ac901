/**
 * The picture of one playback: entities as they were at a moment. It is a picture like the live one, so that views, filters, channels and formats
 * know nothing of the past.
 */
import { EXPIRED, LIVE } from "../../actors/messages.ts";
import { FULL, MOTION, Picture } from "../../picture/picture.ts";
import { heldAlt, roundDegrees } from "../../picture/record.ts";
import type { Way } from "../../tracks/way.ts";

/** An entity that has gone keeps its slot for so many moments, until every rate has told how. */
const GONE_MOMENTS = 20;
const NONE: readonly Way[] = [];

interface Played {
  readonly id: string;
  ways: readonly Way[];
  /** In the picture; −1 = it is in none. */
  slot: number;
  /** What it is shown by. */
  shown: Way | undefined;
  /** Moments since it went. */
  gone: number;
}

export class Past {
  readonly picture = new Picture();
  readonly #played = new Map<string, Played>();

  /** Takes other ways in place of those before. Nothing is shown by it yet. */
  take(ways: ReadonlyMap<string, readonly Way[]>): void {
    for (const played of this.#played.values()) played.ways = ways.get(played.id) ?? NONE;
    for (const [id, ofOne] of ways) {
      if (this.#played.has(id)) continue;
      this.#played.set(id, { id, ways: ofOne, slot: -1, shown: undefined, gone: 0 });
    }
  }

  /**
   * Shows a moment. What is not there any more has expired if its way ended in silence. Otherwise it left: its way goes on elsewhere, or this moment
   * does not follow the one before.
   * @param t whole Unix ms
   */
  show(t: number, follows: boolean): void {
    for (const played of this.#played.values()) {
      const way = wayAt(played, t);
      if (way !== undefined) this.#show(played, way, t);
      else if (played.slot !== -1) this.#go(played, follows && (played.gone > 0 || hasExpired(played, t)));
      else if (played.ways.length === 0) this.#played.delete(played.id);
    }
  }

  /** Takes an entity out. */
  forget(id: string, reason: "deleted" | "denied"): void {
    const played = this.#played.get(id);
    if (played === undefined) return;
    if (played.slot !== -1) this.picture.remove(played.slot, reason);
    this.#played.delete(id);
  }

  #show(played: Played, way: Way, t: number): void {
    const { picture } = this;
    if (played.slot === -1) played.slot = picture.add(played.id, 0);
    const { slot } = played;
    const { columns } = picture;
    if (played.shown !== way) {
      this.#describe(slot, way);
      played.shown = way;
    }
    if (played.gone > 0) {
      columns.liveness.set(slot, LIVE);
      picture.touch(slot, FULL);
      played.gone = 0;
    }
    const point = way.at(t);
    const lon = roundDegrees(point.lon);
    const lat = roundDegrees(point.lat);
    const alt = heldAlt(point.alt);
    const speed = Math.fround(point.speed);
    const course = Math.fround(point.course);
    const isSame =
      columns.t.of(slot) === point.t &&
      Object.is(columns.alt.of(slot), alt) &&
      Object.is(columns.speed.of(slot), speed) &&
      Object.is(columns.course.of(slot), course);
    if (!isSame) {
      columns.t.set(slot, point.t);
      // Where it was at the moment that is shown, if not in a report then between two.
      columns.placedAt.set(slot, point.t);
      columns.alt.set(slot, alt);
      columns.speed.set(slot, speed);
      columns.course.set(slot, course);
      picture.touch(slot, MOTION);
    }
    if (columns.lon.of(slot) !== lon || columns.lat.of(slot) !== lat) picture.place(slot, lon, lat);
  }

  #describe(slot: number, { description, recorded }: Way): void {
    const { columns } = this.picture;
    const { kind, state, attributes, labels, fences } = description;
    const kindNumber = columns.kinds.number(kind);
    const stateNumber = columns.states.number(state);
    const isSame =
      columns.received.of(slot) === recorded &&
      columns.kind.of(slot) === kindNumber &&
      columns.state.of(slot) === stateNumber &&
      (columns.attributes.get(slot) ?? "") === attributes &&
      JSON.stringify(columns.labels.get(slot) ?? []) === JSON.stringify(labels) &&
      JSON.stringify(columns.fences.get(slot) ?? []) === JSON.stringify(fences);
    if (isSame) return;
    columns.received.set(slot, recorded);
    columns.kind.set(slot, kindNumber);
    columns.state.set(slot, stateNumber);
    if (attributes === "") columns.attributes.delete(slot);
    else columns.attributes.set(slot, attributes);
    if (labels.length === 0) columns.labels.delete(slot);
    else columns.labels.set(slot, labels);
    if (fences.length === 0) columns.fences.delete(slot);
    else columns.fences.set(slot, fences);
    this.picture.touch(slot, FULL);
  }

  #go(played: Played, hasExpired: boolean): void {
    if (played.gone === 0 && hasExpired) {
      this.picture.columns.liveness.set(played.slot, EXPIRED);
      this.picture.touch(played.slot, FULL);
    }
    played.shown = undefined;
    played.gone++;
    if (hasExpired && played.gone < GONE_MOMENTS) return;
    this.picture.remove(played.slot, "left");
    played.slot = -1;
    played.gone = 0;
  }
}

/** Whether the last that is known of an entity before `t` is that nothing was heard of it any more. */
function hasExpired({ ways, shown }: Played, t: number): boolean {
  let ended: Way | undefined;
  // Those from memory were read before those from rows.
  for (const way of ways) if (way.end <= t && way.end >= (ended?.end ?? -Infinity)) ended = way;
  return (ended ?? shown)?.hold === true;
}

function wayAt({ ways, shown }: Played, t: number): Way | undefined {
  if (shown !== undefined && shown.first <= t && t < shown.end && ways.includes(shown)) return shown;
  return ways.find(({ first, end }) => first <= t && t < end);
}
