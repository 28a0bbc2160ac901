/** Fences as they are written and stored. */
import type { FenceVersion } from "../../src/actors/fences/ports.ts";
import type { JsonObject } from "../../src/actors/messages.ts";

/** A square of half a degree around a place. */
export function square(lon = 0, lat = 0, properties: JsonObject = {}): JsonObject {
  const [west, south, east, north] = [lon - 0.25, lat - 0.25, lon + 0.25, lat + 0.25];
  const ring = [
    [west, south],
    [east, south],
    [east, north],
    [west, north],
    [west, south],
  ];
  return { type: "Feature", geometry: { type: "Polygon", coordinates: [ring] }, properties };
}

/** The fences of a store, as it would make versions of them. */
export class Fences {
  #revision = 0;
  readonly #newest = new Map<string, FenceVersion>();

  /** What a node reads at its start: of each the newest version, by revision. */
  get newest(): FenceVersion[] {
    return [...this.#newest.values()].sort((a, b) => a.revision - b.revision);
  }

  next(name: string, definition?: JsonObject): FenceVersion {
    const last = this.#newest.get(name);
    const version = (last?.version ?? 0) + 1;
    const since = last?.definition !== undefined && definition !== undefined ? last.since : version;
    const next = { name, version, since, revision: ++this.#revision, definition, changedAt: 0 };
    this.#newest.set(name, next);
    return next;
  }
}
