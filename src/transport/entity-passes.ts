/** Looks an entity up, wherever it is, for who may only ask something of some. */
import type { EntityPasses } from "../access/permitted-commands.ts";
import { permittedRecord } from "../access/permitted-record.ts";
import type { Permitted } from "../access/ports.ts";
import { shardOf } from "../actors/shard-hash.ts";
import type { Gathered } from "../cluster/scatter.ts";
import { type Lens, permittedLens } from "../picture/lens.ts";
import type { Picture } from "../picture/picture.ts";

export interface WhereEntitiesAre {
  picture: Picture;
  /** Asks all nodes; absent = this node has everything … */
  cluster?: {
    one(id: string, permitted?: readonly string[]): Promise<Pick<Gathered, "records" | "missing">>;
  };
  /** … but these shards, which it is loading (again). Absent = nothing ever. */
  closedShards?(): readonly number[];
}

export function entityPasses({ picture, cluster, closedShards }: WhereEntitiesAre): EntityPasses {
  const lenses = new WeakMap<readonly string[], Lens>();
  const lensFor = (permitted: Permitted): Lens => {
    if (permitted === "all") return permittedLens(picture, permitted);
    const lens = lenses.get(permitted) ?? permittedLens(picture, permitted);
    lenses.set(permitted, lens);
    return lens;
  };
  return async (id, permitted) => {
    if (cluster !== undefined) {
      const { records, missing } = await cluster.one(id, permitted === "all" ? undefined : permitted);
      const [record] = records;
      if (record !== undefined) return permittedRecord(permitted)(record);
      return missing.includes(shardOf(id)) ? undefined : false;
    }
    if (closedShards?.().includes(shardOf(id))) return undefined;
    const slot = picture.find(id);
    return slot !== -1 && lensFor(permitted).test(slot);
  };
}
