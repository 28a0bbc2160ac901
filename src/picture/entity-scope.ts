import type { EntityScope } from "../actors/machine/scope.ts";
import { type JsonObject, LIVENESS, type Liveness } from "../actors/messages.ts";
import { celValue } from "./cel-value.ts";
import type { Picture } from "./picture.ts";
import { isKnown, roundAlt, roundDirection, roundMotion, writableTime } from "./record.ts";

const NONE: readonly string[] = Object.freeze([]);

/**
 * An entity as expressions see it: a flyweight over a slot, to be pointed at one entity after the other. Numbers are those of its record, so that who compares
 * with what is shown is right; unknown ones are null.
 */
export class EntityScopeCursor implements EntityScope {
  slot = 0;
  readonly #picture: Picture;
  /** The attributes that were read last. */
  #parsedText = "";
  #parsed: JsonObject = {};

  constructor(picture: Picture) {
    this.#picture = picture;
  }

  get id(): string {
    return this.#picture.columns.id[this.slot]!;
  }
  get kind(): string {
    const { columns } = this.#picture;
    return columns.kinds.name(columns.kind.of(this.slot));
  }
  get state(): string {
    const { columns } = this.#picture;
    return columns.states.name(columns.state.of(this.slot));
  }
  get liveness(): Liveness {
    return LIVENESS[this.#picture.columns.liveness.of(this.slot)]!;
  }
  get t(): number | null {
    return known(this.#picture.columns.t.of(this.slot), writableTime);
  }
  get lon(): number | null {
    return known(this.#picture.columns.lon.of(this.slot));
  }
  get lat(): number | null {
    return known(this.#picture.columns.lat.of(this.slot));
  }
  get alt(): number | null {
    return known(this.#picture.columns.alt.of(this.slot), roundAlt);
  }
  get speed(): number | null {
    return known(this.#picture.columns.speed.of(this.slot), roundMotion);
  }
  get course(): number | null {
    return known(this.#picture.columns.course.of(this.slot), roundDirection);
  }
  get heading(): number | null {
    return known(this.#picture.columns.heading.of(this.slot), roundDirection);
  }
  get accuracy(): number | null {
    return known(this.#picture.columns.accuracy.of(this.slot), roundMotion);
  }
  get attributes(): JsonObject {
    const text = this.#picture.columns.attributes.get(this.slot);
    if (text === undefined) return {};
    // An expression may name them often, in a loop too.
    if (text !== this.#parsedText) {
      this.#parsed = celValue(JSON.parse(text) as JsonObject);
      this.#parsedText = text;
    }
    return this.#parsed;
  }
  get labels(): readonly string[] {
    return this.#picture.columns.labels.get(this.slot) ?? NONE;
  }
  get fences(): readonly string[] {
    return this.#picture.columns.fences.get(this.slot) ?? NONE;
  }
}

function known(value: number, asShown?: (value: number) => number): number | null {
  if (!isKnown(value)) return null;
  return asShown === undefined ? value : asShown(value);
}
