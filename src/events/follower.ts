/**
 * One reader of the log, at its own pace: it asks for what comes next when it has room for it, so whoever is slow falls behind, out of memory and
 * into the table, and loses nothing.
 */
import { StoreAway } from "../actors/ports.ts";
import { type Cursor, compareCursors } from "./cursor.ts";
import type { EventPage, LoggedEvent } from "./ports.ts";
import { CursorError, isGone } from "./position.ts";

/** What a follower wants of the tail. */
export interface FollowerSource {
  /** Events after a cursor that are in memory; `undefined` if some are not. */
  near(cursor: Cursor): LoggedEvent[] | undefined;
  /** Up to where memory goes. */
  end(): Cursor | undefined;
  /** Calls `wake` once when memory may have more, unless the follower is closed before. */
  wait(follower: Follower, wake: () => void): void;
  /** Reads the table. */
  far(cursor: Cursor): Promise<EventPage>;
  /** Resolves when the database may be asked again. */
  pause(): Promise<void>;
  closed(follower: Follower): void;
}

export class Follower {
  readonly #source: FollowerSource;
  #cursor: Cursor;
  #closed = false;
  #wake = () => {};

  /** Followers are made by `EventTail.follow`. */
  constructor(after: Cursor, source: FollowerSource) {
    this.#cursor = after;
    this.#source = source;
  }

  /** Up to where all was given by `next`: moves on also while there is nothing to give. */
  get cursor(): Cursor {
    const near = this.#source.near(this.#cursor);
    const end = this.#source.end();
    if (near?.length === 0 && end !== undefined && compareCursors(end, this.#cursor) > 0) this.#cursor = end;
    return this.#cursor;
  }

  /**
   * The next events, at least one, as soon as there are some. One call at a time. @returns `undefined` once it is closed.
   * @throws CursorError `cursor-gone` if retention has overtaken it
   */
  async next(): Promise<LoggedEvent[] | undefined> {
    while (!this.#closed) {
      const near = this.#source.near(this.cursor);
      const events = near ?? (await this.#far());
      if (this.#closed) break;
      if (events.length > 0) {
        this.#cursor = events.at(-1)!.cursor;
        return events;
      }
      if (near !== undefined) await this.#grown();
    }
    return undefined;
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#source.closed(this);
    this.#wake();
  }

  #grown(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
      this.#source.wait(this, resolve);
    });
  }

  async #far(): Promise<LoggedEvent[]> {
    try {
      const end = this.#source.end();
      const { events, next, floor } = await this.#source.far(this.#cursor);
      if (isGone(this.#cursor, floor)) throw new CursorError("cursor-gone");
      if (events.length === 0) {
        // Memory began after something that is not there any more, or after all that was: what is read next is there.
        this.#cursor = end !== undefined && compareCursors(end, next) > 0 ? end : next;
        // Nothing is in memory yet: it will begin after this.
        if (this.#source.end() === undefined) await this.#grown();
      }
      return events;
    } catch (error) {
      if (!(error instanceof StoreAway)) throw error;
      await this.#source.pause();
      return [];
    }
  }
}
