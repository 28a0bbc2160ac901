import type { FenceChange, FenceDraft, FenceStore, FenceVersion } from "../actors/fences/ports.ts";
import type { IfVersion } from "../actors/ports.ts";
import type { Wanted } from "./next-version.ts";
import { readFenceRevision, readFences } from "./read-fences.ts";
import { saveFence } from "./save-fence.ts";
import { inTransaction, type StoreContext, withClient } from "./session.ts";

export class StoredFences implements FenceStore {
  readonly #context: StoreContext;

  constructor(context: StoreContext) {
    this.#context = context;
  }

  revision(): Promise<number> {
    return withClient(this.#context, readFenceRevision);
  }

  since(revision: number, limit: number, removedAfter: number): Promise<FenceVersion[]> {
    return withClient(this.#context, (client) => readFences(client, revision, limit, removedAfter));
  }

  save(draft: FenceDraft, ifVersion?: IfVersion): Promise<FenceChange> {
    return this.#change(draft, ifVersion);
  }

  remove(name: string, ifVersion?: IfVersion): Promise<FenceChange> {
    return this.#change({ name }, ifVersion);
  }

  #change(wanted: Wanted<FenceDraft>, ifVersion: IfVersion | undefined): Promise<FenceChange> {
    return inTransaction(this.#context, (client) => saveFence(client, wanted, ifVersion));
  }
}
