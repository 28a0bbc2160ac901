/** A client of a node's feed that looks around. */
import type { Clock } from "../../src/clock.ts";
import type { Feed } from "../../src/transport/feed/feed.ts";
import type { Bbox, FullRecord } from "../../src/transport/feed/protocol.ts";
import { type Replica, TestClient } from "../feed/harness.ts";
import type { Chance } from "./chance.ts";
import { AREA, PLACES } from "./producer.ts";
import { ensure } from "./violation.ts";

export class Viewer {
  readonly client: TestClient;
  readonly #clock: Clock;
  readonly #chance: Chance;
  readonly #fail: (error: unknown) => void;
  readonly #seen = new Map<string, FullRecord>();
  #still = false;

  constructor(feed: Feed, clock: Clock, chance: Chance, fail: (error: unknown) => void) {
    this.#clock = clock;
    this.#chance = chance;
    this.#fail = fail;
    this.client = new TestClient(feed);
  }

  start(): void {
    this.client.subscribe("a", this.#box(), {});
    this.#move();
    this.#look();
  }

  /** Looks at one place from now on. */
  stand(): void {
    this.#still = true;
  }

  get replica(): Replica {
    return this.client.replicas.get("a")!;
  }

  #move(): void {
    this.#clock.schedule(this.#chance.between(300, 3_000), () => {
      if (this.#still) return;
      this.client.update("a", this.#box());
      this.#move();
    });
  }

  /** C5: of what a full record tells. Moves do not tell it. */
  #look(): void {
    this.#clock.schedule(100, () => {
      // Nothing of it is looked at twice.
      this.client.received.length = 0;
      for (const record of this.replica.entities.values()) {
        const before = this.#seen.get(record.id);
        try {
          ensure(
            before === undefined ||
              record.epoch > before.epoch ||
              (record.epoch === before.epoch && record.seq >= before.seq),
            "C5",
            () => `a viewer sees ${JSON.stringify(record)} after ${JSON.stringify(before)}`,
          );
        } catch (error) {
          this.#fail(error);
        }
        this.#seen.set(record.id, record);
      }
      this.#look();
    });
  }

  #box(): Bbox {
    if (this.#chance.is(0.3)) return [-180, -90, 180, 90];
    const [lon, lat] = this.#chance.pick(PLACES);
    return [lon - AREA, lat - AREA, lon + AREA, lat + AREA];
  }
}
