/** What is permitted, as a test of what an entity is or was: over values, where a lens is over the slots of a picture. */
import type { ASTNode } from "@marcbachmann/cel-js";
import type { EntityScope } from "../actors/machine/scope.ts";
import type { JsonObject, Liveness } from "../actors/messages.ts";
import { MAX_PERMITTED_LISTS } from "../limits.ts";
import { celEnvironment, ENTITY, isTrue, parseFilter, partsOf } from "./cel.ts";
import { conditionOf } from "./cel-condition.ts";
import { celValue } from "./cel-value.ts";
import { isEntity, readsOf } from "./lens.ts";

type Values = Omit<EntityScope, "attributes"> & {
  /** Or their JSON text, which may be empty. */
  readonly attributes: JsonObject | string;
};

/** An entity as expressions see it, of values: the class by which CEL knows it. */
export class PlainEntity implements EntityScope {
  readonly id: string;
  readonly kind: string;
  readonly state: string;
  readonly t: number | null;
  readonly lon: number | null;
  readonly lat: number | null;
  readonly alt: number | null;
  readonly speed: number | null;
  readonly course: number | null;
  readonly heading: number | null;
  readonly accuracy: number | null;
  labels: readonly string[];
  readonly fences: readonly string[];
  readonly liveness: Liveness;
  readonly #attributes: JsonObject | string;
  #read: JsonObject | undefined;

  constructor(values: Values) {
    this.id = values.id;
    this.kind = values.kind;
    this.state = values.state;
    this.t = values.t;
    this.lon = values.lon;
    this.lat = values.lat;
    this.alt = values.alt;
    this.speed = values.speed;
    this.course = values.course;
    this.heading = values.heading;
    this.accuracy = values.accuracy;
    this.labels = values.labels;
    this.fences = values.fences;
    this.liveness = values.liveness;
    this.#attributes = values.attributes;
  }

  get attributes(): JsonObject {
    this.#read ??= celValue(parsed(this.#attributes));
    return this.#read;
  }
}

function parsed(attributes: JsonObject | string): JsonObject {
  if (typeof attributes !== "string") return attributes;
  return attributes === "" ? {} : (JSON.parse(attributes) as JsonObject);
}

export interface PermittedTest {
  /** Whether any of the texts is true for an entity. */
  passes(entity: PlainEntity): boolean;
  /** It may depend on labels, and on time, place or motion. */
  readonly readsLabels: boolean;
  readonly readsMotion: boolean;
}

const environment = celEnvironment(PlainEntity).registerVariable("entity", "Entity");

/** @param permitted as of `permittedLens`. @throws ExpressionError */
export function permittedTest(permitted: readonly string[]): PermittedTest {
  const trees: ASTNode[] = [];
  const tests = permitted.map((where) => {
    const checked = parseFilter(environment, where, ENTITY, true);
    trees.push(checked.ast);
    const condition = conditionOf(checked.ast);
    if (condition !== undefined) return (entity: PlainEntity) => condition(entity) === true;
    return (entity: PlainEntity) => isTrue(checked, { entity });
  });
  return {
    passes: (entity) => tests.some((test) => test(entity)),
    readsLabels: trees.some(readsLabels),
    readsMotion: trees.some((ast) => readsOf(ast) === "motion"),
  };
}

function readsLabels(node: ASTNode): boolean {
  if ((node.op === "." || node.op === ".?") && isEntity(node.args[0]))
    return String(node.args[1]) === "labels";
  // The entity as a whole, however it is looked into.
  return isEntity(node) || partsOf(node).some(readsLabels);
}

/** What is made of lists of permitted texts: once each, of those that were asked for last. */
export class PermittedMemo<T> {
  readonly #make: (permitted: readonly string[]) => T;
  /** The one that was asked for longest ago first. */
  readonly #made = new Map<string, T>();

  constructor(make: (permitted: readonly string[]) => T) {
    this.#make = make;
  }

  /** @throws ExpressionError */
  of(permitted: readonly string[]): T {
    const key = JSON.stringify(permitted);
    const made = this.#made.get(key) ?? this.#make(permitted);
    this.#made.delete(key);
    this.#made.set(key, made);
    if (this.#made.size > MAX_PERMITTED_LISTS) this.#made.delete(this.#made.keys().next().value!);
    return made;
  }
}
