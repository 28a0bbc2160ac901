import type { Pool, PoolClient } from "pg";
import { StoreAway } from "../actors/ports.ts";
import type { Clock } from "../clock.ts";
import { asConnectError, asStoreError } from "./errors.ts";

/** What all statements of a store share. */
export interface StoreContext {
  readonly pool: Pool;
  readonly clock: Clock;
  /** A statement that takes longer counts as lost, and its connection is dropped, ms. */
  readonly deadlineMs: number;
  /** Once it is aborted a statement counts as lost, too. */
  readonly until?: AbortSignal;
}

/**
 * Gives `work` a connection and a deadline. A server that accepts and never answers must not hold the only flush for ever.
 * @throws StoreAway if the outcome is unknown; PostgreSQL's error if it refused the statement for good.
 */
export async function withClient<T>(
  context: StoreContext,
  work: (client: PoolClient) => Promise<T>,
): Promise<T> {
  const { pool } = context;
  let client: PoolClient;
  try {
    client = await pool.connect();
  } catch (error) {
    throw asConnectError(error);
  }
  let broken = true;
  try {
    const result = await inTime(context, work(client));
    broken = false;
    return result;
  } catch (error) {
    const known = asStoreError(error);
    broken = known instanceof StoreAway;
    throw known;
  } finally {
    client.release(broken);
  }
}

/** Waits for `done`, and no longer than the deadline. What is late then ends by itself. @throws StoreAway */
export async function inTime<T>(context: StoreContext, done: Promise<T>): Promise<T> {
  const { clock, deadlineMs, until } = context;
  const { promise: late, reject } = Promise.withResolvers<never>();
  const give = (why: string) => () => reject(new StoreAway(why));
  const cancel = clock.schedule(deadlineMs, give(`the database did not answer within ${deadlineMs} ms`));
  const stop = give("the answer is not waited for any more");
  until?.addEventListener("abort", stop);
  if (until?.aborted) stop();
  try {
    return await Promise.race([done, late]);
  } finally {
    cancel();
    until?.removeEventListener("abort", stop);
  }
}

/**
 * As `withClient`, but the deadline counts from the call: also a connection that is not to be had is not waited for any longer. What is under
 * way then ends by itself. @throws StoreAway
 */
export function withinDeadline<T>(
  context: StoreContext,
  work: (client: PoolClient) => Promise<T>,
): Promise<T> {
  return inTime(context, withClient(context, work));
}

/** Runs `work` in a transaction on one connection; only that connection may be used within. */
export function inTransaction<T>(
  context: StoreContext,
  work: (client: PoolClient) => Promise<T>,
): Promise<T> {
  return withClient(context, async (client) => {
    await client.query("BEGIN");
    try {
      const result = await work(client);
      await client.query("COMMIT");
      return result;
    } catch (error) {
      // If the connection is gone the server rolls back by itself; the first error is the one to tell.
      await client.query("ROLLBACK").catch(() => {});
      throw error;
    }
  });
}
