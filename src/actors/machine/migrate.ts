/** What becomes of an entity whose machine has another version. */
import type { JsonObject } from "../messages.ts";
import type { Running } from "./catalogue.ts";
import { type Machine, upwards } from "./compile.ts";
import { MAX_CONTEXT_BYTES } from "./limits.ts";
import { jsonBytes } from "./run.ts";
import { type ArmedTimer, type MachineState, restore, type Transition } from "./step.ts";

/** What an entity was under the version before. */
export interface Before {
  version: number;
  /** Full path of its leaf state. */
  state: string;
  context: JsonObject;
  timers: readonly ArmedTimer[];
}

/**
 * Keeps the state: the context gets the initial values of keys that it lacks, timers that are in both versions keep their deadlines or stay spent,
 * those that came since are armed now.
 * @param now Unix ms; timers that are armed count from it.
 * @returns `undefined` if it cannot be kept: there is no such leaf state any more, or the context would be too large.
 */
export function keep(
  { machine, timersSince }: Running,
  before: Before,
  now: number,
): MachineState | undefined {
  const context = withMissing(before.context, machine.context);
  if (context !== before.context && jsonBytes(context) > MAX_CONTEXT_BYTES) return undefined;
  const kept = restore(machine, before.state, context, before.timers);
  if (kept === undefined) return undefined;
  const armed = new Set(kept.timers.map(({ key }) => key));
  const added = upwards(machine.leaves[kept.state].node)
    .reverse()
    .flatMap(({ delays }) => delays)
    .filter(({ key }) => timersSince[key]! > before.version && !armed.has(key))
    .map(({ key, ms }) => ({ key, due: now + ms }));
  return added.length === 0 ? kept : { ...kept, timers: [...kept.timers, ...added] };
}

function withMissing(context: JsonObject, initial: JsonObject): JsonObject {
  return Object.keys(initial).every((key) => Object.hasOwn(context, key))
    ? context
    : { ...initial, ...context };
}

/** As `start`, without any action: for an entity with which entering the initial state fails. */
export function startBare(machine: Machine, now: number): Transition {
  const { enter, to } = machine.initial;
  const timers = enter.flatMap(({ delays }) => delays.map(({ key, ms }) => ({ key, due: now + ms })));
  return { next: { state: to!.leaf, context: machine.context, timers }, emitted: [] };
}

/** The keys of all timers of a machine. */
export function timersOf(machine: Machine): string[] {
  const nodes = new Set(machine.leaves.flatMap(({ node }) => upwards(node)));
  return [...nodes].flatMap(({ delays }) => delays.map(({ key }) => key));
}

/** Since which version each timer is there. @param before the version before, if it was not a removal. */
export function timersSince(
  timers: readonly string[],
  version: number,
  before: Readonly<Record<string, number>> | undefined,
): Record<string, number> {
  return Object.fromEntries(timers.map((key) => [key, before?.[key] ?? version]));
}
