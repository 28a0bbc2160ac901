/** What becomes of all that one entity occupies, and the events of it, while it is found out. One object for all: nearly always nothing changes. */
import type { EntityTable } from "./entity-table.ts";
import { isStay, type Occupied, type Stay } from "./fences/occupied.ts";
import type { JsonObject } from "./messages.ts";
import type { Shard } from "./shard.ts";

/** Why a stay begins. */
export type Entered = "arrived" | "created" | "changed";
/** Why it ends. */
export type Exited = "left" | "changed" | "removed" | "deleted";

export class FenceChange {
  readonly #table: EntityTable;
  /** All that it occupies then. */
  next: Occupied[] = [];
  events: { type: string; data: JsonObject }[] = [];
  isSame = true;
  /** Unix ms. */
  now = 0;
  /** Of the newest fix with a place, Unix ms. */
  t = 0;
  #shard: Shard | undefined;
  #slot = 0;
  #episodes = 0;

  constructor(table: EntityTable) {
    this.#table = table;
  }

  begin(shard: Shard, slot: number, now: number): void {
    if (this.isSame) this.next.length = 0;
    else {
      // What was decided last is others' now.
      this.next = [];
      this.events = [];
    }
    this.isSame = true;
    this.now = now;
    this.t = this.#table.picture.columns.placedAt.of(slot);
    this.#shard = shard;
    this.#slot = slot;
    this.#episodes = 0;
  }

  /** The id of an episode that begins with the entity's next fact: it names that fact, and which episode of it. */
  readonly newEpisode = (): string => {
    const { number, picture } = this.#table;
    const { index, epoch } = this.#shard!;
    const parts = [
      index,
      number.of(this.#slot),
      epoch,
      picture.columns.seq.of(this.#slot) + 1,
      this.#episodes++,
    ];
    return parts.map((part) => part.toString(36)).join("-");
  };

  /** @param reason of the event, if this makes one. */
  become(before: Occupied | undefined, after: Occupied | undefined, reason: Entered | Exited): void {
    if (after !== undefined) this.next.push(after);
    if (after === before) return;
    this.isSame = false;
    const was = before !== undefined && isStay(before) ? before : undefined;
    const is = after !== undefined && isStay(after) ? after : undefined;
    if (was === undefined && is !== undefined)
      this.events.push({ type: "fence.entered", data: { ...sayStay(is), reason, ...this.#sayFix() } });
    if (was !== undefined && is === undefined) {
      const data = { ...sayStay(was), reason, ...sayEnd(was, this.t), ...this.#sayFix() };
      this.events.push({ type: "fence.exited", data });
    }
  }

  /** The newest one, by which it was decided. */
  #sayFix(): JsonObject {
    const { lon, lat } = this.#table.picture.columns;
    return { t: rfc3339(this.t), lon: lon.of(this.#slot), lat: lat.of(this.#slot) };
  }
}

function sayStay({ fence, version, episode }: Stay): JsonObject {
  return { fence, version, episode: episode.id, enteredAt: rfc3339(episode.enteredAt) };
}

/** A stay ends with the first of the fixes outside, or with the last one at all. */
function sayEnd(stay: Stay, t: number): JsonObject {
  const exitedAt = stay.phase === "pending_out" ? stay.pending.since : t;
  return { exitedAt: rfc3339(exitedAt), durationMs: exitedAt - stay.episode.enteredAt };
}

function rfc3339(ms: number): string {
  return new Date(ms).toISOString();
}
