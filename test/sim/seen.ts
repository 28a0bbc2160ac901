/** What somebody saw of each entity last. */
import type { History } from "./history.ts";
import { ensure } from "./violation.ts";

interface Newest {
  epoch: number;
  seq: number;
  /** Lives that were seen to begin under this epoch after others. */
  begun: number;
}

export class Seen {
  readonly #history: History;
  readonly #where: string;
  readonly #newest = new Map<string, Newest>();

  /** @param where it is seen, for a message. */
  constructor(history: History, where: string) {
    this.#history = history;
    this.#where = where;
  }

  /** C5: (epoch, seq) never goes back, but for another life, and so many begin only as were ended. */
  see(id: string, epoch: number, seq: number): void {
    const newest = this.#newest.get(id);
    if (newest === undefined) {
      this.#newest.set(id, { epoch, seq, begun: 0 });
      return;
    }
    if (epoch > newest.epoch) newest.begun = 0;
    else if (seq < newest.seq) newest.begun += 1;
    ensure(
      epoch >= newest.epoch && (newest.begun === 0 || newest.begun <= this.#history.decidedOf(id, epoch)),
      "C5",
      () => `${id} goes back ${this.#where} from (${newest.epoch}, ${newest.seq}) to (${epoch}, ${seq})`,
    );
    newest.epoch = epoch;
    newest.seq = seq;
  }
}
