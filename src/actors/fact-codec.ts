/**
 * Facts as bytes: the records of a journal section. One record is: tag u8, number varint, seq varint, then by tag.
 * Little-endian; strings are a varint length and UTF-8. A section is opened with a version byte.
 */
import assert from "node:assert/strict";
import { ByteReader, type ByteWriter, putVarint, putZigzag, ZIGZAG_END } from "./bytes.ts";
import type { CommandOutcome } from "./command-memory.ts";
import type { Fact, Reported } from "./facts.ts";
import { readOccupied, writeOccupied } from "./fences/occupied-codec.ts";
import type { JsonObject } from "./messages.ts";

/** The newest that is read. */
export const SECTION_VERSION = 9;
const WITHOUT_PATCHES = 8;
/** The first version had no commands, the second no deletions, the third did not say when one is complete, the fourth had no machines but the built-in one, the fifth no fences, the sixth no short times and places, the seventh did not say since when, the eighth had no patches; else they are the same. */
const OLDEST_VERSION = 1;

const INTRODUCED = 1;
const KIND = 2;
const REPORTED = 3;
const TRANSITIONED = 4;
const LIVENESS = 5;
const COMMANDED = 6;
const DELETED = 7;
const REMOVED = 8;
const MACHINE = 9;
const OCCUPIED = 10;
/** As those without, with since when it is so. */
const KIND_SINCE = 11;
const TRANSITIONED_SINCE = 12;
const OCCUPIED_SINCE = 13;
const PATCHED = 14;

const LATE = 1;
const IMPLAUSIBLE = 2;
const PLACE = 4;
const ALT = 8;
const SPEED = 16;
const COURSE = 32;
const HEADING = 64;
const ACCURACY = 128;
const SOURCE = 256;
const SOURCE_SEQ = 512;
const ATTRIBUTES = 1024;
/** `received` is six bytes of whole ms, and `t` a zigzag varint of how much older it is. */
const WHOLE_TIMES = 2048;
/** A place is two whole numbers of 1e-7°. */
const SHORT_PLACE = 4096;

const UNITS_PER_DEGREE = 1e7;

/** The version of a section that has this fact, at least: a node of a version before reads what it knows. */
export function sectionVersion(fact: Fact): number {
  return fact.is === "patched" ? SECTION_VERSION : WITHOUT_PATCHES;
}

/** Appends one fact. */
export function writeFact(fact: Fact, out: ByteWriter): void {
  switch (fact.is) {
    case "reported":
      writeReported(fact, out);
      return;
    case "introduced":
      head(INTRODUCED, fact, out);
      out.string(fact.id);
      out.string(fact.kind);
      return;
    case "kind":
      headSince(KIND, KIND_SINCE, fact, out);
      out.string(fact.kind);
      return;
    case "transitioned":
      headSince(TRANSITIONED, TRANSITIONED_SINCE, fact, out);
      out.string(fact.state);
      out.string(JSON.stringify(fact.context));
      out.reserve(8);
      out.varint(fact.timers.length);
      for (const timer of fact.timers) {
        out.string(timer.key);
        out.reserve(8);
        out.f64(timer.due);
      }
      return;
    case "machine":
      head(MACHINE, fact, out);
      out.string(fact.machine);
      return;
    case "liveness":
      head(LIVENESS, fact, out);
      out.u8(fact.liveness);
      return;
    case "occupied":
      headSince(OCCUPIED, OCCUPIED_SINCE, fact, out);
      writeOccupied(fact.occupied, out);
      return;
    case "commanded":
      head(COMMANDED, fact, out);
      out.string(fact.id);
      out.reserve(9);
      out.f64(fact.at);
      out.u8(fact.outcome);
      out.string(fact.state);
      return;
    case "patched":
      head(PATCHED, fact, out);
      out.string(fact.key);
      out.reserve(8);
      out.f64(fact.at);
      out.string(fact.labels === undefined ? "" : JSON.stringify(fact.labels));
      out.string(fact.attributes);
      return;
    case "deleted":
      head(DELETED, fact, out);
      out.string(fact.command);
      out.reserve(9);
      out.f64(fact.at);
      out.u8(fact.erase ? 1 : 0);
      out.string(fact.id);
      return;
    case "removed":
      head(REMOVED, fact, out);
      return;
    default:
      fact satisfies never;
  }
}

function head(tag: number, fact: Fact, out: ByteWriter): void {
  out.reserve(24);
  out.u8(tag);
  out.varint(fact.number);
  out.varint(fact.seq);
}

