/** Sees to it that there are daily partitions, from opening a store to its end. */
import { DAILY_TABLES, type DailyTable, makeDailyPartitions } from "./daily-partitions.ts";
import type { StoreContext } from "./session.ts";
import type { StoreLog } from "./store.ts";

const INTERVAL_MS = 3_600_000;
/** After a partition that could not be made for a lock: what is of a day without one stays in the default partition. */
const RETRY_MS = 60_000;

export class PartitionUpkeep {
  readonly #context: StoreContext;
  readonly #log: StoreLog;
  #isLocked = false;
  #cancel = () => {};
  #stopped = false;

  constructor(context: StoreContext, log: StoreLog) {
    this.#context = context;
    this.#log = log;
  }

  /** Makes those that are missing now. @throws StoreAway */
  async make(): Promise<void> {
    this.#isLocked = false;
    for (const table of DAILY_TABLES) await this.#makeOf(table);
  }

  async #makeOf(table: DailyTable): Promise<void> {
    const { tooLate, locked } = await makeDailyPartitions(this.#context, table);
    if (locked.length > 0) {
      this.#isLocked = true;
      this.#log.warn(
        { partitions: locked },
        `someone holds a lock on ${table}: its partitions are made later`,
      );
    }
    if (tooLate.length > 0)
      this.#log.warn(
        { partitions: tooLate },
        "rows of these days are in the default partition and stay there",
      );
  }

  /** Makes them from now on, each hour. */
  start(): void {
    this.#cancel = this.#context.clock.schedule(this.#isLocked ? RETRY_MS : INTERVAL_MS, () => {
      void this.make()
        .catch((error: Error) => this.#log.warn({ reason: error.message }, "partitions could not be made"))
        .finally(() => {
          if (!this.#stopped) this.start();
        });
    });
  }

  stop(): void {
    this.#stopped = true;
    this.#cancel();
  }
}
