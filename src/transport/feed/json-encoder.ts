/**
 * Records of `muster.v1.json`, written as UTF-8 straight into the tick's buffer, each followed by a comma (the frame
 * drops the last one). An object, `JSON.stringify` and `Buffer.from` per record take several times as long.
 */
import type { Buffer } from "node:buffer";
import { LIVENESS } from "../../actors/messages.ts";
import type { Bytes } from "../../picture/bytes.ts";
import { type Columns, IMPLAUSIBLE } from "../../picture/columns.ts";
import type { Interner } from "../../picture/interner.ts";
import type { Picture } from "../../picture/picture.ts";
import { isKnown, isPlacedBefore } from "../../picture/record.ts";
import {
  ALT,
  COURSE,
  DEPARTURE_REASONS,
  type DepartureReason,
  HEADING,
  type RecordEncoder,
  SPEED,
} from "../../picture/tick.ts";
import {
  Literal,
  putDegrees,
  putDirection,
  putHundredths,
  putLiteral,
  putString,
  putTenths,
  putText,
  putWhole,
  TimeWriter,
} from "./json-writer.ts";

/** Room for all numbers, times and member names of a full record; for strings it is added. */
const FIXED_ROOM = 680;
/** A UTF-16 unit takes at most 6 bytes of JSON: `\u0000`. */
const UNIT_ROOM = 6;

const BRACKET = new Literal("[");
const ID = new Literal('{"id":');
const KIND = new Literal(',"kind":');
const STATE = new Literal(',"state":');
const T = new Literal(',"t":"');
const PLACED_AT = new Literal('","placedAt":"');
const RECEIVED = new Literal('","received":"');
const LON = new Literal('","lon":');
const LAT = new Literal(',"lat":');
const ALT_NAME = new Literal(',"alt":');
const ALT_NULL = new Literal(',"alt":null');
const SPEED_NAME = new Literal(',"speed":');
const SPEED_NULL = new Literal(',"speed":null');
const COURSE_NAME = new Literal(',"course":');
const COURSE_NULL = new Literal(',"course":null');
const HEADING_NAME = new Literal(',"heading":');
const HEADING_NULL = new Literal(',"heading":null');
const ACCURACY = new Literal(',"accuracy":');
const SOURCE = new Literal(',"source":');
const IS_IMPLAUSIBLE = new Literal(',"implausible":true');
const ATTRIBUTES = new Literal(',"attributes":');
const NO_ATTRIBUTES = new Literal(',"attributes":{}');
const LABELS = new Literal(',"labels":');
const NO_LABELS = new Literal(',"labels":[]');
const FENCES = new Literal(',"fences":');
const NO_FENCES = new Literal(',"fences":[]');
const EPOCH = new Literal(',"epoch":');
const SEQ = new Literal(',"seq":');
const END = new Literal("},");
const LIVENESSES = LIVENESS.map((liveness) => new Literal(`,"liveness":"${liveness}"`));
const REASONS = new Map(DEPARTURE_REASONS.map((reason) => [reason, new Literal(`,"${reason}"],`)]));

export class JsonEncoder implements RecordEncoder {
  readonly #columns: Columns;
  readonly #times = new TimeWriter();
  /** Kinds and states by number, as JSON. */
  readonly #kinds: (Literal | undefined)[] = [];
  readonly #states: (Literal | undefined)[] = [];

  constructor(picture: Picture) {
    this.#columns = picture.columns;
  }

  look(slot: number): number {
    return this.#columns.rows.touch(slot);
  }

  departure(slot: number, reason: DepartureReason, out: Bytes): void {
    const id = this.#columns.id[slot]!;
    out.reserve(id.length * UNIT_ROOM + 64);
    const at = putString(out.buffer, putLiteral(out.view, out.length, BRACKET), id);
    out.length = putLiteral(out.view, at, REASONS.get(reason)!);
  }

  move(slot: number, published: number, _t: number, out: Bytes): void {
    const columns = this.#columns;
    const id = columns.id[slot]!;
    out.reserve(id.length * UNIT_ROOM + FIXED_ROOM);
    const { buffer, view } = out;
    let at = putString(buffer, putLiteral(view, out.length, ID), id);
    at = this.#times.put(buffer, view, putLiteral(view, at, T), columns.t.of(slot));
    at = this.#motion(buffer, view, at, slot, published);
    out.length = putLiteral(view, at, END);
  }

