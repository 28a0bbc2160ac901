import type { PoolClient } from "pg";
import type { Store } from "../../src/store/store.ts";

export interface Passing {
  /** Sends a statement, with nothing in its way. */
  query(...args: unknown[]): Promise<unknown>;
  /** What the statement was sent with. */
  args: unknown[];
}

/** Has statements of a store that begin so go through `pass`, by whichever of its connections. */
export function passing(store: Store, begin: RegExp, pass: (passing: Passing) => Promise<unknown>): void {
  const { pool } = store.context;
  const connect = pool.connect.bind(pool) as (callback?: unknown) => Promise<PoolClient>;
  pool.connect = (async (callback?: unknown) => {
    if (callback !== undefined) return connect(callback);
    const client = await connect();
    const send = client.query;
    const query = send.bind(client) as unknown as Passing["query"];
    const release = client.release.bind(client);
    // What is taken from the pool again is as it was.
    client.release = (broken) => {
      client.query = send;
      release(broken);
    };
    client.query = ((...args: unknown[]) => {
      const [given] = args as [string | { text: string }];
      const isMeant = begin.test(typeof given === "string" ? given : given.text);
      return isMeant ? pass({ query, args }) : query(...args);
    }) as never;
    return client;
  }) as never;
}
