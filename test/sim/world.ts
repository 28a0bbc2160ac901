/** What the nodes of a simulation have in common: time, chance, the database, the bus, the judge. */
import { LocalBusHub } from "../../src/transport/bus/local-bus.ts";
import { MemoryDatabase } from "../support/memory-database.ts";
import { Chance } from "./chance.ts";
import { BusFaults } from "./faulty-bus.ts";
import { StoreFaults } from "./faulty-store.ts";
import { History } from "./history.ts";
import { WorldClock } from "./sim-clock.ts";
import { Trace } from "./trace.ts";

export class World {
  readonly clock = new WorldClock();
  readonly trace = new Trace(this.clock);
  readonly chance: Chance;
  readonly database = new MemoryDatabase(this.clock);
  readonly bus = new LocalBusHub(this.clock);
  readonly busFaults = new BusFaults();
  readonly storeFaults = new StoreFaults();
  readonly history: History;
  /** By number: the process that an incarnation was started in. */
  readonly processes: string[] = [];
  /** Nodes may work while their lease has run out: a fault that only a simulation injects. */
  gatesLie = false;
  /** Share of the calls that owners refuse `moved` although nothing has. */
  falseMoved = 0;
  #failure: unknown;

  constructor(seed: number) {
    this.chance = new Chance(seed);
    this.history = new History(this.database, this.trace, (error) => this.fail(error));
  }

  get failure(): unknown {
    return this.#failure;
  }

  /** The first counts. */
  readonly fail = (error: unknown): void => {
    if (this.#failure !== undefined) return;
    this.trace.note(`failed: ${error instanceof Error ? error.message : String(error)}`);
    this.#failure = error ?? new Error("failed, and did not say why");
  };
}
