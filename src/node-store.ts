/** The store of a node, as what makes one wants it. */
import type { KeyStore, RoleStore } from "./access/store-ports.ts";
import type { FenceStore } from "./actors/fences/ports.ts";
import type { MachineStore } from "./actors/machine/ports.ts";
import type { CheckpointStore, Journal, ShardStore } from "./actors/ports.ts";
import type { TrackSource } from "./actors/track-source.ts";
import type { ClusterStore } from "./cluster/ports.ts";
import type { RowSink } from "./entity-rows.ts";
import type { ErasureStore } from "./erasure.ts";
import type { EventLog } from "./events/ports.ts";
import type { TrackStats } from "./readings.ts";
import type { TrackStore } from "./tracks/ports.ts";
import type { DeliveryStore, WebhookStore } from "./webhooks/ports.ts";

export interface NodeStore extends Journal, CheckpointStore, ShardStore, AsyncDisposable {
  readonly kind: string;
  readonly snapshot: RowSink;
  /** Absent = events are written and not read. */
  readonly eventLog?: EventLog;
  readonly webhooks?: WebhookStore & DeliveryStore;
  /** Absent = only the built-in machine. */
  readonly machines?: MachineStore;
  /** Absent = no fences. */
  readonly fences?: FenceStore;
  /** Absent = nobody but the admin. */
  readonly access?: { readonly roles: RoleStore; readonly keys: KeyStore };
  /** Takes away what is stored of entities that are deleted. Absent = nothing is. */
  readonly erasure?: ErasureStore;
  /** Writes the tracks as rows. */
  readonly tracks?: { start(rows: TrackSource): void; readonly stats: TrackStats };
  readonly history?: TrackStore;
  /** Of a node of a cluster. */
  readonly cluster?: ClusterStore;
  readonly incarnation?: string | number;
  /** `down` is called when another node has taken this node's place. */
  onDown(down: (error: Error) => void): void;
}
