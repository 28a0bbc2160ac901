/**
 * Finds out which fences each entity is inside of, and makes facts and events of what changes. What a fence wants is in `fences/occupied.ts`; here is which
 * side of it a fix is on.
 */
import { MAX_SHARD_BYTES } from "../limits.ts";
import { type EntityTable, hasPlace } from "./entity-table.ts";
import { FenceChange } from "./fence-change.ts";
import type { FenceCatalogue, Standing } from "./fences/catalogue.ts";
import type { Cell } from "./fences/cells.ts";
import { MAX_OCCUPIED, OCCUPIED_BYTES } from "./fences/limits.ts";
import { dueOf, dwelt, isStay, judged, type Occupied, type Side } from "./fences/occupied.ts";
import { SlotCells } from "./fences/slot-cells.ts";
import type { MachineEvent } from "./machine/step.ts";
import type { FactSink } from "./receive.ts";
import type { Shard } from "./shard.ts";

const NOTHING: readonly Occupied[] = Object.freeze([]);
const NONE: readonly Standing[] = Object.freeze([]);

export class EntityFences {
  readonly #table: EntityTable;
  readonly #sink: FactSink;
  readonly #catalogue: FenceCatalogue;
  readonly #tell: (shard: Shard, slot: number, event: MachineEvent, now: number) => void;
  readonly #cells: SlotCells;
  readonly #change: FenceChange;
  readonly #scratch: Standing[] = [];

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
    this.#cells = new SlotCells(table.picture.columns, catalogue);
    this.#change = new FenceChange(table);
  }

  /** An entity has a new newest fix. @returns whether it may wait for something else now. */
  moved(shard: Shard, slot: number, now: number): boolean {
    // Nearly every report comes here, and most nodes have no fence.
    return this.#catalogue.size > 0 && this.#judge(shard, slot, now, true);
  }

  /** Brings an entity to the fences that there are now, by its newest fix. @returns as `moved` does. */
  follow(shard: Shard, slot: number, now: number): boolean {
    return hasPlace(this.#table.picture, slot) && this.#judge(shard, slot, now, false);
  }

  /** When what an entity occupies changes although nothing more is heard of it, Unix ms. */
  due(slot: number): number {
    const occupied = this.#table.occupied.get(slot);
    if (occupied === undefined) return Infinity;
    return occupied.reduce((due, one) => Math.min(due, dueOf(one)), Infinity);
  }

  /** A deadline came. */
  fire(shard: Shard, slot: number, now: number): void {
    const change = this.#change;
    change.begin(shard, slot, now);
    for (const before of this.#table.occupied.get(slot) ?? NOTHING)
      change.become(before, dueOf(before) <= now ? dwelt(before, change.newEpisode) : before, turned(before));
    this.#decide(shard, slot, now);
  }

  /** The entity is to be deleted: its stays end. What it occupies goes with it. */
  close(shard: Shard, slot: number, now: number): void {
    this.#change.begin(shard, slot, now);
    for (const before of this.#table.occupied.get(slot) ?? NOTHING)
      this.#change.become(before, undefined, "deleted");
    this.#emit(shard, slot);
  }

  /** @param isFix the fix is new; else the fences may be. */
  #judge(shard: Shard, slot: number, now: number, isFix: boolean): boolean {
    const cell = this.#cells.at(slot);
    const occupied = this.#table.occupied.get(slot);
    if (occupied === undefined && cell === undefined) return false;
    const holding = this.#holds(slot, cell);
    if (occupied === undefined && holding.length === 0) return false;
    if (isFix && occupied !== undefined && isSettled(occupied, holding)) return false;
    const change = this.#change;
    change.begin(shard, slot, now);
    for (const before of occupied ?? NOTHING) {
      const standing = named(before, holding) ?? this.#catalogue.standing(before.fence);
      if (standing === undefined || before.version < standing.since) {
        change.become(before, undefined, "removed");
        continue;
      }
      const isOld = before.version !== standing.version;
      if (!isOld && !isFix) {
        change.next.push(before);
        continue;
      }
      const side = this.#side(standing, slot, holding.includes(standing));
      if (isOld) change.become(before, renewed(standing, before, side), "changed");
      else {
        const after = judged(standing, before, side, change, change.newEpisode);
        change.become(before, after, turned(before));
      }
    }
    for (const standing of holding) {
      if (change.next.length >= MAX_OCCUPIED || shard.bytes + OCCUPIED_BYTES > MAX_SHARD_BYTES) break;
      if (isKnown(standing, occupied ?? NOTHING) || isKnown(standing, change.next)) continue;
      const side = this.#side(standing, slot, true);
      const after = judged(standing, undefined, side, change, change.newEpisode);
      change.become(
        undefined,
        after,
        isFix ? "arrived" : standing.version === standing.since ? "created" : "changed",
      );
    }
    return this.#decide(shard, slot, now);
  }

  /** The fences that hold the place of an entity. Valid until the next call. */
  #holds(slot: number, cell: Cell | undefined): readonly Standing[] {
    const { lon, lat } = this.#table.picture.columns;
    return cell === undefined ? NONE : cell.holding(lon.of(slot), lat.of(slot), this.#scratch);
  }

  /** On which side of a fence an entity is. @param isHeld whether the outline holds its place. */
  #side(standing: Standing, slot: number, isHeld: boolean): Side {
    const { columns } = this.#table.picture;
    const { kinds, outline, rules } = standing;
    if (kinds !== undefined && !kinds.has(columns.kinds.name(columns.kind.of(slot)))) return "out";
    if (columns.accuracy.of(slot) > (rules.maxAccuracy ?? Infinity)) return "unknown";
    // Neither is greater than 0 if the altitude is not known.
    const above = columns.alt.of(slot) - (rules.ceiling ?? Infinity);
    const below = (rules.floor ?? -Infinity) - columns.alt.of(slot);
    const isBetween = !(above > 0 || below > 0);
    if (isHeld && isBetween) return "in";
    if (rules.exitBuffer === 0 || above > rules.exitBuffer || below > rules.exitBuffer) return "out";
    if (isHeld) return "near";
    return outline.distance(columns.lon.of(slot), columns.lat.of(slot)) > rules.exitBuffer ? "out" : "near";
  }

  /** @returns whether anything has changed. */
  #decide(shard: Shard, slot: number, now: number): boolean {
    const { isSame, next, events } = this.#change;
    if (isSame) return false;
    const { number, picture } = this.#table;
    const seq = picture.columns.seq.of(slot) + 1;
    const since = this.#table.sinceOf(slot, now);
    const fact = { is: "occupied", number: number.of(slot), seq, occupied: next, since } as const;
    this.#sink.record(shard, fact);
    this.#table.apply(shard, fact);
    this.#emit(shard, slot);
    for (const { type, data } of events) this.#tell(shard, slot, { ...data, type }, now);
    return true;
  }

  #emit(shard: Shard, slot: number): void {
    const { number, picture } = this.#table;
    const subject = picture.columns.id[slot]!;
    const { events, now: time } = this.#change;
    for (const { type, data } of events)
      this.#sink.emit(shard, number.of(slot), { type, subject, time, data });
  }
}