function headSince(tag: number, tagSince: number, fact: Fact & { since?: number }, out: ByteWriter): void {
  const { since } = fact;
  head(since === undefined ? tag : tagSince, fact, out);
  if (since !== undefined) out.f64(since);
}

/** What all numbers of a reported fact take at most. */
const REPORTED_BYTES = 96;

/** Nearly all facts are of this kind, so the offset is kept here and not in the writer, which would store it after each number. */
function writeReported(fact: Reported, out: ByteWriter): void {
  const isPlaced = !Number.isNaN(fact.lon);
  const mask =
    (fact.late ? LATE : 0) |
    (fact.implausible ? IMPLAUSIBLE : 0) |
    (isPlaced ? PLACE : 0) |
    (Number.isNaN(fact.alt) ? 0 : ALT) |
    (Number.isNaN(fact.speed) ? 0 : SPEED) |
    (Number.isNaN(fact.course) ? 0 : COURSE) |
    (Number.isNaN(fact.heading) ? 0 : HEADING) |
    (Number.isNaN(fact.accuracy) ? 0 : ACCURACY) |
    (fact.source === "" ? 0 : SOURCE) |
    (fact.sourceSeq < 0 ? 0 : SOURCE_SEQ) |
    (fact.attributes === "" ? 0 : ATTRIBUTES) |
    (hasWholeTimes(fact) ? WHOLE_TIMES : 0) |
    (isPlaced && isShort(fact.lon) && isShort(fact.lat) ? SHORT_PLACE : 0);
  const view = out.room(REPORTED_BYTES);
  view.setUint8(out.length, REPORTED);
  let at = putVarint(view, out.length + 1, fact.number);
  at = putVarint(view, at, fact.seq);
  view.setUint16(at, mask, true);
  at += 2;
  if (mask & WHOLE_TIMES) {
    view.setUint32(at, fact.received, true);
    view.setUint16(at + 4, fact.received / 2 ** 32, true);
    at = putZigzag(view, at + 6, fact.received - fact.t);
  } else {
    view.setFloat64(at, fact.t, true);
    view.setFloat64(at + 8, fact.received, true);
    at += 16;
  }
  view.setUint32(at, fact.hash, true);
  at += 4;
  if (mask & SHORT_PLACE) {
    view.setInt32(at, unitsOf(fact.lon), true);
    view.setInt32(at + 4, unitsOf(fact.lat), true);
    at += 8;
  } else if (mask & PLACE) {
    view.setFloat64(at, fact.lon, true);
    view.setFloat64(at + 8, fact.lat, true);
    at += 16;
  }
  if (mask & ALT) at = putF32(view, at, fact.alt);
  if (mask & SPEED) at = putF32(view, at, fact.speed);
  if (mask & COURSE) at = putF32(view, at, fact.course);
  if (mask & HEADING) at = putF32(view, at, fact.heading);
  if (mask & ACCURACY) at = putF32(view, at, fact.accuracy);
  if (mask & SOURCE_SEQ) {
    view.setFloat64(at, fact.sourceSeq, true);
    at += 8;
  }
  out.length = at;
  if (mask & SOURCE) out.string(fact.source);
  if (mask & ATTRIBUTES) out.string(fact.attributes);
}

function hasWholeTimes({ t, received }: Reported): boolean {
  if (!Number.isInteger(received) || !Number.isInteger(t)) return false;
  return t > 0 && received > 0 && received < 2 ** 48 && Math.abs(received - t) < ZIGZAG_END;
}

/** To nothing but whole numbers of 1e-7°, `unitsOf` is the way back. */
function isShort(degrees: number): boolean {
  return Object.is(unitsOf(degrees) / UNITS_PER_DEGREE, degrees);
}

function unitsOf(degrees: number): number {
  return Math.round(degrees * UNITS_PER_DEGREE) | 0;
}

function putF32(view: DataView, at: number, value: number): number {
  view.setFloat32(at, value, true);
  return at + 4;
}

/** A report with nothing in it, to be filled and reused. */
export function emptyReported(): Reported {
  return {
    is: "reported",
    number: 0,
    seq: 0,
    t: 0,
    received: 0,
    hash: 0,
    late: false,
    implausible: false,
    lon: NaN,
    lat: NaN,
    alt: NaN,
    speed: NaN,
    course: NaN,
    heading: NaN,
    accuracy: NaN,
    source: "",
    sourceSeq: -1,
    attributes: "",
  };
}

