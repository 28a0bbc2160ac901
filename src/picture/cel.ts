/**
 * CEL, the language of filters, guards and assigned values. How it is set up, and why:
 *
 * - All numbers of events, entities, contexts and `now` are doubles; literals without a point are CEL ints. CEL compares the two
 *   (`entity.speed < 1`) but does not calculate with them (`context.count + 1` has no overload), which nobody expects who writes
 *   JSON. So `+ - * / %` are registered for int with double, giving a double. `5 / 2` stays 2, as CEL says.
 * - Numbers of entities are `dyn`, not `double`, since they may be null: `entity.speed == null` must pass the type check.
 *   Everything else is typed, so that `entity.sped` or `entity.kind == 3` is refused with the definition.
 * - `has(entity.speed)` is taken as `entity.speed != null`: by the letter a member that is null is there, which nobody expects who reads a record
 *   without it. As a text, when it is parsed: so it costs nothing, and is a simple condition.
 * - Literals may mix types (`[1, 'a']`), as JSON does. Optional types are on: `event.?n.orValue(0)`.
 * - Refused because their cost has no bound: `matches` (a regular expression can take for ever), `cel.bind` (each one can double
 *   a value), and comprehensions inside one another. What can be bounded when it is run is, in `cel-library.ts`. What anyone may ask for, in filters, is
 *   bounded further: `refuseCostly`.
 */
import {
  type ASTNode,
  Environment,
  EvaluationError,
  ParseError,
  TypeError as TypeFault,
} from "@marcbachmann/cel-js";
import {
  MAX_BOUND_LENGTH,
  MAX_EXPRESSION_DEPTH,
  MAX_EXPRESSION_LENGTH,
  MAX_EXPRESSION_NODES,
} from "../limits.ts";
import { boundLibrary, evaluated } from "./cel-library.ts";

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

/** What a filter is about: a variable with members that are known. */
export interface Topic {
  variable: string;
  /** CEL's types of its members. */
  members: ReadonlyMap<string, string>;
  /** The member that is its time, a number. */
  time: string;
}

export const ENTITY: Topic = {
  variable: "entity",
  members: new Map(Object.entries(ENTITY_FIELDS)),
  time: "t",
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
  return typedEnvironment("Entity", entity, ENTITY_FIELDS);
}

/** An environment with one type of ours and no variables yet. @param fields CEL's types of its members. */
export function typedEnvironment(
  name: string,
  ctor: new (...args: never[]) => object,
  fields: Record<string, string>,
): Environment {
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
  environment.registerType(name, { ctor: ctor as never, fields });
  boundLibrary(environment);
  return environment;
}

/** A checked expression. */
export interface Parsed {
  /** CEL's name of the type that it gives, as far as it is known. */
  readonly type: string;
  readonly ast: ASTNode;
  readonly run: (variables: object) => unknown;
}

/** Parses, bounds and type-checks. @param refuse looks at what is written, before its types, and throws ExpressionError for what may not be. @throws ExpressionError */
export function parseBounded(
  environment: Environment,
  source: string,
  refuse: (ast: ASTNode) => void = () => {},
  topic = ENTITY,
  longest = MAX_EXPRESSION_LENGTH,
): Parsed {
  if (source.length > longest)
    throw new ExpressionError(
      `an expression has at most ${longest} characters, this one ${source.length}`,
      longest,
    );
  try {
    const written = check(environment, source, refuse);
    const meant = withoutHas(written.ast, source, topic);
    return meant === source ? written : check(environment, meant);
  } catch (error) {
    if (!(error instanceof ParseError || error instanceof TypeFault)) throw error;
    const ofTopic =
      error.code === "no_such_key" && isNode(error.node) && memberOf(error.node, topic) !== undefined;
    const message = ofTopic ? noMember(error.summary, topic) : error.summary;
    throw new ExpressionError(message, error.range?.start ?? 0);
  }
}

function check(environment: Environment, source: string, refuse: (ast: ASTNode) => void = () => {}): Parsed {
  const run = environment.parse(source);
  refuseUnbounded(run.ast, false);
  refuse(run.ast);
  const checked = run.check();
  if (!checked.valid) throw refusalOf(checked.error!);
  return { type: checked.type!, ast: run.ast, run: (variables) => evaluated(run, variables) };
}

