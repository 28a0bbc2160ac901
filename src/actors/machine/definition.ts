/**
 * Machine definitions: JSON in the XState v5 config shape, so that Stately's tools draw them, with CEL where XState has functions.
 *
 * docs/machines.md says how they are written, and what expressions see. Without `params` the members of an action may stand beside `type`, and
 * `description`, `meta`, `tags` and `version` are allowed and ignored: so tools export them.
 */
import { isObject, type Json, type JsonObject } from "../messages.ts";
import { type ActionDefinition, parseActions } from "./definition-actions.ts";
import { isDeeper, list, member, members, name, pointer } from "./definition-members.ts";
import { MachineError } from "./errors.ts";
import { type Expression, parseExpression } from "./expression.ts";
import {
  MAX_CONTEXT_BYTES,
  MAX_DEFINITION_DEPTH,
  MAX_MACHINE_DELAY_MS,
  MAX_MACHINE_DEPTH,
  MAX_MACHINE_STATES,
  MAX_MACHINE_TRANSITIONS,
} from "./limits.ts";
import { resolveTarget } from "./targets.ts";
import { asJson } from "./values.ts";

export interface TransitionDefinition {
  /** Full path of the target state, `""` = the machine itself; absent = actions only. */
  target?: string;
  guard?: Expression;
  actions: ActionDefinition[];
  /** Leave and enter the source too, though the target is inside it. */
  reenter: boolean;
}

export interface StateDefinition {
  kind: "atomic" | "compound" | "final";
  /** Names of the states from the machine to this one, joined with dots; `""` = the machine itself. */
  path: string;
  /** Where it is in the JSON, as a JSON pointer. */
  pointer: string;
  /** For targets `#id`. */
  id?: string;
  /** Name of the child that is entered first; of compound states only. */
  initial?: string;
  states: Map<string, StateDefinition>;
  /** By event descriptor, in order of preference. */
  on: Map<string, TransitionDefinition[]>;
  /** By delay in ms. */
  after: Map<number, TransitionDefinition[]>;
  always: TransitionDefinition[];
  /** When a final child was entered. */
  onDone: TransitionDefinition[];
  entry: ActionDefinition[];
  exit: ActionDefinition[];
}

/** A checked definition. Its JSON is what is stored; this is what `compileMachine` takes. */
export interface MachineDefinition {
  id: string;
  context: JsonObject;
  root: StateDefinition;
}

const IGNORED = ["description", "meta", "tags"];
const STATE_MEMBERS = ["id", "type", "initial", "states", "on", "after", "always", "onDone", "entry", "exit"];
const TRANSITION_MEMBERS = ["target", "guard", "actions", "reenter"];
/** XState has these; they come later or never, and get a clearer answer than "unknown". */
const LATER_STATE_MEMBERS = ["history", "invoke", "output", "route"];
const LATER_TYPES = ["parallel", "history"];

/** What is counted over the whole definition. */
interface Totals {
  states: number;
  transitions: number;
  actions: number;
}
/** Targets are resolved when all states are known. */
interface Unresolved {
  source: StateDefinition;
  transition: TransitionDefinition;
  target: string;
  pointer: string;
}

/**
 * Checks a definition whole: shape, names, limits, targets, and every expression.
 * @throws MachineError for the first mistake.
 */
export function parseMachine(json: unknown): MachineDefinition {
  return new Parser().machine(json);
}

class Parser {
  readonly #totals: Totals = { states: 0, transitions: 0, actions: 0 };
  readonly #unresolved: Unresolved[] = [];

