import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import t, { type Test } from "tap";
import { madeDataDir } from "../support/data-dir.ts";
import { NODE } from "../support/node-program.ts";
import { testDatabase } from "../support/postgres.ts";
import { temporaryFolder } from "../support/serve.ts";
import { open, recovered, rows } from "./fixture.ts";

const APPENDER = join(import.meta.dirname, "appender.ts");
const ROUNDS = 2;

t.test("[D12] kill -9 of a process that appends loses no acknowledged flush: embedded", async (t) =>
  killed(t, await madeDataDir(t), undefined),
);

t.test("[D12] kill -9 of a process that appends loses no acknowledged flush: PostgreSQL", async (t) =>
  killed(t, await temporaryFolder(t), (await testDatabase(t)).url),
);

async function killed(t: Test, dataDir: string, databaseUrl: string | undefined): Promise<void> {
  const [command, ...before] = NODE;
  const acknowledged: string[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const args = databaseUrl === undefined ? [APPENDER, dataDir] : [APPENDER, dataDir, databaseUrl];
    const child = spawn(command, [...before, ...args], { stdio: ["ignore", "pipe", "inherit"] });
    let told = "";
    child.stdout.on("data", (chunk) => {
      told += chunk;
    });
    await once(child.stdout, "data");
    await new Promise((resolve) => setTimeout(resolve, 150 + Math.random() * 350));
    const ended = once(child, "close");
    child.kill("SIGKILL");
    t.same(await ended, [null, "SIGKILL"]);
    acknowledged.push(...told.split("\n").slice(0, -1));
  }
  const store = await open({ dataDir, databaseUrl });
  const found = new Set<string>();
  const upTo = new Map<string, number>();
  for (const text of await recovered(store, [0, 1, 2, 3])) {
    const section = /^section (\d) (\S+) x{2000}$/.exec(text);
    const checkpoint = /^checkpoint (\d)@\d+ up to (\d+)\/(\d+)$/.exec(text);
    if (section !== null) found.add(section[2]!);
    else if (checkpoint !== null)
      upTo.set(checkpoint[1]!, Number(checkpoint[2]) * 1e9 + Number(checkpoint[3]));
    else t.fail(`not as it was written: ${text.slice(0, 100)}`);
  }
  const lost = acknowledged.filter((text) => {
    const [epoch, flushNo] = text.split("/").map(Number) as [number, number];
    return !found.has(text) && !(epoch * 1e9 + flushNo <= (upTo.get(String(flushNo % 4)) ?? -1));
  });
  t.same(lost, []);
  const events = await rows<{ subject: string; n: number }>(
    store,
    "SELECT subject, count(*)::int AS n FROM event GROUP BY subject",
  );
  const told = new Map(events.map(({ subject, n }) => [subject, n]));
  t.same(
    acknowledged.filter((text) => told.get(text) !== 1),
    [],
    "nor any of their events, and none is there twice",
  );
  t.ok(events.length <= acknowledged.length + 2 * ROUNDS, "what was not acknowledged is what was in flight");
  t.comment(`${ROUNDS} kills, ${acknowledged.length} flushes acknowledged`);
  await store.close();
}
