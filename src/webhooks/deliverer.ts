/** The webhooks that this node delivers: it renews its leases on them, takes those that nobody holds, and has a worker for each. */
import { StoreAway } from "../actors/ports.ts";
import type { EventTail } from "../events/tail.ts";
import type { EndpointOptions } from "./endpoint.ts";
import { WEBHOOK_LEASE_MS, WEBHOOK_RENEW_MS } from "./limits.ts";
import type { DeliveryStore, Held } from "./ports.ts";
import { WebhookWorker } from "./worker.ts";

export interface DelivererOptions extends EndpointOptions {
  /** Of this node; no other has it. */
  holder: string;
  deliveries: DeliveryStore;
  tail: EventTail;
  /** Default `WEBHOOK_LEASE_MS`, `WEBHOOK_RENEW_MS`. */
  leaseMs?: number;
  renewMs?: number;
  /** Retention has dropped events of a webhook before they were sent. */
  onGap(webhook: string): void;
  onFatal(error: unknown): void;
}

/** Since the start of the process. */
export interface DeliveryStats {
  delivered: number;
  failures: number;
  dead: number;
}

export class Deliverer {
  readonly stats: DeliveryStats = { delivered: 0, failures: 0, dead: 0 };
  readonly #options: DelivererOptions;
  readonly #workers = new Map<string, WebhookWorker>();
  /** Those of before, which have requests under way: the next of the same webhook begins after. */
  readonly #ending = new Map<string, Promise<void>>();
  #running: Promise<void> = Promise.resolve();
  #stopped = false;
  #wake = () => {};
  /** Something has changed since the last look began. */
  #isChanged = false;

  constructor(options: DelivererOptions) {
    this.#options = options;
  }

  /** Webhooks that this node delivers. */
  get held(): number {
    return this.#workers.size;
  }

  /** Events that wait to be tried again. */
  get waiting(): number {
    let waiting = 0;
    for (const worker of this.#workers.values()) waiting += worker.waiting;
    return waiting;
  }

  start(): void {
    this.#running = this.#run().catch(this.#options.onFatal);
  }

  /** The configuration was changed: look at once. */
  changed(): void {
    this.#isChanged = true;
    this.#wake();
  }

  /** Drops what is in memory about an entity whose events are deleted. Resolves when nothing of it is saved any more. */
  async forget(subject: string): Promise<void> {
    await Promise.all([...this.#workers.values()].map((worker) => worker.forget(subject)));
    await Promise.all(this.#ending.values());
  }

  /** Ends all requests under way, and gives the webhooks to others. */
  async stop(): Promise<void> {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#wake();
    await this.#running;
    for (const [id, worker] of this.#workers) this.#end(id, worker);
    await Promise.all(this.#ending.values());
    const { deliveries, holder } = this.#options;
    // Who cannot give up has its leases run out.
    await deliveries.release(holder).catch(() => {});
  }

  async #run(): Promise<void> {
    const { clock, renewMs = WEBHOOK_RENEW_MS } = this.#options;
    while (!this.#stopped) {
      this.#isChanged = false;
      await this.#look();
      if (this.#stopped) return;
      if (this.#isChanged) continue;
      await new Promise<void>((resolve) => {
        const cancel = clock.schedule(renewMs, resolve);
        this.#wake = () => {
          cancel();
          resolve();
        };
      });
    }
  }

  async #look(): Promise<void> {
    const { deliveries, holder, clock, leaseMs = WEBHOOK_LEASE_MS } = this.#options;
    // The lease counts from before the call.
    const leaseEnd = clock.monotonic() + leaseMs;
    let held: Held[];
    try {
      held = await deliveries.hold(holder, leaseMs);
    } catch (error) {
      if (error instanceof StoreAway) return;
      throw error;
    }
    const byId = new Map(held.map((one) => [one.webhook.id, one]));
    for (const [id, worker] of this.#workers) {
      const one = byId.get(id);
      if (one?.generation === worker.generation && !worker.over) worker.renewed(one, leaseEnd);
      else this.#end(id, worker);
    }
    for (const [id, one] of byId) {
      if (this.#workers.has(id) || this.#ending.has(id) || this.#stopped) continue;
      const worker = new WebhookWorker(one, leaseEnd, this.#options, this.stats);
      this.#workers.set(id, worker);
      worker.start();
    }
  }

  #end(id: string, worker: WebhookWorker): void {
    this.#workers.delete(id);
    const ended = worker.stop().finally(() => {
      this.#ending.delete(id);
      this.changed();
    });
    this.#ending.set(id, ended);
  }
}
