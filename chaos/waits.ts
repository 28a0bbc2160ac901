/** How long reports waited until they were accepted, by the fault that they met. */
import { shardOf } from "../src/actors/shard-hash.ts";

interface Met {
  name: string;
  target: string;
  from: number;
  /** Infinity while it lasts. */
  to: number;
  hitMs: number;
  otherMs: number;
  enteredMs: number;
}

/** Longest waits of reports, ms: those for shards of the node that was hit, those for others, and those that were sent to the node that was hit. */
export interface WaitRow {
  fault: string;
  count: number;
  hitMs: number;
  otherMs: number;
  enteredMs: number;
}

export class Waits {
  readonly #faults: Met[] = [];
  readonly #ownerOf: (shard: number) => string | undefined;
  /** Owners when the newest fault began. */
  #owners: (string | undefined)[] = [];
  /** Of reports that met no fault. */
  #calmMs = 0;

  constructor(ownerOf: (shard: number) => string | undefined) {
    this.#ownerOf = ownerOf;
  }

  began(name: string, target: string, at: number): void {
    this.#owners = Array.from({ length: 256 }, (_, shard) => this.#ownerOf(shard));
    this.#faults.push({ name, target, from: at, to: Infinity, hitMs: 0, otherMs: 0, enteredMs: 0 });
  }

  ended(at: number): void {
    const last = this.#faults.at(-1);
    if (last !== undefined) last.to = at;
  }

  /** A report was accepted. It is put down to the first fault that lasted when it was sent or began while it waited. */
  accepted(id: string, entries: ReadonlySet<string>, since: number, at: number): void {
    const ms = at - since;
    const fault = this.#faults.find(({ from, to }) => to >= since && from <= at);
    if (fault === undefined) {
      this.#calmMs = Math.max(this.#calmMs, ms);
      return;
    }
    const isHit = fault.target === "all" || this.#owners[shardOf(id)] === fault.target;
    if (entries.has(fault.target)) fault.enteredMs = Math.max(fault.enteredMs, ms);
    else if (isHit) fault.hitMs = Math.max(fault.hitMs, ms);
    else fault.otherMs = Math.max(fault.otherMs, ms);
  }

  rows(): WaitRow[] {
    const rows = new Map<string, WaitRow>();
    for (const { name, hitMs, otherMs, enteredMs } of this.#faults) {
      const row = rows.get(name) ?? { fault: name, count: 0, hitMs: 0, otherMs: 0, enteredMs: 0 };
      row.count++;
      row.hitMs = Math.max(row.hitMs, hitMs);
      row.otherMs = Math.max(row.otherMs, otherMs);
      row.enteredMs = Math.max(row.enteredMs, enteredMs);
      rows.set(name, row);
    }
    const calm = { fault: "none", count: 0, hitMs: 0, otherMs: this.#calmMs, enteredMs: 0 };
    return [...rows.values(), calm];
  }
}
