/**
 * All entities of this node: the columns they have in the picture, and those that only actors need. `apply` is the only way
 * their state changes, live and in recovery alike; `applyReported` is its part for reports.
 */
import assert from "node:assert/strict";
import { ENTITY_BYTES, SHARDS } from "../limits.ts";
import { HAS_PLACE, IMPLAUSIBLE, MAX_STATES, MIRROR } from "../picture/columns.ts";
import { Interner } from "../picture/interner.ts";
import { FULL, MOTION, type Picture } from "../picture/picture.ts";
import { Rows } from "../picture/rows.ts";
import type { Description } from "../tracks/segment.ts";
import { Tracks } from "../tracks/tracks.ts";
import { isSameList } from "../tracks/way.ts";
import { OUTCOME } from "./command-memory.ts";
import { deletionKey } from "./deletion-key.ts";
import { DuplicateMemory } from "./duplicate-memory.ts";
import type { Deleted, Fact, Introduced, Patched, Reported, Transitioned } from "./facts.ts";
import { MachineMemory, NOTHING_REMEMBERED } from "./machine-memory.ts";
import { type JsonObject, LIVE, STALE } from "./messages.ts";
import { Occupancy } from "./occupancy.ts";
import { Particulars } from "./particulars.ts";
import { Shard } from "./shard.ts";

/** The kind of an entity that no report has named a kind for. */
export const UNKNOWN_KIND = "unknown";

/** Of what is gone. */
const NO_SLOT = -1;

export class EntityTable {
  readonly picture: Picture;
  /** What only actors need of a slot. */
  readonly rows = new Rows();
  readonly shards: readonly Shard[] = Array.from({ length: SHARDS }, (_, index) => new Shard(index));
  readonly duplicates = new DuplicateMemory(this.rows);
  /** By slot: the durable number within the shard. */
  readonly number = this.rows.uint32();
  /** By slot: the machine that the entity runs, by the number of its reference; 0 = the built-in one. */
  readonly machine = this.rows.uint16();
  /** Numbers for references. */
  readonly machines = new Interner(MAX_STATES);
  /** Attributes and labels. */
  readonly particulars: Particulars;
  /** Contexts and timers. */
  readonly memory: MachineMemory;
  /** The fences that entities are inside of, or about to enter. */
  readonly occupied: Occupancy;
  /** The ways that are in no row yet. */
  readonly tracks: Tracks;

  /** @param staleAfterMs silence after which an entity is stale. */
  constructor(picture: Picture, staleAfterMs = 300_000) {
    this.picture = picture;
    this.tracks = new Tracks(staleAfterMs);
    this.particulars = new Particulars(picture, this.shards);
    this.memory = new MachineMemory(picture, this.shards);
    this.occupied = new Occupancy(picture, this.shards, (slot, since) =>
      this.#describedOtherwise(slot, since),
    );
  }

  /** Applies a fact of `shard`. @returns the slot of its entity, −1 if it has none any more. */
  apply(shard: Shard, fact: Fact): number {
    const columns = this.picture.columns;
    if (fact.is === "introduced") return this.#introduce(shard, fact);
    if (fact.is === "deleted") return this.#delete(shard, fact);
    if (fact.is === "removed") {
      shard.leaving.end(fact.number);
      return NO_SLOT;
    }
    const slot = shard.slot(fact.number);
    assert.ok(slot >= 0, `shard ${shard.index} has no entity ${fact.number}`);
    if (fact.is === "reported") {
      this.applyReported(shard, slot, fact);
      return slot;
    }
    columns.seq.set(slot, fact.seq);
    columns.epoch.set(slot, shard.epoch);
    switch (fact.is) {
      case "transitioned":
        this.#transition(slot, fact);
        break;
      case "liveness":
        columns.liveness.set(slot, fact.liveness);
        if (fact.liveness === STALE)
          this.tracks.silent(shard.index, fact.number, columns.received.of(slot), this.describe(slot));
        this.picture.touch(slot, FULL);
        break;
      case "machine":
        this.machine.set(slot, this.machines.number(fact.machine));
        break;
      case "occupied":
        this.occupied.become(slot, fact.occupied, fact.since);
        break;
      case "commanded":
        shard.commands.remember(fact);
        break;
      case "patched":
        this.#patch(shard, slot, fact);
        break;
      case "kind":
        this.#describedOtherwise(slot, fact.since);
        columns.kind.set(slot, columns.kinds.number(fact.kind));
        this.picture.touch(slot, FULL);
        break;
      default:
        fact satisfies never;
    }
    return slot;
  }

