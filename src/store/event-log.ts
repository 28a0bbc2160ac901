/** The log of events behind its port. */
import type { Cursor } from "../events/cursor.ts";
import type { EventLog, EventPage, Moment } from "../events/ports.ts";
import { horizonHolders } from "./horizon-holders.ts";
import { readEvents, readMoment } from "./read-events.ts";
import { type StoreContext, withClient } from "./session.ts";

export class StoredEvents implements EventLog {
  readonly #context: StoreContext;
  #committed = () => {};

  constructor(context: StoreContext) {
    this.#context = context;
  }

  read(after: Cursor, limit: number, subject?: string): Promise<EventPage> {
    return withClient(this.#context, (client) => readEvents(client, after, limit, subject));
  }

  moment(): Promise<Moment> {
    return withClient(this.#context, readMoment);
  }

  holders(): Promise<string[]> {
    return withClient(this.#context, horizonHolders);
  }

  onCommit(committed: () => void): void {
    this.#committed = committed;
  }

  /** This node has written events. */
  committed(): void {
    this.#committed();
  }
}
