/** CEL expressions of machines: guards and values. The language is set up in `src/picture/cel.ts`. */
import { EvaluationError } from "@marcbachmann/cel-js";
import { celEnvironment, ExpressionError, isFailure, isTrue, parseBounded } from "../../picture/cel.ts";
import { type Condition, conditionOf } from "../../picture/cel-condition.ts";
import type { Json } from "../messages.ts";
import { MachineActionError, MachineError } from "./errors.ts";
import { EntityView, variables } from "./scope.ts";
import { asJson } from "./values.ts";

/** A checked expression. */
export interface Expression {
  readonly source: string;
  /** Where it is in the definition, as a JSON pointer. */
  readonly path: string;
  readonly run: (variables: object) => unknown;
  /** The same as a closure over the entity, if it is a simple condition. */
  readonly condition: Condition | undefined;
}

const environment = celEnvironment(EntityView)
  .registerVariable("event", "map")
  .registerVariable("entity", "Entity")
  .registerVariable("context", "map")
  .registerVariable("now", "dyn");

/**
 * Parses and type-checks an expression.
 *
 * @param wanted what it must give: `bool` for a guard, `value` for anything that may turn out as JSON.
 * @throws MachineError `bad-expression` with the place in the text.
 */
export function parseExpression(source: string, path: string, wanted: "bool" | "value"): Expression {
  try {
    const { ast, run, type } = parseBounded(environment, source);
    if (wanted === "bool" && type !== "bool" && type !== "dyn")
      throw new ExpressionError(`a guard must be a bool, this is a ${type}`, 0);
    return { source, path, run, condition: wanted === "bool" ? conditionOf(ast) : undefined };
  } catch (error) {
    if (!(error instanceof ExpressionError)) throw error;
    throw new MachineError("bad-expression", path, `${error.message} (at character ${error.position})`);
  }
}

/**
 * Whether a guard holds for the bound variables. A guard that fails (a key that is not there, `null < 1`) does not hold; unless it is a
 * simple condition that costs some 6 µs for the exception, so a machine that runs often should ask `!= null` first.
 */
export function holds(guard: Expression): boolean {
  if (guard.condition !== undefined) return guard.condition(variables.entity.source!) === true;
  return isTrue(guard, variables);
}

/**
 * The value of an expression for the bound variables, as JSON.
 * @throws MachineActionError if it fails or cannot be stored.
 */
export function evaluate(expression: Expression): Json {
  let value: unknown;
  try {
    value = expression.run(variables);
  } catch (error) {
    if (!isFailure(error)) throw error;
    throw new MachineActionError(expression.path, `${expression.source} failed: ${summary(error)}`, error);
  }
  const json = asJson(value);
  if (json === undefined)
    throw new MachineActionError(expression.path, `${expression.source} gave what JSON cannot hold`);
  return json;
}

function summary(error: Error): string {
  return error instanceof EvaluationError ? error.summary : error.message;
}
