/**
 * The end of the log, read once for all who are there: by one loop, woken by this node's own commits and else a few times a second. Who is
 * behind pages through the table by itself, a few at a time.
 *
 * States: idle (nobody follows: it only looks how the log's end moves on) → following → idle; stopped.
 */
import { StoreAway } from "../actors/ports.ts";
import { Turns } from "../actors/turns.ts";
import type { Clock } from "../clock.ts";
import {
  EVENT_LAG_WARN_MS,
  EVENT_POLL_BUSY_MS,
  EVENT_POLL_LEAST_MS,
  EVENT_POLL_MS,
  EVENT_RETRY_MS,
  EVENT_WAKE_READERS,
  MAX_EVENT_READS,
  MAX_EVENT_ROWS,
  WARNING_REPEAT_MS,
} from "../limits.ts";
import { type Cursor, compareCursors } from "./cursor.ts";
import { Follower } from "./follower.ts";
import type { EventLog, EventPage, Moment } from "./ports.ts";
import { EventWindow } from "./window.ts";

export interface EventTailOptions {
  log: EventLog;
  clock: Clock;
  /** The end of the log stands still for so long, ms; who holds it. */
  onHeld(lagMs: number, holders: readonly string[]): void;
  /** An error that is none of a database that is away: nothing is read any more. */
  onFatal(error: unknown): void;
}

export class EventTail {
  readonly #options: EventTailOptions;
  readonly #reads = new Turns(MAX_EVENT_READS);
  readonly #followers = new Set<Follower>();
  #window: EventWindow | undefined;
  readonly #waiting = new Map<Follower, () => void>();
  #wake: (() => void) | undefined;
  #woken = false;
  #stopped = false;
  #looking: Promise<unknown> = Promise.resolve();
  #running: Promise<void> = Promise.resolve();
  #heldAt: Cursor | undefined;
  #heldSince = 0;
  #toldAt = -Infinity;
  #lagMs = 0;

  constructor(options: EventTailOptions) {
    this.#options = options;
    options.log.onCommit(() => {
      if (this.#followers.size > 0) this.#rouse();
    });
  }

  /** For how long the end of the log has stood still behind a transaction that is under way, ms. */
  get lagMs(): number {
    return this.#lagMs;
  }

  get followers(): number {
    return this.#followers.size;
  }

  start(): void {
    this.#running = this.#run().catch(this.#options.onFatal);
  }

  /** Ends all followers. */
  async stop(): Promise<void> {
    this.#stopped = true;
    for (const follower of [...this.#followers]) follower.close();
    this.#rouse();
    await this.#running;
  }

  /** Reads on from a cursor, for ever. Who calls closes it. */
  follow(after: Cursor): Follower {
    const { clock } = this.#options;
    const follower = new Follower(after, {
      near: (cursor) => this.#window?.after(cursor, MAX_EVENT_ROWS),
      end: () => this.#window?.end,
      wait: (waiting, wake) => void this.#waiting.set(waiting, wake),
      far: (cursor) => this.#far(cursor),
      pause: () => new Promise((resolve) => clock.schedule(EVENT_RETRY_MS, resolve)),
      closed: (closed) => {
        this.#followers.delete(closed);
        this.#waiting.delete(closed);
      },
    });
    if (this.#stopped) follower.close();
    else {
      this.#followers.add(follower);
      if (this.#window === undefined) this.#rouse();
    }
    return follower;
  }

  /** Drops what is in memory about an entity whose events are deleted. */
  async forget(subject: string): Promise<void> {
    // What is being read may have been read before they were deleted.
    await this.#looking;
    this.#window?.forget(subject);
  }

  #far(cursor: Cursor): Promise<EventPage> {
    return this.#reads.run(() => this.#options.log.read(cursor, MAX_EVENT_ROWS));
  }

  async #run(): Promise<void> {
    while (!this.#stopped) {
      const looking = this.#look();
      this.#looking = looking.catch(() => {});
      const next = await looking;
      if (next === 0) continue;
      await this.#pause(EVENT_POLL_LEAST_MS, false);
      if (!this.#woken && !this.#stopped) await this.#pause(next - EVENT_POLL_LEAST_MS, true);
      this.#woken = false;
    }
  }

  /** @returns after how long to look again, ms; 0 = at once, there is more. */
  async #look(): Promise<number> {
    const { log } = this.#options;
    try {
      if (this.#followers.size === 0) {
        this.#window = undefined;
        return await this.#observe(await log.moment());
      }
      const isNew = this.#window === undefined;
      this.#window ??= new EventWindow((await log.moment()).end);
      const page = await log.read(this.#window.end, MAX_EVENT_ROWS);
      this.#window.append(page);
      if (page.events.length > 0 || isNew) this.#wakeReaders();
      const next = await this.#observe(page);
      return page.more ? 0 : next;
    } catch (error) {
      if (!(error instanceof StoreAway)) throw error;
      return EVENT_RETRY_MS;
    }
  }

  /** Looks whether the horizon moves on. @returns after how long to look again, ms. */
  async #observe({ horizon, bound }: Pick<Moment, "horizon" | "bound">): Promise<number> {
    const { clock, log, onHeld } = this.#options;
    const now = clock.monotonic();
    const held = compareCursors(horizon, bound) < 0;
    if (!held || this.#heldAt === undefined || compareCursors(this.#heldAt, horizon) !== 0) {
      this.#heldAt = held ? horizon : undefined;
      this.#heldSince = now;
      this.#toldAt = -Infinity;
    }
    this.#lagMs = held ? now - this.#heldSince : 0;
    if (this.#lagMs >= EVENT_LAG_WARN_MS && now - this.#toldAt >= WARNING_REPEAT_MS) {
      this.#toldAt = now;
      onHeld(this.#lagMs, await log.holders());
    }
    return held && this.#followers.size > 0 ? EVENT_POLL_BUSY_MS : EVENT_POLL_MS;
  }

  /** Some in each turn of the loop: each has events to filter and to send. */
  #wakeReaders(): void {
    const now = [...this.#waiting];
    this.#waiting.clear();
    this.#wakeNext(now, 0);
  }

  #wakeNext(waiting: readonly [Follower, () => void][], from: number): void {
    for (const [, wake] of waiting.slice(from, from + EVENT_WAKE_READERS)) wake();
    const next = from + EVENT_WAKE_READERS;
    if (next < waiting.length) this.#options.clock.yield(() => this.#wakeNext(waiting, next));
  }

  #rouse(): void {
    this.#woken = true;
    this.#wake?.();
  }

  #pause(ms: number, roused: boolean): Promise<void> {
    return new Promise((resolve) => {
      const cancel = this.#options.clock.schedule(ms, resolve);
      if (!roused) return;
      this.#wake = () => {
        this.#wake = undefined;
        cancel();
        resolve();
      };
    });
  }
}
