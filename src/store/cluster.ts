/**
 * The authority of a cluster on PostgreSQL. Leases are renewed on connections of their own: flushes that hang may hold all others.
 */
import pg from "pg";
import type { ClusterState, ClusterStore } from "../cluster/ports.ts";
import { claimFree } from "./claim-free.ts";
import type { Fence } from "./fence.ts";
import { renewLease } from "./renew-lease.ts";
import { type StoreContext, withClient, withinDeadline } from "./session.ts";

/** A renewal that takes longer is given up; the next comes 1.25 s after it. Server and client both look. */
const RENEW_DEADLINE_MS = 1_000;
/** One may still be on its way out when the next comes. */
const LEASE_CONNECTIONS = 2;

/** A pool for nothing but renewals. Who makes it ends it. */
export function leasePool(databaseUrl: string): pg.Pool {
  const pool = new pg.Pool({
    connectionString: databaseUrl,
    max: LEASE_CONNECTIONS,
    idleTimeoutMillis: 0,
    statement_timeout: RENEW_DEADLINE_MS,
    connectionTimeoutMillis: RENEW_DEADLINE_MS,
    keepAlive: true,
    application_name: "muster lease",
  });
  // A connection that is cut is told here, and to the renewal that has it; the next makes a new one.
  pool.on("error", () => {});
  pool.on("connect", (client) => void client.on("error", () => {}));
  return pool;
}

export class Cluster implements ClusterStore {
  readonly incarnation: string;
  readonly #context: StoreContext;
  readonly #lease: StoreContext;
  readonly #fence: Fence;
  readonly #down: () => void;
  #draining = false;
  #url: string | undefined;

  /** @param down is called when the authority says that this incarnation is down. */
  constructor(context: StoreContext, lease: pg.Pool, fence: Fence, down: () => void) {
    this.incarnation = fence.incarnation;
    this.#context = context;
    this.#lease = { pool: lease, clock: context.clock, deadlineMs: RENEW_DEADLINE_MS };
    this.#fence = fence;
    this.#down = down;
  }

  async renew(): Promise<ClusterState | undefined> {
    const state = await withinDeadline(this.#lease, (client) =>
      renewLease(client, this.incarnation, this.#url),
    );
    if (state === undefined) this.#down();
    else {
      const own = state.shards.flatMap(({ owner, epoch }, shard): [number, number][] =>
        owner === this.incarnation ? [[shard, epoch]] : [],
      );
      this.#fence.holds(own);
    }
    return state;
  }

  setUrl(url: string): void {
    this.#url = url;
  }

  async claimFree(shards: readonly number[], evict: boolean): Promise<Map<number, number> | undefined> {
    const wanted = this.#draining ? [] : shards;
    const claimed = await claimFree(this.#context, this.incarnation, wanted, evict);
    if (claimed === undefined) this.#down();
    else this.#fence.holds(claimed);
    return claimed;
  }

  async release(shards: readonly number[]): Promise<void> {
    if (!(await this.#fence.release(shards))) this.#down();
  }

  async drain(): Promise<void> {
    this.#draining = true;
    await withClient(this.#context, (client) =>
      client.query("UPDATE node SET draining = true WHERE incarnation = $1", [this.incarnation]),
    );
  }
}
