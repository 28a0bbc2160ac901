/** What became of the reports of one request. */
import type { IngestResult, Report } from "../../actors/messages.ts";
import { MAX_REFUSALS_LISTED } from "../../limits.ts";
import { type ProblemType, problemUrn } from "../http/problem.ts";

export interface ListedRefusal {
  /** Place in the array, or number of the line; from 0. */
  index: number;
  /** URN of the problem. */
  type: string;
  detail: string;
}

export interface ReportsAnswer {
  accepted: number;
  /** All that were refused; `refused` lists the first `MAX_REFUSALS_LISTED` of them. */
  refusedCount: number;
  refused: ListedRefusal[];
}

/** Reports on their way in, with their places in the request. */
export interface Batch {
  reports: Report[];
  /** By place in `reports`. */
  indexes: number[];
}

export class Tally {
  #accepted = 0;
  #refusedCount = 0;
  #overloadedCount = 0;
  readonly #refused: ListedRefusal[] = [];

  /** @param detail as a function where it is costly: it is called only if the refusal is listed. */
  refuse(index: number, type: ProblemType, detail: string | (() => string)): void {
    this.#refusedCount++;
    if (type === "overloaded") this.#overloadedCount++;
    if (this.#refused.length >= MAX_REFUSALS_LISTED) return;
    const told = typeof detail === "string" ? detail : detail();
    this.#refused.push({ index, type: problemUrn(type), detail: told });
  }

  /** Adds what became of a batch that was handed in. */
  add(batch: Batch, result: IngestResult): void {
    this.#accepted += result.accepted;
    for (const { index, type, detail } of result.refused) this.refuse(batch.indexes[index], type, detail);
  }

  /** Nothing was taken, and only for want of room: the whole request may be repeated. */
  get onlyOverloaded(): boolean {
    return this.#accepted === 0 && this.#overloadedCount > 0 && this.#overloadedCount === this.#refusedCount;
  }

  answer(): ReportsAnswer {
    return {
      accepted: this.#accepted,
      refusedCount: this.#refusedCount,
      refused: this.#refused.sort((a, b) => a.index - b.index),
    };
  }
}
