/** The machines of a node, put together: its catalogue follows the store, and what the routes about them need. */
import type { MachineStore } from "./actors/machine/ports.ts";
import type { ActorSystem } from "./actors/system.ts";
import type { Clock } from "./clock.ts";
import { Configuration } from "./configuration.ts";
import type { MachinesOptions } from "./transport/http/routes/machines.ts";

/** As the table `configuration` has it. */
export const MACHINES = "machines";

export interface MachineConfigurationOptions {
  store: MachineStore;
  /** Whose catalogue it is; not asked before the first read. */
  system(): ActorSystem;
  /** Tells the other nodes. */
  announce(name: string): void;
  clock: Clock;
  onFatal(error: unknown): void;
}

export interface MachineConfiguration {
  readonly configuration: Configuration;
  readonly routes: MachinesOptions;
}

export function machineConfiguration(options: MachineConfigurationOptions): MachineConfiguration {
  const { store, system, announce, clock, onFatal } = options;
  const configuration = new Configuration({
    read: async () => {
      const { machines } = system();
      machines.take(await store.since(machines.revision));
    },
    clock,
    onFatal,
  });
  const routes: MachinesOptions = {
    store,
    versions: () => system().machines.versions,
    find: (name) => system().machines.find(name),
    changed: () => {
      announce(MACHINES);
      return configuration.refresh();
    },
  };
  return { configuration, routes };
}
