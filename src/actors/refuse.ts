/** Why a report is not taken: limits of the node, of its shards and of its clock. Asked before anything is decided. */
import { ENTITY_BYTES, MAX_ATTRIBUTES_BYTES, MAX_ENTITIES, MAX_SHARD_BYTES } from "../limits.ts";
import { type Columns, MAX_KINDS, MAX_SOURCES } from "../picture/columns.ts";
import type { Interner } from "../picture/interner.ts";
import { type EntityTable, UNKNOWN_KIND } from "./entity-table.ts";
import type { Refusal, Report } from "./messages.ts";
import type { Shard } from "./shard.ts";

/** @param slot of the entity; −1 = a new one. */
export function refuse(table: EntityTable, shard: Shard, report: Report, slot: number): Refusal | undefined {
  const { columns } = table.picture;
  if (slot < 0 && shard.leaving.isErasing(report.id))
    return { type: "retry", detail: "all that is known of this id is being erased; send it again" };
  if (slot < 0 && table.picture.size >= MAX_ENTITIES) {
    return {
      type: "too-many-entities",
      detail: `this node holds ${MAX_ENTITIES} entities and takes no more`,
    };
  }
  if (isFull(columns.kinds, MAX_KINDS, report.kind ?? UNKNOWN_KIND) && takesKind(columns, slot)) {
    return { type: "too-many-kinds", detail: `there are ${columns.kinds.size - 1} kinds already` };
  }
  if (report.source !== undefined && isFull(columns.sources, MAX_SOURCES, report.source)) {
    return { type: "too-many-kinds", detail: `there are ${columns.sources.size - 1} sources already` };
  }
  if (table.tracks.isFull(shard.index)) {
    const detail = "more of the shard's tracks waits to be written than it may hold; try again later";
    return { type: "overloaded", detail };
  }
  // What is known and brings no attributes does not grow.
  if (slot >= 0 && report.attributes === undefined) return undefined;
  return refuseGrowth(table, shard, report, slot);
}

function refuseGrowth(table: EntityTable, shard: Shard, report: Report, slot: number): Refusal | undefined {
  let growth = slot < 0 ? ENTITY_BYTES + Buffer.byteLength(report.id) : 0;
  if (report.attributes !== undefined) {
    const bytes = Buffer.byteLength(table.particulars.mergedAttributes(slot, report.attributes));
    if (bytes > MAX_ATTRIBUTES_BYTES) {
      // Not by how much: who may report need not see what there is.
      const detail = `the entity's attributes would be larger than ${MAX_ATTRIBUTES_BYTES} bytes`;
      return { type: "invalid-report", detail };
    }
    growth += slot < 0 ? bytes : bytes - table.particulars.attributeBytes(slot);
  }
  if (growth > 0 && shard.bytes + growth > MAX_SHARD_BYTES) {
    const detail = `the entity's shard, one of ${table.shards.length}, holds ${MAX_SHARD_BYTES} bytes and takes no more`;
    return { type: "too-many-entities", detail };
  }
  return undefined;
}

/** Whether a kind that is named for the entity in this slot, −1 = a new one, would be set. */
export function takesKind({ kinds, kind }: Columns, slot: number): boolean {
  return slot < 0 || kinds.name(kind.of(slot)) === UNKNOWN_KIND;
}

/** Whether a name is new and there is no room for it. A name gets its number from the fact that holds it, not from a look at a report. */
function isFull(names: Interner, limit: number, name: string): boolean {
  return names.size >= limit && names.find(name) < 0;
}

export function refuseSkew(report: Report, now: number): Refusal {
  const seconds = Math.round((report.t - now) / 1_000);
  return { type: "clock-skew", detail: `t is ${seconds} s in the future: check the source's clock` };
}

export function refuseAge(report: Report, now: number): Refusal {
  const days = Math.floor((now - report.t) / 86_400_000);
  return { type: "too-old", detail: `t is ${days} days ago: check the source's clock` };
}
