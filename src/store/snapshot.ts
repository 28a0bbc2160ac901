/**
 * The `entity` table: last known state as rows, for anyone with SQL. Written behind the checkpoints at a bounded rate, a few rows a
 * statement, because on the embedded store flushes wait behind each, and by the owner of their shard alone: else one that is late would bring back
 * what its successor has deleted. 37,000–53,000 upserts a second take a core, which is why recovery does not depend
 * on these rows.
 */
import type { Liveness } from "../actors/messages.ts";
import { StoreAway } from "../actors/ports.ts";
import { MAX_BACKGROUND_ROWS, SNAPSHOT_ROWS_PER_SECOND } from "../limits.ts";
import { unlistRows } from "./erase-entity.ts";
import { isPoison } from "./errors.ts";
import type { Fence } from "./fence.ts";
import { OWN, type Owned, ownedBy } from "./own-shard.ts";
import { type StoreContext, withClient } from "./session.ts";

export interface SnapshotRow {
  id: string;
  kind: string;
  state: string;
  liveness: Liveness;
  /** Unix ms; −Infinity = never reported with a time. */
  t: number;
  /** Unix ms. */
  received: number;
  source?: string;
  lon?: number;
  lat?: number;
  alt?: number;
  speed?: number;
  course?: number;
  heading?: number;
  accuracy?: number;
  /** JSON text of an object. */
  attributes: string;
  labels: readonly string[];
  fences: readonly string[];
  epoch: number;
  seq: number;
}

const COLUMNS = `id text, kind text, state text, liveness text, t float8, received float8, source text, lon float8, lat float8, alt real,
  speed real, course real, heading real, accuracy real, attributes text, labels text[], fences text[], epoch int, seq bigint`;
const SET = [
  "kind",
  "state",
  "liveness",
  "t",
  "received",
  "source",
  "geom",
  "alt",
  "speed",
  "course",
  "heading",
  "accuracy",
]
  .concat("attributes", "labels", "fences", "epoch", "seq")
  .map((name) => `${name} = excluded.${name}`)
  .join(", ");
/** Inputs: as `OWN`, and the rows as JSON. An older (epoch, seq) never replaces a newer one. */
const UPSERT = `
WITH ${OWN}, written AS (
INSERT INTO entity AS e (id, kind, state, liveness, t, received, source, geom, alt, speed, course, heading, accuracy, attributes, labels, fences, epoch, seq)
SELECT id, kind, state, liveness, to_timestamp(t / 1000), to_timestamp(received / 1000), source,
  CASE WHEN lon IS NULL THEN NULL ELSE ST_SetSRID(ST_MakePoint(lon, lat), 4326) END,
  alt, speed, course, heading, accuracy, attributes::jsonb, labels, fences, epoch, seq
FROM own, json_to_recordset($5::json) AS r (${COLUMNS}) ORDER BY id
ON CONFLICT (id) DO UPDATE SET ${SET} WHERE (e.epoch, e.seq) < (excluded.epoch, excluded.seq)
)
SELECT (SELECT count(*) FROM held)::int AS held, (SELECT count(*) FROM own)::int AS own`;

const CHECKPOINT = "SELECT body FROM checkpoint WHERE shard = $1 AND epoch = $2";

const RETRY_MS = 1_000;

interface Offer {
  epoch: number;
  rows: () => Promise<Iterable<SnapshotRow> | undefined>;
  written: () => void;
}

export class SnapshotWriter {
  readonly #context: StoreContext;
  readonly #fence: Fence;
  readonly #failed: (error: unknown) => void;
  /** By shard, in the order in which they are written. */
  readonly #offers = new Map<number, Offer>();
  #running: Promise<void> | undefined;
  #stopped = false;
  #cancelPause = () => {};
  #upserting: Promise<unknown> = Promise.resolve();

  /** @param failed is told of an error that trying again does not mend. */
  constructor(context: StoreContext, fence: Fence, failed: (error: unknown) => void) {
    this.#context = context;
    this.#fence = fence;
    this.#failed = failed;
  }

