import { createHash } from "node:crypto";
import { readdirSync, readFileSync, renameSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import t from "tap";
import { BELIEF_MS } from "../../../src/store/embedded/lock-file.ts";
import { madeDataDir } from "../../support/data-dir.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { serve } from "../../support/serve.ts";
import { makeUnreadable } from "../../support/unreadable.ts";
import { batchOf, committed, open, rows } from "../fixture.ts";

/** What a process of another container does that takes over. */
function takeOver(dataDir: string): void {
  const lock = join(dataDir, "lock");
  writeFileSync(`${lock}.n`, JSON.stringify({ pid: 1, bootId: "another", started: "1", nonce: "n" }));
  renameSync(`${lock}.n`, lock);
}

/** All there is in a folder: names, contents and times. */
function contentOf(folder: string): Record<string, string> {
  const content: Record<string, string> = {};
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const file = join(entry.parentPath, entry.name);
    const hash = createHash("md5").update(readFileSync(file)).digest("hex");
    content[file] = `${hash} ${statSync(file).mtimeMs}`;
  }
  return content;
}

t.test(
  "[D50] a node that was frozen while another took its folder over writes nothing and ends",
  async (t) => {
    const dataDir = await madeDataDir(t);
    const node = await serve(t, { dataDir });
    const ended = new Promise((resolve) => node.child.once("close", resolve));
    const now = new Date().toISOString();
    const answers: number[] = [];
    let goesOn = true;
    const load = async (client: number) => {
      for (let n = 0; goesOn; n++) {
        const body = JSON.stringify(
          Array.from({ length: 50 }, (_, i) => ({ id: `c${client}-${i}-${n}`, t: now })),
        );
        const response = await fetch(`${node.url}/v1/reports`, {
          method: "POST",
          headers: node.headers,
          body,
        });
        answers.push(response.status);
      }
    };
    const loads = [1, 2, 3, 4].map((client) => load(client).catch(() => {}));
    while (answers.length < 50) await sleep(10);
    node.child.kill("SIGSTOP");
    takeOver(dataDir);
    await sleep(BELIEF_MS + 100);
    const before = contentOf(dataDir);
    const answered = answers.length;
    node.child.kill("SIGCONT");
    t.equal(await ended, 1, node.output());
    goesOn = false;
    await Promise.all(loads);
    t.match(node.output(), /the node cannot go on/);
    t.match(
      node.output(),
      /another process has taken over .*lock: nothing more is written to this data folder/,
    );
    t.same(contentOf(dataDir), before, "not a byte, also of the lock");
    t.ok(
      answers.slice(answered).filter((status) => status === 200).length <= 4,
      "at most what was durable before is acknowledged",
    );
  },
);

t.test(
  "[D50] a folder that is lost in the middle of a statement, or before one, is not written",
  async (t) => {
    const dataDir = await madeDataDir(t);
    // The main thread does not look: its clock stands still.
    const store = await open({ dataDir, clock: new FakeClock() });
    const down = new Promise<Error>((resolve) => store.onDown(resolve));
    const epochs = await store.claim([1]);
    await committed(store, batchOf(1, epochs, { 1: "mine" }));
    const long = rows(
      store,
      "CREATE TABLE large AS SELECT repeat('x', 500) FROM generate_series(1, 5000000)",
    );
    const refused = t.rejects(long, /taken over/);
    await sleep(1_000);
    takeOver(dataDir);
    const at = performance.now();
    t.match(await down, { message: /another process has taken over/ });
    t.ok(performance.now() - at < 3 * BELIEF_MS, "long before it would have been done");
    const before = contentOf(dataDir);
    await refused;
    t.same(await store.append(batchOf(2, epochs, { 1: "no more" }), 1), { status: "fenced" });
    await store.close();
    t.same(contentOf(dataDir), before);
  },
);

t.test("[D50] a statement that writes nothing is not answered from a folder that is lost", async (t) => {
  const dataDir = await madeDataDir(t);
  const store = await open({ dataDir, clock: new FakeClock() });
  await rows(store, "SELECT 1");
  takeOver(dataDir);
  await sleep(BELIEF_MS + 100);
  await t.rejects(rows(store, "SELECT 1"), /taken over/);
  await store.close();
});

t.test("[D50] what is written waits while the lock cannot be read, and 5 s at most", async (t) => {
  const dataDir = await madeDataDir(t);
  // The main thread does not look: its clock stands still.
  const store = await open({ dataDir, clock: new FakeClock() });
  const down = new Promise<Error>((resolve) => store.onDown(resolve));
  const epochs = await store.claim([1]);
  const readable = makeUnreadable(join(dataDir, "lock"));
  await sleep(BELIEF_MS + 100);
  let done = false;
  const append = committed(store, batchOf(1, epochs, { 1: "in the end" })).finally(() => {
    done = true;
  });
  await sleep(1_000);
  t.equal(done, false);
  readable();
  await append;

  makeUnreadable(join(dataDir, "lock"));
  await sleep(BELIEF_MS + 100);
  const before = contentOf(dataDir);
  const began = performance.now();
  await t.rejects(rows(store, "CREATE TABLE more ()"), /lock cannot be read/);
  t.match(await down, { message: /lock cannot be read: ELOOP/ });
  const took = performance.now() - began;
  t.ok(took > 4_900 && took < 10_000, String(took));
  await store.close();
  t.same(contentOf(dataDir), before);
});