/** What the check finds is a mistake in the text, also where the library has no error of its own for it: `x.value() < 1` has two overloads and no type to choose by. */
function refusalOf(error: Error): Error {
  if (error instanceof ParseError || error instanceof TypeFault) return error;
  return new ExpressionError(`a type is not known here: ${error.message}`, 0);
}

/** The name of the member that a node is, of what the expression is about. */
function memberOf(node: ASTNode, { variable }: Topic): string | undefined {
  if (node.op !== "." && node.op !== "[]") return undefined;
  const [owner, name] = node.args;
  if (owner.op !== "id" || owner.args !== variable) return undefined;
  return typeof name === "string" ? name : String(name.args);
}

function noMember(what: string, { variable, members }: Topic): string {
  return `${what}: an ${variable} has ${[...members.keys()].join(", ")}`;
}

/** The text with `has()` of members that may be null as a comparison. */
function withoutHas(ast: ASTNode, source: string, topic: Topic): string {
  const { variable, members } = topic;
  let text = source;
  const replace = (node: ASTNode): void => {
    // A variable of a loop that has the same name is none.
    if (node.op === "rcall" && LOOPS.has(node.args[0]) && node.args[2][0].args === variable) return;
    // From the end, so that places before stay what they are.
    if (node.op !== "call" || node.args[0] !== "has") {
      for (const part of partsOf(node).reverse()) replace(part);
      return;
    }
    const name = memberOf(node.args[1][0], topic);
    if (name === undefined || members.get(name) !== "dyn") return;
    const { start, end } = node.range;
    text = `${text.slice(0, start)}(${variable}.${name} != null)${text.slice(end)}`;
  };
  replace(ast);
  return text;
}

/**
 * Parses a filter, which anyone may ask for.
 * @param topic what it is about.
 * @param isStored it was let in once, perhaps by a version that refused less, and must still do.
 * @throws ExpressionError
 */
export function parseFilter(
  environment: Environment,
  source: string,
  topic: Topic,
  isStored = false,
): Parsed {
  const refuse = (ast: ASTNode) => {
    if (isStored) return;
    refuseCostly(ast, topic.variable);
    refuseMistaken(ast, topic);
  };
  const longest = isStored ? MAX_BOUND_LENGTH : MAX_EXPRESSION_LENGTH;
  const parsed = parseBounded(environment, source, refuse, topic, longest);
  if (parsed.type !== "bool" && parsed.type !== "dyn")
    throw new ExpressionError(`a filter must be a bool, this is a ${parsed.type}`, 0);
  return parsed;
}

/** Whether an expression is true; one that fails is not. */
export function isTrue({ run }: Pick<Parsed, "run">, variables: object): boolean {
  try {
    return run(variables) === true;
  } catch (error) {
    if (isFailure(error)) return false;
    throw error;
  }
}

/** Whether an expression failed for what it was asked of: a member that is not there, a text too long, one that is no JSON. What else is thrown is a fault of ours. */
export function isFailure(error: unknown): error is Error {
  return error instanceof EvaluationError || error instanceof RangeError || error instanceof SyntaxError;
}

/**
 * Refuses what CEL would take, or not explain, and can never be true: `has()` of what is no member of an entity or event, and its time, a number,
 * compared with a text or a timestamp. Not in machines: there are some.
 */
function refuseMistaken(node: ASTNode, topic: Topic): void {
  const { variable, members, time } = topic;
  if (node.op === "call" && node.args[0] === "has") {
    const [member] = node.args[1];
    const name = memberOf(member, topic);
    if (name !== undefined && !members.has(name))
      throw new ExpressionError(noMember(`No such key: ${name}`, topic), member.range.end - name.length);
  }
  const parts = partsOf(node);
  const isOfTime = parts.some((part) => memberOf(part, topic) === time);
  if (isOfTime && COMPARISONS.has(node.op) && parts.some(isNoNumber))
    throw new ExpressionError(`${variable}.${time} is a number, in Unix ms`, node.range.start);
  for (const part of parts) refuseMistaken(part, topic);
}

const COMPARISONS: ReadonlySet<string> = new Set(["==", "!=", "<", "<=", ">", ">="]);

