/** What machines remember of entities beside their states, by slot: contexts and armed timers. Counted for the shard, whose checkpoint holds it. */
import type { Picture } from "../picture/picture.ts";
import { jsonBytes } from "./machine/run.ts";
import type { ArmedTimer, MachineState } from "./machine/step.ts";
import type { JsonObject } from "./messages.ts";
import type { Shard } from "./shard.ts";
import { SlotMap } from "./slot-map.ts";

type Remembered = Pick<MachineState, "context" | "timers">;

export const NOTHING_REMEMBERED: Remembered = Object.freeze({
  context: Object.freeze({}),
  timers: Object.freeze([]) as readonly [],
});
/** A timer in a checkpoint beside its name, at most. */
const TIMER_BYTES = 8 + 2;
/** So much of an entity's timers is in `ENTITY_BYTES`: that of the built-in machine, which goes on in a full shard too. */
const INCLUDED_TIMER_BYTES = 64;

export class MachineMemory {
  readonly #picture: Picture;
  readonly #shards: readonly Shard[];
  readonly #all = new SlotMap<Remembered & { bytes: number }>();

  constructor(picture: Picture, shards: readonly Shard[]) {
    this.#picture = picture;
    this.#shards = shards;
  }

  get(slot: number): Remembered {
    return this.#all.get(slot) ?? NOTHING_REMEMBERED;
  }

  /** Makes room for slots 0 … capacity − 1. */
  grow(capacity: number): void {
    this.#all.grow(capacity);
  }

  set(slot: number, { context, timers }: Remembered): void {
    const bytes = bytesOf(context, timers);
    this.#shards[this.#picture.columns.shard.of(slot)].bytes += bytes - this.#bytes(slot);
    const hasContext = Object.keys(context).length > 0;
    if (!hasContext && timers.length === 0) this.#all.delete(slot);
    else this.#all.set(slot, { context: hasContext ? context : NOTHING_REMEMBERED.context, timers, bytes });
  }

  /** By how much the entity's shard would grow. */
  growth(slot: number, { context, timers }: Remembered): number {
    return bytesOf(context, timers) - this.#bytes(slot);
  }

  /** The entity is not this node's any more. */
  forget(slot: number): void {
    this.#all.delete(slot);
  }

  #bytes(slot: number): number {
    return this.#all.get(slot)?.bytes ?? 0;
  }
}

function bytesOf(context: JsonObject, timers: readonly ArmedTimer[]): number {
  const text = Object.keys(context).length === 0 ? 0 : jsonBytes(context);
  const armed = timers.reduce((bytes, { key }) => bytes + Buffer.byteLength(key) + TIMER_BYTES, 0);
  return text + Math.max(0, armed - INCLUDED_TIMER_BYTES);
}
