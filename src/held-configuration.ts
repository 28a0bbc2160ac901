/** What all nodes hold, put together for one of them: its machines, fences, roles and keys follow the store, and what the routes about them need. */
import type { Identities } from "./access/identities.ts";
import type { RoleCatalogue } from "./access/roles.ts";
import type { KeyStore, RoleStore } from "./access/store-ports.ts";
import type { FenceStore } from "./actors/fences/ports.ts";
import type { MachineStore } from "./actors/machine/ports.ts";
import type { ActorSystem } from "./actors/system.ts";
import type { Clock } from "./clock.ts";
import { Configuration } from "./configuration.ts";
import type { FencesOptions } from "./transport/http/routes/fences.ts";
import type { HeldKeys } from "./transport/http/routes/keys.ts";
import type { MachinesOptions } from "./transport/http/routes/machines.ts";
import type { RolesOptions } from "./transport/http/routes/roles.ts";
import type { Held } from "./transport/http/versions.ts";

/** Versions of fences that are read at once; the store gives fewer if they are large. */
const FENCES_A_PAGE = 500;

export interface HeldConfigurationOptions {
  /** Absent = there are none. */
  machines: MachineStore | undefined;
  fences: FenceStore | undefined;
  access: { roles: RoleStore; keys: KeyStore; catalogue: RoleCatalogue; identities: Identities } | undefined;
  /** Whose machines and fences they are; not asked before the first read. */
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
  readonly #roles: Part<RolesOptions> | undefined;
  readonly #keys: Part<HeldKeys> | undefined;

  constructor(options: HeldConfigurationOptions) {
    this.#options = options;
    const { machines, fences, access, system } = options;
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
    this.#roles =
      access &&
      this.#part("roles", access.roles, {
        catalogue: () => access.catalogue,
        async read(catalogue) {
          const newer = await access.roles.since(catalogue.revision);
          if (newer !== undefined) catalogue.take(newer);
        },
      });
    this.#keys =
      access &&
      this.#part("keys", access.keys, {
        catalogue: () => access.identities,
        async read(catalogue) {
          const newer = await access.keys.since(catalogue.revision);
          if (newer === undefined) return;
          const { revision, keys, count } = newer;
          const isWhole = catalogue.countWith(keys) === count;
          catalogue.take(revision, keys, isWhole ? undefined : await access.keys.ids());
        },
      });
  }

  /** What `createApp` wants. */
  get routes() {
    return {
      machines: this.#machines?.routes,
      fences: this.#fences?.routes,
      roles: this.#roles?.routes,
      keys: this.#keys?.routes,
    };
  }

  /** Another node has changed something. @param part as the table `configuration` has it; absent = whatever it was. */
  heard(part: string | undefined): void {
    if (part === undefined || part === "machines") this.#machines?.configuration.look();
    if (part === undefined || part === "fences") this.#fences?.configuration.look();
    if (part === undefined || part === "roles") this.#roles?.configuration.look();
    if (part === undefined || part === "keys") this.#keys?.configuration.look();
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
    const parts = [this.#machines, this.#fences, this.#roles, this.#keys];
    return parts.flatMap((part) => part?.configuration ?? []);
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