  /** Applies what most facts are, for a caller who knows the slot of its entity. */
  applyReported(shard: Shard, slot: number, fact: Reported): void {
    const { columns } = this.picture;
    columns.seq.set(slot, fact.seq);
    columns.epoch.set(slot, shard.epoch);
    this.#report(slot, fact);
  }

  /**
   * Makes a slot for an entity, with nothing known but its identity.
   * @param mirror a slot that the picture has for it already, as a copy of what another node owned: it is taken over, and seen all the time.
   */
  add(shard: Shard, number: number, id: string, kind: string, mirror = -1): number {
    const slot = mirror >= 0 ? mirror : this.picture.add(id, shard.index);
    const columns = this.picture.columns;
    if (columns.capacity > this.rows.capacity) this.#grow(columns.capacity);
    if (mirror >= 0) {
      columns.flags.set(slot, columns.flags.of(slot) & ~MIRROR);
      // Whoever fills it counts their bytes.
      columns.attributes.delete(slot);
      columns.labels.delete(slot);
      columns.fences.delete(slot);
    }
    this.duplicates.reset(slot);
    shard.assign(number, slot);
    shard.bytes += ENTITY_BYTES + Buffer.byteLength(id);
    this.number.set(slot, number);
    this.machine.set(slot, 0);
    columns.kind.set(slot, columns.kinds.number(kind));
    columns.epoch.set(slot, shard.epoch);
    return slot;
  }

  /** Takes all entities of a shard out of memory. What is durable is not touched. */
  forget(shard: Shard, gone: (slot: number) => void): void {
    for (const slot of shard.slots()) {
      gone(slot);
      this.#forgetRare(slot);
      this.picture.remove(slot, "left");
    }
    this.#clear(shard);
  }

  /**
   * Gives a shard away: what actors know of its entities goes.
   * @param gone is called for each slot first.
   * @param keep whether the picture keeps an entity, as a mirror; the others leave it.
   */
  release(shard: Shard, gone: (slot: number) => void, keep: (slot: number) => boolean): void {
    const { flags } = this.picture.columns;
    for (const slot of shard.slots()) {
      gone(slot);
      this.#forgetRare(slot);
      this.duplicates.reset(slot);
      if (keep(slot)) flags.set(slot, flags.of(slot) | MIRROR);
      else this.picture.remove(slot, "left");
    }
    this.#clear(shard);
  }

