/**
 * One of the 256 shards: which entities it has, by their durable numbers, which commands they had, and how far its checkpoint is behind.
 *
 * States: `closed` (not owned, or being loaded: refuses with `retry`) → `open` (owned, loaded) → `closing` (being handed over: in memory, decides
 * nothing any more) → `closed`.
 */
import assert from "node:assert/strict";
import { widenU32 } from "../picture/columns.ts";
import { CommandMemory } from "./command-memory.ts";
import { FormerWays } from "./former-ways.ts";
import { LeavingList } from "./leaving.ts";

const NO_SLOT = 0xffffffff;
/** Of shards without entities: they are made by hundreds. */
const NO_SLOTS = new Uint32Array(0);

export class Shard {
  readonly index: number;
  status: "closed" | "open" | "closing" = "closed";
  epoch = 0;
  /** The number that the next new entity gets; numbers start at 0 and are never given twice. */
  nextNumber = 0;
  /** Facts decided since the last checkpoint was taken. */
  factsSinceCheckpoint = 0;
  /** When the first of them was decided, on the monotonic clock. */
  dirtySince = 0;
  /** What its checkpoint takes at most. */
  bytes = 0;
  /** Some of its entities may run another machine, or know other fences, than they should. */
  isBehind = false;
  /** What was decided on commands. */
  commands = new CommandMemory();
  /** Entities that are deleted, and of which something is still to be taken away. */
  readonly leaving = new LeavingList();
  /** Number → id of entities that are deleted, and of whose tracks something may be in no row yet. */
  readonly departed = new Map<number, string>();
  /** Until when their ways went, and those of others before them. */
  formerWays = new FormerWays();
  /** Numbers and ids of all its entities, as a checkpoint holds them; absent = not written since one came or went. */
  identities: Uint8Array | undefined;
  #slots = NO_SLOTS;

  constructor(index: number) {
    this.index = index;
  }

  /** The slot of a number, or −1. */
  slot(number: number): number {
    const slot = number < this.#slots.length ? this.#slots[number] : NO_SLOT;
    return slot === NO_SLOT ? -1 : slot;
  }

  assign(number: number, slot: number): void {
    if (number >= this.#slots.length) {
      const before = this.#slots.length;
      this.#slots = widenU32(this.#slots, Math.max(16, before * 2, number + 1));
      this.#slots.fill(NO_SLOT, before);
    }
    assert.equal(this.#slots[number], NO_SLOT, "a number names one entity for ever");
    this.#slots[number] = slot;
    this.identities = undefined;
    if (number >= this.nextNumber) this.nextNumber = number + 1;
  }

  /** The number names nothing any more. */
  unassign(number: number): void {
    this.#slots[number] = NO_SLOT;
    this.identities = undefined;
  }

  /** The slots of all its entities, by ascending number. */
  *slots(): Iterable<number> {
    for (let number = 0; number < this.nextNumber; number++) {
      const slot = this.slot(number);
      if (slot >= 0) yield slot;
    }
  }

  /** Forgets everything. */
  clear(): void {
    this.status = "closed";
    this.nextNumber = 0;
    this.factsSinceCheckpoint = 0;
    this.bytes = 0;
    this.isBehind = false;
    this.commands = new CommandMemory();
    this.leaving.clear();
    this.departed.clear();
    this.formerWays = new FormerWays();
    this.#slots = NO_SLOTS;
    this.identities = undefined;
  }
}

/** Numbers of those that are not in memory, or not whole, ascending. */
export function closedAmong(shards: readonly Shard[]): number[] {
  return shards.filter(({ status }) => status === "closed").map(({ index }) => index);
}
