/**
 * An entity as it leaves Muster. Motion is stored as given and rounded here, by the same functions for REST and the
 * feed, so that a client's replica equals what REST answers to the last digit.
 */
import assert from "node:assert/strict";
import { type JsonObject, LIVENESS, type Liveness } from "../actors/messages.ts";
import { type Columns, HAS_PLACE, IMPLAUSIBLE } from "./columns.ts";
import type { Picture } from "./picture.ts";

/** Decimals of a degree: 7 are 11 mm. */
const DEGREE_SCALE = 1e7;
/** Decimals of metres per second, degrees of direction, and accuracy in metres: the columns are single precision. */
const MOTION_SCALE = 100;
/** Decimals of an altitude in metres. */
const ALT_SCALE = 10;

function round(value: number, scale: number): number {
  // + 0 makes −0 to 0, as JSON does.
  return Math.round(value * scale) / scale + 0;
}

/** Longitude or latitude, 7 decimals. */
export function roundDegrees(degrees: number): number {
  return round(degrees, DEGREE_SCALE);
}

/** Speed or accuracy, 2 decimals. */
export function roundMotion(value: number): number {
  return round(value, MOTION_SCALE);
}

/** Altitude, 1 decimal. */
export function roundAlt(metres: number): number {
  return round(metres, ALT_SCALE);
}

/** An altitude as the picture holds it: above 1,000 km to a few metres. */
export function heldAlt(metres: number): number {
  return Math.fround(roundAlt(metres));
}

/** Course or heading, 2 decimals, 0 ≤ direction < 360: 359.999 is 0. */
export function roundDirection(degrees: number): number {
  const rounded = round(degrees, MOTION_SCALE);
  return rounded === 360 ? 0 : rounded;
}

/** 9999-12-31T23:59:59.999Z: RFC 3339 years have four digits. */
const LAST_TIME = 253_402_300_799_999;

/** Unix ms as they are written: whole, 1970 … 9999. Nothing observed is outside; a slot that was never reported is. */
export function writableTime(t: number): number {
  return t >= LAST_TIME ? LAST_TIME : t > 0 ? Math.floor(t) : 0;
}

/** Unix ms → RFC 3339 UTC with milliseconds. */
export function isoTime(t: number): string {
  return new Date(writableTime(t)).toISOString();
}

/** Whether an entity that has a place was there at `placedAt`, and not known to be at `t`: no report since had one. */
export function isPlacedBefore({ flags, placedAt, t }: Columns, slot: number): boolean {
  return (flags.of(slot) & HAS_PLACE) !== 0 && placedAt.of(slot) !== t.of(slot);
}

/** Everything about an entity; absent = unknown. The feed's full record, and `properties` in REST. */
export interface EntityRecord {
  id: string;
  kind: string;
  state: string;
  liveness: Liveness;
  /** RFC 3339. */
  t: string;
  /** RFC 3339. When it was at its place, if no report since then had one; absent = at `t`. */
  placedAt?: string;
  /** RFC 3339. */
  received: string;
  source?: string;
  /** Present together with `lat`, or not at all if the entity never had a place. Feeds have only entities with one. */
  lon?: number;
  lat?: number;
  alt?: number;
  speed?: number;
  course?: number;
  heading?: number;
  accuracy?: number;
  implausible?: true;
  attributes: JsonObject;
  labels: string[];
  fences: string[];
  epoch: number;
  seq: number;
}

/** The record of the entity in a slot in use. A new object each time. */
export function fullRecord(picture: Picture, slot: number): EntityRecord {
  const columns = picture.columns;
  const id = columns.id[slot];
  assert.ok(id !== undefined, "a free slot has no record");
  const record: EntityRecord = {
    id,
    kind: columns.kinds.name(columns.kind.of(slot)),
    state: columns.states.name(columns.state.of(slot)),
    liveness: LIVENESS[columns.liveness.of(slot)],
    t: isoTime(columns.t.of(slot)),
    received: isoTime(columns.received.of(slot)),
    attributes: {},
    labels: [...(columns.labels.get(slot) ?? [])],
    fences: [...(columns.fences.get(slot) ?? [])],
    epoch: columns.epoch.of(slot),
    seq: columns.seq.of(slot),
  };
  const attributes = columns.attributes.get(slot);
  if (attributes !== undefined) record.attributes = JSON.parse(attributes) as JsonObject;
  if (columns.source.of(slot) !== 0) record.source = columns.sources.name(columns.source.of(slot));
  if (columns.flags.of(slot) & HAS_PLACE) {
    record.lon = roundDegrees(columns.lon.of(slot));
    record.lat = roundDegrees(columns.lat.of(slot));
    if (isPlacedBefore(columns, slot)) record.placedAt = isoTime(columns.placedAt.of(slot));
  }
  if (isKnown(columns.alt.of(slot))) record.alt = roundAlt(columns.alt.of(slot));
  if (isKnown(columns.speed.of(slot))) record.speed = roundMotion(columns.speed.of(slot));
  if (isKnown(columns.course.of(slot))) record.course = roundDirection(columns.course.of(slot));
  if (isKnown(columns.heading.of(slot))) record.heading = roundDirection(columns.heading.of(slot));
  if (isKnown(columns.accuracy.of(slot))) record.accuracy = roundMotion(columns.accuracy.of(slot));
  if (columns.flags.of(slot) & IMPLAUSIBLE) record.implausible = true;
  return record;
}

/** What the 24 bytes of a move hold: see `transport/feed/layout.ts`, whose test checks that both agree. */
const MAX_MOVE_AGE_MS = 0xffffff;
const MAX_MOVE_SPEED = 655.34;
const MAX_MOVE_ALT = 838_860;

/** Whether the motion of a slot, which has a place, fits a move in a frame of time `now`, Unix ms; a full record has room for any. */
export function fitsMove(columns: Columns, slot: number, now: number): boolean {
  const t = columns.t.of(slot);
  const age = now - t;
  return (
    columns.placedAt.of(slot) === t &&
    age >= 0 &&
    age <= MAX_MOVE_AGE_MS &&
    !(columns.speed.of(slot) > MAX_MOVE_SPEED) &&
    !(Math.abs(columns.alt.of(slot)) > MAX_MOVE_ALT)
  );
}

/** Absent numbers are NaN; an infinity that single precision made of a huge one has no JSON either. */
export function isKnown(value: number): boolean {
  return Number.isFinite(value);
}
