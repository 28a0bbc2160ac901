import pg from "pg";
import type { Test } from "tap";
import type { FenceDraft } from "../../src/actors/fences/ports.ts";
import { saveFence } from "../../src/store/save-fence.ts";

/** Saves a fence as a node does whose announcement is lost. */
export async function saveUnheard(
  t: Test,
  url: string,
  draft: FenceDraft,
  ifVersion?: number,
): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  await client.query("BEGIN");
  const { is } = await saveFence(client as unknown as pg.PoolClient, draft, ifVersion);
  await client.query("COMMIT");
  await client.end();
  t.equal(is, "saved");
}
