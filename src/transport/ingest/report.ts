/**
 * Turns a JSON value into a `Report` or says what is wrong with it: the edge where everything is refused that must not get
 * further. By hand, because this runs for every report: a zod schema takes some twenty times as long.
 */
import type { JsonObject, Refusal, Report } from "../../actors/messages.ts";
import { MAX_ID_LENGTH, MAX_NAME_LENGTH } from "../../limits.ts";
import { roundDegrees } from "../../picture/record.ts";
import { attributesFault } from "./attributes.ts";
import { parseTime } from "./parse-time.ts";
import { quoted, textFault } from "./text.ts";

/** Alt, speed and accuracy are kept as float32. */
const MAX_FLOAT32 = 3.4028234663852886e38;

/** Whether `decodeReport` refused. */
export function isRefusal(decoded: Report | Refusal): decoded is Refusal {
  return "detail" in decoded;
}

function refused(detail: string): Refusal {
  return { type: "invalid-report", detail };
}

/**
 * Decodes one report of the JSON format. Members that are absent are `undefined` in the result, so that all reports
 * have one shape. `value` comes from `JSON.parse`; its `attributes` are not copied.
 */
export function decodeReport(value: unknown): Report | Refusal {
  if (typeof value !== "object" || value === null || Array.isArray(value))
    return refused("a report must be a JSON object");
  const report = emptyReport();
  const input = value as Record<string, unknown>;
  for (const key in input) {
    const fault = decodeMember(report, key, input[key]);
    if (fault !== undefined) return refused(fault);
  }
  const fault = missing(report);
  return fault === undefined ? report : refused(fault);
}

/** A report of which nothing is known yet: `id` is empty, `t` NaN. */
export function emptyReport(): Report {
  return {
    id: "",
    t: NaN,
    kind: undefined,
    lon: undefined,
    lat: undefined,
    alt: undefined,
    speed: undefined,
    course: undefined,
    heading: undefined,
    accuracy: undefined,
    attributes: undefined,
    source: undefined,
    seq: undefined,
    hint: undefined,
  };
}

/** What a report still needs when all its members are known, or `undefined`. */
export function missing(report: Report): string | undefined {
  if (report.id === "") return "id is missing";
  if (Number.isNaN(report.t)) return "t is missing";
  if ((report.lon === undefined) === (report.lat === undefined)) return undefined;
  return report.lon === undefined ? "lat needs a lon" : "lon needs a lat";
}

/** Sets a member. @returns what is wrong with it, or `undefined`. */
export function decodeMember(report: Report, key: string, value: unknown): string | undefined {
  switch (key) {
    case "id":
      report.id = value as string;
      return idFault("id", value);
    case "kind":
      report.kind = value as string;
      return nameFault("kind", value, MAX_NAME_LENGTH);
    case "source":
      report.source = value as string;
      return nameFault("source", value, MAX_NAME_LENGTH);
    case "t":
      if (typeof value !== "string") return "t must be an RFC 3339 time, as a string";
      report.t = parseTime(value);
      return Number.isNaN(report.t)
        ? `t must be an RFC 3339 time like 2026-01-02T03:04:05.678Z, not ${quoted(value)}`
        : undefined;
    case "lon":
      report.lon = degrees(value);
      return numberFault("lon", value, -180, 180);
    case "lat":
      report.lat = degrees(value);
      return numberFault("lat", value, -90, 90);
    case "alt":
      report.alt = value as number;
      return numberFault("alt", value, -MAX_FLOAT32, MAX_FLOAT32);
    case "speed":
      report.speed = value as number;
      return numberFault("speed", value, 0, MAX_FLOAT32);
    case "accuracy":
      report.accuracy = value as number;
      return numberFault("accuracy", value, 0, MAX_FLOAT32);
    case "course":
      report.course = direction(value);
      return numberFault("course", value, 0, 360);
    case "heading":
      report.heading = direction(value);
      return numberFault("heading", value, 0, 360);
    case "seq":
      report.seq = value as number;
      return Number.isSafeInteger(value) && (value as number) >= 0
        ? undefined
        : `seq must be an integer from 0 to 2^53 − 1, not ${quoted(value)}`;
    case "attributes":
      report.attributes = value as JsonObject;
      return attributesFault(value);
    default:
      return `${quoted(key)} is not a member of a report`;
  }
}

/** What is wrong with what many reports share, or `undefined`. Empty = not said, but for `id`. */
export function sourceFault(shared: { id: string; kind: string; source: string }): string | undefined {
  const { id, kind, source } = shared;
  return (
    idFault("id", id) ??
    (kind === "" ? undefined : nameFault("kind", kind, MAX_NAME_LENGTH)) ??
    (source === "" ? undefined : nameFault("source", source, MAX_NAME_LENGTH))
  );
}

/** What is wrong with the id of an entity that is reported or asked something, as a sentence about `name`, or `undefined`. */
export function idFault(name: string, value: unknown): string | undefined {
  const fault = nameFault(name, value, MAX_ID_LENGTH);
  if (fault !== undefined || !isDots(value)) return fault;
  return `${name} must not be "." or "..", which no address can have at its end`;
}

/** Ids that whoever reads an address takes for steps of its path, percent-encoded too. */
export function isDots(id: unknown): boolean {
  return id === "." || id === "..";
}

/** What is wrong with a text of 1 to `maxLength` characters, as a sentence about `name`, or `undefined`. */
export function nameFault(name: string, value: unknown, maxLength: number): string | undefined {
  if (typeof value !== "string") return `${name} must be a string`;
  const length = value.length;
  if (length === 0) return `${name} is empty`;
  if (length > maxLength) return `${name} has ${length} characters; at most ${maxLength} are allowed`;
  const fault = textFault(value, false);
  return fault === undefined ? undefined : `${name} ${fault}`;
}

function numberFault(name: string, value: unknown, low: number, high: number): string | undefined {
  if (typeof value !== "number") return `${name} must be a number`;
  if (value >= low && value <= high) return undefined;
  if (!Number.isFinite(value)) return `${name} must be a finite number`;
  if (high === MAX_FLOAT32)
    return low === 0 && value < 0
      ? `${name} must be at least 0, not ${quoted(value)}`
      : `${name} is too large: ${quoted(value)}`;
  return `${name} must be from ${low} to ${high}, not ${quoted(value)}`;
}

/** As clients see it, so that boxes are judged by the same digits on both sides. */
function degrees(value: unknown): number {
  return typeof value === "number" ? roundDegrees(value) : (value as number);
}

/** 0 ≤ direction < 360, also after rounding to float32, in which it is kept. */
function direction(value: unknown): number {
  return typeof value === "number" && Math.fround(value) >= 360 ? 0 : (value as number);
}
