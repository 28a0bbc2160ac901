/**
 * CEL, the language of filters, guards and assigned values. How it is set up, and why:
 *
 * - All numbers of events, entities, contexts and `now` are doubles; literals without a point are CEL ints. CEL compares the two
 *   (`entity.speed < 1`) but does not calculate with them (`context.count + 1` has no overload), which nobody expects who writes
 *   JSON. So `+ - * / %` are registered for int with double, giving a double. `5 / 2` stays 2, as CEL says.
 * - Numbers of entities are `dyn`, not `double`, since they may be null: `entity.speed == null` must pass the type check.
 *   Everything else is typed, so that `entity.sped` or `entity.kind == 3` is refused with the definition.
 * - Literals may mix types (`[1, 'a']`), as JSON does. Optional types are on: `event.?n.orValue(0)`.
 * - Refused because their cost has no bound: `matches` (a regular expression can take for ever), `cel.bind` (each one can double
 *   a value), and comprehensions inside one another. What is left is linear in the context, which is bounded.
 */
import { type ASTNode, Environment, ParseError, TypeError as TypeFault } from "@marcbachmann/cel-js";
import { MAX_EXPRESSION_DEPTH, MAX_EXPRESSION_LENGTH, MAX_EXPRESSION_NODES } from "../limits.ts";

/** Members of the variable `entity`, as CEL types. */
const ENTITY_FIELDS = {
  id: "string",
  kind: "string",
  state: "string",
  t: "dyn",
  lon: "dyn",
  lat: "dyn",
  alt: "dyn",
  speed: "dyn",
  course: "dyn",
  heading: "dyn",
  accuracy: "dyn",
  attributes: "map",
  labels: "list<string>",
  fences: "list<string>",
  liveness: "string",
};

/** An expression that is refused. */
export class ExpressionError extends Error {
  override readonly name = "ExpressionError";
  /** Of the mistake, in UTF-16 units from 0. */
  readonly position: number;

  constructor(message: string, position: number) {
    super(message);
    this.position = position;
  }
}

type Operator = (left: number | bigint, right: number | bigint) => number;
const MIXED: Record<string, Operator> = {
  "+": (left, right) => Number(left) + Number(right),
  "-": (left, right) => Number(left) - Number(right),
  "*": (left, right) => Number(left) * Number(right),
  "/": (left, right) => Number(left) / Number(right),
  "%": (left, right) => Number(left) % Number(right),
};

/** An environment with the type `Entity` and no variables yet. @param entity the class whose instances are entities: CEL finds types by it. */
export function celEnvironment(entity: new (...args: never[]) => object): Environment {
  return baseEnvironment().registerType("Entity", { ctor: entity as never, fields: ENTITY_FIELDS });
}

/** An environment without types of ours and without variables. */
export function baseEnvironment(): Environment {
  const environment = new Environment({
    homogeneousAggregateLiterals: false,
    enableOptionalTypes: true,
    limits: {
      maxAstNodes: MAX_EXPRESSION_NODES,
      maxDepth: MAX_EXPRESSION_DEPTH,
      maxListElements: MAX_EXPRESSION_NODES,
      maxMapEntries: MAX_EXPRESSION_NODES,
    },
  });
  for (const [operator, calculate] of Object.entries(MIXED)) {
    environment.registerOperator(`int ${operator} double: double`, calculate);
    environment.registerOperator(`double ${operator} int: double`, calculate);
  }
  environment.registerOperator("double % double: double", MIXED["%"]);
  return environment;
}

/** A checked expression. */
export interface Parsed {
  /** CEL's name of the type that it gives, as far as it is known. */
  readonly type: string;
  readonly ast: ASTNode;
  readonly run: (variables: object) => unknown;
}

/** Parses, bounds and type-checks. @throws ExpressionError */
export function parseBounded(environment: Environment, source: string): Parsed {
  if (source.length > MAX_EXPRESSION_LENGTH)
    throw new ExpressionError(
      `an expression has at most ${MAX_EXPRESSION_LENGTH} characters, this one ${source.length}`,
      MAX_EXPRESSION_LENGTH,
    );
  try {
    const run = environment.parse(source);
    refuseUnbounded(run.ast, false);
    const checked = run.check();
    if (!checked.valid) throw checked.error!;
    return { type: checked.type!, ast: run.ast, run };
  } catch (error) {
    if (!(error instanceof ParseError || error instanceof TypeFault)) throw error;
    throw new ExpressionError(error.summary, error.range?.start ?? 0);
  }
}

/** Macros that loop. */
const LOOPS = new Set(["all", "exists", "exists_one", "map", "filter"]);
const MATCHES = "matches() is not allowed: a regular expression has no bound on its time";

function refuseUnbounded(node: ASTNode, inLoop: boolean): void {
  const refuse = (why: string) => new ExpressionError(why, node.range.start);
  if (node.op === "rcall") {
    const [name, receiver, args] = node.args;
    if (name === "matches") throw refuse(MATCHES);
    if (name === "bind") throw refuse("cel.bind() is not allowed: it has no bound on its size");
    const loop = LOOPS.has(name);
    if (loop && inLoop) throw refuse(`${name}() is not allowed inside another loop`);
    refuseUnbounded(receiver, inLoop);
    for (const argument of args) refuseUnbounded(argument, inLoop || loop);
  } else if (node.op === "call") {
    if (node.args[0] === "matches") throw refuse(MATCHES);
    for (const argument of node.args[1]) refuseUnbounded(argument, inLoop);
  } else {
    for (const part of partsOf(node)) refuseUnbounded(part, inLoop);
  }
}

/**
 * Refuses loops that cost more than the text and the entity together are long: a filter runs for each entity, on the main loop, for whoever
 * may look. So a loop must not build lists or texts, which the next could build upon, nor look at another list at each turn.
 * @param variable what the filter is about.
 */
export function refuseCostlyLoops(node: ASTNode, variable = "entity", inLoop = false): void {
  const refuse = (why: string) => new ExpressionError(`${why} is not allowed in a loop`, node.range.start);
  if (node.op === "rcall" && LOOPS.has(node.args[0])) {
    const [name, receiver, args] = node.args;
    if (name === "map") throw new ExpressionError("map() is not allowed in a filter", node.range.start);
    refuseCostlyLoops(receiver, variable, inLoop);
    for (const argument of args) refuseCostlyLoops(argument, variable, true);
    return;
  }
  if (inLoop) {
    if (node.op === "+") throw refuse("+");
    if (node.op === "list" || node.op === "map") throw refuse("a list or map");
    if (node.op === "id" && node.args === variable) throw refuse(`\`${variable}\``);
  }
  for (const part of partsOf(node)) refuseCostlyLoops(part, variable, inLoop);
}

/** The nodes directly below one. */
export function partsOf(node: ASTNode): ASTNode[] {
  if (node.op === "value" || node.op === "id") return [];
  return [node.args].flat(3).filter(isNode);
}

/** Whether a part of a node's arguments is a node itself. */
export function isNode(part: unknown): part is ASTNode {
  return typeof part === "object" && part !== null && "op" in part;
}
