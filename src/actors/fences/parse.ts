/**
 * Fences as they are written: a GeoJSON feature (RFC 7946).
 *
 * ```json
 * { "type": "Feature",
 *   "geometry": { "type": "Polygon", "coordinates": [[[24.9, 60.1], [25.0, 60.1], [25.0, 60.2], [24.9, 60.1]]] },
 *   "properties": { "title": "South harbour", "kinds": ["vessel"], "exitBuffer": 50, "dwellMs": 30000 } }
 * ```
 *
 * `properties` (may be null): `radius` of a Point or a LineString, and what `FenceRules` has. Absent: `exitBuffer` 0, `dwellMs` 0, `minReports` 1, and no
 * bound of the others. `title` is for people.
 */
import { MAX_NAME_LENGTH } from "../../limits.ts";
import { member } from "../machine/definition-members.ts";
import { isStorable } from "../machine/values.ts";
import { isObject, type JsonObject } from "../messages.ts";
import type { Fence, FenceRules } from "./definition.ts";
import { FenceError } from "./errors.ts";
import {
  GREATEST_FENCE_CEILING,
  LEAST_FENCE_FLOOR,
  MAX_EXIT_BUFFER,
  MAX_FENCE_ACCURACY,
  MAX_FENCE_DWELL_MS,
  MAX_FENCE_KINDS,
  MAX_FENCE_REPORTS,
  MAX_FENCE_TITLE_LENGTH,
} from "./limits.ts";
import { members, number } from "./members.ts";
import { parseGeometry } from "./parse-geometry.ts";

const RULES = ["kinds", "exitBuffer", "dwellMs", "minReports", "maxAccuracy", "floor", "ceiling"];
const AT = "/properties";

/** @throws FenceError */
export function parseFence(value: unknown): Fence {
  if (!isObject(value)) throw new FenceError("wrong-type", "", "a fence is a GeoJSON feature");
  members(value, "", ["type", "geometry", "properties"]);
  if (member(value, "type") !== "Feature")
    throw new FenceError("wrong-type", "/type", 'a fence is a GeoJSON feature, its type is "Feature"');
  const properties = member(value, "properties") ?? {};
  if (!isObject(properties)) throw new FenceError("wrong-type", AT, "`properties` is an object, or null");
  members(properties, AT, ["radius", ...RULES, "title"]);
  const { shape, points } = parseGeometry(member(value, "geometry"), member(properties, "radius"));
  const title = member(properties, "title");
  if (title !== undefined) text(title, `${AT}/title`, MAX_FENCE_TITLE_LENGTH);
  return { shape, rules: parseRules(properties), points };
}

function parseRules(properties: JsonObject): FenceRules {
  const kinds = parseKinds(member(properties, "kinds"));
  const maxAccuracy = optional(properties, "maxAccuracy", 0, MAX_FENCE_ACCURACY);
  const floor = optional(properties, "floor", LEAST_FENCE_FLOOR, GREATEST_FENCE_CEILING);
  const ceiling = optional(properties, "ceiling", LEAST_FENCE_FLOOR, GREATEST_FENCE_CEILING);
  if (floor !== undefined && ceiling !== undefined && floor >= ceiling)
    throw new FenceError("out-of-range", `${AT}/ceiling`, "the ceiling is above the floor");
  return {
    ...(kinds && { kinds }),
    exitBuffer: optional(properties, "exitBuffer", 0, MAX_EXIT_BUFFER) ?? 0,
    dwellMs: whole(properties, "dwellMs", 0, MAX_FENCE_DWELL_MS) ?? 0,
    minReports: whole(properties, "minReports", 1, MAX_FENCE_REPORTS) ?? 1,
    ...(maxAccuracy !== undefined && { maxAccuracy }),
    ...(floor !== undefined && { floor }),
    ...(ceiling !== undefined && { ceiling }),
  };
}

function parseKinds(value: unknown): string[] | undefined {
  if (value === undefined) return undefined;
  const at = `${AT}/kinds`;
  if (!Array.isArray(value) || value.length === 0)
    throw new FenceError("wrong-type", at, "`kinds` is a list that is not empty; absent = all");
  if (value.length > MAX_FENCE_KINDS)
    throw new FenceError("too-many-kinds", at, `a fence names at most ${MAX_FENCE_KINDS} kinds`);
  const kinds = value.map((kind, i) => text(kind, `${at}/${i}`, MAX_NAME_LENGTH));
  if (new Set(kinds).size < kinds.length) throw new FenceError("bad-name", at, "a kind is named twice");
  return kinds;
}

function optional(properties: JsonObject, key: string, least: number, most: number): number | undefined {
  const value = member(properties, key);
  return value === undefined ? undefined : number(value, `${AT}/${key}`, least, most);
}

function whole(properties: JsonObject, key: string, least: number, most: number): number | undefined {
  const value = optional(properties, key, least, most);
  if (value !== undefined && !Number.isInteger(value))
    throw new FenceError("out-of-range", `${AT}/${key}`, "it is a whole number");
  return value;
}

function text(value: unknown, at: string, longest: number): string {
  if (typeof value !== "string") throw new FenceError("wrong-type", at, "a string is needed here");
  if (value === "" || value.length > longest || /[\u0000-\u001f\u007f]/.test(value) || !isStorable(value))
    throw new FenceError(
      "bad-name",
      at,
      `it has 1 to ${longest} characters, none of them a control character`,
    );
  return value;
}
