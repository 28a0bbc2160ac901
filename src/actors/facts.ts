/**
 * What actors decide. A fact is the only thing that changes state (`EntityTable.apply`), the only thing that is remembered
 * (`fact-codec.ts`), and what recovery folds. Every fact of an entity has the next `seq`.
 *
 * Fact objects are reused on the hot path: whoever keeps one copies it.
 */
import type { CommandOutcome } from "./command-memory.ts";
import type { Occupied } from "./fences/occupied.ts";
import type { ArmedTimer } from "./machine/step.ts";
import type { JsonObject } from "./messages.ts";

interface FactBase {
  /** The entity, by its durable number within its shard. */
  number: number;
  seq: number;
}

/** The entity exists from now on; gives its number a meaning. Its first fact. */
export interface Introduced extends FactBase {
  is: "introduced";
  id: string;
  kind: string;
}

/** A kind was named for an entity whose kind was unknown. */
export interface KindSet extends FactBase {
  is: "kind";
  kind: string;
  /** From when on, Unix ms; absent = from the entity's newest report on. */
  since?: number;
}

/** A report was taken. Absent numbers are NaN, absent strings empty. */
export interface Reported extends FactBase {
  is: "reported";
  /** As the source said, Unix ms; the fix time is the smaller of this and `received`. */
  t: number;
  received: number;
  /** Of the report's content, for the duplicate memory. */
  hash: number;
  /** Older than the newest: history only. */
  late: boolean;
  /** The jump is faster than the entity's kind can be. */
  implausible: boolean;
  lon: number;
  lat: number;
  alt: number;
  speed: number;
  course: number;
  heading: number;
  accuracy: number;
  source: string;
  /** −1 = none. */
  sourceSeq: number;
  /** JSON text of the merge patch. */
  attributes: string;
}

/** The machine went to a state, or changed its context or timers. */
export interface Transitioned extends FactBase {
  is: "transitioned";
  /** Path of the leaf state: names survive a change of the definition, numbers would not. */
  state: string;
  context: JsonObject;
  timers: readonly ArmedTimer[];
  /** From when on, Unix ms; absent = from the entity's newest report on. */
  since?: number;
}

/** The entity runs this version of a machine from now on; the built-in one until there is such a fact. */
export interface MachineTaken extends FactBase {
  is: "machine";
  /** As `machine/reference.ts` has it: recovery needs no definition to know what decided the facts that follow. */
  machine: string;
}

/** Silence crossed a threshold. */
export interface LivenessChanged extends FactBase {
  is: "liveness";
  liveness: number;
}

/** The entity is inside of other fences, or about to enter or leave others. */
export interface FencesOccupied extends FactBase {
  is: "occupied";
  /** All of them. */
  occupied: readonly Occupied[];
  /** From when on, Unix ms; absent = from the entity's newest report on. */
  since?: number;
}

/** A command was accepted or refused. What comes of one that was accepted follows. */
export interface Commanded extends FactBase {
  is: "commanded";
  /** The command's own. */
  id: string;
  /** When, Unix ms. */
  at: number;
  outcome: CommandOutcome;
  /** Path of the leaf state after it, or in which it was refused. */
  state: string;
}

/** An administrator changed what is said of the entity. */
export interface Patched extends FactBase {
  is: "patched";
  /** Under what it is remembered, as `patchKey` makes it. */
  key: string;
  /** When, Unix ms. */
  at: number;
  /** All of them from then on: sorted, each once. Absent = those of before. */
  labels?: readonly string[];
  /** JSON text of the merge patch, or empty. */
  attributes: string;
}

/**
 * The entity is no more: its last fact but `Removed`; its number names nothing any more. One of an id that nothing has, of whose past all is to go,
 * has a new number and the `seq` 1.
 */
export interface Deleted extends FactBase {
  is: "deleted";
  /** The deletion's own id. */
  command: string;
  /** When, Unix ms. */
  at: number;
  /** Its history goes too. */
  erase: boolean;
  /** The entity's. */
  id: string;
}

/** What was left of a deleted entity is taken away, but from checkpoints older than this. */
export interface Removed extends FactBase {
  is: "removed";
}

export type Fact =
  | Introduced
  | KindSet
  | Reported
  | Transitioned
  | MachineTaken
  | LivenessChanged
  | FencesOccupied
  | Commanded
  | Patched
  | Deleted
  | Removed;
