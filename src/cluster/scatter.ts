/**
 * Queries over all nodes: each answers for the shards that it has open, and the answers are merged. What nobody answered for is mostly on its way to
 * another node, which is asked when it is said to have it. A shard that nobody answers for in time makes the result partial, which the caller is told;
 * nothing is left out silently.
 *
 * Also shards that nobody owns are waited for until the deadline: mostly they are claimed and opened before it, and who is refused asks again anyway.
 */
import { shardOf } from "../actors/shard-hash.ts";
import type { Clock } from "../clock.ts";
import { SHARDS } from "../limits.ts";
import { ExpressionError } from "../picture/cel.ts";
import type {
  StretchPage,
  StretchQuery,
  TailPage,
  TailQuery,
  ThenQuery,
  TrackTails,
} from "../tracks/ports.ts";
import type { Segment } from "../tracks/segment.ts";
import { cutWay } from "./cut-answer.ts";
import type { MemberLog } from "./member.ts";
import { type Merged, mergeByDistance, mergeById } from "./merge-answers.ts";
import {
  isLater,
  OwnAnswers,
  type OwnAnswersOptions,
  type PromptQuery,
  permittedOf,
  type Question,
} from "./own-answers.ts";
import {
  type Answer,
  type EntityQuery,
  type ListQuery,
  type NearestQuery,
  type QueryMessage,
  readQueryMessage,
} from "./query-message.ts";

/** How long other nodes may take. */
const DEADLINE_MS = 2_000;
/** Between two looks at who has what is left. Most hand-overs take less. */
const PAUSE_MS = 50;
/** Queries of other nodes and to other nodes that are under way. */
const MAX_QUERIES = 1_000;
/** Between two lines of the log about what failed: its cause is mostly in all questions of its kind. */
const LOG_FAILURES_MS = 1_000;
const ALL_SHARDS = Array.from({ length: SHARDS }, (_, shard) => shard);

/** What all nodes say together. */
export interface Gathered extends Merged {
  /** Shards that nobody answered for, ascending. */
  missing: number[];
}

/** Queries on the live picture of the whole cluster. */
export interface EntityQueries {
  list(query: ListQuery): Promise<Gathered>;
  near(query: NearestQuery): Promise<Gathered>;
  /** @param permitted as of a list. What may not be seen is answered as what is not there. */
  one(id: string, permitted?: readonly string[]): Promise<Gathered>;
}

export interface ScatterOptions extends OwnAnswersOptions {
  /** Incarnations of the other nodes. */
  others(): string[];
  /** The one of them that is said to have a shard open. */
  nodeOf(shard: number): string | undefined;
  /** May be lost. */
  send(node: string, message: QueryMessage): void;
  clock: Clock;
  log: Pick<MemberLog, "warn">;
}

/** A question to other nodes. */
interface Asking {
  readonly n: number;
  /** Asked, and not answered. */
  readonly waiting: Set<string>;
  readonly take: (answer: Answer) => void;
  /** Called when one was taken. */
  taken(): void;
}

export class Scatter implements EntityQueries, TrackTails {
  readonly #options: ScatterOptions;
  readonly #pending = new Map<number, Asking>();
  readonly #own: OwnAnswers;
  #n = 0;
  /** Monotonic ms. */
  #loggedAt = -Infinity;
  readonly stats = { malformed: 0, failed: 0 };

  constructor(options: ScatterOptions) {
    this.#options = options;
    this.#own = new OwnAnswers(options);
  }

  list(query: ListQuery): Promise<Gathered> {
    return this.#gather({ is: "list", ...query }, (answers) => mergeById(answers, query.limit));
  }

  near(query: NearestQuery): Promise<Gathered> {
    return this.#gather({ is: "near", ...query }, (answers) => mergeByDistance(answers, query.k));
  }

  one(id: string, permitted?: readonly string[]): Promise<Gathered> {
    return this.#gather({ is: "one", id, permitted }, (answers) => mergeById(answers, 1));
  }