  full(slot: number, out: Bytes): void {
    const columns = this.#columns;
    const id = columns.id[slot]!;
    const attributes = columns.attributes.get(slot);
    const kind = literalOf(columns.kinds, columns.kind.of(slot), this.#kinds);
    const state = literalOf(columns.states, columns.state.of(slot), this.#states);
    const source = columns.sources.name(columns.source.of(slot));
    const labels = columns.labels.get(slot);
    const labelsText = labels && JSON.stringify(labels);
    const fences = columns.fences.get(slot);
    const fencesText = fences && JSON.stringify(fences);
    const listUnits = (labelsText?.length ?? 0) + (fencesText?.length ?? 0);
    const units = id.length + source.length + (attributes?.length ?? 0) + listUnits;
    out.reserve(units * UNIT_ROOM + kind.length + state.length + FIXED_ROOM);
    const { buffer, view } = out;
    let at = putString(buffer, putLiteral(view, out.length, ID), id);
    at = putLiteral(view, putLiteral(view, at, KIND), kind);
    at = putLiteral(view, putLiteral(view, at, STATE), state);
    at = putLiteral(view, at, LIVENESSES[columns.liveness.of(slot)]);
    at = this.#times.put(buffer, view, putLiteral(view, at, T), columns.t.of(slot));
    if (isPlacedBefore(columns, slot))
      at = this.#times.put(buffer, view, putLiteral(view, at, PLACED_AT), columns.placedAt.of(slot));
    at = this.#times.put(buffer, view, putLiteral(view, at, RECEIVED), columns.received.of(slot));
    at = this.#motion(buffer, view, at, slot, 0);
    const accuracy = columns.accuracy.of(slot);
    if (isKnown(accuracy)) at = putHundredths(buffer, view, putLiteral(view, at, ACCURACY), accuracy);
    if (source !== "") at = putString(buffer, putLiteral(view, at, SOURCE), source);
    if (columns.flags.of(slot) & IMPLAUSIBLE) at = putLiteral(view, at, IS_IMPLAUSIBLE);
    if (attributes === undefined) at = putLiteral(view, at, NO_ATTRIBUTES);
    else at = putText(buffer, putLiteral(view, at, ATTRIBUTES), attributes);
    if (labelsText === undefined) at = putLiteral(view, at, NO_LABELS);
    else at = putText(buffer, putLiteral(view, at, LABELS), labelsText);
    if (fencesText === undefined) at = putLiteral(view, at, NO_FENCES);
    else at = putText(buffer, putLiteral(view, at, FENCES), fencesText);
    at = putWhole(buffer, putLiteral(view, at, EPOCH), columns.epoch.of(slot));
    at = putWhole(buffer, putLiteral(view, at, SEQ), columns.seq.of(slot));
    out.length = putLiteral(view, at, END);
  }

  /** Place and known motion; `null` for what was published and is unknown now. Ends the time before it. */
  #motion(buffer: Buffer, view: DataView, start: number, slot: number, published: number): number {
    const columns = this.#columns;
    let at = putDegrees(buffer, view, putLiteral(view, start, LON), columns.lon.of(slot));
    at = putDegrees(buffer, view, putLiteral(view, at, LAT), columns.lat.of(slot));
    const alt = columns.alt.of(slot);
    if (isKnown(alt)) at = putTenths(buffer, putLiteral(view, at, ALT_NAME), alt);
    else if (published & ALT) at = putLiteral(view, at, ALT_NULL);
    const speed = columns.speed.of(slot);
    if (isKnown(speed)) at = putHundredths(buffer, view, putLiteral(view, at, SPEED_NAME), speed);
    else if (published & SPEED) at = putLiteral(view, at, SPEED_NULL);
    const course = columns.course.of(slot);
    if (isKnown(course)) at = putDirection(buffer, view, putLiteral(view, at, COURSE_NAME), course);
    else if (published & COURSE) at = putLiteral(view, at, COURSE_NULL);
    const heading = columns.heading.of(slot);
    if (isKnown(heading)) at = putDirection(buffer, view, putLiteral(view, at, HEADING_NAME), heading);
    else if (published & HEADING) at = putLiteral(view, at, HEADING_NULL);
    return at;
  }
}

/** The JSON of an interned name, kept: there are few. */
function literalOf(names: Interner, number: number, known: (Literal | undefined)[]): Literal {
  let literal = known[number];
  if (literal === undefined) {
    literal = new Literal(JSON.stringify(names.name(number)));
    known[number] = literal;
  }
  return literal;
}
