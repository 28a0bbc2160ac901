/** From what CEL computes to JSON that PostgreSQL stores, and comparing such JSON. */
import { MAX_ATTRIBUTES_DEPTH } from "../../limits.ts";
import type { Json, JsonObject } from "../messages.ts";

/**
 * The value as JSON, or `undefined` if JSON or `jsonb` cannot hold it: a number that is not finite, an int beyond 2^53, NUL or half a
 * surrogate pair in a string, a time, bytes, too deep a nesting.
 */
export function asJson(value: unknown, depth = 0): Json | undefined {
  switch (typeof value) {
    case "string":
      return isStorable(value) ? value : undefined;
    case "boolean":
      return value;
    case "number":
      return Number.isFinite(value) ? value : undefined;
    case "bigint": {
      const number = Number(value);
      return Number.isSafeInteger(number) ? number : undefined;
    }
    case "object":
      break;
    default:
      return undefined;
  }
  if (value === null) return null;
  if (depth >= MAX_ATTRIBUTES_DEPTH) return undefined;
  if (Array.isArray(value)) {
    const list: Json[] = [];
    for (const item of value) {
      const json = asJson(item, depth + 1);
      if (json === undefined) return undefined;
      list.push(json);
    }
    return list;
  }
  const prototype = Object.getPrototypeOf(value);
  const isMap = value instanceof Map;
  if (isMap || prototype === Object.prototype || prototype === null) {
    const object: JsonObject = {};
    for (const [key, item] of isMap ? (value as Map<string, unknown>) : Object.entries(value)) {
      const json = asJson(item, depth + 1);
      if (json === undefined || key === "__proto__" || !isStorable(key)) return undefined;
      object[key] = json;
    }
    return object;
  }
  // An unsigned int of CEL: an object around a bigint.
  const primitive: unknown = value.valueOf();
  return typeof primitive === "bigint" ? asJson(primitive) : undefined;
}

/** Whether `jsonb` takes a string: no NUL, no half of a surrogate pair. */
export function isStorable(text: string): boolean {
  return text.isWellFormed() && !text.includes("\0");
}

/** Whether two JSON values are the same; the order of members does not count. */
export function sameJson(a: Json | undefined, b: Json | undefined): boolean {
  if (a === b) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
  if (Array.isArray(a) || Array.isArray(b)) {
    if (!Array.isArray(a) || !Array.isArray(b) || a.length !== b.length) return false;
    return a.every((item, i) => sameJson(item, b[i]));
  }
  const keys = Object.keys(a);
  return (
    keys.length === Object.keys(b).length &&
    keys.every((key) => Object.hasOwn(b, key) && sameJson(a[key], b[key]))
  );
}
