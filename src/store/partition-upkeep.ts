/** Makes the daily partitions of tables and drops those that are too old: at a start, then each hour. */
import { makeDailyPartitions, type PartitionedTable, PROVE_TIMEOUT_MS } from "./daily-partitions.ts";
import type { StoreContext } from "./session.ts";
import type { StoreLog } from "./store.ts";

const LOOK_MS = 3_600_000;
/** After a lock that was in the way: rows of a day without a partition stay in the default one. */
const RETRY_MS = 60_000;

export class PartitionUpkeep {
  readonly #context: StoreContext;
  readonly #log: StoreLog;
  readonly #retentionMs: number;
  readonly #tables: readonly PartitionedTable[];
  #cancel = () => {};
  #locked = false;
  readonly #stop = new AbortController();

  /** @param retentionMs how old rows may be; Infinity = they are kept for ever. */
  constructor(
    context: StoreContext,
    log: StoreLog,
    retentionMs: number,
    tables: readonly PartitionedTable[],
  ) {
    this.#context = context;
    this.#log = log;
    this.#retentionMs = retentionMs;
    this.#tables = tables;
  }

  /** Part of opening a store: makes the partitions that are missing. @throws StoreAway */
  async make(): Promise<void> {
    for (const table of this.#tables) await this.#make(table, false);
  }

  start(): void {
    // What became too old while no node ran is dropped at once.
    const first = this.#retentionMs === Infinity ? LOOK_MS : 0;
    this.#plan(this.#locked ? RETRY_MS : first);
  }

  /** Does not wait for what is under way, of which a proof may take long: that one is ended. */
  stop(): void {
    this.#stop.abort();
    this.#cancel();
  }

  #plan(delayMs: number): void {
    this.#cancel = this.#context.clock.schedule(delayMs, () => {
      void this.#look().finally(() => {
        if (!this.#stop.signal.aborted) this.#plan(this.#locked ? RETRY_MS : LOOK_MS);
      });
    });
  }

  async #look(): Promise<void> {
    this.#locked = false;
    for (const table of this.#tables) {
      try {
        await this.#make(table, true);
        await this.#dropOld(table);
      } catch (error) {
        if (this.#stop.signal.aborted) return;
        const reason = error instanceof Error ? error.message : String(error);
        this.#log.warn({ reason }, `partitions of ${table.rows} could not be looked after`);
      }
    }
  }

  async #make(table: PartitionedTable, patient: boolean): Promise<void> {
    const { name, rows } = table;
    const { tooLate, locked, slow } = await makeDailyPartitions(
      this.#context,
      table,
      patient ? { proveMs: PROVE_TIMEOUT_MS, until: this.#stop.signal } : undefined,
    );
    this.#locked ||= locked.length > 0 || (slow.length > 0 && !patient);
    if (locked.length > 0)
      this.#log.warn(
        { partitions: locked },
        `someone holds a lock on ${name}: its partitions are made later`,
      );
    // Each try holds flushes and readers of events up: after that of a start and the first with patience it is for the next look.
    if (slow.length > 0)
      this.#log.warn(
        { partitions: slow },
        `${name}_default is too large to be looked through: ${rows} of these days go there, and their partitions are made later if they can be`,
      );
    if (tooLate.length > 0)
      this.#log.warn(
        { partitions: tooLate },
        `${rows} of these days are in the default partition and stay there`,
      );
  }

  async #dropOld({ name, rows, dropOld }: PartitionedTable): Promise<void> {
    if (this.#retentionMs === Infinity || this.#stop.signal.aborted) return;
    const { dropped, locked } = await dropOld(this.#context, this.#retentionMs);
    this.#locked ||= locked;
    if (dropped.length > 0)
      this.#log.info({ partitions: dropped }, `${rows} older than the retention are dropped`);
    if (locked) this.#log.warn({}, `someone holds a lock on ${name}: what is too old is dropped later`);
  }
}
