/**
 * A command is decided at most once (C4), everything that was said of it is what was decided (C3), and each is answered for good in the end. What was
 * decided shows in the table `event`, of which there is a row for each decision.
 */
import type { HistoryEvent, Report, Rule, Told } from "../history.ts";

interface Command {
  asked: number;
  /** What was said first, and in which event. */
  told: { told: Told; event: number } | undefined;
  decided: { accepted: boolean; state: string; event: number } | undefined;
}

export class CommandsRule implements Rule {
  readonly #report: Report;
  /** By entity and id. */
  readonly #commands = new Map<string, Command>();
  /** Asks without an answer: their commands. */
  readonly #open = new Map<number, string>();
  #settled = 0;
  #decided = 0;

  constructor(report: Report) {
    this.#report = report;
  }

  take(event: HistoryEvent, number: number): void {
    if (event.is === "asked") this.#ask(event.ask, event.command.join(" "), number);
    else if (event.is === "told") this.#tell(event, number);
    else if (event.is === "settled") this.#settled = number;
    else if (event.is === "decided") {
      this.#decided = number;
      for (const [, entity, id, accepted, state] of event.rows)
        this.#decide(`${entity} ${id}`, { accepted, state, event: number });
    }
  }

  end(): void {
    for (const [key, { asked, told, decided }] of this.#commands) {
      if (told === undefined) {
        if (this.#settled > 0)
          this.#report("not-answered", `${key} was never answered for good`, [asked, this.#settled]);
      } else if (this.#decided > 0 && decided === undefined) {
        const text = `${key} was told ${show(told.told)}, and nothing of it is recorded`;
        this.#report("command-lost", text, [told.event, this.#decided]);
      } else if (decided !== undefined && !agrees(told.told, decided)) {
        const text = `${key} was told ${show(told.told)}, and is recorded ${decided.accepted ? "accepted" : "refused"} (${decided.state})`;
        this.#report("command-contradicted", text, [told.event, decided.event]);
      }
    }
  }

  #ask(ask: number, key: string, event: number): void {
    if (this.#open.has(ask)) this.#report("malformed", `${ask} is asked twice`, [event]);
    this.#open.set(ask, key);
    if (!this.#commands.has(key))
      this.#commands.set(key, { asked: event, told: undefined, decided: undefined });
  }

  #tell(told: Told, event: number): void {
    const key = this.#open.get(told.ask);
    this.#open.delete(told.ask);
    if (key === undefined) {
      this.#report("malformed", `${told.ask} is not open, and was answered`, [event]);
      return;
    }
    const command = this.#commands.get(key)!;
    if (told.result === "unknown") return;
    if (command.told === undefined) command.told = { told, event };
    else if (!same(command.told.told, told)) {
      const text = `${key} was told ${show(command.told.told)}, and then ${show(told)}`;
      this.#report("command-contradicted", text, [command.told.event, event]);
    }
  }

  #decide(key: string, decided: NonNullable<Command["decided"]>): void {
    const command = this.#commands.get(key);
    if (command === undefined)
      this.#report("invented", `${key} was never asked and is recorded`, [decided.event]);
    else if (command.decided !== undefined)
      this.#report("doubled", `${key} is recorded twice`, [command.decided.event, decided.event]);
    else command.decided = decided;
  }
}

function agrees({ result, state }: Told, decided: { accepted: boolean; state: string }): boolean {
  return decided.accepted ? result === "accepted" && state === decided.state : result === "refused";
}

function same(a: Told, b: Told): boolean {
  return a.result === b.result && a.state === b.state;
}

function show({ result, state, why }: Omit<Told, "is" | "at" | "ask">): string {
  const more = state ?? why;
  return more === undefined ? result : `${result} (${more})`;
}