  /**
   * Has the rows of a shard written when its turn comes, if it is this node's under that epoch then; a newer offer for a shard takes the place of
   * one that waits.
   * @param rows makes the rows; called when the turn comes, and again if the database went away meanwhile. Nothing if the shard is another's by then.
   * @param written called once all of them are durable.
   */
  offer(shard: number, epoch: number, rows: Offer["rows"], written: () => void): void {
    if (this.#stopped) return;
    this.#offers.set(shard, { epoch, rows, written });
    this.#running ??= this.#run();
  }

  /** The checkpoint of a shard under an epoch, as its body. @throws StoreAway */
  async checkpoint(shard: number, epoch: number): Promise<Uint8Array | undefined> {
    const { rows } = await withClient(this.#context, (client) =>
      client.query<{ body: Buffer }>(CHECKPOINT, [shard, epoch]),
    );
    return rows[0]?.body;
  }

  /**
   * Deletes the rows of entities that are in no rows that are still to be made, in one statement.
   * @returns false if the shard is not this node's under that epoch any more. @throws StoreAway
   */
  async remove(owned: Owned, ids: readonly string[]): Promise<boolean> {
    // They may be among those that are being written.
    await this.#upserting;
    const key = await this.#fence.key();
    return key !== undefined && unlistRows(this.#context, key, owned, ids);
  }

  /** Writes what waits without pauses, for so long at most, and takes no more. */
  async stop(graceMs: number): Promise<void> {
    const { clock } = this.#context;
    this.#stopped = true;
    this.#cancelPause();
    const cancel = clock.schedule(graceMs, () => this.#offers.clear());
    await this.#running;
    cancel();
  }

  async #run(): Promise<void> {
    for (let next = this.#next(); next !== undefined; next = this.#next()) {
      const [shard, offer] = next;
      try {
        const rows = await offer.rows();
        if (rows !== undefined && (await this.#write({ shard, epoch: offer.epoch }, rows))) offer.written();
      } catch (error) {
        if (error instanceof StoreAway) {
          if (this.#stopped) this.#offers.clear();
          else if (!this.#offers.has(shard)) this.#offers.set(shard, offer);
          await this.#pause(this.#stopped ? 0 : RETRY_MS);
        } else this.#failed(error);
      }
    }
    // In the same step as the last look: an offer that comes later must find that nobody works.
    this.#running = undefined;
  }

  #next(): [number, Offer] | undefined {
    for (const entry of this.#offers) {
      this.#offers.delete(entry[0]);
      return entry;
    }
    return undefined;
  }

  /** @returns false if the shard is not this node's any more: whoever has it writes them. */
  async #write(owned: Owned, rows: Iterable<SnapshotRow>): Promise<boolean> {
    let page: SnapshotRow[] = [];
    for (const row of rows) {
      page.push(row);
      if (page.length < MAX_BACKGROUND_ROWS) continue;
      if (!(await this.#upsert(owned, page))) return false;
      page = [];
    }
    return page.length === 0 || this.#upsert(owned, page);
  }

  async #upsert(owned: Owned, page: SnapshotRow[]): Promise<boolean> {
    const upserting = this.#upsertAll(owned, page);
    this.#upserting = upserting.catch(() => {});
    const isOwn = await upserting;
    if (!this.#stopped) await this.#pause((page.length / SNAPSHOT_ROWS_PER_SECOND) * 1_000);
    return isOwn;
  }

  /** A row that PostgreSQL refuses is told and left out; the others are written. */
  async #upsertAll(owned: Owned, page: SnapshotRow[]): Promise<boolean> {
    const text = JSON.stringify(page);
    const key = await this.#fence.key();
    if (key === undefined) return false;
    try {
      const { rows } = await withClient(this.#context, (client) =>
        client.query<{ held: number; own: number }>({
          name: "upsert-entity",
          text: UPSERT,
          values: [...ownedBy(key, owned), text],
        }),
      );
      if (rows[0]!.held === 0) throw new StoreAway("the fence has moved on");
      return rows[0]!.own > 0;
    } catch (error) {
      if (!isPoison(error)) throw error;
      if (page.length === 1) {
        const { id } = page[0]!;
        this.#failed(
          new Error(`the row of ${JSON.stringify(id)} was refused: ${error.message}`, { cause: error }),
        );
        return true;
      }
      const middle = page.length >> 1;
      await this.#upsertAll(owned, page.slice(0, middle));
      return this.#upsertAll(owned, page.slice(middle));
    }
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const cancel = this.#context.clock.schedule(ms, resolve);
      this.#cancelPause = () => {
        cancel();
        resolve();
      };
    });
  }
}
