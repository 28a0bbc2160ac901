/** What a node says of the shards that it has open to who asks all of them. */
import type { LocalTails } from "../actors/local-tails.ts";
import { shardOf } from "../actors/shard-hash.ts";
import { permittedLens } from "../picture/lens.ts";
import { PermittedMemo } from "../picture/permitted.ts";
import type { Picture } from "../picture/picture.ts";
import { queryBbox, queryNear } from "../picture/query.ts";
import { fullRecord } from "../picture/record.ts";
import { cutRecords, cutStretches, cutTail } from "./cut-answer.ts";
import type { Answer, EntityQuery } from "./query-message.ts";

/** Queries that take many slices of the loop, or wait for others. */
export type LaterQuery = Extract<EntityQuery, { is: "then" | "during" | "forget" }>;
/** What shards answer. */
export type Question = Exclude<EntityQuery, { is: "forget" }>;
/** Queries that are answered at once. */
export type PromptQuery = Exclude<EntityQuery, LaterQuery>;

export interface OwnAnswersOptions {
  picture: Picture;
  /** Shards open here, with their epochs. */
  open(): ReadonlyMap<number, number>;
  /** What of tracks is in memory here. */
  tails: LocalTails;
  /** Drops what this node has in memory of an entity's events. Absent = it has none. */
  forget?(id: string): Promise<void>;
}

export class OwnAnswers {
  readonly #options: OwnAnswersOptions;
  readonly #lenses: PermittedMemo<(slot: number) => boolean>;

  constructor(options: OwnAnswersOptions) {
    this.#options = options;
    this.#lenses = new PermittedMemo((permitted) => permittedLens(options.picture, permitted).test);
  }

  /** What this node has to say. @throws ExpressionError of what is permitted */
  answer(query: PromptQuery): Answer {
    const { picture } = this.#options;
    const shards = this.#openOf(query);
    const isOpen = (slot: number) => shards.has(picture.columns.shard.of(slot));
    const permitted = permittedOf(query);
    const permits = permitted && this.#lenses.of(permitted);
    const only = permits === undefined ? isOpen : (slot: number) => isOpen(slot) && permits(slot);
    const told = { shards: [...shards], ...markOf(query) };
    switch (query.is) {
      case "list": {
        const { slots, more } = queryBbox(picture, { ...query, only });
        return { ...cutRecords(picture, slots, more), ...told };
      }
      case "near": {
        const { slots, distances } = queryNear(picture, { ...query, only });
        const answer = cutRecords(picture, slots, false);
        return { ...answer, distances: distances.slice(0, answer.records.length), ...told };
      }
      case "one": {
        const slot = picture.find(query.id);
        const records = slot >= 0 && only(slot) ? [fullRecord(picture, slot)] : [];
        return { records, more: false, ...told };
      }
      case "labels": {
        const ids = query.ids.filter((id) => shards.has(shardOf(id)));
        return { records: [], more: false, ...told, labels: [...this.#options.tails.labels(ids)] };
      }
      case "tail": {
        const { id, known } = query;
        const segments = shards.has(shardOf(id)) ? this.#options.tails.of(id, known) : [];
        return { records: [], more: false, ...told, segments };
      }
      default:
        return query satisfies never;
    }
  }

  /** As `answer`; a look at all that is in memory takes many slices of the loop. */
  async later(query: LaterQuery): Promise<Answer> {
    const { tails, forget } = this.#options;
    if (query.is === "forget") {
      await forget?.(query.id);
      return { records: [], more: false, shards: [] };
    }
    const before = this.#openOf(query);
    // Asked for each shard, and again and again: what is wanted of them does not change.
    const isOpen = (shard: number) => before.has(shard) && this.#options.open().has(shard);
    const said =
      query.is === "then"
        ? { page: cutTail(await tails.at(query, isOpen)) }
        : { during: cutStretches(await tails.during(query, isOpen)) };
    const after = this.#options.open();
    // One that left or came meanwhile was not looked at whole.
    const shards = [...before].filter(([shard, epoch]) => after.get(shard) === epoch);
    return { records: [], more: false, shards, ...markOf(query), ...said };
  }

  /** What is open here of the shards that are asked for. */
  #openOf({ shards }: Question): ReadonlyMap<number, number> {
    const open = this.#options.open();
    if (shards === undefined) return open;
    const wanted = new Set(shards);
    return new Map([...open].filter(([shard]) => wanted.has(shard)));
  }
}

export function permittedOf(query: Question): readonly string[] | undefined {
  return "permitted" in query ? query.permitted : undefined;
}

/** Says that an answer has nothing but what is permitted. */
function markOf(query: Question): Pick<Answer, "permitted"> {
  return permittedOf(query) === undefined ? {} : { permitted: true };
}

export function isLater(query: EntityQuery): query is LaterQuery {
  return query.is === "then" || query.is === "during" || query.is === "forget";
}
