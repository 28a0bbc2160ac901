/**
 * Which reports a binary batch can carry: those of which nothing would be lost or changed. The others go as JSON, so
 * that the server's judgement of them is about what was reported.
 */
import type { Move } from "../src/transport/feed/layout.ts";
import { isoTime } from "./iso-time.ts";

/** A report as it is in a batch: NaN and empty strings are absent. The handle is given when it is sent. */
export interface CompactReport extends Move {
  id: string;
  kind: string;
  source: string;
}

/** Longer ones are refused, and the server says so better. */
const MAX_ID_LENGTH = 256;
const MAX_NAME_LENGTH = 64;
/** Control characters and halves of surrogate pairs are refused, or would be changed by UTF-8. */
const PLAIN = /^[^\p{Cc}\p{Cs}]+$/u;

/** @returns undefined if it must go as JSON */
export function compact(report: unknown): CompactReport | undefined {
  if (typeof report !== "object" || report === null) return undefined;
  const prototype = Object.getPrototypeOf(report);
  if (prototype !== Object.prototype && prototype !== null) return undefined;
  const found: CompactReport = {
    ...{ handle: 0, id: "", kind: "", source: "", t: NaN },
    ...{ lon: NaN, lat: NaN, alt: NaN, speed: NaN, course: NaN, heading: NaN },
  };
  const members = report as Record<string, unknown>;
  // Not `Object.entries`, which takes half of all the time.
  for (const name in members) {
    const value = members[name];
    if (value === undefined) continue;
    const carried = carry(name, value);
    if (carried === undefined) return undefined;
    (found as unknown as Record<string, string | number>)[name] = carried;
  }
  const complete =
    found.id !== "" && !Number.isNaN(found.t) && Number.isNaN(found.lon) === Number.isNaN(found.lat);
  return complete ? found : undefined;
}

/** A member as it is in a batch, undefined if none can carry it. */
function carry(name: string, value: unknown): string | number | undefined {
  switch (name) {
    case "id":
      return plain(value, MAX_ID_LENGTH);
    case "kind":
    case "source":
      return plain(value, MAX_NAME_LENGTH);
    case "t":
      return exactTime(value);
    case "lon":
      return exact(value, -180, 180, 1e7);
    case "lat":
      return exact(value, -90, 90, 1e7);
    case "alt":
      return exact(value, -838_860.7, 838_860.7, 10);
    case "speed":
      return exact(value, 0, 655.34, 100);
    case "course":
    case "heading":
      return exact(value, 0, 359.99, 100);
    default:
      return undefined;
  }
}

function plain(value: unknown, maxLength: number): string | undefined {
  return typeof value === "string" && value.length <= maxLength && PLAIN.test(value) ? value : undefined;
}

function exact(value: unknown, low: number, high: number, scale: number): number | undefined {
  if (typeof value !== "number" || !(value >= low && value <= high)) return undefined;
  return Math.round(value * scale) / scale === value ? value : undefined;
}

/** Unix ms of a time in UTC to the second or the millisecond. Any other is read by the server. */
function exactTime(value: unknown): number | undefined {
  const text = value instanceof Date ? value.toJSON() : value;
  if (typeof text !== "string") return undefined;
  const t = Date.parse(text);
  if (!(t >= 0)) return undefined;
  // `Date.parse` takes much that is no RFC 3339 time, as February 31.
  const written = isoTime(t);
  return written === text || (text.length === 20 && `${written.slice(0, 19)}Z` === text) ? t : undefined;
}

/** The same report as JSON. */
export function jsonOf({ id, kind, source, t, ...numbers }: CompactReport): string {
  const report: Record<string, unknown> = { id, t: isoTime(t) };
  if (kind !== "") report.kind = kind;
  if (source !== "") report.source = source;
  for (const name of ["lon", "lat", "alt", "speed", "course", "heading"] as const)
    if (!Number.isNaN(numbers[name])) report[name] = numbers[name];
  return JSON.stringify(report);
}
