/**
 * A lens says which entities a view may and wants to see. Equal lenses have equal keys and share a channel, so what they
 * let through is sorted and encoded once.
 */
import type { ASTNode } from "@marcbachmann/cel-js";
import { celEnvironment, ENTITY, isNode, isTrue, parseFilter, partsOf } from "./cel.ts";
import { conditionOf } from "./cel-condition.ts";
import type { Columns } from "./columns.ts";
import { EntityScopeCursor } from "./entity-scope.ts";
import type { FilterTime } from "./filter-time.ts";
import type { Picture } from "./picture.ts";

/**
 * What a verdict depends on, from the least: nothing; what only a change marked FULL touches; anything, so that each move may change it.
 * A lens is evaluated again only when something that it reads changed.
 */
export type Reads = "nothing" | "state" | "motion";

export interface Lens {
  /** Equal for equal meaning. */
  readonly key: string;
  readonly reads: Reads;
  /** Whether the entity in a slot passes. Depends on nothing but the picture: not on the time. @throws FilterCostly */
  test(slot: number): boolean;
  /** Of who may not see all: whether he may see the entity in a slot, whatever he asks for. @throws FilterCostly */
  readonly permits?: ((slot: number) => boolean) | undefined;
}

/** Why a lens does not let an entity pass. @throws FilterCostly */
export function whyHidden({ permits }: Lens, slot: number): "filter" | "denied" {
  return permits?.(slot) === false ? "denied" : "filter";
}

/** Lets everything pass. */
export const everything: Lens = { key: "*", reads: "nothing", test: () => true };

/** What a client asks for. */
export interface Filter {
  /** Only these kinds. */
  kinds?: readonly string[];
  /** A CEL expression over `entity`. */
  where?: string;
}

/**
 * What a principal may see. Its key is that of no filter: what it hides has another reason.
 * @param permitted texts of which any must pass, as a `where` each; "all" = everything is permitted. Those that are checked, as grants are.
 * @throws ExpressionError
 */
export function permittedLens(
  picture: Picture,
  permitted: "all" | readonly string[],
  time?: FilterTime,
): Lens {
  if (permitted === "all") return everything;
  const lenses = permitted.map((where) => whereLens(picture, where, time, true));
  const [only] = lenses;
  const test = lenses.length === 1 ? only!.test : (slot: number) => lenses.some((lens) => lens.test(slot));
  const keys = lenses.map(({ key }) => key).sort();
  return { key: `permitted:[${keys.join()}]`, reads: mostOf(lenses), test, permits: test };
}

/** Lets pass what passes both; what the first does not is not asked of the second. */
export function bothLenses(first: Lens, second: Lens): Lens {
  if (first === everything || first.key === second.key) return second;
  if (second === everything) return first;
  return {
    key: `${first.key}&${second.key}`,
    reads: mostOf([first, second]),
    test: (slot) => first.test(slot) && second.test(slot),
    permits: first.permits,
  };
}

function mostOf(lenses: readonly Lens[]): Reads {
  if (lenses.some(({ reads }) => reads === "motion")) return "motion";
  return lenses.some(({ reads }) => reads === "state") ? "state" : "nothing";
}

/** The lens of a filter. @param time what it is measured with; absent = it is not @throws ExpressionError if `where` is no expression that gives a bool */
export function lensOf(picture: Picture, { kinds, where }: Filter, time?: FilterTime): Lens {
  if (kinds === undefined) return where === undefined ? everything : whereLens(picture, where, time);
  const byKind = kindsLens(picture.columns, kinds);
  if (where === undefined) return byKind;
  return bothLenses(byKind, whereLens(picture, where, time));
}

/** Lets entities of the given kinds pass; kinds that no entity has yet are fine. */
export function kindsLens(columns: Columns, kinds: readonly string[]): Lens {
  const wanted = new Set(kinds);
  // By number of the kind: numbers are given as kinds turn up, so each is looked up by name when it is first met.
  const passes: (boolean | undefined)[] = [];
  return {
    key: `kinds:${JSON.stringify([...wanted].sort())}`,
    reads: "state",
    test(slot) {
      const kind = columns.kind.of(slot);
      let pass = passes[kind];
      if (pass === undefined) {
        pass = wanted.has(columns.kinds.name(kind));
        passes[kind] = pass;
      }
      return pass;
    },
  };
}

const environment = celEnvironment(EntityScopeCursor).registerVariable("entity", "Entity");

/**
 * Lets entities pass for which a CEL expression is true. One that fails for an entity (an attribute that it does not have) hides it.
 * @throws ExpressionError
 */
function whereLens(picture: Picture, where: string, time: FilterTime | undefined, isStored = false): Lens {
  const parsed = parseFilter(environment, where, ENTITY, isStored);
  const { ast } = parsed;
  const entity = new EntityScopeCursor(picture);
  const variables = { entity };
  const condition = conditionOf(ast);
  const evaluate = () => isTrue(parsed, variables);
  const passes = time?.measured(evaluate, isStored ? "permitted" : "asked") ?? evaluate;
  return {
    // The syntax tree: spaces, quotes and needless parentheses make no difference. Not the library's own text, which loses needed ones.
    key: `where:${JSON.stringify(meaningOf(ast))}`,
    reads: readsOf(ast),
    test(slot) {
      entity.slot = slot;
      if (condition !== undefined) return condition(entity) === true;
      return passes();
    },
  };
}

/** A syntax tree as JSON: equal only if the trees are. */
function meaningOf(part: unknown): unknown {
  if (Array.isArray(part)) return part.map(meaningOf);
  if (isNode(part))
    return part.op === "value" ? [typeof part.args, String(part.args)] : { [part.op]: meaningOf(part.args) };
  return part;
}

/** Members that only a FULL change touches; of the others any report may. */
const STATE_MEMBERS = new Set(["id", "kind", "state", "attributes", "labels", "fences", "liveness"]);

/** What an expression over `entity` depends on. */
export function readsOf(node: ASTNode): Reads {
  if ((node.op === "." || node.op === ".?") && isEntity(node.args[0]))
    return STATE_MEMBERS.has(String(node.args[1])) ? "state" : "motion";
  // The entity as a whole, however it is looked into.
  if (isEntity(node)) return "motion";
  let most: Reads = "nothing";
  for (const part of partsOf(node)) {
    const reads = readsOf(part);
    if (reads === "motion") return "motion";
    if (reads === "state") most = "state";
  }
  return most;
}

export function isEntity(node: ASTNode): boolean {
  return node.op === "id" && node.args === "entity";
}
