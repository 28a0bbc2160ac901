import { writeFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { connect } from "../../client/connection.ts";
import { run, serveOnPostgres, TOKEN, temporaryFolder } from "../support/serve.ts";

t.test("[N2] replay from the command line", async (t) => {
  const node = await serveOnPostgres(t);
  const dataDir = await temporaryFolder(t);
  const file = new URL("../../data/ais-helsinki/helsinki.ndjson", import.meta.url).pathname;
  const played = run(t, ["replay", file, "--speed", "200", "--url", node.url, "--token", TOKEN], {
    MUSTER_DATA_DIR: dataDir,
  });
  t.equal(await played.ended, 0, played.output());
  t.match(played.output(), /3452 reports acknowledged, 0 refused/);
  const connection = connect(node.url, { token: TOKEN });
  t.teardown(() => connection.close());
  const view = connection.view({ bbox: [-180, -90, 180, 90], kinds: ["vessel"] });
  await view.ready;
  t.equal(view.entities.size, 96);
  connection.close();
  await t.test("[R6] reports refused for good are not among those acknowledged", async (t) => {
    const mixed = join(dataDir, "mixed.ndjson");
    const times = ["1980-01-06T00:00:00Z", new Date().toISOString(), new Date().toISOString()];
    writeFileSync(mixed, times.map((t, i) => JSON.stringify({ id: `mixed${i}`, t })).join("\n"));
    const kept = run(t, [
      "replay",
      mixed,
      "--keep-time",
      "--url",
      node.url,
      "--token",
      TOKEN,
      "--speed",
      "Infinity",
    ]);
    t.equal(await kept.ended, 0, kept.output());
    t.match(kept.output(), /^2 reports acknowledged, 1 refused/m);
  });
  t.equal(await node.end("SIGTERM"), 0);
});
