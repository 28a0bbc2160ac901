/** Limits of machines, as `src/limits.ts` has all others. */
import assert from "node:assert/strict";
import { MAX_STATES } from "../../picture/columns.ts";

/** States of one machine: their numbers and names go to clients; beyond this a person cannot read the chart either. */
export const MAX_MACHINE_STATES = 256;
/** Leaf states of all versions of all machines that ever were: a node never forgets a state's name, and has numbers for 65,535. */
export const MAX_MACHINE_STATES_KEPT = 60_000;
/** Machines at a time: with the largest definitions 13 MB in each node. */
export const MAX_MACHINES = 100;
/** Kinds that run one machine. */
export const MAX_MACHINE_KINDS = 100;
/** Nesting of a definition's JSON, with what tools keep in `meta`: PostgreSQL and others who walk it recurse. */
export const MAX_DEFINITION_DEPTH = 64;
/** Nesting of states: validation recurses, and each level is a walk for every transition. */
export const MAX_MACHINE_DEPTH = 8;
export const MAX_MACHINE_TRANSITIONS = 1_024;
/** Actions of one machine, and expressions of them. */
export const MAX_MACHINE_ACTIONS = 1_024;
/** Microsteps that one event may cause: more is an `always` or a `raise` that goes round in a circle. */
export const MAX_MICROSTEPS = 100;
/** Events that one event may emit: each becomes a row. */
export const MAX_EMITTED = 1_000;
/** JSON text of an entity's context, and of one emitted event's data: in memory, in the journal and in the checkpoint. */
export const MAX_CONTEXT_BYTES = 8_192;
/** Longest `after`: a leap year. A longer one is more likely a mistake in the unit. */
export const MAX_MACHINE_DELAY_MS = 366 * 86_400_000;
assert.ok(
  MAX_MACHINE_STATES_KEPT + MAX_MACHINE_STATES < MAX_STATES,
  "neither names of states nor versions, which have a state at least, run out",
);