function isNoNumber(node: ASTNode): boolean {
  return calledOf(node) === "timestamp" || (node.op === "value" && typeof node.args === "string");
}

/** Macros that loop. */
const LOOPS = new Set(["all", "exists", "exists_one", "map", "filter"]);
/** Functions that are refused anywhere, and why. */
const UNBOUNDED: ReadonlyMap<string, string> = new Map([
  ["matches", "matches() is not allowed: a regular expression has no bound on its time"],
  ["bind", "cel.bind() is not allowed: it has no bound on its size"],
]);
/** Of a filter: nodes of what all its loops do at each turn, and these by the elements of lists that are written there. A node takes some 30 ns. */
const MAX_LOOP_NODES = 32;
const MAX_LITERAL_STEPS = 512;
/** Methods of a timestamp that take a time zone, for which the library makes a formatter of dates at each call: 0.2 ms. */
const ZONED = /^get(?!Milliseconds)/;
/** Functions that make long values of short ones, from which the next can go on. */
const GROWING = new Set(["map", "split", "join", "hex", "base64"]);

function refuseUnbounded(node: ASTNode, inLoop: boolean): void {
  const refuse = (why: string) => new ExpressionError(why, node.range.start);
  const name = calledOf(node);
  const unbounded = UNBOUNDED.get(name);
  if (unbounded !== undefined) throw refuse(unbounded);
  if (node.op !== "rcall") {
    for (const part of partsOf(node)) refuseUnbounded(part, inLoop);
    return;
  }
  const [, receiver, args] = node.args;
  const loop = LOOPS.has(name);
  if (loop && inLoop) throw refuse(`${name}() is not allowed inside another loop`);
  refuseUnbounded(receiver, inLoop);
  for (const argument of args) refuseUnbounded(argument, inLoop || loop);
}

/** The name of the function that a node calls, or empty. */
function calledOf(node: ASTNode): string {
  return node.op === "rcall" || node.op === "call" ? node.args[0] : "";
}

/**
 * Refuses what costs more than a look at the entity: a filter runs for each entity, on the main loop, for whoever may look. So a loop must not build
 * lists or texts, which the next could build upon, nor look at another list at each turn; what all loops do at each turn is bounded, and how often they do it
 * over a list that is written there. How long a list of an entity is, its attributes bound.
 * @param variable what the filter is about.
 */
function refuseCostly(node: ASTNode, variable: string): void {
  let nodes = 0;
  const look = (node: ASTNode, inLoop: boolean): void => {
    const refuse = (why: string) => new ExpressionError(why, node.range.start);
    const name = calledOf(node);
    if (GROWING.has(name)) throw refuse(`${name}() is not allowed in a filter`);
    if (node.op === "rcall" && node.args[2].length > 0 && ZONED.test(name))
      throw refuse(`${name}() of a time zone is not allowed in a filter: add a duration`);
    if (inLoop) {
      nodes += 1;
      if (node.op === "+") throw refuse("+ is not allowed in a loop");
      if (node.op === "list" || node.op === "map") throw refuse("a list or map is not allowed in a loop");
      if (node.op === "id" && node.args === variable)
        throw refuse(`\`${variable}\` is not allowed in a loop`);
    }
    if (node.op !== "rcall" || !LOOPS.has(name)) {
      for (const part of partsOf(node)) look(part, inLoop);
      return;
    }
    const [, receiver, args] = node.args;
    if (adds(receiver)) throw refuse("a loop over what + made is not allowed in a filter");
    look(receiver, inLoop);
    const before = nodes;
    for (const argument of args) look(argument, true);
    if (nodes > MAX_LOOP_NODES)
      throw refuse(`the loops of a filter have at most ${MAX_LOOP_NODES} parts together`);
    if ((nodes - before) * literalsOf(receiver) > MAX_LITERAL_STEPS)
      throw refuse("a loop over so long a list is not allowed in a filter");
  };
  look(node, false);
}

function adds(node: ASTNode): boolean {
  return node.op === "+" || partsOf(node).some(adds);
}

/** Elements of all lists and maps that are written in an expression. */
function literalsOf(node: ASTNode): number {
  const own = node.op === "list" || node.op === "map" ? node.args.length : 0;
  return partsOf(node).reduce((sum, part) => sum + literalsOf(part), own);
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
