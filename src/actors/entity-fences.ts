/**
 * Finds out which fences each entity is inside of, and makes facts and events of what changes. What a fence wants is said in `fences/occupied.ts`; here is which side
 * of it a fix is on.
 */

import { MAX_SHARD_BYTES } from "../limits.ts";
import { widenU32 } from "../picture/columns.ts";
import { type EntityTable, hasPlace } from "./entity-table.ts";
import type { FenceCatalogue, Standing } from "./fences/catalogue.ts";
import { KEY_LEVEL } from "./fences/cells.ts";
import { MAX_OCCUPIED, OCCUPIED_BYTES } from "./fences/limits.ts";
import { dueOf, dwelt, isStay, judged, type Occupied, type Side, type Stay } from "./fences/occupied.ts";
import type { MachineEvent } from "./machine/step.ts";
import type { JsonObject } from "./messages.ts";
import type { FactSink } from "./receive.ts";
import type { Shard } from "./shard.ts";

const NOTHING: readonly Occupied[] = Object.freeze([]);
/** A key that no place has within a cell without fences, as far as is known. The cell that has it is looked up each time. */
const NO_KEY = 0xffffffff;

/** Why a stay begins. */
type Entered = "arrived" | "created" | "changed";
/** Why it ends. */
type Exited = "left" | "changed" | "removed" | "deleted";

/** What becomes of what an entity occupies. */
interface Change {
  readonly now: number;
  /** Of the newest fix, Unix ms. */
  readonly t: number;
  readonly next: Occupied[];
  readonly events: { type: string; data: JsonObject }[];
  isSame: boolean;
  newEpisode(): string;
}

export class EntityFences {
  readonly #table: EntityTable;
  readonly #sink: FactSink;
  readonly #catalogue: FenceCatalogue;
  readonly #tell: (shard: Shard, slot: number, event: MachineEvent, now: number) => void;
  /** By slot: the picture's key of its place when that cell had no fence. */
  #clear = new Uint32Array(0);
  #clearOf = 0;
  readonly #holding: Standing[] = [];

  /** @param tell gives an entity's machine an event. */
  constructor(
    table: EntityTable,
    sink: FactSink,
    catalogue: FenceCatalogue,
    tell: (shard: Shard, slot: number, event: MachineEvent, now: number) => void,
  ) {
    this.#table = table;
    this.#sink = sink;
    this.#catalogue = catalogue;
    this.#tell = tell;
  }

