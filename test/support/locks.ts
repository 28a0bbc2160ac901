import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";
import type { Test } from "tap";
import { execute } from "./postgres-server.ts";

/** Takes a lock on a connection of its own. @returns what lets it go. */
export async function holding(t: Test, url: string, lock: string): Promise<() => Promise<void>> {
  const client = new pg.Client({ connectionString: url });
  client.on("error", () => {});
  await client.connect();
  t.teardown(() => client.end());
  await client.query("BEGIN");
  await client.query(lock);
  return async () => {
    await client.query("COMMIT");
  };
}

/** Waits until so many statements that look so wait for locks, or `done` is. @returns whether they wait. */
export async function waits(
  url: string,
  statement: RegExp,
  done: Promise<unknown>,
  count = 1,
): Promise<boolean> {
  let over = false;
  const settled = () => {
    over = true;
  };
  done.then(settled, settled);
  while (!over) {
    const waiting = await execute<{ query: string }>(
      url,
      "SELECT query FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()",
    );
    if (waiting.filter(({ query }) => statement.test(query)).length >= count) return true;
    await sleep(20);
  }
  return false;
}
