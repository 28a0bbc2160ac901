/** What all nodes hold, put together for one of them: its catalogues of machines and fences follow the store, and what the routes about them need. */
import type { FenceStore } from "./actors/fences/ports.ts";
import type { MachineStore } from "./actors/machine/ports.ts";
import type { ActorSystem } from "./actors/system.ts";
import type { Clock } from "./clock.ts";
import { Configuration } from "./configuration.ts";
import type { FencesOptions } from "./transport/http/routes/fences.ts";
import type { MachinesOptions } from "./transport/http/routes/machines.ts";
import type { Held } from "./transport/http/versions.ts";

/** Versions of fences that are read at once; the store gives fewer if they are large. */
const FENCES_A_PAGE = 500;

export interface HeldConfigurationOptions {
  /** Absent = there are none. */
  machines: MachineStore | undefined;
  fences: FenceStore | undefined;
  /** Whose catalogues they are; not asked before the first read. */
  system(): ActorSystem;
  /** Tells the other nodes which part was changed. */
  announce(part: string): void;
  clock: Clock;
  onFatal(error: unknown): void;
}

interface Catalogue<Version> {
  /** Of the newest change. */
  readonly revision: number;
  /** Sorted when asked for. */
  readonly versions: readonly Version[];
  find(name: string): Version | undefined;
}

interface Part<Routes> {
  configuration: Configuration;
  routes: Routes;
}

export class HeldConfiguration {
  readonly #options: HeldConfigurationOptions;
  readonly #machines: Part<MachinesOptions> | undefined;
  readonly #fences: Part<FencesOptions> | undefined;

  constructor(options: HeldConfigurationOptions) {
    this.#options = options;
    const { machines, fences, system } = options;
    this.#machines =
      machines &&
      this.#part("machines", machines, {
        catalogue: () => system().machines,
        async read(catalogue) {
          catalogue.take(await machines.since(catalogue.revision));
        },
      });
    /** The newest change of fences before the first was read. */
    let began: number | undefined;
    this.#fences =
      fences &&
      this.#part("fences", fences, {
        catalogue: () => system().fences,
        async read(catalogue) {
          began ??= await fences.revision();
          for (;;) {
            const page = await fences.since(catalogue.revision, FENCES_A_PAGE, began);
            if (page.length === 0) return;
            catalogue.take(page);
          }
        },
      });
  }

  /** What `createApp` wants. */
  get routes(): { machines: MachinesOptions | undefined; fences: FencesOptions | undefined } {
    return { machines: this.#machines?.routes, fences: this.#fences?.routes };
  }

  /** Another node has changed something. @param part as the table `configuration` has it; absent = whatever it was. */
  heard(part: string | undefined): void {
    if (part === undefined || part === "machines") this.#machines?.configuration.look();
    if (part === undefined || part === "fences") this.#fences?.configuration.look();
  }

  /** Resolves when all machines that were committed before the call are held. @throws StoreAway */
  async readMachines(): Promise<void> {
    await this.#machines?.configuration.refresh();
  }

  /** As `readMachines`, of fences. @throws StoreAway */
  async readFences(): Promise<void> {
    await this.#fences?.configuration.refresh();
  }

  /** Reads all, and looks again and again from now on. @throws StoreAway */
  async start(): Promise<void> {
    for (const configuration of this.#all) await configuration.start();
  }

  stop(): void {
    for (const configuration of this.#all) configuration.stop();
  }

  get #all(): Configuration[] {
    return [this.#machines, this.#fences].flatMap((part) => part?.configuration ?? []);
  }

  #part<Store, Version, C extends Catalogue<Version>>(
    name: string,
    store: Store,
    { catalogue, read }: { catalogue(): C; read(catalogue: C): Promise<void> },
  ): Part<Held<Store, Version>> {
    const { clock, onFatal, announce } = this.#options;
    const configuration = new Configuration({ read: () => read(catalogue()), clock, onFatal });
    // 20,000 names take 8 ms to sort.
    let sorted: { revision: number; versions: readonly Version[] } | undefined;
    const routes = {
      store,
      versions: () => {
        const { revision } = catalogue();
        if (sorted?.revision !== revision) sorted = { revision, versions: catalogue().versions };
        return sorted.versions;
      },
      find: (name: string) => catalogue().find(name),
      changed: () => {
        announce(name);
        return configuration.refresh();
      },
    };
    return { configuration, routes };
  }
}
