// Serves as `serve` does, with checkpoints five times a second and a journal whose parts are soon full, and tells what it starts from and
// when nothing of that is left in the journal.
import { systemClock } from "../../src/clock.ts";
import { type Config, loadConfig } from "../../src/config.ts";
import { startNode } from "../../src/node.ts";
import { openStore } from "../../src/store/store.ts";
import { createLog } from "../../src/telemetry/log.ts";

const config = loadConfig(process.env) as Config;
const log = createLog(config.logLevel);
const { dataDir, databaseUrl } = config;
const url = "http://127.0.0.1";
const store = await openStore({
  dataDir,
  databaseUrl,
  url,
  clock: systemClock,
  log,
  journalPartBytes: 300_000,
});
const { rows } = await store.context.pool.query(
  `SELECT (SELECT count(*)::int FROM checkpoint WHERE epoch > 0) AS checkpoints, (SELECT count(*)::int FROM journal) AS rows,
    (SELECT coalesce(max(id), 0)::int FROM journal) AS newest`,
);
const onFatal = (error: unknown) => {
  console.error(error);
  process.exit(1);
};
const node = await startNode({ config, log, store, checkpointIntervalMs: 200, onFatal });
console.log(`starts from ${JSON.stringify(rows[0])}`);
console.log(`Muster is at ${node.url}/`);
const look = setInterval(async () => {
  const found = await store.context.pool.query("SELECT coalesce(min(id), 0)::int AS oldest FROM journal");
  if (found.rows[0].oldest <= rows[0].newest) return;
  clearInterval(look);
  console.log("the journal has gone round");
}, 100);
process.on("SIGTERM", () => {
  clearInterval(look);
  void node.stop();
});
