/** Per shard, epochs only grow, for whoever tells them; and whoever tells it, an epoch of a shard has one owner. */
import type { HistoryEvent, Report, Rule } from "../history.ts";

export class OwnersRule implements Rule {
  readonly #report: Report;
  /** `by` and shard → the newest epoch told. */
  readonly #newest = new Map<string, { epoch: number; event: number }>();
  /** Shard and epoch → its owner. */
  readonly #owners = new Map<string, { owner: string; event: number }>();

  constructor(report: Report) {
    this.#report = report;
  }

  take(event: HistoryEvent, number: number): void {
    if (event.is !== "owners") return;
    for (const [shard, epoch, owner] of event.shards) {
      const key = `${event.by} ${shard}`;
      const before = this.#newest.get(key);
      if (before !== undefined && epoch < before.epoch) {
        const text = `shard ${shard} by ${event.by}: epoch ${before.epoch}, then ${epoch}`;
        this.#report("epoch-went-back", text, [before.event, number]);
      }
      this.#newest.set(key, { epoch, event: number });
      if (owner !== null) this.#hold(shard, epoch, owner, number);
    }
  }

  end(): void {}

  #hold(shard: number, epoch: number, owner: string, event: number): void {
    const key = `${shard} ${epoch}`;
    const known = this.#owners.get(key);
    if (known === undefined) this.#owners.set(key, { owner, event });
    else if (known.owner !== owner) {
      const text = `shard ${shard}, epoch ${epoch}: ${known.owner} and ${owner}`;
      this.#report("two-owners", text, [known.event, event]);
    }
  }
}
