/** JSON as CEL takes it; back from it is `actors/machine/values.ts`. */
import type { Json, JsonObject } from "../actors/messages.ts";

/**
 * The value itself, or a copy with `Map`s for objects if one in it has a member `constructor`: the library knows what a value is by that member, and fails for
 * what is none of its own. It takes a `Map` as it does an object. The type stays that of JSON: nothing but the library may look into it.
 */
export function celValue<T extends Json>(value: T): T {
  return hasConstructor(value) ? (copied(value) as T) : value;
}

function hasConstructor(value: Json): boolean {
  if (typeof value !== "object" || value === null) return false;
  if (Array.isArray(value)) return value.some(hasConstructor);
  if (Object.hasOwn(value, "constructor")) return true;
  // No list of the members is made: this is run for each event that an expression looks into.
  for (const name in value) if (hasConstructor(value[name]!)) return true;
  return false;
}

function copied(value: Json): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(copied);
  return new Map(Object.entries(value).map(([name, member]) => [name, copied(member!)]));
}

/** JSON that is made readable for CEL when an expression asks for it, once: most never do. */
export class Readable<T extends JsonObject> {
  source: T;
  #read: T | undefined;
  #value: T;

  constructor(source: T) {
    this.source = source;
    this.#value = source;
  }

  get value(): T {
    if (this.#read !== this.source) {
      this.#read = this.source;
      this.#value = celValue(this.source);
    }
    return this.#value;
  }
}
