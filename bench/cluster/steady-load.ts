/**
 * Reports at a fixed rate, whatever becomes of them: an open loop. Each is accepted, refused, or not answered, and it is counted which.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { Fleet } from "../fleet.ts";
import type { ReportFeed } from "./report-feed.ts";

/** Between two messages. */
const EVERY_MS = 50;

/** One message that was answered. */
export interface Answered {
  sentAt: number;
  at: number;
  accepted: number;
  refused: number;
}

export class SteadyLoad {
  readonly #feeds: readonly ReportFeed[];
  readonly #fleet: Fleet;
  readonly #perMessage: number;
  readonly #running: Promise<void>;
  #stopped = false;
  #sentReports = 0;
  #messages = 0;
  #next = 0;
  readonly answered: Answered[] = [];

  /** @param feeds that take turns. */
  constructor(feeds: readonly ReportFeed[], fleet: Fleet, reportsPerS: number) {
    this.#feeds = feeds;
    this.#fleet = fleet;
    this.#perMessage = Math.round((reportsPerS * EVERY_MS) / 1_000);
    this.#running = this.#run();
  }

  get sentReports(): number {
    return this.#sentReports;
  }

  get unansweredMessages(): number {
    return this.#messages - this.answered.length;
  }

  /** Sends no more. What was sent may still be without an answer. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#running;
  }

  /** Waits for all answers. @returns reports that have none after so long. */
  async unanswered(withinMs: number): Promise<number> {
    const end = performance.now() + withinMs;
    while (this.unansweredMessages > 0 && performance.now() < end) await sleep(EVERY_MS);
    return this.unansweredMessages * this.#perMessage;
  }

  async #run(): Promise<void> {
    const began = performance.now();
    while (!this.#stopped) {
      const wait = began + this.#messages * EVERY_MS - performance.now();
      if (wait > 0) await sleep(wait);
      void this.#send();
    }
  }

  async #send(): Promise<void> {
    const feed = this.#feeds[this.#messages % this.#feeds.length];
    const lane = Math.floor(this.#messages / this.#feeds.length);
    this.#messages += 1;
    this.#sentReports += this.#perMessage;
    const sentAt = performance.now();
    const t = new Date().toISOString();
    const reports = Array.from({ length: this.#perMessage }, () => this.#report(t));
    const answer = await feed.send(lane, reports);
    this.answered.push({ ...answer, sentAt, at: performance.now() });
  }

  #report(t: string): object {
    const fleet = this.#fleet;
    const entity = this.#next;
    this.#next = (this.#next + 1) % fleet.size;
    const place = { lon: fleet.lon[entity], lat: fleet.lat[entity], speed: fleet.speed[entity] };
    return { id: fleet.id(entity), t, kind: "vessel", ...place };
  }
}
