/** Reading members of an untrusted feature. */
import { pointer } from "../machine/definition-members.ts";
import type { JsonObject } from "../messages.ts";
import { FenceError } from "./errors.ts";

/** @throws FenceError if a member is not in `known`. */
export function members(object: JsonObject, at: string, known: readonly string[]): void {
  for (const key of Object.keys(object))
    if (!known.includes(key))
      throw new FenceError(
        "unknown-member",
        `${at}/${pointer(key)}`,
        `\`${key}\` is not known here; known are ${known.join(", ")}`,
      );
}

/** @throws FenceError unless it is a number within [least, most]. */
export function number(value: unknown, at: string, least: number, most: number): number {
  if (typeof value !== "number") throw new FenceError("wrong-type", at, "a number is needed here");
  if (!(value >= least && value <= most))
    throw new FenceError("out-of-range", at, `it is at least ${least} and at most ${most}`);
  return value;
}
