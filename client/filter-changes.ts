import type { Update } from "../src/transport/feed/protocol.ts";
import type { Filter } from "./view-options.ts";

/** What is to change of a filter: absent = stays, `null` = none any more. */
export type FilterChange = Pick<Update, "where"> & { kinds?: readonly string[] | null };

interface Waiting {
  change: FilterChange;
  resolve(): void;
  reject(error: Error): void;
}
interface Asked extends Waiting {
  /** What the filter was. */
  before: Filter;
  /** What a reply counts when the server has taken it. */
  count: number;
}

/** Before the reply to a subscription. */
const NO_REPLY = -1;
/** The reply to a subscription counts no changes. */
const IN_SUBSCRIPTION = 0;

/**
 * A view's filter. A change is *waiting*, then *asked* of the server, then *done* when a reply has counted it and the
 * frame that follows it has come, or *refused*, and then the filter is what it was before. One is asked at a time,
 * because a refusal does not say of which message it is.
 *
 * Only the count tells: a frame that replaces all may be on its way for another reason, with the filter before.
 */
export class FilterChanges {
  #filter: Filter;
  #asked: Asked | undefined;
  #waiting: Waiting[] = [];
  /** Changes that the server has taken since the view subscribed, as its last reply says. */
  #taken = NO_REPLY;
  /** Sends a change if there is a subscription; if not, the next one will have the new filter. */
  readonly #ask: (change: FilterChange) => void;

  constructor(filter: Filter, ask: (change: FilterChange) => void) {
    this.#filter = filter;
    this.#ask = ask;
  }

  /** As a subscription made now would have it. */
  get filter(): Filter {
    return this.#filter;
  }

  /** Resolves when the view shows what passes the new filter; rejects with the server's problem. */
  add(change: FilterChange): Promise<void> {
    const done = new Promise<void>((resolve, reject) => this.#waiting.push({ change, resolve, reject }));
    // Who does not wait for it hears of the same failure as a `problem` of the view.
    done.catch(() => {});
    this.#next();
    return done;
  }

  /** A new subscription is made, with the filter as it is now. */
  subscribed(): void {
    this.#taken = NO_REPLY;
    if (this.#asked !== undefined) this.#asked.count = IN_SUBSCRIPTION;
  }

  /** A reply has come. @param taken changes that the server has taken since the view subscribed */
  replied(taken: number): void {
    this.#taken = taken;
  }

  /** A frame that replaces all was applied. */
  replaced(): void {
    const asked = this.#asked;
    if (asked === undefined || this.#taken < asked.count) return;
    this.#asked = undefined;
    asked.resolve();
    this.#next();
  }

  /** The server refused a subscription. @returns whether it had a change in it, without which another is to be made; if not, there will be no answers any more */
  subscriptionRefused(error: Error): boolean {
    if (this.#asked?.count !== IN_SUBSCRIPTION) return false;
    this.refused(error);
    return true;
  }

  /** The server refused something about the view. */
  refused(error: Error): void {
    const asked = this.#asked;
    if (asked === undefined) return;
    this.#filter = asked.before;
    this.#asked = undefined;
    asked.reject(error);
    this.#next();
  }

  /** There will be no answers any more. */
  end(error: Error): void {
    for (const { reject } of [...(this.#asked ? [this.#asked] : []), ...this.#waiting]) reject(error);
    this.#asked = undefined;
    this.#waiting = [];
  }

  #next(): void {
    while (this.#asked === undefined && this.#waiting.length > 0) {
      const next = this.#waiting.shift()!;
      const filter = changed(this.#filter, next.change);
      if (JSON.stringify(filter) === JSON.stringify(this.#filter)) {
        next.resolve();
        continue;
      }
      this.#asked = { ...next, before: this.#filter, count: Math.max(0, this.#taken) + 1 };
      this.#filter = filter;
      this.#ask(next.change);
    }
  }
}

function changed({ kinds, where }: Filter, change: FilterChange): Filter {
  const filter: Filter = {};
  const newKinds = change.kinds === undefined ? kinds : change.kinds;
  const newWhere = change.where === undefined ? where : change.where;
  if (newKinds !== undefined && newKinds !== null) filter.kinds = newKinds;
  if (newWhere !== undefined && newWhere !== null) filter.where = newWhere;
  return filter;
}