/** Whether an entity plainly stays where it was, as it does by most fixes. */
function isSettled(occupied: readonly Occupied[], holding: readonly Standing[]): boolean {
  if (occupied.length !== holding.length) return false;
  for (const one of occupied) if (one.phase !== "in" || !named(one, holding)?.isPlain) return false;
  return true;
}

/** The fence that is meant, as it is now, if it is among these. */
function named({ fence, version }: Occupied, all: readonly Standing[]): Standing | undefined {
  for (const one of all) if (one.version === version && one.name === fence) return one;
  return undefined;
}

function isKnown({ name, version }: Standing, all: readonly Occupied[]): boolean {
  for (const one of all) if (one.version === version && one.fence === name) return true;
  return false;
}

/** Why an event is made of it, if its fence has not changed. */
function turned(before: Occupied): "left" | "arrived" {
  return isStay(before) ? "left" : "arrived";
}

/** What becomes of it when its fence changes: a stay goes on unless the entity is outside now, what was pending begins anew. If it is the same but for its title all goes on. */
function renewed(standing: Standing, before: Occupied, side: Side): Occupied | undefined {
  const { name: fence, version, sameSince } = standing;
  if (before.version >= sameSince) return { ...before, version };
  if (!isStay(before) || side === "out") return undefined;
  return { fence, version, phase: "in", episode: before.episode };
}
