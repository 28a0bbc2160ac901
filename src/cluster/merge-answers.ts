/** What all nodes say, as one node with everything would say it. */
import type { EntityRecord } from "../picture/record.ts";
import type { Answer } from "./query-message.ts";

export interface Merged {
  records: EntityRecord[];
  distances?: number[];
  more: boolean;
}

/** In order of id, up to where every answer goes. */
export function mergeById(answers: readonly Answer[], limit: number): Merged {
  const byId = new Map<string, EntityRecord>();
  let end: string | undefined;
  for (const { records, more } of answers) {
    for (const record of records) keepNewer(byId, record);
    const last = records.at(-1)?.id;
    if (more && last !== undefined && (end === undefined || last < end)) end = last;
  }
  const all = [...byId.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
  const within = end === undefined ? all : all.filter(({ id }) => id <= end);
  return { records: within.slice(0, limit), more: end !== undefined || within.length > limit };
}

export function mergeByDistance(answers: readonly Answer[], k: number): Merged {
  const byId = new Map<string, EntityRecord>();
  const metres = new Map<EntityRecord, number>();
  let end = Infinity;
  for (const { records, distances = [], more } of answers) {
    for (const [i, record] of records.entries()) {
      metres.set(record, distances[i]);
      keepNewer(byId, record);
    }
    if (more) end = Math.min(end, distances.at(-1) ?? Infinity);
  }
  const found = [...byId.values()]
    .map((record) => ({ record, distance: metres.get(record)! }))
    .filter(({ distance }) => distance <= end)
    .sort((a, b) => a.distance - b.distance || (a.record.id < b.record.id ? -1 : 1))
    .slice(0, k);
  return {
    records: found.map(({ record }) => record),
    distances: found.map(({ distance }) => distance),
    more: end !== Infinity,
  };
}

/** While a shard is handed over, two nodes may answer for it. */
function keepNewer(byId: Map<string, EntityRecord>, record: EntityRecord): void {
  const known = byId.get(record.id);
  if (
    known === undefined ||
    record.epoch > known.epoch ||
    (record.epoch === known.epoch && record.seq > known.seq)
  )
    byId.set(record.id, record);
}