  async at(query: ThenQuery): Promise<{ pages: TailPage[]; missing: number[] }> {
    const { answers, missing } = await this.#ask({ is: "then", ...query });
    return { pages: answers.flatMap(({ page }) => page ?? []), missing };
  }

  async of({ id, known, ...bounds }: TailQuery): Promise<{ segments: Segment[]; missing: number[] }> {
    const [from, to, after] = [bounds.from, bounds.to, bounds.after].map(unlessInfinite);
    const told: Segment[] = [];
    // The newest first: what is oldest becomes rows first, so that what has become some meanwhile is not missed.
    for (let before: number | undefined; ; before = told[0].points[0].t) {
      const { answers, missing } = await this.#ask({ is: "tail", id, known, from, to, after, before });
      // While its shard is handed over two nodes may answer: the one that has more of it, has all of it.
      const end = ({ segments }: Answer) => segments?.at(-1)?.points.at(-1)?.t ?? -Infinity;
      const [most] = answers.sort((a, b) => end(b) - end(a) || 0);
      const segments = (most?.segments ?? []).filter(({ points }) => points[0].t < (before ?? Infinity));
      told.unshift(...segments.map(asSent));
      if (missing.length > 0 || !most.more || segments.length === 0) return { segments: told, missing };
    }
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

  async labels(
    ids: readonly string[],
  ): Promise<{ labels: Map<string, readonly string[]>; missing: number[] }> {
    const { answers, missing } = await this.#ask({ is: "labels", ids });
    const labels = new Map<string, readonly string[]>();
    const epochs = new Map<number, number>();
    // While a shard is handed over two nodes may answer for it.
    for (const answer of answers)
      for (const [shard, epoch] of answer.shards) epochs.set(shard, Math.max(epoch, epochs.get(shard) ?? 0));
    for (const answer of answers) {
      const newest = new Set(
        answer.shards.filter(([shard, epoch]) => epochs.get(shard) === epoch).map(([shard]) => shard),
      );
      for (const [id, of] of answer.labels ?? []) if (newest.has(shardOf(id))) labels.set(id, of);
    }
    return { labels, missing };
  }

  /** Drops what nodes have in memory of an entity's events. @returns whether all of them have. */
  async forget(id: string): Promise<boolean> {
    const { others, forget } = this.#options;
    const asking = this.#begin(() => {});
    if (asking === undefined) return false;
    this.#tell(asking, others(), { is: "forget", id });
    await this.#wait(asking, DEADLINE_MS, () => asking.waiting.size === 0);
    this.#pending.delete(asking.n);
    await forget?.(id);
    return asking.waiting.size === 0;
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
      // The way of an entity is cut only on its way to others: it is made anew for each piece.
      if (isLater(query))
        this.#own
          .later(query)
          .then(send)
          .catch((err) => this.#failed(err));
      else if (query.is === "tail") {
        const answer = this.answer(query);
        send({ ...answer, ...cutWay(answer.segments!, query) });
      } else this.#answerTo(query, send);
      return;
    }
    const asking = this.#pending.get(message.n);
    if (asking === undefined || !asking.waiting.delete(from)) return;
    asking.take(message.answer);
    asking.taken();
  }

  #answerTo(query: PromptQuery, send: (answer: Answer) => void): void {
    let answer: Answer;
    try {
      answer = this.answer(query);
    } catch (error) {
      // Of another version, whose expressions are not known here.
      if (!(error instanceof ExpressionError)) throw error;
      this.#failed(error);
      return;
    }
    send(answer);
  }

  /** A question of another node is lost, as the bus may lose any. */
  #failed(err: unknown): void {
    const { clock, log } = this.#options;
    this.stats.failed += 1;
    const now = clock.monotonic();
    if (now - this.#loggedAt < LOG_FAILURES_MS) return;
    this.#loggedAt = now;
    log.warn(
      { err, failures: this.stats.failed },
      "a question of another node could not be answered and is lost",
    );
  }