  /** An entity has a new newest fix. @returns whether it may wait for something else now. */
  moved(shard: Shard, slot: number, now: number): boolean {
    // Nearly every report comes here, and most nodes have no fence, or none where the entity is.
    if (this.#catalogue.size === 0) return false;
    const occupied = this.#table.occupied.get(slot);
    if (occupied === undefined && this.#isClear(slot)) return false;
    return this.#judge(shard, slot, occupied ?? NOTHING, now, true);
  }

  /**
   * Brings an entity to the fences that there are now, by its newest fix.
   * @returns whether anything came of it.
   */
  follow(shard: Shard, slot: number, now: number): boolean {
    const occupied = this.#table.occupied.get(slot);
    if (occupied === undefined && (this.#catalogue.size === 0 || this.#isClear(slot))) return false;
    return this.#judge(shard, slot, occupied ?? NOTHING, now, false);
  }

  /** When what an entity occupies changes although nothing more is heard of it, Unix ms. */
  due(slot: number): number {
    let due = Infinity;
    for (const one of this.#table.occupied.get(slot) ?? NOTHING) due = Math.min(due, dueOf(one));
    return due;
  }

  /** A deadline came. */
  fire(shard: Shard, slot: number, now: number): void {
    const change = this.#begin(shard, slot, now);
    for (const before of this.#table.occupied.get(slot) ?? NOTHING)
      this.#become(change, before, dueOf(before) <= now ? dwelt(before, change.newEpisode) : before, "left");
    this.#decide(shard, slot, change);
  }

  /** The entity is to be deleted: its stays end. What it occupies goes with it. */
  close(shard: Shard, slot: number, now: number): void {
    const change = this.#begin(shard, slot, now);
    for (const before of this.#table.occupied.get(slot) ?? NOTHING)
      this.#become(change, before, undefined, "deleted");
    this.#emit(shard, slot, change);
  }

  /** Whether no fence is near the place of an entity that occupies none. */
  #isClear(slot: number): boolean {
    const { columns } = this.#table.picture;
    if (this.#clearOf !== this.#catalogue.revision || this.#clear.length < columns.capacity) {
      this.#clear = widenU32(this.#clear, columns.capacity).fill(NO_KEY);
      this.#clearOf = this.#catalogue.revision;
    }
    const key = columns.key[slot];
    return this.#clear[slot] === key && key !== NO_KEY;
  }

  /** @param isFix the fix is new; else the fences may be. */
  #judge(shard: Shard, slot: number, occupied: readonly Occupied[], now: number, isFix: boolean): boolean {
    if (!hasPlace(this.#table.picture, slot)) return false;
    const holding = this.#holds(slot);
    if (holding.length === 0 && occupied.length === 0) return false;
    const change = this.#begin(shard, slot, now);
    for (const before of occupied) {
      const standing = this.#catalogue.standing(before.fence);
      if (standing === undefined) this.#become(change, before, undefined, "removed");
      else if (before.version !== standing.version)
        this.#become(
          change,
          before,
          renewed(standing, before, this.#side(standing, slot, holding)),
          "changed",
        );
      else if (!isFix) change.next.push(before);
      else {
        const side = this.#side(standing, slot, holding);
        this.#become(change, before, judged(standing, before, side, change, change.newEpisode), "left");
      }
    }
    for (const standing of holding) {
      if (change.next.length >= MAX_OCCUPIED || shard.bytes + OCCUPIED_BYTES > MAX_SHARD_BYTES) break;
      if (isKnown(standing, occupied) || isKnown(standing, change.next)) continue;
      const side = this.#side(standing, slot, holding);
      const after = judged(standing, undefined, side, change, change.newEpisode);
      this.#become(
        change,
        undefined,
        after,
        isFix ? "arrived" : standing.version === 1 ? "created" : "changed",
      );
    }
    return this.#decide(shard, slot, change);
  }

  /** The fences that hold the place of an entity. Valid until the next call. */
  #holds(slot: number): readonly Standing[] {
    const { columns } = this.#table.picture;
    const lon = columns.lon[slot];
    const lat = columns.lat[slot];
    const cell = this.#catalogue.cell(lon, lat);
    if (cell.part.length === 0) {
      if (cell.whole.length === 0 && cell.level <= KEY_LEVEL) this.#clear[slot] = columns.key[slot];
      return cell.whole;
    }
    const holding = this.#holding;
    holding.length = 0;
    for (const one of cell.whole) holding.push(one);
    for (const one of cell.part) if (one.outline.contains(lon, lat)) holding.push(one);
    return holding;
  }

  #side(standing: Standing, slot: number, holding: readonly Standing[]): Side {
    const { columns } = this.#table.picture;
    const { kinds, outline, rules } = standing;
    if (kinds !== undefined && !kinds.has(columns.kinds.name(columns.kind[slot]))) return "out";
    if (columns.accuracy[slot] > (rules.maxAccuracy ?? Infinity)) return "unknown";
    const above = columns.alt[slot] - (rules.ceiling ?? Infinity);
    const below = (rules.floor ?? -Infinity) - columns.alt[slot];
    const isHeld = holding.includes(standing);
    // An altitude that is not known is neither.
    const isBetween = !(above > 0 || below > 0);
    if (isHeld && isBetween) return "in";
    if (rules.exitBuffer === 0) return "out";
    if (!isBetween && Math.max(above, below) > rules.exitBuffer) return "out";
    if (isHeld) return "near";
    return outline.distance(columns.lon[slot], columns.lat[slot]) > rules.exitBuffer ? "out" : "near";
  }

  #begin(shard: Shard, slot: number, now: number): Change {
    const { number, picture } = this.#table;
    const { columns } = picture;
    let episodes = 0;
    return {
      now,
      t: columns.t[slot],
      next: [],
      events: [],
      isSame: true,
      newEpisode: () =>
        [shard.index, number[slot], shard.epoch, columns.seq[slot] + 1, episodes++]
          .map((part) => part.toString(36))
          .join("-"),
    };
  }

  #become(
    change: Change,
    before: Occupied | undefined,
    after: Occupied | undefined,
    reason: Entered | Exited,
  ): void {
    if (after !== undefined) change.next.push(after);
    if (after === before) return;
    change.isSame = false;
    const was = before !== undefined && isStay(before) ? before : undefined;
    const is = after !== undefined && isStay(after) ? after : undefined;
    if (was === undefined && is !== undefined)
      change.events.push({ type: "fence.entered", data: { ...sayStay(is), reason } });
    if (was !== undefined && is === undefined)
      change.events.push({
        type: "fence.exited",
        data: { ...sayStay(was), reason, ...sayEnd(was, change.t) },
      });
  }

  /** @returns whether anything has changed. */
  #decide(shard: Shard, slot: number, change: Change): boolean {
    if (change.isSame) return false;
    const { number, picture } = this.#table;
    const seq = picture.columns.seq[slot] + 1;
    const fact = { is: "occupied", number: number[slot], seq, occupied: change.next } as const;
    this.#sink.record(shard, fact);
    this.#table.apply(shard, fact);
    this.#emit(shard, slot, change);
    for (const { type, data } of change.events) this.#tell(shard, slot, { ...data, type }, change.now);
    return true;
  }

  #emit(shard: Shard, slot: number, { events, t, now }: Change): void {
    const { columns } = this.#table.picture;
    const where = { t: rfc3339(t), lon: columns.lon[slot], lat: columns.lat[slot] };
    for (const { type, data } of events) {
      Object.assign(data, where);
      this.#sink.emit(shard, this.#table.number[slot], { type, subject: columns.id[slot]!, time: now, data });
    }
  }
}

function isKnown({ name, version }: Standing, all: readonly Occupied[]): boolean {
  return all.some((one) => one.fence === name && one.version === version);
}

/** What becomes of it when its fence changes: a stay goes on unless the entity is outside now, what was pending begins anew. */
function renewed({ name: fence, version }: Standing, before: Occupied, side: Side): Occupied | undefined {
  if (!isStay(before) || side === "out") return undefined;
  return { fence, version, phase: "in", episode: before.episode };
}

function sayStay({ fence, version, episode }: Stay): JsonObject {
  return { fence, version, episode: episode.id, enteredAt: rfc3339(episode.enteredAt) };
}

/** A stay ends with the first of the fixes outside, or as far as it is known. */
function sayEnd(stay: Stay, t: number): JsonObject {
  const exitedAt = stay.phase === "pending_out" ? stay.pending.since : t;
  return { exitedAt: rfc3339(exitedAt), durationMs: exitedAt - stay.episode.enteredAt };
}

function rfc3339(ms: number): string {
  return new Date(ms).toISOString();
}
