/**
 * What is replaced of CEL's library: four things whose cost or memory has no bound, of which filters, events and machines ask with what anyone wrote or reported.
 *
 * - `duration(text)`: its own search is cubic in a row of digits, 8,000 of them are 3 minutes. Ours looks at the text first.
 * - `+` of texts and lists: each copies what those before it made, 45 of them over a list of 4,000 are 100 ms. Ours fails beyond a length.
 * - The table of types: the library types each value by its first members all the way down, and keeps each type, and each pair of types that an operator
 *   met, as long as the process lives: some 7 KB for each new way to nest lists and maps. Ours tells lists and maps of simple values apart, and no deeper ones.
 * - What fails and is passed over, by `||`, `&&`, `all` and `exists`: each failure is an exception. Ours passes over so many in one evaluation.
 *
 * All of it reaches into what the library does not promise, so its version is fixed, and each part that is reached for is looked at first.
 */
import assert from "node:assert/strict";
import type { Environment } from "@marcbachmann/cel-js";
import { MAX_DURATION_LENGTH, MAX_EXPRESSION_FAILURES, MAX_JOINED_LENGTH } from "../limits.ts";

interface Type {
  readonly kind: string;
  readonly name: string;
  /** Itself, unless it is a `dyn<…>`. */
  readonly unwrappedType: Type;
}

type Handler = (...args: readonly unknown[]) => unknown;

interface Overload {
  readonly handler: Handler;
  readonly leftType?: Type;
}

/** The overloads of one function or operator. */
interface Candidates {
  readonly registry: Registry;
  declarations: Overload[];
}

interface Registry {
  getType(name: string): Type;
  getListType(of: Type): Type;
  getMapType(from: Type, to: Type): Type;
  getOptionalType(of: Type): Type;
  operatorCandidates(operator: string): Candidates;
  functionCandidates(isMethod: boolean, name: string, parameters: number): Candidates;
}

/** @param environment one that has operators and a type of its own: until then it shares its tables with all others. */
export function boundLibrary(environment: Environment): void {
  const registry = registryOf(environment);
  boundTypes(registry);
  boundFailures(environment);
  replace(registry, registry.functionCandidates(false, "duration", 1), ({ handler }) =>
    boundedDuration(handler),
  );
  replace(registry, registry.operatorCandidates("+"), ({ handler, leftType }) =>
    JOINED.has(leftType!.unwrappedType.kind) || JOINED.has(leftType!.name) ? boundedJoin(handler) : handler,
  );
}

function registryOf(environment: Environment): Registry {
  // A checked operator knows where its overloads are from.
  return (probe(environment).ast as unknown as { candidates: Candidates }).candidates.registry;
}

/** Something that is checked, by which the library is got at. */
function probe(environment: Environment): ReturnType<Environment["parse"]> {
  const run = environment.parse("0 == 0");
  run.check();
  return run;
}

function replace(registry: Registry, candidates: Candidates, by: (overload: Overload) => Handler): void {
  assert.ok(candidates.registry === registry && candidates.declarations.length > 0);
  candidates.declarations = candidates.declarations.map((overload) => {
    assert.ok(typeof overload.handler === "function");
    return Object.create(overload, { handler: { value: by(overload) } });
  });
}

interface Evaluator {
  run(ast: unknown, context: unknown): unknown;
  /** Gives what fails as the error that it is. */
  tryEval(ast: unknown, context: unknown): unknown;
}

/** Of the evaluation that runs. */
let failures = 0;

/**
 * Runs what was parsed. Its errors have no stack, which would take four fifths of the time of a failure: an attribute that few entities have fails for each of
 * the others.
 */
export function evaluated(run: (variables: object) => unknown, variables: object): unknown {
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = 0;
  failures = 0;
  try {
    return run(variables);
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
  }
}

function boundFailures(environment: Environment): void {
  const evaluator = evaluatorOf(environment);
  assert.ok(typeof evaluator.run === "function" && typeof evaluator.tryEval === "function");
  evaluator.tryEval = (ast, context) => {
    try {
      return evaluator.run(ast, context);
    } catch (error) {
      failures++;
      if (failures <= MAX_EXPRESSION_FAILURES) return error;
      throw failures > MAX_EXPRESSION_FAILURES + 1
        ? error
        : new RangeError(`more than ${MAX_EXPRESSION_FAILURES} parts of the expression fail`);
    }
  };
}

function evaluatorOf(environment: Environment): Evaluator {
  const run = probe(environment);
  let found: Evaluator | undefined;
  (run.ast as unknown as { evaluate: (evaluator: Evaluator) => boolean }).evaluate = (evaluator) => {
    found = evaluator;
    return true;
  };
  run({});
  assert.ok(found !== undefined);
  return found;
}

/** What the library takes, and nothing that it would search through. */
const DURATION = /^[-+]?(?:\d*(?:\.\d*)?(?:[nuµm]?s|m(?!s)|h))+$/;

function boundedDuration(parse: Handler): Handler {
  return (text) => {
    if ((text as string).length > MAX_DURATION_LENGTH || !DURATION.test(text as string))
      throw new RangeError("Invalid duration string");
    return parse(text);
  };
}

/** Kinds and names of what gets longer by `+`. */
const JOINED: ReadonlySet<string> = new Set(["list", "string", "bytes"]);

function boundedJoin(join: Handler): Handler {
  return (...args) => {
    const [left, right] = args as unknown as readonly [ArrayLike<unknown>, ArrayLike<unknown>];
    if (left.length + right.length > MAX_JOINED_LENGTH)
      throw new RangeError(`+ makes at most ${MAX_JOINED_LENGTH} characters or elements`);
    // 20 times as fast as the library's.
    return Array.isArray(left) && Array.isArray(right) ? left.concat(right) : join(...args);
  };
}

const DEEP: ReadonlySet<string> = new Set(["list", "map", "optional"]);

function boundTypes(registry: Registry): void {
  const { getListType, getMapType, getOptionalType } = registry;
  const isSimple = (type: Type) => !DEEP.has(type.unwrappedType.kind);
  registry.getListType = (of) => (isSimple(of) ? getListType.call(registry, of) : registry.getType("list"));
  registry.getMapType = (from, to) =>
    isSimple(from) && isSimple(to) ? getMapType.call(registry, from, to) : registry.getType("map");
  registry.getOptionalType = (of) =>
    isSimple(of) ? getOptionalType.call(registry, of) : registry.getType("optional");
}
