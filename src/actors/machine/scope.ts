/**
 * What CEL expressions of machines see: `event`, `entity`, `context`, `now`.
 *
 * There is one set of variables, bound again for each evaluation: a step is synchronous, and the hot path (a report that
 * changes nothing) must not allocate. The library still makes one small object an evaluation; simple conditions do without it.
 */
import { Readable } from "../../picture/cel-value.ts";
import type { Json, JsonObject, Liveness } from "../messages.ts";

/** An event that a machine receives: `report`, `stale`, … with whatever fields its sender gives. A plain object. */
export interface MachineEvent {
  type: string;
  [field: string]: Json;
}

/**
 * An entity as expressions see it. The caller may pass one flyweight with getters, pointed at another entity for each call: it is
 * read during the call only. Unknown numbers are `null`, never NaN.
 */
export interface EntityScope {
  readonly id: string;
  readonly kind: string;
  /** Full path of the state before the event. */
  readonly state: string;
  /** Fix time of the newest report, Unix ms. */
  readonly t: number | null;
  readonly lon: number | null;
  readonly lat: number | null;
  readonly alt: number | null;
  readonly speed: number | null;
  readonly course: number | null;
  readonly heading: number | null;
  readonly accuracy: number | null;
  readonly attributes: JsonObject;
  readonly labels: readonly string[];
  /** Names of those that it is inside of, sorted. */
  readonly fences: readonly string[];
  readonly liveness: Liveness;
}

/** The class that CEL knows as the type `Entity`: the library finds types by constructor, and callers bring their own. */
export class EntityView implements EntityScope {
  source: EntityScope | undefined;

  get id() {
    return this.source!.id;
  }
  get kind() {
    return this.source!.kind;
  }
  get state() {
    return this.source!.state;
  }
  get t() {
    return this.source!.t;
  }
  get lon() {
    return this.source!.lon;
  }
  get lat() {
    return this.source!.lat;
  }
  get alt() {
    return this.source!.alt;
  }
  get speed() {
    return this.source!.speed;
  }
  get course() {
    return this.source!.course;
  }
  get heading() {
    return this.source!.heading;
  }
  get accuracy() {
    return this.source!.accuracy;
  }
  get attributes() {
    return this.source!.attributes;
  }
  get labels() {
    return this.source!.labels;
  }
  get fences() {
    return this.source!.fences;
  }
  get liveness() {
    return this.source!.liveness;
  }
}

const boundEvent = new Readable<MachineEvent>({ type: "" });
const boundContext = new Readable<JsonObject>({});

/** The variables of the evaluation under way. */
export const variables = {
  entity: new EntityView(),
  /** Unix ms. */
  now: 0,
  get event() {
    return boundEvent.value;
  },
  get context() {
    return boundContext.value;
  },
};

/** Points the variables at what the next evaluations are about. */
export function bind(event: MachineEvent, entity: EntityScope, context: JsonObject, now: number): void {
  boundEvent.source = event;
  variables.entity.source = entity;
  boundContext.source = context;
  variables.now = now;
}