  machine(json: unknown): MachineDefinition {
    if (!isObject(json)) throw new MachineError("wrong-type", "", "a machine is a JSON object");
    if (isDeeper(json, MAX_DEFINITION_DEPTH))
      throw new MachineError("too-deep", "", `JSON is nested at most ${MAX_DEFINITION_DEPTH} deep`);
    const id = name(member(json, "id"), "/id");
    const root = this.#state(json, "", "", 0);
    if (root.kind !== "compound")
      throw new MachineError("no-initial", "/states", "a machine has at least one state");
    const byId = new Map<string, StateDefinition>();
    collectIds(root, byId);
    for (const { source, transition, target, pointer } of this.#unresolved)
      transition.target = resolveTarget(root, byId, source, target, pointer).path;
    return { id, context: parseContext(member(json, "context")), root };
  }

  #state(json: unknown, path: string, at: string, depth: number): StateDefinition {
    if (!isObject(json)) throw new MachineError("wrong-type", at, "a state is a JSON object");
    const isRoot = depth === 0;
    if (depth > MAX_MACHINE_DEPTH)
      throw new MachineError("too-deep", at, `states are nested at most ${MAX_MACHINE_DEPTH} deep`);
    if (!isRoot && ++this.#totals.states > MAX_MACHINE_STATES)
      throw new MachineError("too-many-states", at, `a machine has at most ${MAX_MACHINE_STATES} states`);
    const known = isRoot ? [...STATE_MEMBERS, "context", "version"] : STATE_MEMBERS;
    members(json, at, [...known, ...IGNORED], LATER_STATE_MEMBERS);

    const states = this.#states(member(json, "states"), path, `${at}/states`, depth);
    const state: StateDefinition = {
      kind: stateKind(member(json, "type"), states.size > 0, isRoot, `${at}/type`),
      path,
      pointer: at,
      states,
      on: new Map(),
      after: new Map(),
      always: [],
      onDone: [],
      entry: this.#actions(member(json, "entry"), `${at}/entry`),
      exit: this.#actions(member(json, "exit"), `${at}/exit`),
    };
    const id = member(json, "id");
    if (id !== undefined) state.id = name(id, `${at}/id`);
    const initial = parseInitial(member(json, "initial"), states, `${at}/initial`);
    if (initial !== undefined) state.initial = initial;
    this.#transitionsOf(state, json, at);
    return state;
  }

  #states(json: Json | undefined, path: string, at: string, depth: number): Map<string, StateDefinition> {
    const states = new Map<string, StateDefinition>();
    if (json === undefined) return states;
    if (!isObject(json))
      throw new MachineError("wrong-type", at, "states are a JSON object of states by name");
    for (const [key, value] of Object.entries(json)) {
      const childAt = `${at}/${pointer(key)}`;
      name(key, childAt);
      states.set(key, this.#state(value, path === "" ? key : `${path}.${key}`, childAt, depth + 1));
    }
    return states;
  }

  #transitionsOf(state: StateDefinition, json: JsonObject, at: string): void {
    for (const key of ["on", "after"] as const) {
      const table = member(json, key);
      if (table === undefined) continue;
      if (!isObject(table))
        throw new MachineError("wrong-type", `${at}/${key}`, `\`${key}\` is a JSON object`);
      for (const [label, value] of Object.entries(table)) {
        const here = `${at}/${key}/${pointer(label)}`;
        if (key === "on") state.on.set(descriptor(label, here), this.#transitions(value, state, here));
        else state.after.set(delay(label, here), this.#transitions(value, state, here));
      }
    }
    state.always = this.#transitions(member(json, "always"), state, `${at}/always`);
    state.onDone = this.#transitions(member(json, "onDone"), state, `${at}/onDone`);
    const hasTransitions = state.on.size > 0 || state.after.size > 0 || state.always.length > 0;
    if (state.kind === "final" && hasTransitions)
      throw new MachineError("unknown-member", at, "a final state has no transitions");
    if (state.kind !== "compound" && state.onDone.length > 0)
      throw new MachineError("unknown-member", `${at}/onDone`, "only a state with states can be done");
  }

  #transitions(json: Json | undefined, source: StateDefinition, at: string): TransitionDefinition[] {
    return list(json, at).map(([item, itemAt]) => this.#transition(item, source, itemAt));
  }

  #transition(json: Json, source: StateDefinition, at: string): TransitionDefinition {
    if (++this.#totals.transitions > MAX_MACHINE_TRANSITIONS)
      throw new MachineError(
        "too-many-transitions",
        at,
        `a machine has at most ${MAX_MACHINE_TRANSITIONS} transitions`,
      );
    const config = typeof json === "string" ? { target: json } : json;
    if (!isObject(config))
      throw new MachineError(
        "wrong-type",
        at,
        "a transition is a target, or a JSON object, or a list of these",
      );
    members(config, at, [...TRANSITION_MEMBERS, ...IGNORED], []);
    const reenter = member(config, "reenter") ?? false;
    if (typeof reenter !== "boolean")
      throw new MachineError("wrong-type", `${at}/reenter`, "`reenter` is true or false");
    const transition: TransitionDefinition = {
      actions: this.#actions(member(config, "actions"), `${at}/actions`),
      reenter,
    };
    const guard = parseGuard(member(config, "guard"), `${at}/guard`);
    if (guard !== undefined) transition.guard = guard;
    const target = parseTarget(member(config, "target"), `${at}/target`);
    if (target !== undefined)
      this.#unresolved.push({
        source,
        transition,
        target,
        pointer: typeof json === "string" ? at : `${at}/target`,
      });
    return transition;
  }

