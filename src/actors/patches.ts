/** What becomes of what administrators say of an entity. Synchronous and without I/O; the decision is a fact, and remembered as that on a command. */
import { MAX_SHARD_BYTES } from "../limits.ts";
import type { Decided } from "./commands.ts";
import { patchKey } from "./deletion-key.ts";
import type { EntityTable } from "./entity-table.ts";
import type { Patch } from "./messages.ts";
import { labelBytes } from "./particulars.ts";
import type { FactSink } from "./receive.ts";
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
    const { entity, labels } = patch;
    const { particulars, picture, shards, tracks } = this.#table;
    const { columns } = picture;
    const shard = shards[shardOf(entity)];
    const slot = picture.find(entity);
    const number = slot < 0 ? -1 : this.#table.number.of(slot);
    const key = patchKey(patch.id, labels);
    const known = shard.commands.findOf(number, entity, key);
    if (known !== undefined) return accepted(known.state, true);
    if (slot < 0) return refused("entity-not-found", `there is no entity ${entity}`);
    if (!shard.commands.hasRoom(now))
      return refused(
        "overloaded",
        "the entity's shard remembers as many commands as it may; try again later",
      );
    if (tracks.isFull(shard.index))
      return refused(
        "overloaded",
        "more of the shard's tracks waits to be written than it may hold; try again later",
      );
    const growth = labelBytes(labels) - labelBytes(particulars.labelsOf(slot));
    if (growth > 0 && shard.bytes + growth > MAX_SHARD_BYTES)
      return refused("overloaded", "the entity's shard holds as much as it may; delete what is not needed");
    const fact = { is: "patched", number, seq: columns.seq.of(slot) + 1, key, at: now, labels } as const;
    this.#sink.record(shard, fact);
    this.#table.apply(shard, fact);
    return accepted(columns.states.name(columns.state.of(slot)), false);
  }
}

function accepted(state: string, duplicate: boolean): Decided {
  return { result: { accepted: true, state }, duplicate };
}

function refused(type: "entity-not-found" | "overloaded", detail: string): Decided {
  return { result: { accepted: false, type, detail }, duplicate: false };
}
