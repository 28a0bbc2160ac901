/** Reading members of untrusted JSON objects: which may be there, names, lists. */
import { MAX_NAME_LENGTH } from "../../limits.ts";
import type { Json, JsonObject } from "../messages.ts";
import { MachineError } from "./errors.ts";
import { isStorable } from "./values.ts";

/** Whether a value is nested deeper than so many levels of objects and lists. */
export function isDeeper(json: unknown, levels: number): boolean {
  if (typeof json !== "object" || json === null) return false;
  return levels === 0 || Object.values(json).some((value) => isDeeper(value, levels - 1));
}

/** A token of a JSON pointer (RFC 6901). */
export function pointer(key: string): string {
  return key.replaceAll("~", "~0").replaceAll("/", "~1");
}

/** A member of the object itself, never of its prototype. */
export function member(object: JsonObject, key: string): Json | undefined {
  return Object.hasOwn(object, key) ? object[key] : undefined;
}

/** The first member that is not in `known`: where it is, as a JSON pointer, and a sentence, in which a name that is too long for any is cut. */
export function unknownMember(
  object: JsonObject,
  at: string,
  known: readonly string[],
): { key: string; path: string; detail: string } | undefined {
  const key = Object.keys(object).find((one) => !known.includes(one));
  if (key === undefined) return undefined;
  const shown = key.length > MAX_NAME_LENGTH ? `${key.slice(0, MAX_NAME_LENGTH)}…` : key;
  const detail = `\`${shown}\` is not known here; known are ${known.join(", ")}`;
  return { key, path: `${at}/${pointer(shown)}`, detail };
}

/** @throws MachineError if a member is not in `known`; `not-supported` if it is in `later`. */
export function members(
  object: JsonObject,
  at: string,
  known: readonly string[],
  later: readonly string[],
): void {
  const unknown = unknownMember(object, at, known);
  if (unknown === undefined) return;
  const { key, path, detail } = unknown;
  if (later.includes(key)) throw new MachineError("not-supported", path, `\`${key}\` is not supported`);
  throw new MachineError("unknown-member", path, detail);
}

/** A value that may be one or a list, as items with their pointers; absent = none. */
export function list(json: Json | undefined, at: string): [item: Json, at: string][] {
  if (json === undefined) return [];
  return Array.isArray(json) ? json.map((item, i) => [item, `${at}/${i}`]) : [[json, at]];
}

/**
 * The name of a state (no dots, `#`, backslashes or spaces: targets are made of them), a key of the context, or an event type.
 * @throws MachineError `wrong-type`, `bad-name`.
 */
export function name(json: Json | undefined, at: string, of: "state" | "key" | "event" = "state"): string {
  if (typeof json !== "string") throw new MachineError("wrong-type", at, "a name is needed, as a string");
  if (json === "" || json.length > MAX_NAME_LENGTH)
    throw new MachineError("bad-name", at, `a name has 1 to ${MAX_NAME_LENGTH} characters`);
  const refused = of === "state" ? /[.#\\\s\u0000-\u001f\u007f]/ : /[\u0000-\u001f\u007f]/;
  if (refused.test(json) || json === "__proto__" || !isStorable(json))
    throw new MachineError("bad-name", at, `${JSON.stringify(json)} cannot be a name`);
  return json;
}
