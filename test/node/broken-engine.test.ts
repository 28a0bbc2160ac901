// A node whose embedded database crashes.
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import t from "tap";
import { madeDataDir } from "../support/data-dir.ts";
import { type Serving, serve } from "../support/serve.ts";

t.test("[N10] a node whose embedded database crashes goes on", async (t) => {
  const dataDir = await madeDataDir(t);
  const program = fileURLToPath(new URL("../support/crash-database.ts", import.meta.url));
  const node = await serve(t, { dataDir, program });
  t.equal(await report(node, "before"), 200);
  node.child.kill("SIGUSR2");
  while (!node.output().includes("the embedded database crashed")) await sleep(10);
  t.equal(await report(node, "after"), 200, "it was taken, and is kept now");
  t.equal(await node.end("SIGKILL"), "SIGKILL");

  const again = await serve(t, { dataDir });
  t.same(await there(again, ["before-0", "after-0"]), ["before-0", "after-0"]);
  t.equal(await again.end("SIGTERM"), 0, again.output());
});

async function report(node: Serving, name: string, count = 1, text = ""): Promise<number> {
  const time = new Date().toISOString();
  const reports = Array.from({ length: count }, (_, i) => ({
    id: `${name}-${i}`,
    t: time,
    attributes: { text },
  }));
  const body = JSON.stringify(reports);
  const response = await fetch(`${node.url}/v1/reports`, { method: "POST", headers: node.headers, body });
  await response.body?.cancel();
  return response.status;
}

/** Those of the entities that the node has. */
async function there(node: Serving, ids: string[]): Promise<string[]> {
  const found: string[] = [];
  for (const id of ids) {
    const response = await fetch(`${node.url}/v1/entities/${id}`, { headers: node.headers });
    await response.body?.cancel();
    if (response.status === 200) found.push(id);
  }
  return found;
}
