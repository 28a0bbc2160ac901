import { appendFileSync, cpSync } from "node:fs";
import { join } from "node:path";
import type { Test } from "tap";
import { systemClock } from "../../src/clock.ts";
import { openStore } from "../../src/store/store.ts";
import { madeOnce } from "./made-once.ts";
import { schemaFingerprint } from "./schema-fingerprint.ts";
import { temporaryFolder } from "./serve.ts";

/** PostgreSQL clears all of its buffers on each start; of the usual 128 MB tests fill little. */
const BUFFERS = "shared_buffers = 16MB\n";
const quiet = { info() {}, warn() {}, error() {} };

/**
 * A data folder of an embedded database that was opened and closed once: making one takes seconds of processor time, copying it does not.
 * The original is made by the store itself, once for each state of the migrations, and kept between runs.
 */
export async function madeDataDir(t: Test): Promise<string> {
  const folder = join(await temporaryFolder(t), "data");
  cpSync(await original(), folder, { recursive: true });
  return folder;
}

async function original(): Promise<string> {
  return madeOnce(`small-database-${schemaFingerprint()}`, async (folder) => {
    const store = await openStore({
      dataDir: folder,
      url: "http://127.0.0.1",
      clock: systemClock,
      log: quiet,
    });
    await store.close();
    appendFileSync(join(folder, "pg/postgresql.conf"), BUFFERS);
  });
}
