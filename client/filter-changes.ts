import type { Update } from "../src/transport/feed/protocol.ts";
import type { Filter } from "./view-options.ts";

/** What is to change of a filter: absent = stays, `null` = none any more. */
export type FilterChange = Pick<Update, "where"> & { kinds?: readonly string[] | null };

interface Waiting {
  change: FilterChange;
  resolve(): void;
  reject(error: Error): void;
}

/**
 * A view's filter. A change is *waiting*, then *asked* of the server, then *done* when the next frame that replaces all
 * comes, or *refused*, and then the filter is what it was before. One is asked at a time, because a refusal does not say
 * of which message it is.
 */
export class FilterChanges {
  #filter: Filter;
  /** What it was before the change that was asked last. */
  #before: Filter | undefined;
  #asked: Waiting | undefined;
  #waiting: Waiting[] = [];
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

  /** A frame that replaces all has come. */
  done(): void {
    const asked = this.#asked;
    this.#asked = undefined;
    asked?.resolve();
    this.#next();
  }

  /**
   * The server refused something about the view. @param inWhere it was an expression, so certainly a filter, even if
   * another frame has made it look done
   * @returns whether it was a change of the filter
   */
  refused(error: Error, inWhere: boolean): boolean {
    const asked = this.#asked;
    if (this.#before === undefined || (asked === undefined && !inWhere)) return false;
    this.#filter = this.#before;
    this.#before = undefined;
    this.#asked = undefined;
    asked?.reject(error);
    this.#next();
    return true;
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
      this.#before = this.#filter;
      this.#filter = filter;
      this.#asked = next;
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
