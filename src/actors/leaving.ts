/**
 * The deleted entities of a shard of which something is still to be taken away, by their numbers. Part of its state: the fact of a deletion adds one,
 * the fact that nothing is left moves it on, and checkpoints hold those that are going.
 *
 * One is going (its rows are being taken away; of an erasure, reports with the id are refused) → ended (an erasure: a checkpoint without it is to be
 * written yet; another: an erasure of the id sees to it) → not here.
 */

export interface Leaving {
  readonly id: string;
  /** All that is known of it goes. */
  readonly erase: boolean;
  state: "going" | "ended";
  /** Somebody sees to it. */
  isSeenTo: boolean;
  /** Told whether it is done; false: the shard is lost, and whoever has it next sees to it. */
  readonly waiters: Set<(done: boolean) => void>;
}

export class LeavingList {
  readonly #byNumber = new Map<number, Leaving>();
  /** Id → how many are going; of those, how many are erasures. */
  readonly #going = new Map<string, number>();
  readonly #erasing = new Map<string, number>();

  get size(): number {
    return this.#byNumber.size;
  }

  /** Erasures that are going, by their ids. */
  get erasures(): number {
    return this.#erasing.size;
  }

  get(number: number): Leaving | undefined {
    return this.#byNumber.get(number);
  }

  numbers(): number[] {
    return [...this.#byNumber.keys()];
  }

  /** Those that are going: number, id, whether all of it goes. */
  going(): [number: number, id: string, erase: boolean][] {
    return [...this.#byNumber]
      .filter(([, { state }]) => state === "going")
      .map(([number, { id, erase }]) => [number, id, erase]);
  }

  /** Whether a row of the id is being taken away. */
  isGoing(id: string): boolean {
    return this.#going.has(id);
  }

  /** Whether all that is known of an id is being taken away. */
  isErasing(id: string): boolean {
    return this.#erasing.has(id);
  }

  /** Erasures of an id that are not done. */
  erasuresOf(id: string): Leaving[] {
    return [...this.#byNumber.values()].filter((one) => one.erase && one.id === id);
  }

  add(number: number, id: string, erase: boolean): void {
    if (this.#byNumber.has(number)) return;
    if (erase && this.#going.has(id)) this.#endPlain(id);
    this.#byNumber.set(number, { id, erase, state: "going", isSeenTo: false, waiters: new Set() });
    count(this.#going, id, 1);
    if (erase) count(this.#erasing, id, 1);
  }

  /** An erasure takes away what deletions of the id left to do, and checkpoints must not name it for their sake. */
  #endPlain(id: string): void {
    for (const leaving of this.#byNumber.values()) {
      if (leaving.erase || leaving.id !== id || leaving.state === "ended") continue;
      leaving.state = "ended";
      count(this.#going, id, -1);
    }
  }

  /** Nothing but checkpoints knows of it any more. No-op if it is not here. */
  end(number: number): void {
    const leaving = this.#byNumber.get(number);
    if (leaving === undefined || leaving.state === "ended") return;
    leaving.state = "ended";
    count(this.#going, leaving.id, -1);
    if (leaving.erase) count(this.#erasing, leaving.id, -1);
    else this.#byNumber.delete(number);
  }

  /** Checkpoints do not know of an erasure that has ended either. */
  delete(number: number): void {
    const erased = this.#byNumber.get(number);
    for (const [other, { id, erase, state }] of this.#byNumber)
      if (other === number || (!erase && state === "ended" && id === erased?.id))
        this.#byNumber.delete(other);
  }

  /** Takes over one of the same shard in another table. */
  adopt(number: number, { id, erase, state }: Leaving): void {
    this.add(number, id, erase);
    if (state === "ended") this.end(number);
  }

  clear(): void {
    const all = [...this.#byNumber.values()];
    this.#byNumber.clear();
    this.#going.clear();
    this.#erasing.clear();
    for (const { waiters } of all) for (const waiter of waiters) waiter(false);
  }
}

function count(counts: Map<string, number>, id: string, more: number): void {
  const now = (counts.get(id) ?? 0) + more;
  if (now === 0) counts.delete(id);
  else counts.set(id, now);
}