  #actions(json: Json | undefined, at: string): ActionDefinition[] {
    return parseActions(json, at, this.#totals);
  }
}

function collectIds(state: StateDefinition, byId: Map<string, StateDefinition>): void {
  if (state.id !== undefined) {
    if (byId.has(state.id))
      throw new MachineError("duplicate-id", `${state.pointer}/id`, `another state has the id ${state.id}`);
    byId.set(state.id, state);
  }
  for (const child of state.states.values()) collectIds(child, byId);
}

function stateKind(
  type: Json | undefined,
  hasStates: boolean,
  isRoot: boolean,
  at: string,
): StateDefinition["kind"] {
  if (typeof type === "string" && LATER_TYPES.includes(type))
    throw new MachineError("not-supported", at, `${type} states are not supported yet`);
  if (type === "final" && !hasStates && !isRoot) return "final";
  const kind = hasStates ? "compound" : "atomic";
  if (type === undefined || type === kind) return kind;
  throw new MachineError(
    "wrong-type",
    at,
    'a type is "final" for a state without states, else it is left out',
  );
}

function parseInitial(json: Json | undefined, states: Map<string, unknown>, at: string): string | undefined {
  if (states.size === 0) {
    if (json === undefined) return undefined;
    throw new MachineError("unknown-target", at, "a state without states has no initial state");
  }
  if (json === undefined)
    throw new MachineError(
      "no-initial",
      at.slice(0, -"/initial".length),
      "a state with states needs `initial`",
    );
  if (isObject(json))
    throw new MachineError("not-supported", at, "actions of `initial` are not supported; use `entry`");
  if (typeof json !== "string")
    throw new MachineError("wrong-type", at, "`initial` is the name of a child state");
  if (!states.has(json)) throw new MachineError("unknown-target", at, `there is no child state ${json}`);
  return json;
}

function parseGuard(json: Json | undefined, at: string): Expression | undefined {
  if (json === undefined) return undefined;
  if (typeof json === "string") return parseExpression(json, at, "bool");
  if (!isObject(json)) throw new MachineError("wrong-type", at, "a guard is a string of CEL");
  members(json, at, ["type"], ["params", "guards"]);
  const type = member(json, "type");
  if (typeof type !== "string")
    throw new MachineError("wrong-type", `${at}/type`, "a guard is a string of CEL");
  return parseExpression(type, `${at}/type`, "bool");
}

function parseTarget(json: Json | undefined, at: string): string | undefined {
  const target = Array.isArray(json) && json.length === 1 ? json[0] : json;
  if (target === undefined || target === "") return undefined;
  if (Array.isArray(target))
    throw new MachineError(
      "not-supported",
      at,
      "several targets need parallel states, which are not supported yet",
    );
  if (typeof target !== "string") throw new MachineError("wrong-type", at, "a target is a string");
  return target;
}

function parseContext(json: Json | undefined): JsonObject {
  if (json === undefined) return {};
  if (!isObject(json)) throw new MachineError("wrong-type", "/context", "the context is a JSON object");
  const context = asJson(json) as JsonObject | undefined;
  if (context === undefined)
    throw new MachineError(
      "bad-context",
      "/context",
      "the context holds what PostgreSQL's jsonb does not, or is too deep",
    );
  if (Buffer.byteLength(JSON.stringify(context)) > MAX_CONTEXT_BYTES)
    throw new MachineError(
      "bad-context",
      "/context",
      `the context has at most ${MAX_CONTEXT_BYTES} bytes of JSON`,
    );
  return context;
}

function descriptor(text: string, at: string): string {
  const stem = text === "*" ? "any" : text.endsWith(".*") ? text.slice(0, -2) : text;
  if (stem.includes("*"))
    throw new MachineError("bad-name", at, "a wildcard is `*`, or the last token of an event type: `a.*`");
  if (text.startsWith("xstate."))
    throw new MachineError("not-supported", at, "`xstate.` events are internal: use `after` and `onDone`");
  name(stem, at, "event");
  return text;
}

function delay(text: string, at: string): number {
  const ms = Number(text);
  if (!/^\d{1,15}$/.test(text) || String(ms) !== text || ms > MAX_MACHINE_DELAY_MS)
    throw new MachineError(
      "bad-delay",
      at,
      `a delay is a whole number of ms from 0 to ${MAX_MACHINE_DELAY_MS}`,
    );
  return ms;
}
