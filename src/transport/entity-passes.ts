/** Looks an entity up, wherever it is, for who may only ask something of some. */
import type { EntityPasses } from "../access/permitted-commands.ts";
import { shardOf } from "../actors/shard-hash.ts";
import type { Gathered } from "../cluster/scatter.ts";
import { permittedLens } from "../picture/lens.ts";
import { PermittedMemo } from "../picture/permitted.ts";
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
  const lenses = new PermittedMemo((permitted) => permittedLens(picture, permitted));
  return async (id, permitted) => {
    if (cluster !== undefined) {
      const { records, missing } = await cluster.one(id, permitted === "all" ? undefined : permitted);
      if (records.length > 0) return true;
      return missing.includes(shardOf(id)) ? undefined : false;
    }
    if (closedShards?.().includes(shardOf(id))) return undefined;
    const slot = picture.find(id);
    return slot !== -1 && (permitted === "all" || lenses.of(permitted).test(slot));
  };
}
