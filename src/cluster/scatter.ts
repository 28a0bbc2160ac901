/**
 * Queries over all nodes: each answers for the shards that it has open, and the answers are merged. A shard that nobody answers for makes the result
 * partial, which the caller is told; nothing is left out silently.
 */
import type { LocalTails } from "../actors/local-tails.ts";
import { shardOf } from "../actors/shard-hash.ts";
import type { Clock } from "../clock.ts";
import { SHARDS } from "../limits.ts";
import type { Picture } from "../picture/picture.ts";
import { type BboxQuery, type NearQuery, queryBbox, queryNear } from "../picture/query.ts";
import { fullRecord } from "../picture/record.ts";
import type { StretchPage, StretchQuery, TailPage, ThenQuery, TrackTails } from "../tracks/ports.ts";
import type { Segment } from "../tracks/segment.ts";
import { cutRecords, cutStretches, cutTail } from "./cut-answer.ts";
import { type Merged, mergeByDistance, mergeById } from "./merge-answers.ts";
import { type Answer, type EntityQuery, type QueryMessage, readQueryMessage } from "./query-message.ts";

/** How long other nodes may take. */
const DEADLINE_MS = 2_000;
/** Queries of other nodes and to other nodes that are under way. */
const MAX_QUERIES = 1_000;

/** What all nodes say together. */
export interface Gathered extends Merged {
  /** Shards that nobody answered for, ascending. */
  missing: number[];
}

/** Queries on the live picture of the whole cluster. */
export interface EntityQueries {
  list(query: BboxQuery): Promise<Gathered>;
  near(query: NearQuery): Promise<Gathered>;
  one(id: string): Promise<Gathered>;
}

export interface ScatterOptions {
  picture: Picture;
  /** Shards open here, with their epochs. */
  open(): ReadonlyMap<number, number>;
  /** Incarnations of the other nodes. */
  others(): string[];
  /** What of tracks is in memory here. */
  tails: LocalTails;
  /** Drops what this node has in memory of an entity's events. Absent = it has none. */
  forget?(id: string): Promise<void>;
  /** May be lost. */
  send(node: string, message: QueryMessage): void;
  clock: Clock;
}

/** Queries that take many slices of the loop, or wait for others. */
type LaterQuery = Extract<EntityQuery, { is: "then" | "during" | "forget" }>;

interface Pending {
  waiting: Set<string>;
  answers: Answer[];
  done(): void;
}

export class Scatter implements EntityQueries, TrackTails {
  readonly #options: ScatterOptions;
  readonly #pending = new Map<number, Pending>();
  #n = 0;
  readonly stats = { malformed: 0 };

  constructor(options: ScatterOptions) {
    this.#options = options;
  }

  list(query: BboxQuery): Promise<Gathered> {
    return this.#gather({ is: "list", ...query }, (answers) => mergeById(answers, query.limit));
  }

  near(query: NearQuery): Promise<Gathered> {
    return this.#gather({ is: "near", ...query }, (answers) => mergeByDistance(answers, query.k));
  }

  one(id: string): Promise<Gathered> {
    return this.#gather({ is: "one", id }, (answers) => mergeById(answers, 1));
  }

  async at(query: ThenQuery): Promise<{ pages: TailPage[]; missing: number[] }> {
    const { answers, missing } = await this.#ask({ is: "then", ...query });
    return { pages: answers.flatMap(({ page }) => page ?? []), missing };
  }

  async of(id: string, known?: number): Promise<{ segments: Segment[]; missing: number[] }> {
    const { answers, missing } = await this.#ask({ is: "tail", id, known });
    // While its shard is handed over two nodes may answer: the one that has more of it, has all of it.
    const tails = answers.map(({ segments = [] }) => segments.map(asSent));
    const end = (tail: Segment[]) => tail.at(-1)?.points.at(-1)?.t ?? -Infinity;
    const segments = tails.reduce((most, tail) => (end(tail) > end(most) ? tail : most), []);
    return { segments, missing: missing.filter((shard) => shard === shardOf(id)) };
  }

  async during(
    query: StretchQuery & { after?: string; limit: number },
  ): Promise<{ pages: StretchPage[]; missing: number[] }> {
    const { answers, missing } = await this.#ask({ is: "during", ...query });
    const pages = answers.flatMap(({ during }) => during ?? []);
    return {
      pages: pages.map((page) => ({ ...page, stretches: page.stretches.map(asSent) })),
      missing,
    };
  }

  /** Drops what nodes have in memory of an entity's events. @returns whether all of them have. */
  async forget(id: string): Promise<boolean> {
    const { silent } = await this.#ask({ is: "forget", id });
    return !silent;
  }

