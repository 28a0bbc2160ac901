/** What changeable machines want of the outside. */
import type { JsonObject } from "../messages.ts";
import type { IfVersion } from "../ports.ts";

/** One version of a machine. It never changes: a change makes another. */
export interface MachineVersion {
  name: string;
  /** From 1, one more with each change, also after a removal. */
  version: number;
  /** Of all machines together: a later change has a higher one. */
  revision: number;
  /** Entities of these kinds run it. No two machines have the same kind at the same time. */
  kinds: readonly string[];
  /** Absent = the machine was removed. */
  definition?: JsonObject;
  /** Key of a timer → the version since which all versions have it. */
  timersSince: Readonly<Record<string, number>>;
  /** Unix ms. */
  changedAt: number;
}

/** A checked definition, to be the next version. */
export interface MachineDraft {
  name: string;
  kinds: readonly string[];
  definition: JsonObject;
  /** How many leaf states it has. */
  states: number;
  /** Of all its timers. */
  timers: readonly string[];
}

export type MachineChange =
  /** `created`: there was no such machine. */
  | { is: "saved"; version: MachineVersion; created: boolean }
  /** It is so already. */
  | { is: "unchanged"; version: MachineVersion }
  /** The newest version is not as `ifVersion` says; absent = there is no such machine. */
  | { is: "other-version"; version?: number }
  | { is: "kind-taken"; kind: string; by: string }
  /** There are `MAX_MACHINES`, or all versions together have `MAX_MACHINE_STATES_KEPT` states. */
  | { is: "too-many"; of: "machines" | "states" };

/** The definitions of all nodes. The store rejects with `StoreAway` when the outcome is unknown. */
export interface MachineStore {
  /** Of machines with a revision after `revision`: the newest version of each, removed ones too. One that is read never lacks a change that was committed before it. */
  since(revision: number): Promise<MachineVersion[]>;
  save(draft: MachineDraft, ifVersion?: IfVersion): Promise<MachineChange>;
  /** `other-version` without one = there is no such machine. */
  remove(name: string, ifVersion?: IfVersion): Promise<MachineChange>;
}
