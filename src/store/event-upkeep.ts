/** Looks after the table of events: each hour its partitions of the next days are made, and those that are too old dropped. */
import { dropOldEvents } from "./drop-old-events.ts";
import { makeEventPartitions } from "./event-partitions.ts";
import type { StoreContext } from "./session.ts";
import type { StoreLog } from "./store.ts";

const LOOK_MS = 3_600_000;
/** After a lock that was in the way: events of a day without a partition stay in the default one. */
const RETRY_MS = 60_000;

export class EventUpkeep {
  readonly #context: StoreContext;
  readonly #log: StoreLog;
  readonly #retentionMs: number;
  #cancel = () => {};
  #locked = false;
  #stopped = false;

  /** @param retentionMs how old events may be; Infinity = they are kept for ever. */
  constructor(context: StoreContext, log: StoreLog, retentionMs: number) {
    this.#context = context;
    this.#log = log;
    this.#retentionMs = retentionMs;
  }

  /** Part of opening a store: makes the partitions that are missing. */
  async makePartitions(): Promise<void> {
    const { tooLate, locked } = await makeEventPartitions(this.#context);
    this.#locked = locked.length > 0;
    if (locked.length > 0)
      this.#log.warn({ partitions: locked }, "someone holds a lock on event: its partitions are made later");
    if (tooLate.length > 0) {
      this.#log.warn(
        { partitions: tooLate },
        "events of these days are in the default partition and stay there",
      );
    }
  }

  start(): void {
    // What became too old while no node ran is dropped at once.
    const first = this.#retentionMs === Infinity ? LOOK_MS : 0;
    this.#plan(this.#locked ? RETRY_MS : first);
  }

  stop(): void {
    this.#stopped = true;
    this.#cancel();
  }

  #plan(delayMs: number): void {
    this.#cancel = this.#context.clock.schedule(delayMs, () => {
      void this.#look()
        .catch((error: Error) =>
          this.#log.warn({ reason: error.message }, "event partitions could not be looked after"),
        )
        .finally(() => {
          if (!this.#stopped) this.#plan(this.#locked ? RETRY_MS : LOOK_MS);
        });
    });
  }

  async #look(): Promise<void> {
    await this.makePartitions();
    if (this.#retentionMs === Infinity || this.#stopped) return;
    const { dropped, locked } = await dropOldEvents(this.#context, this.#retentionMs);
    this.#locked ||= locked;
    if (dropped.length > 0)
      this.#log.info({ partitions: dropped }, "events older than the retention are dropped");
    if (locked) this.#log.warn({}, "someone holds a lock on event: what is too old is dropped later");
  }
}
