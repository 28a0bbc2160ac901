/** History, complete up to this second: the rows, and before them what owners have in memory. */
import { MAX_TRACK_PAGE } from "../limits.ts";
import { compareIds } from "./id-order.ts";
import type { ThenQuery, ThenRecord, TrackQuery, TrackStore, TrackTails } from "./ports.ts";
import type { Segment } from "./segment.ts";
import { asKnown, recordThen } from "./then.ts";

const NO_VERSION = { epoch: 0, seq: 0 };

export class History {
  readonly #store: TrackStore;
  readonly #tails: TrackTails;

  constructor(store: TrackStore, tails: TrackTails) {
    this.#store = store;
    this.#tails = tails;
  }

  /**
   * Where everything was, in order of id.
   * @returns `next`: the id after which to go on, if there may be more. `missing`: shards that nobody answered for. @throws StoreAway
   */
  async at(query: ThenQuery): Promise<{ records: ThenRecord[]; next?: string; missing: number[] }> {
    // Memory first: what becomes a row meanwhile is found twice, and not missed.
    const { pages, missing } = await this.#tails.at(query);
    const rows = await this.#store.at({ ...query, limit: query.limit + 1 });
    const byId = new Map<string, ThenRecord>();
    const ends: string[] = [];
    const told = new Set(pages.flatMap(({ elsewhere }) => elsewhere));
    for (const { records, more } of pages) {
      for (const record of records) keepNewer(byId, record);
      if (more && records.length > 0) ends.push(records.at(-1)!.id);
    }
    if (rows.length > query.limit) ends.push(rows.at(-1)!.id);
    for (const segment of rows) {
      if (told.has(segment.id) || byId.has(segment.id)) continue;
      const record = recordThen(segment, query, NO_VERSION);
      if (record !== undefined) byId.set(segment.id, record);
    }
    const end = ends.sort(compareIds)[0];
    const all = [...byId.values()].sort((a, b) => compareIds(a.id, b.id));
    const within = end === undefined ? all : all.filter(({ id }) => compareIds(id, end) <= 0);
    const records = within.slice(0, query.limit);
    return { records, next: within.length > records.length ? records.at(-1)!.id : end, missing };
  }

  /**
   * The way of an entity, segment by segment, ascending; of each the version that counts.
   * @param after only segments that begin after this, Unix ms. @throws StoreAway
   */
  async *of(query: TrackQuery, after = -Infinity): AsyncGenerator<Segment, { missing: number[] }> {
    const { segments, missing } = await this.#tails.of(query.id);
    const tail = segments
      .map((segment) => asKnown(segment, query.known))
      .filter((segment) => segment !== undefined)
      .filter(
        ({ points }) => points[0].t <= query.to && points[0].t > after && points.at(-1)!.t >= query.from,
      );
    const begun = new Set(tail.map(({ points }) => points[0].t));
    const first = tail[0]?.points[0].t ?? Infinity;
    for (let from = after; ; ) {
      const rows = await this.#store.of({ ...query, after: from, limit: MAX_TRACK_PAGE });
      for (const row of rows) {
        const begin = row.points[0].t;
        const segment = begun.has(begin) || begin > first ? undefined : asKnown(row, query.known);
        if (segment !== undefined) yield segment;
      }
      if (rows.length < MAX_TRACK_PAGE) break;
      from = rows.at(-1)!.points[0].t;
    }
    yield* tail;
    return { missing };
  }
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
