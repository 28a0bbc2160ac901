import { shardOf } from "../../src/actors/shard-hash.ts";
import { Fleet, type FleetParameters } from "../fleet.ts";

/** A fleet whose ids are of certain shards. It moves as any other with its parameters, so that only the ids depend on who owns what. */
export class OwnedFleet extends Fleet {
  readonly #ids: string[] = [];

  /** @param first number to try as an id: nine digits, as a `Fleet` has. @param shards of the ids. */
  constructor(parameters: FleetParameters, first: number, shards: ReadonlySet<number>) {
    super(parameters);
    for (let number = first; this.#ids.length < parameters.entities; number++) {
      const id = String(number);
      if (shards.has(shardOf(id))) this.#ids.push(id);
    }
  }

  override id(entity: number): string {
    return this.#ids[entity];
  }
}

/** One id for each shard. */
export function idOfEachShard(shards: number): string[] {
  const ids: string[] = [];
  let found = 0;
  for (let number = 0; found < shards; number++) {
    const id = `probe-${number}`;
    const shard = shardOf(id);
    if (ids[shard] !== undefined) continue;
    ids[shard] = id;
    found += 1;
  }
  return ids;
}