/**
 * Reads the facts of a section in order.
 * @param found gets each fact and the bytes [start, end) it takes in `section`; a `Reported` is reused for the next.
 * @throws AssertionError if the bytes are not a section: the journal is ours, so that is a defect or a damaged disk.
 */
export function readFacts(
  section: Uint8Array,
  found: (fact: Fact, start: number, end: number) => void,
): void {
  const input = new ByteReader(section);
  const version = input.u8();
  assert.ok(
    version >= OLDEST_VERSION && version <= SECTION_VERSION,
    `journal section of version ${version}, this program reads ${OLDEST_VERSION} to ${SECTION_VERSION}`,
  );
  const reported = emptyReported();
  while (!input.done) {
    const start = input.at;
    const fact = readFact(input, reported);
    found(fact, start, input.at);
  }
}

function readFact(input: ByteReader, reported: Reported): Fact {
  const tag = input.u8();
  const number = input.varint();
  const seq = input.varint();
  switch (tag) {
    case REPORTED:
      return readReported(input, number, seq, reported);
    case INTRODUCED:
      return { is: "introduced", number, seq, id: input.string(), kind: input.string() };
    case KIND:
    case KIND_SINCE: {
      const since = sinceOf(input, tag === KIND_SINCE);
      return { is: "kind", number, seq, kind: input.string(), ...since };
    }
    case TRANSITIONED:
    case TRANSITIONED_SINCE: {
      const since = sinceOf(input, tag === TRANSITIONED_SINCE);
      const state = input.string();
      const context = JSON.parse(input.string()) as JsonObject;
      const timers = Array.from({ length: input.varint() }, () => ({
        key: input.string(),
        due: input.f64(),
      }));
      return { is: "transitioned", number, seq, state, context, timers, ...since };
    }
    case MACHINE:
      return { is: "machine", number, seq, machine: input.string() };
    case LIVENESS:
      return { is: "liveness", number, seq, liveness: input.u8() };
    case OCCUPIED:
    case OCCUPIED_SINCE: {
      const since = sinceOf(input, tag === OCCUPIED_SINCE);
      return { is: "occupied", number, seq, occupied: readOccupied(input), ...since };
    }
    case COMMANDED: {
      const id = input.string();
      const at = input.f64();
      const outcome = input.u8() as CommandOutcome;
      return { is: "commanded", number, seq, id, at, outcome, state: input.string() };
    }
    case PATCHED: {
      const key = input.string();
      const at = input.f64();
      const text = input.string();
      const labels = text === "" ? {} : { labels: JSON.parse(text) as string[] };
      return { is: "patched", number, seq, key, at, ...labels, attributes: input.string() };
    }
    case DELETED: {
      const command = input.string();
      const at = input.f64();
      const erase = input.u8() === 1;
      return { is: "deleted", number, seq, command, at, erase, id: input.string() };
    }
    case REMOVED:
      return { is: "removed", number, seq };
    default:
      assert.fail(`unknown fact ${tag} at byte ${input.at}`);
  }
}

function sinceOf(input: ByteReader, isTold: boolean): { since?: number } {
  return isTold ? { since: input.f64() } : {};
}

function readReported(input: ByteReader, number: number, seq: number, into: Reported): Reported {
  const mask = input.u16();
  into.number = number;
  into.seq = seq;
  into.late = (mask & LATE) !== 0;
  into.implausible = (mask & IMPLAUSIBLE) !== 0;
  if (mask & WHOLE_TIMES) {
    into.received = input.u32() + input.u16() * 2 ** 32;
    into.t = into.received - input.zigzag();
  } else {
    into.t = input.f64();
    into.received = input.f64();
  }
  into.hash = input.u32();
  if (mask & SHORT_PLACE) {
    into.lon = input.i32() / UNITS_PER_DEGREE;
    into.lat = input.i32() / UNITS_PER_DEGREE;
  } else {
    into.lon = mask & PLACE ? input.f64() : NaN;
    into.lat = mask & PLACE ? input.f64() : NaN;
  }
  into.alt = mask & ALT ? input.f32() : NaN;
  into.speed = mask & SPEED ? input.f32() : NaN;
  into.course = mask & COURSE ? input.f32() : NaN;
  into.heading = mask & HEADING ? input.f32() : NaN;
  into.accuracy = mask & ACCURACY ? input.f32() : NaN;
  into.sourceSeq = mask & SOURCE_SEQ ? input.f64() : -1;
  into.source = mask & SOURCE ? input.string() : "";
  into.attributes = mask & ATTRIBUTES ? input.string() : "";
  return into;
}
