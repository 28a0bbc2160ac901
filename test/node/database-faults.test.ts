// A PostgreSQL that is slow, hangs, has no room, and crashes, one after the other, while producers number what they send.
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import t, { type Test } from "tap";
import { asking } from "../../chaos/database-side.ts";
import { FaultyLink } from "../../chaos/faulty-link.ts";
import { LocalNode } from "../../chaos/local-node.ts";
import { type Breaking, loadOneNode } from "../../chaos/one-node.ts";
import { verdictLines } from "../../chaos/verdict-lines.ts";
import { loadOrRelinkUws } from "../../src/transport/server/load-uws.ts";
import { databaseIn, type OwnDatabase } from "../support/postgres.ts";
import { execute } from "../support/postgres-server.ts";
import { freePort } from "../support/programs.ts";
import { TOKEN, temporaryFolder } from "../support/serve.ts";
import { SmallDisk } from "../support/small-disk.ts";

t.setTimeout(240_000);

const RATE = 200;
/** To fill the backlog, 128 MB, takes some 18 s of processor time; on every run `database-away.test.ts` does it, on a store in memory. */
const OVERLOADS = process.env.MUSTER_TEST_OVERLOAD !== undefined;
const DISK_BYTES = 1_500 * 2 ** 20;
const SLOW_MS = 250;
/** Longer than a flush may take. */
const HANG_MS = 6_000;
const HEADERS = { authorization: `Bearer ${TOKEN}`, "content-type": "application/json" };

t.test("[N13] a database that is slow, hangs, has no room or crashes", { timeout: 240_000 }, async (t) => {
  const disk = await SmallDisk.mount(t, DISK_BYTES);
  if (disk === undefined) return;
  const database = await databaseIn(t, disk.folder);
  const link = await FaultyLink.start(database.url);
  t.teardown(() => link.stop());
  const node = await startNode(t, link.url);
  const said: string[] = [];
  const outcome = await loadOneNode(
    {
      ...{ node, token: TOKEN, rate: RATE, seed: 1, say: (text) => said.push(text) },
      history: join(await temporaryFolder(t), "history.ndjson"),
      withDatabase: (work) => work(asking(database.url)),
    },
    async (at) => {
      await goesOn(at);

      at.note("slow");
      link.delayMs = SLOW_MS;
      const began = performance.now();
      await goesOn(at);
      t.equal(await ready(node), 200, "slow is not away");
      at.note(`not slow any more, after ${Math.round(performance.now() - began)} ms`);
      link.delayMs = 0;
      await goesOn(at);

      at.note("hangs");
      await hang(database);
      at.note("hangs no more");
      await goesOn(at);

      at.note("no room");
      disk.fill();
      while ((await ready(node)) !== 503) await sleep(50);
      if (OVERLOADS) {
        const refused = await overload(node);
        t.equal(refused.status, 503, "past the bound new work is refused");
        t.equal(refused.headers.get("retry-after"), "1");
      }
      t.match(database.log(), /No space left on device/);
      disk.enlarge();
      await restartIfDead(database, said);
      at.note("room again");
      await goesOn(at);

      at.note("crash");
      await database.crash();
      await sleep(500);
      await database.start();
      at.note("started again");
      await goesOn(at);
    },
  );
  const { verdict, accepted, refused, settledMs } = outcome;
  t.same(verdict.violations, [], [...said, ...verdictLines(verdict)].join("\n"));
  t.equal(refused, 0, "nothing is refused for good");
  t.comment(`${accepted} reports accepted, settled after ${settledMs} ms: ${said.join("; ")}`);
});

async function startNode(t: Test, databaseUrl: string): Promise<LocalNode> {
  loadOrRelinkUws();
  const port = await freePort();
  const node = new LocalNode({
    ...{ name: "node", port, links: {}, onLine: () => {}, onDeath: () => t.fail("the node has ended") },
    env: {
      ...{ DATABASE_URL: databaseUrl, HOST: "127.0.0.1", PORT: String(port), LOG_LEVEL: "warn" },
      ...{ MUSTER_ADMIN_TOKEN: TOKEN, MUSTER_DATA_DIR: await temporaryFolder(t) },
    },
  });
  await node.start();
  return node;
}

/** Waits until each entity has had another report accepted, on average. */
async function goesOn({ accepted }: Breaking): Promise<void> {
  const before = accepted();
  while (accepted() < before + RATE) await sleep(20);
}

async function ready({ url }: LocalNode): Promise<number> {
  const response = await fetch(`${url}/readyz`);
  await response.body?.cancel();
  return response.status;
}

/** Stops the processes that serve the node, in the middle of what they do, and lets them go on. */
async function hang({ url }: OwnDatabase): Promise<void> {
  const backends = await execute<{ pid: number }>(
    url,
    "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'",
  );
  for (const { pid } of backends) process.kill(pid, "SIGSTOP");
  await sleep(HANG_MS);
  for (const { pid } of backends) process.kill(pid, "SIGCONT");
}

/** Sends what fills the backlog, without waiting for its acknowledgement, until some of it is refused. @returns the refusal */
async function overload({ url }: LocalNode): Promise<Response> {
  const text = "x".repeat(8_000);
  for (let n = 0; ; n++) {
    const t = new Date(Date.now() - 1_000_000 + n).toISOString();
    const heavy = Array.from({ length: 500 }, (_, i) => ({ id: `heavy-${i}`, t, attributes: { text } }));
    const body = JSON.stringify([...heavy, { id: `last-${n}`, t }]);
    let refusal: Response | undefined;
    fetch(`${url}/v1/reports`, { method: "POST", headers: HEADERS, body }).then(
      (response) => {
        if (response.status !== 200) refusal = response;
      },
      // The node stops before it has answered all.
      () => {},
    );
    // The picture runs ahead of the commit: what is there is decided.
    for (let status = 0; status !== 200; ) {
      if (refusal !== undefined) return refusal;
      await sleep(20);
      status = (await fetch(`${url}/v1/entities/last-${n}`, { headers: HEADERS })).status;
    }
  }
}

/** Without room a server may not get over a crash. */
async function restartIfDead(database: OwnDatabase, said: string[]): Promise<void> {
  for (let tries = 0; tries < 20; tries++) {
    try {
      await execute(database.url, "SELECT 1");
      return;
    } catch {
      await sleep(100);
    }
  }
  said.push("the server had ended by itself");
  await database.stop();
  await database.start();
}
