/** History, complete up to this second: the rows, and before them what owners have in memory. */
import { MAX_JUDGED_PAGES, MAX_STRETCH_PAGE, MAX_TRACK_PAGE, MIN_JUDGED_PAGE } from "../limits.ts";
import { compareIds, compareInShards } from "./id-order.ts";
import { type PermittedPast, permittedPast } from "./permitted-past.ts";
import type {
  StretchPage,
  StretchQuery,
  ThenQuery,
  ThenRecord,
  TrackQuery,
  TrackStore,
  TrackTails,
} from "./ports.ts";
import type { Segment } from "./segment.ts";
import { type Stretch, stretchOf } from "./stretch.ts";
import { asKnown, asPassed, recordThen } from "./then.ts";
import { WayGone } from "./way-gone.ts";

const NO_VERSION = { epoch: 0, seq: 0 };

/** A way. Reading on may throw StoreAway, and WayGone if retention overtakes it. */
export interface ToldWay {
  segments: AsyncGenerator<Segment, void>;
  /** Its shard, if nobody answered for it: then what is in memory of it is not told, and rows may be holds that it takes the place of. */
  missing: number[];
}

export class History {
  readonly #store: TrackStore;
  readonly #tails: TrackTails;

  constructor(store: TrackStore, tails: TrackTails) {
    this.#store = store;
    this.#tails = tails;
  }

  /** As in `TrackTails`. */
  labels(ids: readonly string[]): ReturnType<TrackTails["labels"]> {
    return this.#tails.labels(ids);
  }

  /**
   * Where everything was, in order of id. Who may not see all of it gets less than `limit` only at its end, or after `MAX_JUDGED_PAGES` reads.
   * @returns `next`: the id after which to go on, if there may be more; of what is not told, none. `missing`: shards that nobody answered for. @throws StoreAway
   */
  async at(query: ThenQuery): Promise<{ records: ThenRecord[]; next?: string; missing: number[] }> {
    // Memory first: what becomes a row meanwhile is found twice, and not missed.
    const { pages, missing: unreached } = await this.#tails.at(query);
    const missing = new Set(unreached);
    const byId = new Map<string, ThenRecord>();
    const ends: string[] = [];
    const told = new Set(pages.flatMap(({ elsewhere }) => elsewhere));
    for (const { records, more } of pages) {
      for (const record of records) keepNewer(byId, record);
      if (more && records.length > 0) ends.push(records.at(-1)!.id);
    }
    const past = permittedPast(query);
    if (past === undefined) {
      const end = await this.#rowsAt(query, byId, told);
      if (end !== undefined) ends.push(end);
    } else {
      const end = await this.#permittedAt(query, past, { byId, told, ends, missing });
      if (end !== undefined) ends.push(end);
    }
    const end = ends.sort(compareIds)[0];
    const all = [...byId.values()].sort((a, b) => compareIds(a.id, b.id));
    const within = end === undefined ? all : all.filter(({ id }) => compareIds(id, end) <= 0);
    const records = within.slice(0, query.limit);
    const isCut = within.length > records.length || (past !== undefined && end !== undefined);
    return { records, next: isCut ? records.at(-1)?.id : end, missing: ascending(missing) };
  }

