/** What can go wrong with a machine: in its definition, and while it runs. */

/** Why a definition is refused. Stable: clients may switch on it. */
export const MACHINE_ERRORS = {
  "wrong-type": "A member has the wrong type",
  "unknown-member": "A member is not known",
  "not-supported": "XState has it, this version of Muster does not",
  "bad-name": "A name is empty, too long or has characters that names may not have",
  "duplicate-id": "Two states have the same id",
  "no-initial": "A compound state does not say which state is its first",
  "unknown-target": "A target names no state",
  "bad-expression": "An expression is not CEL, or not of the type needed here",
  "bad-delay": "A delay is not a whole number of milliseconds in range",
  "bad-context": "The context cannot be stored",
  "too-many-states": "The limit of states is reached",
  "too-deep": "The limit of nesting is reached",
  "too-many-transitions": "The limit of transitions is reached",
  "too-many-actions": "The limit of actions is reached",
} as const;
export type MachineErrorCode = keyof typeof MACHINE_ERRORS;

/** A definition that is refused. */
export class MachineError extends Error {
  override name = "MachineError";
  readonly code: MachineErrorCode;
  /** Where in the definition, as a JSON pointer (RFC 6901); empty = the whole. */
  readonly path: string;

  constructor(code: MachineErrorCode, path: string, detail: string) {
    super(`${path === "" ? "the definition" : path}: ${detail}`);
    this.code = code;
    this.path = path;
  }
}

/** One event took more microsteps than it may: `always` or `raise` go round in a circle. The state before the event holds. */
export class MachineLoopError extends Error {
  override name = "MachineLoopError";
}

/** An action failed, or its result cannot be stored. The state before the event holds. */
export class MachineActionError extends Error {
  override name = "MachineActionError";
  /** Where the action is in the definition, as a JSON pointer; empty = the context as a whole. */
  readonly path: string;

  constructor(path: string, detail: string, cause?: unknown) {
    super(path === "" ? detail : `${path}: ${detail}`, cause === undefined ? undefined : { cause });
    this.path = path;
  }
}