  /** What this node has to say. @throws ExpressionError of what is permitted */
  answer(query: PromptQuery): Answer {
    return this.#own.answer(query);
  }

  async #gather(query: Question, merge: (answers: readonly Answer[]) => Merged): Promise<Gathered> {
    const { answers, missing } = await this.#ask(query);
    return { ...merge(answers), missing };
  }

  /** @returns `missing`: shards that nobody answered for, ascending. */
  async #ask(query: Question): Promise<{ answers: Answer[]; missing: number[] }> {
    const { clock, others, open, nodeOf } = this.#options;
    const end = clock.monotonic() + DEADLINE_MS;
    const answers: Answer[] = [];
    const left = new Set(shardsOf(query));
    const isPermitted = permittedOf(query) !== undefined;
    const take = (answer: Answer) => {
      // Of a node that cannot tell what may be seen nothing is.
      if (isPermitted && answer.permitted !== true) return;
      answers.push(answer);
      for (const [shard] of answer.shards) left.delete(shard);
    };
    const ofLeft = () => (left.size === SHARDS ? query : { ...query, shards: [...left] });
    const answerHere = async () => {
      const here = open();
      if (![...left].some((shard) => here.has(shard))) return;
      const asked = ofLeft();
      take(isLater(asked) ? await this.#own.later(asked) : this.answer(asked));
    };
    const asking = this.#begin(take);
    try {
      if (asking !== undefined) this.#tell(asking, others(), ofLeft());
      await answerHere();
      for (let rest = DEADLINE_MS; asking !== undefined && left.size > 0 && rest > 0; ) {
        await this.#wait(asking, Math.min(PAUSE_MS, rest), () => left.size === 0);
        // What has come to this node or another meanwhile. Who has not answered yet may still, and is not asked twice.
        await answerHere();
        const nodes = new Set([...left].map(nodeOf).filter((node) => node !== undefined));
        for (const node of asking.waiting) nodes.delete(node);
        this.#tell(asking, nodes, ofLeft());
        rest = end - clock.monotonic();
      }
    } finally {
      if (asking !== undefined) this.#pending.delete(asking.n);
    }
    return { answers, missing: [...left] };
  }

  /** Something to ask other nodes. `undefined`: too much is asked already. */
  #begin(take: (answer: Answer) => void): Asking | undefined {
    if (this.#pending.size >= MAX_QUERIES) return undefined;
    const asking: Asking = { n: ++this.#n, waiting: new Set(), take, taken: () => {} };
    this.#pending.set(asking.n, asking);
    return asking;
  }

  #tell({ n, waiting }: Asking, nodes: Iterable<string>, query: EntityQuery): void {
    for (const node of nodes) {
      waiting.add(node);
      this.#options.send(node, { is: "query", n, query });
    }
  }

  /** Until it is done, which answers may change; so long at most. */
  #wait(asking: Asking, ms: number, isDone: () => boolean): Promise<void> {
    if (isDone()) return Promise.resolve();
    return new Promise((resolve) => {
      const done = () => {
        cancel();
        asking.taken = () => {};
        resolve();
      };
      const cancel = this.#options.clock.schedule(ms, done);
      asking.taken = () => {
        if (isDone()) done();
      };
    });
  }
}

/** Those that must be asked. */
function shardsOf(query: Question): readonly number[] {
  if (query.is === "one" || query.is === "tail") return [shardOf(query.id)];
  if ((query.is === "during" || query.is === "labels") && query.ids !== undefined)
    return [...new Set(query.ids.map(shardOf))].sort((a, b) => a - b);
  return ALL_SHARDS;
}

/** JSON has no infinite numbers. */
function unlessInfinite(value: number): number | undefined {
  return Number.isFinite(value) ? value : undefined;
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
