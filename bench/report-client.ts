/** Sends batches of reports and counts what was acknowledged. */
import { setTimeout as sleep } from "node:timers/promises";

/** How batches get to the node. */
export interface ReportRoute {
  readonly batches: {
    readonly batchSize: number;
    /** Batches that make one round: each entity once. */
    readonly perRound: number;
    /** More than that may not be in flight. */
    readonly bodies: number;
  };
  /**
   * Sends the next batch, its reports observed at `now`, Unix ms. Resolves when it is acknowledged, to how many reports.
   * Rejects if one was refused: the benchmarks send only good ones.
   */
  post(now: number): Promise<number>;
  close(): void;
}

export interface OpenLoop {
  reportsPerS: number;
  /** From the moment a batch was due to its acknowledgement, ms, ascending. */
  latencies: number[];
}

export class ReportClient {
  /** Reports of all runs so far. */
  sent = 0;
  acknowledged = 0;
  readonly #route: ReportRoute;
  #inFlight = 0;

  constructor(route: ReportRoute) {
    this.#route = route;
  }

  get batchSize(): number {
    return this.#route.batches.batchSize;
  }

  close(): void {
    this.#route.close();
  }

  /** Sends each entity's report once. */
  async round(): Promise<void> {
    const { perRound } = this.#route.batches;
    for (let batch = 0; batch < perRound; batch++) await this.#post(Date.now());
  }

  /**
   * Closed loop: always `inFlight` batches under way. Resolves when all are answered.
   * @returns reports acknowledged a second, between the first and the last millisecond of `seconds`; of a server that answered nothing in them, until its first answer.
   */
  async saturate(inFlight: number, seconds: number): Promise<number> {
    const began = performance.now();
    const end = began + seconds * 1_000;
    let acknowledged = 0;
    let until = end;
    const worker = async () => {
      while (performance.now() < end) {
        const accepted = await this.#post(Date.now());
        const answered = performance.now();
        if (answered > end && acknowledged > 0) continue;
        acknowledged += accepted;
        until = Math.max(end, answered);
      }
    };
    const workers = Math.min(inFlight, this.#route.batches.bodies);
    await Promise.all(Array.from({ length: workers }, worker));
    return (acknowledged * 1_000) / (until - began);
  }

  /**
   * Open loop: a batch is due at a fixed interval, whether the ones before are answered or not, and its latency counts
   * from then, so that a server that stalls is not spared the requests it kept from being sent. Its reports are observed when it is due.
   * At least one is sent, however low the rate.
   */
  async offer(reportsPerS: number, seconds: number, stop?: AbortSignal): Promise<OpenLoop> {
    const interval = (1_000 * this.batchSize) / reportsPerS;
    const began = performance.now();
    const latencies: number[] = [];
    const answers = new Set<Promise<void>>();
    const batches = Math.max(1, Math.floor((seconds * 1_000) / interval));
    let sent = 0;
    while (sent < batches && !stop?.aborted) {
      const due = began + sent * interval;
      const wait = due - performance.now();
      if (wait > 0) await sleep(wait);
      // Its body is still in use.
      if (this.#inFlight >= this.#route.batches.bodies) {
        await Promise.race(answers);
        continue;
      }
      const answer = this.#post(performance.timeOrigin + due).then(() => {
        latencies.push(performance.now() - due);
        answers.delete(answer);
      });
      answers.add(answer);
      // A failure is seen where it is waited for, below.
      answer.catch(() => {});
      sent += 1;
    }
    await Promise.all(answers);
    const elapsed = (performance.now() - began) / 1_000;
    latencies.sort((a, b) => a - b);
    return { reportsPerS: (sent * this.batchSize) / elapsed, latencies };
  }

  /** Sends the next batch. @param now when its reports are observed, Unix ms. @returns how many were accepted: all, or it throws. */
  async #post(now: number): Promise<number> {
    this.#inFlight += 1;
    const accepted = await this.#route.post(Math.floor(now));
    this.#inFlight -= 1;
    this.sent += this.batchSize;
    this.acknowledged += accepted;
    return accepted;
  }
}

/** @param ascending not empty. @param share 0 … 1. */
export function percentile(ascending: readonly number[], share: number): number {
  return ascending[Math.min(ascending.length - 1, Math.ceil(ascending.length * share) - 1)];
}
