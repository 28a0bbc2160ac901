/** Actions of a definition: `assign`, `emit`, `raise`. */
import { isObject, type Json, type JsonObject } from "../messages.ts";
import { list, member, members, name, pointer } from "./definition-members.ts";
import { MachineError } from "./errors.ts";
import { type Expression, parseExpression } from "./expression.ts";
import { MAX_MACHINE_ACTIONS } from "./limits.ts";

export type ActionDefinition =
  | { type: "assign"; assignment: [key: string, value: Expression][] }
  /** `path` is where it is in the definition, as a JSON pointer. */
  | { type: "emit"; event: string; data: [key: string, value: Expression][]; path: string }
  | { type: "raise"; event: string };

/** Actions of XState that have no meaning here yet, or never will. */
const LATER = [
  "send",
  "sendTo",
  "sendParent",
  "cancel",
  "spawn",
  "spawnChild",
  "stop",
  "stopChild",
  "log",
  "enqueueActions",
];

/**
 * One action, a list, or none.
 * @param totals counts actions and their expressions over the whole definition.
 */
export function parseActions(
  json: Json | undefined,
  at: string,
  totals: { actions: number },
): ActionDefinition[] {
  return list(json, at).map(([item, itemAt]) => parseAction(item, itemAt, totals));
}

function parseAction(json: Json, at: string, totals: { actions: number }): ActionDefinition {
  if (!isObject(json)) throw new MachineError("wrong-type", at, "an action is a JSON object with a `type`");
  const type = member(json, "type");
  if (typeof type === "string" && LATER.includes(type.replace(/^xstate\./, "")))
    throw new MachineError("not-supported", `${at}/type`, `the action \`${type}\` is not supported yet`);
  const params = member(json, "params");
  if (params !== undefined) {
    members(json, at, ["type", "params"], []);
    if (!isObject(params)) throw new MachineError("wrong-type", `${at}/params`, "`params` is a JSON object");
  }
  const own = params === undefined ? json : params;
  const ownAt = params === undefined ? at : `${at}/params`;
  count(at, totals);
  switch (type) {
    case "assign": {
      members(own, ownAt, ["type", "assignment"], []);
      const assignment = expressions(member(own, "assignment"), `${ownAt}/assignment`, totals);
      return { type, assignment };
    }
    case "emit": {
      const event = eventOf(own, ownAt, ["type", "data"]);
      const dataAt = `${ownAt}/event/data`;
      const data = member(event, "data");
      return {
        type,
        event: eventType(event, ownAt),
        data: data === undefined ? [] : expressions(data, dataAt, totals),
        path: at,
      };
    }
    case "raise":
      return { type, event: eventType(eventOf(own, ownAt, ["type"]), ownAt) };
    default:
      throw new MachineError("unknown-member", `${at}/type`, "an action is `assign`, `emit` or `raise`");
  }
}

function eventOf(own: JsonObject, at: string, known: string[]): JsonObject {
  members(own, at, ["type", "event"], ["delay", "id"]);
  const event = member(own, "event");
  if (!isObject(event))
    throw new MachineError("wrong-type", `${at}/event`, "`event` is a JSON object with a `type`");
  members(event, `${at}/event`, known, []);
  return event;
}

function eventType(event: JsonObject, at: string): string {
  const type = name(member(event, "type"), `${at}/event/type`, "event");
  if (type.startsWith("xstate.") || type.includes("*"))
    throw new MachineError(
      "bad-name",
      `${at}/event/type`,
      "an event type has no `*` and does not begin with `xstate.`",
    );
  return type;
}

function expressions(
  json: Json | undefined,
  at: string,
  totals: { actions: number },
): [string, Expression][] {
  if (!isObject(json)) throw new MachineError("wrong-type", at, "a JSON object of CEL strings is needed");
  return Object.entries(json).map(([key, source]) => {
    const here = `${at}/${pointer(key)}`;
    count(here, totals);
    if (typeof source !== "string")
      throw new MachineError(
        "wrong-type",
        here,
        "a value is a string of CEL; a literal text is in quotes of its own",
      );
    return [name(key, here, "key"), parseExpression(source, here, "value")];
  });
}

function count(at: string, totals: { actions: number }): void {
  if (++totals.actions > MAX_MACHINE_ACTIONS)
    throw new MachineError(
      "too-many-actions",
      at,
      `a machine has at most ${MAX_MACHINE_ACTIONS} actions and values`,
    );
}
