/** What becomes of what administrators say of an entity. Synchronous and without I/O; the decision is a fact, and remembered as that on a command. */
import { MAX_ATTRIBUTES_BYTES, MAX_SHARD_BYTES } from "../limits.ts";
import type { Decided } from "./commands.ts";
import { patchKey } from "./deletion-key.ts";
import type { EntityTable } from "./entity-table.ts";
import type { Patch } from "./messages.ts";
import { labelBytes } from "./particulars.ts";
import type { FactSink } from "./receive.ts";
import type { Shard } from "./shard.ts";
import { shardOf } from "./shard-hash.ts";

export class Patches {
  readonly #table: EntityTable;
  readonly #sink: FactSink;

  constructor(table: EntityTable, sink: FactSink) {
    this.#table = table;
    this.#sink = sink;
  }

  /**
   * Decides about one patch, whose shard is open.
   * @param now Unix ms.
   */
  receive(patch: Patch, now: number): Decided {
    const { id, entity, labels } = patch;
    const { number, picture, shards } = this.#table;
    const { columns } = picture;
    const shard = shards[shardOf(entity)];
    const slot = picture.find(entity);
    const attributes = patch.attributes === undefined ? "" : JSON.stringify(patch.attributes);
    const key = patchKey(id, labels, attributes);
    const known = shard.commands.findOf(slot < 0 ? -1 : number.of(slot), entity, key);
    if (known !== undefined) return accepted(known.state, true);
    if (slot < 0) return refused("entity-not-found", `there is no entity ${entity}`);
    const refusal = this.#refuse(shard, slot, patch, now);
    if (refusal !== undefined) return refusal;
    const base = { is: "patched", number: number.of(slot), seq: columns.seq.of(slot) + 1 } as const;
    const fact = { ...base, key, at: now, ...(labels && { labels }), attributes };
    this.#sink.record(shard, fact);
    this.#table.apply(shard, fact);
    return accepted(columns.states.name(columns.state.of(slot)), false);
  }

  /** Why there is no room for it, if so. */
  #refuse(shard: Shard, slot: number, { labels, attributes }: Patch, now: number): Decided | undefined {
    const { particulars, tracks } = this.#table;
    if (!shard.commands.hasRoomForPatch(now))
      return refused("overloaded", "the entity's shard remembers as many changes as it may; try again later");
    if (tracks.isFull(shard.index))
      return refused(
        "overloaded",
        "more of the shard's tracks waits to be written than it may hold; try again later",
      );
    let growth = labels === undefined ? 0 : labelBytes(labels) - labelBytes(particulars.labelsOf(slot));
    if (attributes !== undefined) {
      const bytes = Buffer.byteLength(particulars.mergedAttributes(slot, attributes));
      if (bytes > MAX_ATTRIBUTES_BYTES)
        return refused(
          "invalid-command",
          `the entity's attributes would take ${bytes} bytes, ${MAX_ATTRIBUTES_BYTES} are allowed`,
        );
      growth += bytes - particulars.attributeBytes(slot);
    }
    if (growth > 0 && shard.bytes + growth > MAX_SHARD_BYTES)
      return refused("overloaded", "the entity's shard holds as much as it may; delete what is not needed");
    return undefined;
  }
}

function accepted(state: string, duplicate: boolean): Decided {
  return { result: { accepted: true, state }, duplicate };
}

function refused(type: "entity-not-found" | "invalid-command" | "overloaded", detail: string): Decided {
  return { result: { accepted: false, type, detail }, duplicate: false };
}
