/** Bounds what JSON a client may bring, such as a report's attributes: size, depth, strings, numbers. */
import type { JsonObject } from "../../actors/messages.ts";
import { MAX_ATTRIBUTES_BYTES, MAX_ATTRIBUTES_DEPTH } from "../../limits.ts";
import { quoted, textFault } from "./text.ts";

/** The longest JSON number: `-1.2345678901234567e-308`. */
const NUMBER_BYTES = 24;
/** One UTF-16 unit is at most three bytes of UTF-8; an escape at most two bytes, for what `textFault` lets through. */
const UNIT_BYTES = 3;

/**
 * What is wrong with `attributes` (any JSON value), as a sentence, or `undefined` if nothing is.
 * The size is that of its JSON text without spaces, in UTF-8.
 * @param what the client calls them.
 */
export function attributesFault(attributes: unknown, what = "attributes"): string | undefined {
  if (typeof attributes !== "object" || attributes === null || Array.isArray(attributes))
    return `${what} must be a JSON object`;
  const bound = new Bound(what);
  bound.object(attributes as JsonObject, 1);
  if (bound.fault !== undefined) return bound.fault;
  // The bound is cheap and too high; only what is near the limit is measured.
  if (bound.bytes > MAX_ATTRIBUTES_BYTES) {
    const bytes = Buffer.byteLength(JSON.stringify(attributes));
    if (bytes > MAX_ATTRIBUTES_BYTES)
      return `${what} are ${bytes} bytes of JSON; at most ${MAX_ATTRIBUTES_BYTES} are allowed`;
  }
  return undefined;
}

/** One walk over a JSON value: stops at the first fault. */
class Bound {
  bytes = 0;
  fault: string | undefined;
  readonly #what: string;

  constructor(what: string) {
    this.#what = what;
  }

  object(value: JsonObject, depth: number): void {
    if (depth > MAX_ATTRIBUTES_DEPTH) {
      this.fault = `${this.#what} are nested more than ${MAX_ATTRIBUTES_DEPTH} deep`;
      return;
    }
    this.bytes += 2;
    for (const key in value) {
      // As an assignment it would change the prototype of whatever it is merged into.
      if (key === "__proto__") this.fault = `${this.#what} may not have a member "__proto__"`;
      this.text(key, false, `a name in ${this.#what}`);
      this.bytes += 2;
      this.value(value[key], depth, key);
      if (this.fault !== undefined) return;
    }
  }

  value(value: unknown, depth: number, key: string): void {
    if (typeof value === "string") this.text(value, true, `${this.#what} member ${quoted(key)}`);
    else if (typeof value === "number") {
      this.bytes += NUMBER_BYTES;
      if (!Number.isFinite(value))
        this.fault ??= `${this.#what} member ${quoted(key)} is not a finite number`;
    } else if (value === null || typeof value === "boolean") this.bytes += 5;
    else if (Array.isArray(value)) this.array(value, depth + 1, key);
    else if (typeof value === "object") this.object(value as JsonObject, depth + 1);
    else this.fault ??= `${this.#what} member ${quoted(key)} is not JSON`;
  }

  array(values: unknown[], depth: number, key: string): void {
    if (depth > MAX_ATTRIBUTES_DEPTH) {
      this.fault = `${this.#what} are nested more than ${MAX_ATTRIBUTES_DEPTH} deep`;
      return;
    }
    this.bytes += 2 + values.length;
    for (const value of values) {
      this.value(value, depth, key);
      if (this.fault !== undefined) return;
    }
  }

  text(text: string, lines: boolean, what: string): void {
    this.bytes += 2 + text.length * UNIT_BYTES;
    // A text longer than all attributes may be needs no look at its characters.
    if (text.length > MAX_ATTRIBUTES_BYTES) return;
    const fault = textFault(text, lines);
    if (fault !== undefined) this.fault ??= `${what} ${fault}`;
  }
}
