/** The process of the viewers, from the side of the one that runs the benchmark. */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { Histogram } from "./histogram.ts";
import type { TickCounts } from "./view-counter.ts";
import type { CountsMessage, FromViewers, ToViewers, Watch } from "./viewers.ts";

const ENTRY = fileURLToPath(new URL("viewers.ts", import.meta.url));
/** Longest wait for a message; snapshots of thousands of viewers take some seconds. */
const WAIT_MS = 120_000;

export interface Counts extends Pick<CountsMessage, "restarts" | "cpuS"> {
  ticks: TickCounts;
  ages: Histogram;
}

export class Viewers implements AsyncDisposable {
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess) {
    this.#child = child;
  }

  /** Resolves when all viewers have their snapshot. */
  static async start(watch: Watch): Promise<Viewers> {
    const viewers = new Viewers(fork(ENTRY, [], { execArgv: [] }));
    try {
      const ready = viewers.#next("ready");
      viewers.#ask({ is: "start", watch });
      await ready;
      return viewers;
    } catch (error) {
      await viewers[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Waits for `count` ticks with deltas to begin. @returns the number of the last one. */
  async ticks(count: number): Promise<number> {
    let tick = 0;
    for (let i = 0; i < count; i++) tick = (await this.#next("tick")).tick;
    return tick;
  }

  async counts(): Promise<Counts> {
    const answer = this.#next("counts");
    this.#ask({ is: "count" });
    const { ticks, restarts, cpuS, ages } = await answer;
    return { ticks: new Map(ticks), restarts, cpuS, ages: Histogram.from(ages) };
  }

  /** From now on only what comes is in the histogram of ages. */
  forgetAges(): void {
    this.#ask({ is: "forget-ages" });
  }

  #ask(message: ToViewers): void {
    this.#child.send(message);
  }

  #next<Is extends FromViewers["is"]>(is: Is): Promise<Extract<FromViewers, { is: Is }>> {
    const child = this.#child;
    return new Promise((resolve, reject) => {
      const done = () => {
        clearTimeout(timer);
        child.off("message", look);
        child.off("exit", ended);
      };
      const look = (message: FromViewers) => {
        if (message.is !== is) return;
        done();
        resolve(message as Extract<FromViewers, { is: Is }>);
      };
      const ended = (code: number | null) => {
        done();
        reject(new Error(`the viewers ended with ${code} before "${is}"`));
      };
      const timer = setTimeout(() => {
        done();
        reject(new Error(`no "${is}" from the viewers within ${WAIT_MS} ms`));
      }, WAIT_MS);
      child.on("message", look);
      child.once("exit", ended);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const child = this.#child;
    if (child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, "exit");
    child.kill("SIGKILL");
    await exited;
  }
}