  /** A message of another node, whatever is in it. */
  heard(from: string, body: unknown): void {
    const message = readQueryMessage(body);
    if (message === undefined) {
      this.stats.malformed += 1;
      return;
    }
    if (message.is === "query") {
      const { n, query } = message;
      const send = (answer: Answer) => this.#options.send(from, { is: "answer", n, answer });
      if (isLater(query)) void this.#later(query).then(send);
      else send(this.answer(query));
      return;
    }
    const pending = this.#pending.get(message.n);
    if (pending === undefined || !pending.waiting.delete(from)) return;
    pending.answers.push(message.answer);
    if (pending.waiting.size === 0) pending.done();
  }

  /** What this node has to say. */
  answer(query: Exclude<EntityQuery, LaterQuery>): Answer {
    const { picture, open } = this.#options;
    const shards = open();
    const only = (slot: number) => shards.has(picture.columns.shard.of(slot));
    const told: [number, number][] = [...shards];
    switch (query.is) {
      case "list": {
        const { slots, more } = queryBbox(picture, { ...query, only });
        return { ...cutRecords(picture, slots, more), shards: told };
      }
      case "near": {
        const { slots, distances } = queryNear(picture, { ...query, only });
        const answer = cutRecords(picture, slots, false);
        return { ...answer, distances: distances.slice(0, answer.records.length), shards: told };
      }
      case "one": {
        const slot = picture.find(query.id);
        const records = slot >= 0 && only(slot) ? [fullRecord(picture, slot)] : [];
        return { records, more: false, shards: told };
      }
      case "tail": {
        const { id, known } = query;
        const segments = shards.has(shardOf(id)) ? this.#options.tails.of(id, known) : [];
        return { records: [], more: false, shards: told, segments };
      }
      default:
        return query satisfies never;
    }
  }

  /** As `answer`; a look at all that is in memory takes many slices of the loop. */
  async #later(query: LaterQuery): Promise<Answer> {
    const { tails, open, forget } = this.#options;
    if (query.is === "forget") {
      await forget?.(query.id);
      return { records: [], more: false, shards: [] };
    }
    const before = new Map(open());
    const isOpen = (shard: number) => open().has(shard);
    const said =
      query.is === "then"
        ? { page: cutTail(await tails.at(query, isOpen)) }
        : { during: cutStretches(await tails.during(query, isOpen)) };
    const after = open();
    // One that left or came meanwhile was not looked at whole.
    const shards = [...before].filter(([shard, epoch]) => after.get(shard) === epoch);
    return { records: [], more: false, shards, ...said };
  }

  async #gather(query: EntityQuery, merge: (answers: readonly Answer[]) => Merged): Promise<Gathered> {
    const { answers, missing } = await this.#ask(query);
    return { ...merge(answers), missing };
  }

  /** `silent`: a node has not answered. */
  async #ask(query: EntityQuery): Promise<{ answers: Answer[]; missing: number[]; silent: boolean }> {
    const { clock, send } = this.#options;
    const all = this.#options.others();
    const others = this.#pending.size < MAX_QUERIES ? all : [];
    const answers: Answer[] = [];
    if (others.length > 0) {
      const n = ++this.#n;
      await new Promise<void>((resolve) => {
        const cancel = clock.schedule(DEADLINE_MS, () => done());
        const done = () => {
          cancel();
          this.#pending.delete(n);
          resolve();
        };
        this.#pending.set(n, { waiting: new Set(others), answers, done });
        for (const node of others) send(node, { is: "query", n, query });
      });
    }
    // Last, so that a shard that came here while the others were asked is not missed.
    const silent = answers.length < all.length;
    answers.push(isLater(query) ? await this.#later(query) : this.answer(query));
    const told = new Set(answers.flatMap(({ shards }) => shards.map(([shard]) => shard)));
    const missing: number[] = [];
    for (let shard = 0; shard < SHARDS; shard++) if (!told.has(shard)) missing.push(shard);
    return { answers, missing, silent };
  }
}

function isLater(query: EntityQuery): query is LaterQuery {
  return query.is === "then" || query.is === "during" || query.is === "forget";
}

/** What JSON makes of unknown numbers, undone. */
function asSent<S extends Segment>(segment: S): S {
  const known = (value: number | null) => value ?? NaN;
  const points = segment.points.map((point) => ({
    ...point,
    alt: known(point.alt),
    speed: known(point.speed),
    course: known(point.course),
  }));
  return { ...segment, points };
}
