/** When faults stop, everything is owned and answered within the time that the history allows. */
import type { HistoryEvent, Quiet, Report, Rule } from "../history.ts";

export class SettlingRule implements Rule {
  readonly #report: Report;
  #quiet: { event: Quiet; number: number } | undefined;
  #settled = false;

  constructor(report: Report) {
    this.#report = report;
  }

  take(event: HistoryEvent, number: number): void {
    if (event.is === "quiet") this.#quiet = { event, number };
    if (event.is !== "settled") return;
    this.#settled = true;
    if (this.#quiet === undefined) {
      this.#report("malformed", "settled, and it was never said that faults stop", [number]);
      return;
    }
    const took = event.at - this.#quiet.event.at;
    const { withinMs } = this.#quiet.event;
    if (took > withinMs)
      this.#report("unsettled", `it took ${took} ms, ${withinMs} are allowed`, [this.#quiet.number, number]);
  }

  end(): void {
    if (this.#quiet !== undefined && !this.#settled)
      this.#report("unsettled", "it never settled", [this.#quiet.number]);
  }
}
