/** What entities occupy, by slot, and what the picture shows of it: the fences that each is inside of. */
import { FULL, type Picture } from "../picture/picture.ts";
import { isSameList } from "../tracks/way.ts";
import { OCCUPIED_BYTES } from "./fences/limits.ts";
import { type Occupied, staysOf } from "./fences/occupied.ts";
import type { Shard } from "./shard.ts";
import { SlotMap } from "./slot-map.ts";

export class Occupancy {
  readonly #picture: Picture;
  readonly #shards: readonly Shard[];
  readonly #changes: (slot: number, since: number | undefined) => void;
  readonly #all = new SlotMap<readonly Occupied[]>();

  /** @param changes is told before an entity is inside of other fences. */
  constructor(
    picture: Picture,
    shards: readonly Shard[],
    changes: (slot: number, since: number | undefined) => void,
  ) {
    this.#picture = picture;
    this.#shards = shards;
    this.#changes = changes;
  }

  /** Absent = none. */
  get(slot: number): readonly Occupied[] | undefined {
    return this.#all.get(slot);
  }

  /** Makes room for slots 0 … capacity − 1. */
  grow(capacity: number): void {
    this.#all.grow(capacity);
  }

  /** The entity occupies these from now on. @param since as `FencesOccupied` says */
  become(slot: number, occupied: readonly Occupied[], since?: number): void {
    const before = this.#picture.columns.fences.get(slot) ?? [];
    const stays = staysOf(occupied);
    const isSame = isSameList(stays, before);
    if (!isSame) this.#changes(slot, since);
    this.set(slot, occupied);
    if (!isSame) this.#picture.touch(slot, FULL);
  }

  /** As `become`, of one that nobody sees yet. */
  set(slot: number, occupied: readonly Occupied[]): void {
    const { fences, shard } = this.#picture.columns;
    const before = this.#all.get(slot)?.length ?? 0;
    this.#shards[shard.of(slot)].bytes += (occupied.length - before) * OCCUPIED_BYTES;
    if (occupied.length === 0) this.#all.delete(slot);
    else this.#all.set(slot, occupied);
    const stays = staysOf(occupied);
    if (stays.length === 0) fences.delete(slot);
    else fences.set(slot, stays);
  }

  /** The entity is not this node's any more. What the picture shows of it stays. */
  forget(slot: number): void {
    this.#all.delete(slot);
  }
}
