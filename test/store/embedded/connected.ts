/** An embedded database without a store, and its clients. */
import pg from "pg";
import type { Test } from "tap";
import { type Clock, systemClock } from "../../../src/clock.ts";
import { EmbeddedDatabase } from "../../../src/store/embedded/bridge.ts";
import { lockFolder } from "../../../src/store/embedded/folder.ts";

/** Gone with the test. */
export async function opened(t: Test, dataDir: string, clock: Clock): Promise<EmbeddedDatabase> {
  const folder = await lockFolder(dataDir, systemClock);
  t.teardown(() => folder.release());
  const database = await EmbeddedDatabase.open(folder, clock);
  t.teardown(() => database.close());
  return database;
}

export async function connected(database: EmbeddedDatabase): Promise<pg.Client> {
  const client = new pg.Client({
    user: "postgres",
    database: "postgres",
    stream: () => database.connect() as never,
  });
  client.on("error", () => {});
  await client.connect();
  return client;
}
