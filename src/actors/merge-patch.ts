import { isObject, type Json, type JsonObject } from "./messages.ts";

/**
 * Merges `patch` into `target` as RFC 7386 says: `null` removes, objects merge, all else replaces.
 * @returns a new object; neither argument is changed. Depth is bounded at the edge (`MAX_ATTRIBUTES_DEPTH`).
 */
export function mergePatch(target: JsonObject, patch: JsonObject): JsonObject {
  const merged = new Map<string, Json>(Object.entries(target));
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) merged.delete(key);
    else if (isObject(value)) {
      const before = merged.get(key);
      merged.set(key, mergePatch(isObject(before) ? before : {}, value));
    } else merged.set(key, value);
  }
  return Object.fromEntries(merged);
}
