/** The reports that clients sent, and what of them is acknowledged. */
interface Submission {
  times: number;
  via: string;
  order: number;
  /** Moment of the first time. */
  since: number;
  /** Sent, and not acknowledged. */
  open: number;
}

export class Sent {
  readonly #reports = new Map<string, Map<number, Submission>>();
  #order = 0;

  /** A report is sent to a node, at a moment of the history. */
  submitted(id: string, n: number, via: string, moment: number): void {
    const of = this.#reports.get(id) ?? new Map<number, Submission>();
    this.#reports.set(id, of);
    const known = of.get(n);
    if (known === undefined) of.set(n, { times: 1, via, order: this.#order++, since: moment, open: 1 });
    else {
      known.times += 1;
      known.open += 1;
    }
  }

  /** A report is refused as moved although nothing has: what comes after it may overtake it. */
  mistreated(id: string, n: number): void {
    this.report(id, n)!.times += 1;
  }

  acknowledged(id: string, n: number): void {
    this.report(id, n)!.open -= 1;
  }

  report(id: string, n: number): Submission | undefined {
    return this.#reports.get(id)?.get(n);
  }
}
