/**
 * Where as many events of a webhook wait as may, nothing is read; where its endpoint is in doubt, one request at a time tries what waits. Neither tells
 * an endpoint that is away from one that refuses the entities that wait. So after a failure the log is looked through, ahead of the cursor, for an
 * event of an entity of which none waits. It is tried, and comes again when the cursor is there.
 *
 * While the endpoint is in doubt nothing that is due is sent meanwhile. So a look has an end that no event which comes puts off.
 *
 * States: idle → wanted (a failure) → looking (the log is read) → idle (an event is found, or none for a moment).
 */
import type { LoggedEvent } from "../events/ports.ts";
import { MAX_EVENT_ROWS } from "../limits.ts";
import { MAX_WEBHOOK_WAITING } from "./limits.ts";

/** What is in the log is there within this time, and after a full page the next. */
export const LOOK_MS = 5_000;
/** However much is in the log. */
const LOOK_LONGEST_MS = 30_000;

export class LookAhead {
  /** Monotonic; Infinity = wanted, from the next turn on; undefined = idle. */
  #until: number | undefined;
  /** Monotonic: where a look that is going on ends at the latest. */
  #end = Infinity;
  /** Subjects that were passed over since the cursor, whose events may not overtake these; undefined = nothing was read ahead. */
  #passed: Set<string> | undefined;

  /** Subjects that were found, since something was taken: another each time. */
  readonly #tried = new Set<string>();

  /** The log must be read from the cursor again before events are delivered. */
  get isAhead(): boolean {
    return this.#passed !== undefined;
  }

  /** Requests have ended. @param hasFailed what waits did. @param isTaken something was. */
  landed(hasFailed: boolean, isTaken: boolean): void {
    this.#until = hasFailed ? Infinity : undefined;
    this.#end = Infinity;
    if (isTaken) this.#tried.clear();
  }

  /** @param now monotonic. @returns whether the log is to be read. */
  goesOn(now: number): boolean {
    if (this.#until === undefined) return false;
    if (this.#end === Infinity) this.#end = now + LOOK_LONGEST_MS;
    if (this.#until === Infinity) this.#until = Math.min(now + LOOK_MS, this.#end);
    if (now >= this.#until) this.#until = undefined;
    return this.#until !== undefined;
  }

  /** The first of a page that may be tried. @param waits events of a subject do. */
  find(
    page: readonly LoggedEvent[],
    test: (event: LoggedEvent) => boolean,
    waits: (subject: string) => boolean,
  ): LoggedEvent | undefined {
    this.#passed ??= new Set();
    for (const event of page) {
      if (!test(event) || this.#passed.has(event.subject)) continue;
      if (!waits(event.subject) && !this.#tried.has(event.subject)) {
        if (this.#tried.size === MAX_WEBHOOK_WAITING) this.#tried.clear();
        this.#tried.add(event.subject);
        return event;
      }
      this.#passed.add(event.subject);
    }
    // A short one is the end of the log: what comes from there on would go on for ever.
    if (page.length >= MAX_EVENT_ROWS) this.#until = Infinity;
    return undefined;
  }

  /** The log is read from the cursor again. */
  reset(): void {
    this.#passed = undefined;
    this.#until = undefined;
    this.#end = Infinity;
  }
}
