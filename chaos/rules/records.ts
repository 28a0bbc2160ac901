/**
 * Each change of state and of liveness is recorded once: an entity's changes are a chain, in which each begins where the one before ended, and which ends
 * where the entity is. That none of the chain's whole turns is missing or too many shows in the count of facts (`reports.ts`). And the rows of the
 * table `entity` say at rest what REST says.
 */
import type { AtRest, HistoryEvent, Report, Rule } from "../history.ts";

interface Kept {
  at: AtRest;
  event: number;
}

export class RecordsRule implements Rule {
  readonly #report: Report;
  /** Entity and type → the last change. */
  readonly #changes = new Map<string, { to: string; row: number; event: number }>();
  readonly #rows = new Map<number, number>();
  readonly #final = new Map<string, Kept>();
  readonly #stored = new Map<string, Kept>();
  #lastStored = 0;

  constructor(report: Report) {
    this.#report = report;
  }

  take(event: HistoryEvent, number: number): void {
    if (event.is === "recorded") {
      for (const [row, subject, type, from, to] of event.rows) {
        const known = this.#rows.get(row);
        if (known !== undefined) this.#report("malformed", `row ${row} was read twice`, [known, number]);
        this.#rows.set(row, number);
        this.#change(`${subject} ${type}`, from, to, row, number);
      }
    } else if (event.is === "final") {
      for (const at of event.entities) this.#final.set(at[0], { at, event: number });
    } else if (event.is === "stored") {
      this.#lastStored = number;
      for (const at of event.entities) this.#stored.set(at[0], { at, event: number });
    }
  }

  end(): void {
    for (const [id, { at, event }] of this.#final) {
      const last = this.#changes.get(`${id} state.changed`);
      if (last !== undefined && last.to !== at[4]) {
        const text = `${id} is ${at[4]}, its last change (row ${last.row}) led to ${last.to}`;
        this.#report("last-event", text, [last.event, event]);
      }
      if (this.#lastStored > 0) this.#compare(id, at, event);
    }
  }

  #change(key: string, from: string, to: string, row: number, event: number): void {
    const before = this.#changes.get(key);
    if (before !== undefined && before.to !== from) {
      const text = `${key}: row ${before.row} led to ${before.to}, row ${row} begins at ${from}`;
      this.#report("no-chain", text, [before.event, event]);
    }
    this.#changes.set(key, { to, row, event });
  }

  #compare(id: string, at: AtRest, event: number): void {
    const stored = this.#stored.get(id);
    // A row is written when the entity changes: the epochs of owners that it did not change under leave no mark.
    if (stored !== undefined && withoutEpoch(stored.at) === withoutEpoch(at) && stored.at[2] <= at[2]) return;
    const show = ([, n, epoch, seq, state]: AtRest) => `number ${n} (${epoch}, ${seq}) ${state}`;
    const text = `${id}: the table has ${stored === undefined ? "nothing" : show(stored.at)}, REST ${show(at)}`;
    this.#report("stored-differs", text, [stored?.event ?? this.#lastStored, event]);
  }
}

function withoutEpoch([id, number, , seq, state]: AtRest): string {
  return [id, number, seq, state].join();
}
