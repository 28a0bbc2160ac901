import type { MachineChange, MachineDraft, MachineStore, MachineVersion } from "../actors/machine/ports.ts";
import type { IfVersion } from "../actors/ports.ts";
import type { Wanted } from "./next-version.ts";
import { readMachines } from "./read-machines.ts";
import { saveMachine } from "./save-machine.ts";
import { inTransaction, type StoreContext, withClient } from "./session.ts";

export class StoredMachines implements MachineStore {
  readonly #context: StoreContext;

  constructor(context: StoreContext) {
    this.#context = context;
  }

  since(revision: number): Promise<MachineVersion[]> {
    return withClient(this.#context, (client) => readMachines(client, revision));
  }

  save(draft: MachineDraft, ifVersion?: IfVersion): Promise<MachineChange> {
    return this.#change(draft, ifVersion);
  }

  remove(name: string, ifVersion?: IfVersion): Promise<MachineChange> {
    return this.#change({ name }, ifVersion);
  }

  #change(wanted: Wanted<MachineDraft>, ifVersion: IfVersion | undefined): Promise<MachineChange> {
    return inTransaction(this.#context, (client) => saveMachine(client, wanted, ifVersion));
  }
}
