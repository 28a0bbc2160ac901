/** Makes the daily partitions of tracks and drops those that are too old, from opening a store to its end. */
import { makeDailyPartitions } from "../daily-partitions.ts";
import type { StoreContext } from "../session.ts";
import type { StoreLog } from "../store.ts";
import { dropOldTracks } from "./drop-old-tracks.ts";

const INTERVAL_MS = 3_600_000;
/** After a partition that could not be made or dropped for a lock. */
const RETRY_MS = 60_000;
/** Of reports that come late. Older ones are found in the default partition. */
const DAYS_BEHIND = 2;

export class TrackUpkeep {
  readonly #context: StoreContext;
  readonly #log: StoreLog;
  readonly #retentionMs: number;
  #isLocked = false;
  #cancel = () => {};
  #stopped = false;

  /** @param retentionMs how old tracks may be; ∞ = they are kept for ever. */
  constructor(context: StoreContext, log: StoreLog, retentionMs: number) {
    this.#context = context;
    this.#log = log;
    this.#retentionMs = retentionMs;
  }

  /** Makes the partitions that are missing now. @throws StoreAway */
  async makePartitions(): Promise<void> {
    const { tooLate, locked } = await makeDailyPartitions(this.#context, "track", DAYS_BEHIND);
    this.#isLocked = locked.length > 0;
    if (locked.length > 0)
      this.#log.warn({ partitions: locked }, "someone holds a lock on track: its partitions are made later");
    if (tooLate.length > 0)
      this.#log.warn(
        { partitions: tooLate },
        "tracks of these days are in the default partition and stay there",
      );
  }

  /** Drops what is too old now. @throws StoreAway */
  async dropOld(): Promise<void> {
    if (this.#retentionMs === Infinity) return;
    const { dropped, locked } = await dropOldTracks(this.#context, this.#retentionMs);
    if (dropped.length > 0) this.#log.info({ partitions: dropped }, "tracks that were too old are dropped");
    if (locked) this.#isLocked = true;
  }

  /** Does both from now on, each hour. */
  start(): void {
    this.#cancel = this.#context.clock.schedule(this.#isLocked ? RETRY_MS : INTERVAL_MS, () => {
      void this.makePartitions()
        .then(() => this.dropOld())
        .catch((error: Error) =>
          this.#log.warn({ reason: error.message }, "partitions of tracks are not looked after"),
        )
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
