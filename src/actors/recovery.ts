/** Brings shards back to memory: their checkpoints, and over them the facts of the journal, applied by the same `apply` as live. */
import assert from "node:assert/strict";
import { HAS_PLACE } from "../picture/columns.ts";
import { FULL, Picture } from "../picture/picture.ts";
import { NO_INDEX } from "../picture/spatial-index.ts";
import { decodeCheckpoint, encodeCheckpoint } from "./checkpoint.ts";
import { EntityTable } from "./entity-table.ts";
import { readFacts } from "./fact-codec.ts";
import type { Checkpoint, RecoveryItem, Section } from "./ports.ts";
import type { Shard } from "./shard.ts";

export interface Recovered {
  entities: number;
  facts: number;
  /** The newest journal row seen, 0 if none. */
  journalId: number;
}

type Found = Extract<RecoveryItem, { is: "checkpoint" }>;

/**
 * Loads shards, which must be empty and closed and have their new epochs. They are still closed afterwards.
 * @param breathe is awaited between items, so that a long recovery does not block the loop.
 */
export async function recover(
  table: EntityTable,
  shards: readonly number[],
  items: AsyncIterable<RecoveryItem>,
  breathe: () => Promise<void>,
): Promise<Recovered> {
  const result: Recovered = { entities: 0, facts: 0, journalId: 0 };
  for await (const item of items) {
    if (item.is === "checkpoint") {
      load(table, item);
      result.journalId = Math.max(result.journalId, item.checkpoint.mark);
    } else {
      result.facts += fold(table, item.section);
      result.journalId = Math.max(result.journalId, item.journalId);
    }
    await breathe();
  }
  for (const index of shards) result.entities += enterEpoch(table, table.shards[index]);
  return result;
}

/** What viewers saw ahead of the last commit is older truth now: the new epoch makes it win. @returns how many entities the shard has. */
function enterEpoch({ picture }: EntityTable, shard: Shard): number {
  let entities = 0;
  for (const slot of shard.slots()) {
    picture.columns.epoch.set(slot, shard.epoch);
    entities += 1;
  }
  return entities;
}

/**
 * As `recover`, for a table in which viewers see mirrors of these entities, newer than the checkpoints: they must not go back in time while the
 * journal is folded in. So each shard goes in at once. One whose checkpoint is all that there is, as after a hand-over, goes in as it is; others are
 * put together in a table of their own first.
 * @param opened is told of each shard right after.
 */
export async function recoverUnseen(
  table: EntityTable,
  shards: readonly number[],
  items: AsyncIterable<RecoveryItem>,
  breathe: () => Promise<void>,
  opened: (shard: Shard) => void,
): Promise<Recovered> {
  const whole = new Map<number, Found>();
  const shadow = new EntityTable(new Picture(NO_INDEX), table.tracks.holdMs);
  const result = await recover(shadow, shards, withoutWhole(items, whole), breathe);
  for (const index of shards) {
    const shard = table.shards[index];
    const found = whole.get(index);
    if (found === undefined) adopt(table, shadow, shard);
    else {
      load(table, found, (id) => table.picture.find(id));
      result.journalId = Math.max(result.journalId, found.checkpoint.mark);
      result.entities += enterEpoch(table, shard);
    }
    opened(shard);
    await breathe();
  }
  return result;
}

/** Keeps back, in `whole`, the checkpoints after which nothing comes. */
async function* withoutWhole(
  items: AsyncIterable<RecoveryItem>,
  whole: Map<number, Found>,
): AsyncIterable<RecoveryItem> {
  for await (const item of items) {
    if (item.is === "checkpoint") {
      whole.set(item.checkpoint.shard, item);
      continue;
    }
    const { shard } = item.section;
    const found = whole.get(shard);
    if (found !== undefined) yield found;
    whole.delete(shard);
    yield item;
  }
}

/**
 * Moves a shard that was recovered into a table of its own to the one that viewers see, at once. An entity of which that has a mirror takes
 * its slot over: to viewers it never left, and it changes from what was seen last to what is durable, under the new epoch.
 * @param shard empty and closed, with its new epoch. It is still closed afterwards.
 */
