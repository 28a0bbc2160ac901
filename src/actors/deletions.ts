/** What becomes of an entity that is to be deleted. Synchronous and without I/O: the decision is a fact, and what follows from it follows its commit. */
import { MAX_ERASURES_PER_SHARD, MAX_REMOVALS_PER_SHARD } from "../limits.ts";
import type { Follow } from "./catch-up.ts";
import type { Decided } from "./commands.ts";
import { deletionKey } from "./deletion-key.ts";
import type { EntityFences } from "./entity-fences.ts";
import type { EntityTable } from "./entity-table.ts";
import type { Deletion } from "./messages.ts";
import type { FactSink } from "./receive.ts";
import { shardOf } from "./shard-hash.ts";

/** `number`: what is to be taken away after the commit; absent = nothing by this. */
export type DecidedDeletion = Decided & { number?: number };

export class Deletions {
  readonly #table: EntityTable;
  readonly #sink: FactSink;
  readonly #fences: EntityFences;
  readonly #follow: Follow;
  readonly #gone: (slot: number) => void;

  /** @param gone is told of each slot before its entity leaves. */
  constructor(
    table: EntityTable,
    sink: FactSink,
    fences: EntityFences,
    follow: Follow,
    gone: (slot: number) => void,
  ) {
    this.#table = table;
    this.#sink = sink;
    this.#fences = fences;
    this.#follow = follow;
    this.#gone = gone;
  }

  /**
   * Decides about one deletion, whose shard is open.
   * @param now Unix ms.
   */
  receive({ id, entity, erase }: Deletion, now: number): DecidedDeletion {
    const { picture, shards } = this.#table;
    const { columns } = picture;
    const shard = shards[shardOf(entity)];
    const known = shard.commands.findFormer(deletionKey(id, entity, erase));
    if (known !== undefined) return accepted(known.state, true);
    const slot = picture.find(entity);
    if (slot < 0 && !erase) return refused("entity-not-found", `there is no entity ${entity}`);
    if (erase && shard.leaving.erasures >= MAX_ERASURES_PER_SHARD)
      return refused("overloaded", "as many entities of its shard are being erased as may; try again later");
    if (!erase && shard.leaving.size >= MAX_REMOVALS_PER_SHARD)
      return refused(
        "overloaded",
        "rows of as many deleted entities of its shard wait as may; try again later",
      );
    if (!shard.commands.hasRoom(now))
      return refused(
        "overloaded",
        "the entity's shard remembers as many commands as it may; try again later",
      );
    // Nobody is told of an erasure.
    if (shard.isBehind && slot >= 0 && !erase) this.#follow(shard, slot, now);
    // What is left of one that is gone is named by a number too.
    const number = slot < 0 ? shard.nextNumber : this.#table.number.of(slot);
    const state = slot < 0 ? "" : columns.states.name(columns.state.of(slot));
    const seq = slot < 0 ? 1 : columns.seq.of(slot) + 1;
    const fact = { is: "deleted", number, seq, command: id, at: now, erase, id: entity } as const;
    this.#sink.record(shard, fact);
    if (!erase && slot >= 0) this.#fences.close(shard, slot, now);
    if (!erase)
      this.#sink.emit(shard, number, { type: "entity.deleted", subject: entity, time: now, data: { state } });
    if (slot >= 0) this.#gone(slot);
    this.#table.apply(shard, fact);
    return { ...accepted(state, false), number };
  }
}

function accepted(state: string, duplicate: boolean): DecidedDeletion {
  return { result: { accepted: true, state }, duplicate };
}

function refused(type: "entity-not-found" | "overloaded", detail: string): DecidedDeletion {
  return { result: { accepted: false, type, detail }, duplicate: false };
}
