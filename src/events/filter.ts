/** Which events a reader wants. */
import type { Environment } from "@marcbachmann/cel-js";
import type { JsonObject } from "../actors/messages.ts";
import { isTrue, parseFilter, type Topic, typedEnvironment } from "../picture/cel.ts";
import { Readable } from "../picture/cel-value.ts";
import type { FilterTime } from "../picture/filter-time.ts";
import { cursorText } from "./cursor.ts";
import type { LoggedEvent } from "./ports.ts";

export interface EventFilter {
  /** Only of these types. */
  types?: readonly string[];
  /** A CEL expression over `event`. */
  where?: string;
}

/** Whether an event passes. @throws FilterCostly if it is measured */
export type EventTest = (event: LoggedEvent) => boolean;

/** An event as expressions see it; CEL knows the type by the class. */
class EventScope {
  event: LoggedEvent | undefined;
  readonly #data = new Readable<JsonObject>({});
  get id(): string {
    return cursorText(this.event!.cursor);
  }
  get type(): string {
    return this.event!.type;
  }
  get subject(): string {
    return this.event!.subject;
  }
  /** Unix ms, as all times in expressions. */
  get time(): number {
    return this.event!.time;
  }
  get data(): JsonObject {
    this.#data.source = this.event!.data;
    return this.#data.value;
  }
}

const FIELDS = { id: "string", type: "string", subject: "string", time: "double", data: "map" };
/** With the variable `event` alone. */
export function eventEnvironment(): Environment {
  return typedEnvironment("Event", EventScope, FIELDS).registerVariable("event", "Event");
}
const environment = eventEnvironment();
export const EVENT: Topic = { variable: "event", members: new Map(Object.entries(FIELDS)), time: "time" };

export interface EventTestOptions {
  /** It was let in once. */
  isStored?: boolean;
  /** What it is measured with. Absent = it is not. */
  time?: FilterTime;
}

/**
 * An event for which `where` fails, as it lacks what that asks for, does not pass.
 * @throws ExpressionError if `where` is no expression that gives a bool
 */
export function eventTest({ types, where }: EventFilter, options: EventTestOptions = {}): EventTest {
  const wanted = types && new Set(types);
  const holds = where === undefined ? undefined : whereTest(where, options);
  return (event) => (wanted?.has(event.type) ?? true) && (holds?.(event) ?? true);
}

function whereTest(where: string, { isStored, time }: EventTestOptions): EventTest {
  const parsed = parseFilter(environment, where, EVENT, isStored);
  const scope = new EventScope();
  const variables = { event: scope };
  const evaluate = () => isTrue(parsed, variables);
  const passes = time?.measured(evaluate, isStored ? "permitted" : "asked") ?? evaluate;
  return (event) => {
    scope.event = event;
    return passes();
  };
}
