/** What the cluster wants of the outside: a bus between nodes, and the authority over who owns what. Implemented in `transport/bus/` and `store/`. */

/** The bus does not take or deliver messages now. Whether a message went out is unknown. */
export class BusAway extends Error {
  override readonly name = "BusAway";
}

/**
 * Hints and transport between nodes: at most once. Messages of one publisher to one channel come in order if they come; a node also
 * gets what it publishes itself. Losing all of it costs time, never truth.
 */
export interface Bus {
  /**
   * The payload may be reused as soon as the call returns.
   * @returns how many listeners the message was handed to; 0 = nobody listens.
   * @throws BusAway, at once while the bus is away: nothing is queued.
   */
  publish(channel: string, payload: Uint8Array): Promise<number>;
  /**
   * Resolves when messages published from now on are received. `receive` may keep the payload. At what it throws
   * the message is lost to it, and that is logged.
   * After a loss of the connection the subscription is made again by itself. @returns ends the subscription.
   */
  subscribe(channel: string, receive: (payload: Uint8Array) => void): Promise<() => Promise<void>>;
  /** `lost` is called when messages to this node may have been lost: the connection was cut, or made again. */
  onLoss(lost: () => void): void;
  /** Messages do not go out or do not come in now, as far as is known: other nodes cannot be reached. So it is after `close`. */
  readonly away: boolean;
  /** Bytes that wait in this node: published and not taken by Redis yet, and received and not handed over yet. */
  readonly queued: { readonly out: number; readonly in: number };
  close(): Promise<void>;
}

export interface Member {
  incarnation: string;
  /** As other nodes and operators reach it. */
  url: string;
  version: string;
  /** Of its lease when it was read; 0 = run out. */
  leaseLeftMs: number;
  draining: boolean;
}

/** By shard. `owner` is absent if nobody owns it, or only one that is down. */
export interface Claimed {
  owner?: string;
  epoch: number;
}

/** What the authority said at one moment. */
export interface ClusterState {
  /** All that are not down, this node too. */
  members: Member[];
  /** 256 of them. */
  shards: Claimed[];
}

/** The authority over membership and ownership. Each call has a deadline and rejects with `StoreAway` when the outcome is unknown. */
export interface ClusterStore {
  readonly incarnation: string;
  /**
   * Renews this node's lease for `LEASE_MS` from the moment at which the authority does it, and reads the state. The lease counts from
   * before the call. @returns `undefined` if this incarnation is down: it can never own or write anything again.
   */
  renew(): Promise<ClusterState | undefined>;
  /** Where others reach this node, from the next renewal on: a port may be known only after joining. */
  setUrl(url: string): void;
  /**
   * Claims of the given shards those that nobody owns or one that is down, each with its epoch raised; only after this resolves may they be
   * loaded. Rows that another node is about to claim are left out. @param evict first takes down all others whose lease has run out.
   * @returns shard → its new epoch; `undefined` if this incarnation is down.
   */
  claimFree(shards: readonly number[], evict: boolean): Promise<Map<number, number> | undefined>;
  /**
   * Gives shards away: no flush or checkpoint that was begun before can become durable afterwards, whatever it holds, so it is called
   * between flushes. Shards that are not this node's are left alone.
   */
  release(shards: readonly number[]): Promise<void>;
  /** Tells the others that this node is leaving and claims nothing more. */
  drain(): Promise<void>;
}

/** How long a lease lasts, ms. */
export const LEASE_MS = 5_000;