  #forgetRare(slot: number): void {
    this.memory.forget(slot);
    this.occupied.forget(slot);
  }

  #clear(shard: Shard): void {
    shard.clear();
    this.tracks.forget(shard.index);
  }

  #introduce(shard: Shard, fact: Introduced): number {
    const slot = this.add(shard, fact.number, fact.id, fact.kind);
    this.picture.columns.seq.set(slot, fact.seq);
    return slot;
  }

  #delete(shard: Shard, { number, command, at, erase, id }: Deleted): number {
    const { columns } = this.picture;
    const slot = shard.slot(number);
    assert.ok(erase || slot >= 0, "what is not there is only erased");
    const state = slot < 0 ? "" : columns.states.name(columns.state.of(slot));
    shard.commands.rememberDeletion(number, id, deletionKey(command, id, erase), at, state);
    shard.leaving.add(number, id, erase);
    if (erase) this.#forgetTracks(shard, number, id);
    else {
      const heard = columns.received.of(slot);
      const end = this.tracks.deleted(shard.index, number, heard, at, this.describe(slot));
      // Of what only came late the way goes until its newest report.
      shard.formerWays.add(id, Math.max(end, Math.ceil(columns.t.of(slot))));
      shard.departed.set(number, id);
    }
    if (slot < 0) shard.nextNumber = number + 1;
    else this.#remove(shard, slot, number);
    return NO_SLOT;
  }

  #remove(shard: Shard, slot: number, number: number): void {
    shard.unassign(number);
    this.particulars.setAttributes(slot, "");
    this.particulars.setLabels(slot, []);
    this.memory.set(slot, NOTHING_REMEMBERED);
    this.occupied.set(slot, []);
    shard.bytes -= ENTITY_BYTES + Buffer.byteLength(this.picture.columns.id[slot]!);
    this.picture.remove(slot, "deleted");
  }

  /** Of the entity and of those that had its id before. */
  #forgetTracks(shard: Shard, number: number, id: string): void {
    const log = this.tracks.logs[shard.index];
    log.forget(number);
    for (const [former, formerId] of shard.departed) {
      if (formerId !== id) continue;
      log.forget(former);
      shard.departed.delete(former);
    }
  }

  /** Of deleted entities: the id of each number that the shard's tracks still hold something of. */
  departedOf(shard: Shard): ReadonlyMap<number, string> {
    if (shard.departed.size === 0) return shard.departed;
    const log = this.tracks.logs[shard.index];
    const held = log.held();
    for (const number of shard.departed.keys()) {
      if (held.has(number)) continue;
      shard.departed.delete(number);
      log.drop(number);
    }
    return shard.departed;
  }

  #report(slot: number, fact: Reported): void {
    const { columns } = this.picture;
    const source = this.#sourceNumber(slot, fact.source);
    this.duplicates.remember(slot, fact.t, fact.hash, source, fact.sourceSeq);
    const shard = columns.shard.of(slot);
    const number = this.number.of(slot);
    const heard = columns.received.of(slot);
    if (Number.isNaN(fact.lon)) this.tracks.stays(shard, number, fact, heard, this, slot);
    else {
      const isOfFormer = this.#isOfFormer(shard, number, slot, fact.t);
      this.tracks.reported(shard, number, isOfFormer ? { ...fact, late: true } : fact, heard, this, slot);
    }
    if (fact.received > heard) columns.received.set(slot, fact.received);
    let full = columns.liveness.of(slot) !== LIVE;
    columns.liveness.set(slot, LIVE);
    if (!fact.late) {
      columns.t.set(slot, Math.min(fact.t, fact.received));
      const accuracy = columns.accuracy.of(slot);
      if (!Number.isNaN(fact.lon)) this.#fix(slot, fact);
      else this.#partial(slot, fact);
      if (isOther(accuracy, columns.accuracy.of(slot))) full = true;
      if (columns.source.of(slot) !== source) {
        columns.source.set(slot, source);
        full = true;
      }
      if (fact.attributes !== "") {
        this.#merge(slot, fact.attributes);
        full = true;
      }
    }
    this.picture.touch(slot, full ? FULL : MOTION);
  }

  /** Whether a report belongs before the way of an entity, which has not begun: who had its id before may have been somewhere then. */
  #isOfFormer(shard: number, number: number, slot: number, t: number): boolean {
    if (this.tracks.hasBegun(shard, number)) return false;
    const { formerWays } = this.shards[shard];
    if (formerWays.size === 0) return false;
    return Math.floor(t) < formerWays.end(this.picture.columns.id[slot]!);
  }

  /** The number of a source's name. That of the last report is found without a look into the table of names. */
  #sourceNumber(slot: number, name: string): number {
    if (name === "") return 0;
    const { sources, source } = this.picture.columns;
    return sources.name(source.of(slot)) === name ? source.of(slot) : sources.number(name);
  }

  /** A report with a place replaces the motion as a whole: speed and course belong to the fix. */
  #fix(slot: number, fact: Reported): void {
    const { columns } = this.picture;
    const flagged = (columns.flags.of(slot) & IMPLAUSIBLE) !== 0;
    columns.setMotion(slot, fact);
    columns.accuracy.set(slot, fact.accuracy);
    this.picture.place(slot, fact.lon, fact.lat);
    if (flagged !== fact.implausible) {
      columns.flags.set(slot, columns.flags.of(slot) ^ IMPLAUSIBLE);
      this.picture.touch(slot, FULL);
    }
  }

  /** A report without a place says something about what it names only. */
  #partial(slot: number, fact: Reported): void {
    const { columns } = this.picture;
    if (!Number.isNaN(fact.alt)) columns.alt.set(slot, fact.alt);
    if (!Number.isNaN(fact.speed)) columns.speed.set(slot, fact.speed);
    if (!Number.isNaN(fact.course)) columns.course.set(slot, fact.course);
    if (!Number.isNaN(fact.heading)) columns.heading.set(slot, fact.heading);
    if (!Number.isNaN(fact.accuracy)) columns.accuracy.set(slot, fact.accuracy);
  }

  #merge(slot: number, patch: string, since?: number): void {
    const merged = this.particulars.mergedAttributes(slot, JSON.parse(patch) as JsonObject);
    const text = merged === "{}" ? "" : merged;
    if (text !== (this.picture.columns.attributes.get(slot) ?? "")) this.#describedOtherwise(slot, since);
    this.particulars.setAttributes(slot, text);
  }

  #patch(shard: Shard, slot: number, { number, key, at, labels, attributes }: Patched): void {
    const { states, state, t } = this.picture.columns;
    const outcome = { outcome: OUTCOME.accepted, state: states.name(state.of(slot)) };
    shard.commands.remember({ number, id: key, at, ...outcome });
    // Not from its last report on, which may be much older.
    const since = Math.max(at, Math.floor(t.of(slot)) + 1);
    if (labels !== undefined && !isSameList(labels, this.particulars.labelsOf(slot))) {
      this.#describedOtherwise(slot, since, true);
      this.particulars.setLabels(slot, labels);
    }
    if (attributes !== "") this.#merge(slot, attributes, since);
    this.picture.touch(slot, FULL);
  }

  /** From when on a decision counts that is made now: what a report brings about, from its time on; Unix ms. */
  sinceOf(slot: number, now: number): number {
    const { received, t } = this.picture.columns;
    return now > received.of(slot) ? now : t.of(slot);
  }

  /** What its track says of an entity as a whole is about to change. */
  #describedOtherwise(slot: number, since = this.picture.columns.t.of(slot), areLabels = false): void {
    const { shard, received } = this.picture.columns;
    const number = this.number.of(slot);
    this.tracks.changes(shard.of(slot), number, received.of(slot), this.describe(slot), since, areLabels);
  }

  /** What a track says of an entity as a whole. */
  describe(slot: number): Description {
    const { kinds, kind, states, state, attributes, labels, fences } = this.picture.columns;
    return {
      kind: kinds.name(kind.of(slot)),
      state: states.name(state.of(slot)),
      attributes: attributes.get(slot) ?? "",
      labels: labels.get(slot) ?? [],
      fences: fences.get(slot) ?? [],
    };
  }

  #transition(slot: number, fact: Transitioned): void {
    const { columns } = this.picture;
    const state = columns.states.number(fact.state);
    if (columns.state.of(slot) !== state) {
      this.#describedOtherwise(slot, fact.since);
      columns.state.set(slot, state);
      this.picture.touch(slot, FULL);
    }
    this.memory.set(slot, fact);
  }

  #grow(capacity: number): void {
    this.rows.grow(capacity);
    this.memory.grow(capacity);
    this.occupied.grow(capacity);
  }
}

/** Whether a number that may be unknown, NaN, is another one now. */
function isOther(before: number, after: number): boolean {
  return before !== after && !(Number.isNaN(before) && Number.isNaN(after));
}

/** Whether a slot has ever had a place. */
export function hasPlace(picture: Picture, slot: number): boolean {
  return (picture.columns.flags.of(slot) & HAS_PLACE) !== 0;
}
