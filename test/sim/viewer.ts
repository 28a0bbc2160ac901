/** A client of a node's feed that looks around. */
import type { Clock } from "../../src/clock.ts";
import type { Feed } from "../../src/transport/feed/feed.ts";
import type { Bbox } from "../../src/transport/feed/protocol.ts";
import { type Replica, TestClient } from "../feed/harness.ts";
import type { Chance } from "./chance.ts";
import { AREA, PLACES } from "./producer.ts";
import { Seen } from "./seen.ts";
import type { World } from "./world.ts";

export class Viewer {
  readonly client: TestClient;
  readonly #clock: Clock;
  readonly #chance: Chance;
  readonly #world: World;
  readonly #seen: Seen;
  #still = false;

  constructor(feed: Feed, clock: Clock, chance: Chance, world: World) {
    this.#clock = clock;
    this.#chance = chance;
    this.#world = world;
    this.#seen = new Seen(world.history, "for a viewer");
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
      for (const message of this.client.received.splice(0)) {
        if (message.op !== "delta") continue;
        for (const [, reason] of message.departures)
          if (reason === "deleted") this.#world.history.departures += 1;
      }
      try {
        for (const { id, epoch, seq } of this.replica.entities.values()) this.#seen.see(id, epoch, seq);
      } catch (error) {
        this.#world.fail(error);
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