  /** Adds what a page of rows tells. @param told who is told elsewhere @returns the id after which to go on */
  async #rowsAt(
    query: ThenQuery,
    byId: Map<string, ThenRecord>,
    told: ReadonlySet<string>,
  ): Promise<string | undefined> {
    const rows = await this.#store.at({ ...query, limit: query.limit + 1 });
    for (const segment of rows) {
      if (told.has(segment.id) || byId.has(segment.id)) continue;
      const record = recordThen(segment, query, NO_VERSION);
      if (record !== undefined) byId.set(segment.id, record);
    }
    return rows.length > query.limit ? rows.at(-1)!.id : undefined;
  }

  /**
   * Adds what rows tell that may be told, page by page. It reads on until there is something: the place at which a page ends must be one that may be told.
   * @param memory what is told of it, where that ends, and shards that nobody answers for: those that are found are added
   * @returns the id after which to go on
   */
  async #permittedAt(
    query: ThenQuery,
    past: PermittedPast,
    memory: {
      byId: Map<string, ThenRecord>;
      told: ReadonlySet<string>;
      ends: string[];
      missing: Set<number>;
    },
  ): Promise<string | undefined> {
    const { byId, missing } = memory;
    const last = memory.ends.toSorted(compareIds)[0];
    const told = new Set([...memory.told, ...byId.keys()]);
    const limit = Math.max(query.limit, MIN_JUDGED_PAGE);
    for (let after = query.after, page = 1; ; page++) {
      const found = new Map<string, ThenRecord>();
      const end = await this.#rowsAt({ ...query, after, limit }, found, told);
      for (const record of await past.of([...found.values()], this.#tails, missing))
        byId.set(record.id, record);
      if (end === undefined || (last !== undefined && compareIds(last, end) <= 0)) return undefined;
      const count = [...byId.keys()].filter((id) => compareIds(id, end) <= 0).length;
      if (count >= query.limit || (count > 0 && page >= MAX_JUDGED_PAGES)) return end;
      after = end;
    }
  }

  /** What `at` tells of one entity. @returns `missing`: its shard, if nobody answered for it. @throws StoreAway */
  async one(
    id: string,
    { t, known, permitted }: Pick<ThenQuery, "t" | "known" | "permitted">,
  ): Promise<{ record?: ThenRecord; missing: number[] }> {
    let then: Segment | undefined;
    const query = { id, from: t, to: t, known };
    const { segments, missing: unreached } = await this.#tails.of({ ...query, after: -Infinity });
    for await (const segment of this.#withRows(query, -Infinity, segments)) {
      const { points } = segment;
      // Where one segment goes on after another, the instant between them belongs to the later.
      if (points[0].t <= t && t < points.at(-1)!.t) then = segment;
    }
    const record = then && recordThen(then, { t, known, limit: 1 }, NO_VERSION);
    const past = permittedPast({ permitted });
    if (record === undefined || past === undefined) return { record, missing: unreached };
    const missing = new Set(unreached);
    const [told] = await past.of([record], this.#tails, missing);
    return { record: told, missing: ascending(missing) };
  }

  /**
   * The way of an entity, segment by segment, ascending; of each the version that counts.
   * @param after only segments that begin after this, Unix ms. @param reached an instant of what was told before, if anything was. @throws StoreAway
   */
  async of(query: TrackQuery, after = -Infinity, reached = after): Promise<ToldWay> {
    const { segments, missing: unreached } = await this.#tails.of({ ...query, after });
    const missing = new Set(unreached);
    const tells = await permittedPast(query)?.ofOne(query.id, this.#tails, missing);
    // What was told before may be in memory that is missing.
    const isGone = async () => missing.size === 0 && (await this.#isGone(query.id, reached, segments, tells));
    const told = asTold(this.#withRows(query, after, segments, isGone), query.known);
    return { segments: tells === undefined ? told : only(told, tells), missing: ascending(missing) };
  }

  /**
   * Whether retention has dropped what was told of an instant, and with it, maybe, what follows.
   * @param segments what is in memory. @param tells what may be told: nobody learns by it that there is more
   */
  async #isGone(
    id: string,
    t: number,
    segments: readonly Segment[] = [],
    tells: (segment: Segment) => boolean = () => true,
  ): Promise<boolean> {
    if (t === -Infinity || t >= (await this.#store.floor())) return false;
    const isThere = ({ points }: Segment) => points[0].t <= t && t <= points.at(-1)!.t;
    if (segments.some((segment) => isThere(segment) && tells(segment))) return false;
    // One may end where the next begins.
    const rows = await this.#store.of({ id, from: t, to: t, after: -Infinity, limit: 2 });
    return !rows.some(tells);
  }

  /**
   * Of each version also what was not known yet.
   * @param segments what is in memory. @param isGone whether rows before the first page are gone that it has to go on from
   */
  async *#withRows(
    query: TrackQuery,
    after: number,
    segments: readonly Segment[],
    isGone: () => Promise<boolean> = async () => false,
  ): AsyncGenerator<Segment, void> {
    const { id, from, to } = query;
    // Whatever is asked for: a row may be the hold that what goes on elsewhere takes the place of.
    const begun = new Set(segments.map(({ points }) => points[0].t));
    const [first] = segments;
    const tail = segments.filter(
      ({ points }) => points[0].t <= to && points[0].t > after && points.at(-1)!.t >= from,
    );
    for (let last = after, isFirst = true; ; isFirst = false) {
      const rows = await this.#store.of({ ...query, after: last, limit: MAX_TRACK_PAGE });
      // Looked at after the page: if what is before it is still there, nothing of it was missing.
      if (await (isFirst ? isGone() : this.#isGone(id, last)))
        throw new WayGone("retention has dropped what comes next of this way");
      for (const row of rows) {
        const begin = row.points[0].t;
        // What follows what is in memory has become a row since. Who had the id before may be told there, too.
        const isLater = first !== undefined && begin > first.points[0].t && row.recorded >= first.recorded;
        if (begun.has(begin) || isLater) continue;
        while (tail.length > 0 && tail[0].points[0].t < begin) yield tail.shift()!;
        yield row;
      }
      if (rows.length < MAX_TRACK_PAGE) break;
      last = rows.at(-1)!.points[0].t;
    }
    yield* tail;
  }

  /**
   * All that happened in a stretch of time, a page at a time: of each entity at each instant the one stretch that counts.
   * @param take is given a page, and says until when it wants more: Unix ms, not after `query.to`; before `query.from` = enough.
   * @returns shards that nobody answered for, and then it is not complete. @throws StoreAway
   */
  async during(query: StretchQuery, take: (page: Stretch[]) => number): Promise<{ missing: number[] }> {
    const limit = MAX_STRETCH_PAGE;
    const past = permittedPast(query);
    let { to } = query;
    /** By id, when the first of its segments in memory begins: rows from then on are the same, or replaced. */
    const inMemory = new Map<string, number>();
    for (let after: string | undefined, more = true; more; ) {
      const { pages, missing } = await this.#tails.during({ ...query, to, after, limit });
      if (missing.length > 0) return { missing };
      const { byId, end } = mergeStretches(pages);
      for (const [id, [{ first }]] of byId) inMemory.set(id, first);
      const stretches = [...byId.values()].flat();
      to = take(past === undefined ? stretches : stretches.filter(({ hidden }) => hidden === undefined));
      if (to < query.from) return { missing };
      after = end;
      more = end !== undefined;
    }
    for (let after: Pick<Stretch, "id" | "first"> | undefined, more = true; more; ) {
      const rows = await this.#store.during({ ...query, to, after, limit });
      const isRow = ({ id, points: [{ t }] }: Segment) => t < (inMemory.get(id) ?? Infinity);
      const missing = new Set<number>();
      const known = rows.filter(isRow);
      const told = (await past?.of(known, this.#tails, missing)) ?? known;
      if (missing.size > 0) return { missing: ascending(missing) };
      const last = rows.at(-1);
      after = last && { id: last.id, first: last.points[0].t };
      to = take(told.map((row) => stretchOf(row, query.from, to)));
      if (to < query.from) break;
      more = rows.length === limit;
    }
    return { missing: [] };
  }
}

function ascending(shards: Iterable<number>): number[] {
  return [...shards].sort((a, b) => a - b);
}

async function* only(
  segments: AsyncGenerator<Segment, void>,
  tells: (segment: Segment) => boolean,
): AsyncGenerator<Segment, void> {
  for await (const segment of segments) if (tells(segment)) yield segment;
}

/** Of each segment what was known. */
async function* asTold(
  segments: AsyncGenerator<Segment, void>,
  known?: number,
): AsyncGenerator<Segment, void> {
  let before: Segment | undefined;
  for await (const one of segments) {
    const segment = asKnown(one, known);
    if (segment === undefined) continue;
    // What takes the place of a hold may be known a little later than what follows it.
    if (before !== undefined) yield asPassed(before, segment.points[0].t);
    before = segment;
  }
  if (before !== undefined) yield before;
}

/** While a shard is handed over, two nodes may answer for it. */
function keepNewer(byId: Map<string, ThenRecord>, record: ThenRecord): void {
  const known = byId.get(record.id);
  const isNewer =
    known === undefined ||
    record.epoch > known.epoch ||
    (record.epoch === known.epoch && record.seq > known.seq);
  if (isNewer) byId.set(record.id, record);
}

/** By id, as far as all pages go. @returns `end`: the id after which to go on, if there is more */
function mergeStretches(pages: readonly StretchPage[]): { byId: Map<string, Stretch[]>; end?: string } {
  const ends = pages.flatMap(({ more, stretches }) => (more ? stretches.at(-1)!.id : []));
  const end = ends.sort(compareInShards)[0];
  const byId = new Map<string, Stretch[]>();
  const until = (of: readonly Stretch[]) => of.at(-1)!.points.at(-1)!.t;
  for (const { stretches } of pages) {
    for (const [id, ofOne] of Map.groupBy(stretches, ({ id }) => id)) {
      if (end !== undefined && compareInShards(id, end) > 0) continue;
      // While its shard is handed over two nodes may answer: the one that has more of it, has all of it.
      const known = byId.get(id);
      if (known === undefined || until(ofOne) > until(known)) byId.set(id, ofOne);
    }
  }
  return { byId, end };
}
