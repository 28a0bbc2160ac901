import type { Alone, Batch, RecoveryItem, ShardStore } from "../../src/actors/ports.ts";
import { systemClock } from "../../src/clock.ts";
import { type ClusteredStore, openStore, type Store, type StoreOptions } from "../../src/store/store.ts";
import { type Passing, passing } from "../support/passing.ts";

/** Keeps what the store logs. */
export class KeptLog {
  readonly lines: { level: string; details: object; message: string }[] = [];
  info(details: object, message: string): void {
    this.lines.push({ level: "info", details, message });
  }
  warn(details: object, message: string): void {
    this.lines.push({ level: "warn", details, message });
  }
  error(details: object, message: string): void {
    this.lines.push({ level: "error", details, message });
  }
  get messages(): string[] {
    return this.lines.map((line) => line.message);
  }
}

export function open(options: Partial<StoreOptions> & { dataDir: string }): Promise<Store> {
  return openStore({ url: "http://127.0.0.1:8080", clock: systemClock, log: new KeptLog(), ...options });
}

/** A batch with a section of text per shard, and events of it. */
export function batchOf(
  flushNo: number,
  epochs: Map<number, number>,
  texts: Record<number, string | Uint8Array>,
  events: Batch["events"] = [],
): Batch {
  const sections = Object.entries(texts).map(([shard, text]) => ({
    shard: Number(shard),
    epoch: epochs.get(Number(shard)) ?? 0,
    body: typeof text === "string" ? Buffer.from(text) : text,
  }));
  return { flushNo, sections, tMin: 1_000, tMax: 2_000, events };
}

/** What a recovery gives, as text: `checkpoint 3@7 text`, `section 3 text`. */
export async function recovered(store: ShardStore, shards: readonly number[]): Promise<string[]> {
  const found: string[] = [];
  for await (const item of store.recover(shards)) found.push(textOf(item));
  return found;
}

function textOf(item: RecoveryItem): string {
  if (item.is === "section") return `section ${item.section.shard} ${Buffer.from(item.section.body)}`;
  const { shard, mark, body } = item.checkpoint;
  return `checkpoint ${shard}@${mark} ${Buffer.from(body)}`;
}

/** Appends and expects it to be committed. @returns the journal id. */
export async function committed(store: Store, batch: Batch, attempt = 1): Promise<number> {
  const outcome = await store.append(batch, attempt);
  if (outcome.status !== "committed") throw new Error(`${outcome.status}: ${JSON.stringify(outcome)}`);
  return outcome.journalId;
}

/** Rows of a query on the store's own pool. */
export async function rows<R>(store: Store, sql: string, values?: unknown[]): Promise<R[]> {
  const { pool } = store.context;
  return (await pool.query(sql, values)).rows as R[];
}

export async function count(store: Store, table: string): Promise<number> {
  return (await rows<{ n: number }>(store, `SELECT count(*)::int AS n FROM ${table}`))[0]!.n;
}

export function openClustered(
  options: Partial<StoreOptions> & { dataDir: string; databaseUrl: string },
): Promise<ClusteredStore> {
  return openStore({
    url: "http://127.0.0.1:8080",
    clock: systemClock,
    log: new KeptLog(),
    ...options,
    clustered: true,
  });
}

/** For a store that nobody flushes to meanwhile. */
export const alone: Alone = (work) => work();

/** Has `act` done before the first statement of a store that begins so. @returns how many of them came since. */
export function beforeFirst(
  store: Store,
  begin: RegExp,
  act: (query: Passing["query"]) => Promise<unknown>,
): { readonly came: number } {
  const counter = { came: 0 };
  passing(store, begin, async ({ query, args }) => {
    if (++counter.came === 1) await act(query);
    return query(...args);
  });
  return counter;
}
