/** Reading members of an untrusted feature. */
import { unknownMember } from "../machine/definition-members.ts";
import type { JsonObject } from "../messages.ts";
import { FenceError } from "./errors.ts";

/** @throws FenceError if a member is not in `known`. */
export function members(object: JsonObject, at: string, known: readonly string[]): void {
  const unknown = unknownMember(object, at, known);
  if (unknown !== undefined) throw new FenceError("unknown-member", unknown.path, unknown.detail);
}

/** @throws FenceError unless it is a number within [least, most]. */
export function number(value: unknown, at: string, least: number, most: number): number {
  if (typeof value !== "number")
    throw new FenceError("wrong-type", at, `a number is needed here, not a ${typeof value}`);
  if (!(value >= least && value <= most))
    throw new FenceError("out-of-range", at, `it is at least ${least} and at most ${most}, not ${value}`);
  return value;
}