export function adopt(table: EntityTable, shadow: EntityTable, shard: Shard): void {
  const from = shadow.shards[shard.index];
  const { picture } = table;
  const checkpoint = { shard: shard.index, body: encodeCheckpoint(shadow, from) };
  load(table, { checkpoint, pieces: [] }, (id) => picture.find(id));
  table.tracks.logs[shard.index] = shadow.tracks.logs[shard.index];
  enterEpoch(table, shard);
  for (const number of from.leaving.numbers()) shard.leaving.adopt(number, from.leaving.get(number)!);
  shard.factsSinceCheckpoint = from.factsSinceCheckpoint;
  shard.dirtySince = from.dirtySince;
}

/** @param mirrorOf the slot that the picture has for an id already, −1 = none. */
function load(
  table: EntityTable,
  { checkpoint, pieces }: { checkpoint: Pick<Checkpoint, "shard" | "body"> } & Pick<Found, "pieces">,
  mirrorOf: (id: string) => number = () => -1,
): void {
  const shard = table.shards[checkpoint.shard];
  const { columns } = table.picture;
  const { entities, commands, departed, formerWays, leaving, duplicates, isShort, nextNumber } =
    decodeCheckpoint(checkpoint.body);
  for (const entity of entities) {
    const mirror = mirrorOf(entity.id);
    const slot = table.add(shard, entity.number, entity.id, entity.kind, mirror);
    columns.seq.set(slot, entity.seq);
    columns.liveness.set(slot, entity.liveness);
    columns.state.set(slot, columns.states.number(entity.state));
    table.machine.set(slot, table.machines.number(entity.machine));
    columns.source.set(slot, columns.sources.number(entity.source));
    columns.t.set(slot, entity.t);
    columns.received.set(slot, entity.received);
    columns.setMotion(slot, entity);
    columns.accuracy.set(slot, entity.accuracy);
    if (entity.flags & HAS_PLACE) table.picture.place(slot, entity.lon, entity.lat);
    else table.picture.unplace(slot);
    columns.placedAt.set(slot, entity.placedAt);
    columns.flags.set(slot, entity.flags);
    table.particulars.setAttributes(slot, entity.attributes);
    if (entity.labels.length > 0) table.particulars.setLabels(slot, entity.labels);
    table.memory.set(slot, entity);
    if (entity.occupied.length > 0) table.occupied.set(slot, entity.occupied);
    table.duplicates.read(slot, (name) => columns.sources.number(name), duplicates, isShort);
    table.picture.touch(slot, FULL);
  }
  assert.ok(duplicates.done, "a checkpoint ends with its last entity");
  shard.nextNumber = nextNumber;
  shard.commands = commands;
  shard.formerWays = formerWays;
  for (const [number, id] of departed) shard.departed.set(number, id);
  for (const { number, erase, id } of leaving) shard.leaving.add(number, id, erase);
  const log = table.tracks.logs[shard.index];
  for (const { no, body } of pieces) log.load(no, body);
  // What was erased may be in pieces that were not written anew before this.
  log.forgetUnknown((number) => shard.slot(number) >= 0 || shard.departed.has(number));
}

/** Applies the facts of a section that are newer than what is there. */
function fold(table: EntityTable, section: Section): number {
  const shard = table.shards[section.shard];
  const { columns } = table.picture;
  let applied = 0;
  readFacts(section.body, (fact) => {
    const slot = shard.slot(fact.number);
    if (slot >= 0 && fact.seq <= columns.seq.of(slot)) return;
    if (fact.is === "removed") {
      table.apply(shard, fact);
      applied += 1;
      return;
    }
    // Numbers are given in order: it was deleted since.
    if (slot < 0 && fact.number < shard.nextNumber) return;
    assert.equal(
      fact.seq,
      slot < 0 ? 1 : columns.seq.of(slot) + 1,
      `facts of ${shard.index}/${fact.number} have a gap`,
    );
    table.apply(shard, fact);
    applied += 1;
  });
  // Also one of which nothing is new is passed by the next checkpoint only.
  shard.factsSinceCheckpoint += Math.max(1, applied);
  return applied;
}
