import type { EntityScope } from "../../src/actors/machine/scope.ts";

/** An entity as a machine sees it: nothing known but what is given. */
export function entity(known: Partial<EntityScope> = {}): EntityScope {
  return {
    id: "a",
    kind: "truck",
    state: "",
    t: null,
    lon: null,
    lat: null,
    alt: null,
    speed: null,
    course: null,
    heading: null,
    accuracy: null,
    attributes: {},
    labels: [],
    fences: [],
    liveness: "live",
    ...known,
  };
}
