// A node whose embedded database crashes, or has no room.
import { cpSync, existsSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import t from "tap";
import { madeDataDir } from "../support/data-dir.ts";
import { type Serving, serve } from "../support/serve.ts";
import { SmallDisk } from "../support/small-disk.ts";

const DISK_BYTES = 600 * 2 ** 20;
/** Much of it, so that the disk is full soon. */
const TEXT = "x".repeat(8_000);
const PER_BODY = 100;

t.test("[N10] a node whose embedded database crashes goes on", async (t) => {
  const dataDir = await madeDataDir(t);
  const program = fileURLToPath(new URL("../support/crash-database.ts", import.meta.url));
  const node = await serve(t, { dataDir, program });
  t.equal(await report(node, "before"), 1);
  node.child.kill("SIGUSR2");
  while (!node.output().includes("the embedded database crashed")) await sleep(10);
  t.equal(await report(node, "after"), 1, "it was taken, and is kept now");
  t.equal(await node.end("SIGKILL"), "SIGKILL");

  const again = await serve(t, { dataDir });
  t.same(await there(again, ["before-0", "after-0"]), ["before-0", "after-0"]);
  t.equal(await again.end("SIGTERM"), 0, again.output());
});

for (const roomAgain of [true, false]) {
  const what = roomAgain ? "goes on when there is room again" : "ends at a SIGTERM, and frees its folder";
  t.test(`[N15] a node whose disk is full ${what}`, async (t) => {
    const disk = await SmallDisk.mount(t, DISK_BYTES);
    if (disk === undefined) return;
    const dataDir = join(disk.folder, "data");
    cpSync(await madeDataDir(t), dataDir, { recursive: true });
    const node = await serve(t, { dataDir });
    const acknowledged: string[] = [];
    let sending = true;
    const send = async (sender: number) => {
      for (let n = 0; sending; n++) {
        const name = `${sender}-${n}`;
        // The node may end in the middle of it.
        const accepted = await report(node, name, PER_BODY, TEXT).catch(() => 0);
        if (accepted === PER_BODY) for (let i = 0; i < PER_BODY; i++) acknowledged.push(`${name}-${i}`);
        else await sleep(20);
      }
    };
    disk.fill();
    const senders = [0, 1, 2].map(send);
    while ((await ready(node)) !== 503) await sleep(20);
    if (roomAgain) {
      disk.enlarge();
      const before = acknowledged.length;
      while (acknowledged.length < before + 3 * PER_BODY) await sleep(20);
    }
    sending = false;
    const code = node.end("SIGTERM");
    await Promise.all(senders);
    t.equal(await code, 0, node.output());
    t.equal(existsSync(join(dataDir, "lock")), false, "the folder is free");

    disk.enlarge();
    const again = await serve(t, { dataDir });
    t.same(await there(again, acknowledged), acknowledged, "all that was acknowledged");
    t.equal(await again.end("SIGTERM"), 0, again.output());
  });
}

/** @returns how many were acknowledged */
async function report(node: Serving, name: string, count = 1, text = ""): Promise<number> {
  const time = new Date().toISOString();
  const reports = Array.from({ length: count }, (_, i) => ({
    id: `${name}-${i}`,
    t: time,
    attributes: { text },
  }));
  const body = JSON.stringify(reports);
  const response = await fetch(`${node.url}/v1/reports`, { method: "POST", headers: node.headers, body });
  if (response.status === 200) return ((await response.json()) as { accepted: number }).accepted;
  await response.body?.cancel();
  return 0;
}

async function ready({ url }: Serving): Promise<number> {
  const response = await fetch(`${url}/readyz`);
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
