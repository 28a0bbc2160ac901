// Tracks of a node that is killed again and again, on the embedded database and on PostgreSQL.
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import t, { type Test } from "tap";
import { madeDataDir } from "../support/data-dir.ts";
import { testDatabase } from "../support/postgres.ts";
import { type Serving, serve, temporaryFolder } from "../support/serve.ts";

const HURRIED = fileURLToPath(new URL("../support/serve-hurried.ts", import.meta.url));
const ROUNDS = 2;
const ENTITIES = 20;
/** Batches come as fast as they are acknowledged, but not faster than this. */
const PAUSE_MS = 12;
/** From one report of an entity to the next, so that segments end and days pass. */
const STEP_MS = 60_000;
/** Of every so many reports one comes much later, and one changes what the entity is. */
const LATE_EVERY = 7;
const CHANGE_EVERY = 40;

t.test("[TR10] kill -9 loses and doubles nothing of a track: embedded", { timeout: 600_000 }, async (t) => {
  await crashes(t, await madeDataDir(t), {});
});

t.test("[TR10] kill -9 loses and doubles nothing of a track: PostgreSQL", { timeout: 600_000 }, async (t) => {
  const { url } = await testDatabase(t);
  await crashes(t, await temporaryFolder(t), { DATABASE_URL: url });
});

async function crashes(t: Test, dataDir: string, env: Record<string, string>): Promise<void> {
  /** By id, by time: sent; true = acknowledged. */
  const sent = new Map<string, Map<string, boolean>>();
  for (let i = 0; i < ENTITIES; i++) sent.set(`e${i}`, new Map());
  let clock = Date.UTC(2026, 0, 1, 20);
  for (let round = 1; round <= ROUNDS; round++) {
    const node = await serve(t, { dataDir, env, program: HURRIED });
    const first = Promise.withResolvers<void>();
    const stop = first.promise.then(() => sleep(200 + Math.random() * 600)).then(() => node.end("SIGKILL"));
    let count = 0;
    for (;;) {
      clock += STEP_MS;
      const step = Math.floor(clock / STEP_MS);
      const reports = [...sent.keys()].map((id, i) => {
        const late = (step + i) % LATE_EVERY === 0 ? 5_000_000 + i : 0;
        const t = new Date(clock - late).toISOString();
        const changes = (step + i) % CHANGE_EVERY === 0 ? { attributes: { step } } : {};
        return { id, t, lon: (step % 360) - 180, lat: i, kind: "truck", ...changes };
      });
      for (const { id, t } of reports) if (!sent.get(id)!.has(t)) sent.get(id)!.set(t, false);
      try {
        const body = JSON.stringify(reports);
        const response = await fetch(`${node.url}/v1/reports`, {
          method: "POST",
          headers: node.headers,
          body,
        });
        const answer = (await response.json()) as { accepted: number };
        if (answer.accepted !== reports.length) throw new Error(JSON.stringify(answer));
      } catch {
        break;
      }
      for (const { id, t } of reports) sent.get(id)!.set(t, true);
      count += 1;
      first.resolve();
      await sleep(PAUSE_MS);
    }
    t.equal(await stop, "SIGKILL");
    t.ok(count > 0, `round ${round}: ${count} batches acknowledged`);
  }
  const node = await serve(t, { dataDir, env, program: HURRIED });
  for (const [id, times] of sent) await check(t, node, id, times);
  t.equal(await node.end("SIGTERM"), 0, node.output());
}

/** Waits until late reports are in rows, and looks at the whole. */
async function check(t: Test, node: Serving, id: string, times: Map<string, boolean>): Promise<void> {
  const acknowledged = [...times].filter(([, isAcknowledged]) => isAcknowledged).map(([time]) => time);
  let found: string[] = [];
  let missing: string[] = acknowledged;
  for (let tries = 0; tries < 400 && missing.length > 0; tries++) {
    if (tries > 0) await sleep(50);
    const response = await fetch(`${node.url}/v1/entities/${id}/track?limit=5000`, { headers: node.headers });
    const { features } = (await response.json()) as {
      features: { properties: { times: string[]; hold: boolean } }[];
    };
    // A segment begins with the last point of the one before, and a hold ends with a time at which nothing was.
    // What has one point only is a line between twice the same.
    const ways = features.map(({ properties: { times, hold } }) => [
      ...new Set(hold ? times.slice(0, -1) : times),
    ]);
    found = ways.flatMap((way, i) => (ways[i - 1]?.at(-1) === way[0] ? way.slice(1) : way));
    const there = new Set(found);
    missing = acknowledged.filter((time) => !there.has(time));
  }
  t.same(missing, [], `${id}: nothing is missing`);
  t.equal(new Set(found).size, found.length, `${id}: nothing is there twice`);
  t.same(
    found.filter((time) => !times.has(time)),
    [],
    `${id}: nothing is there that was not sent`,
  );
  t.same([...found].sort(), found, `${id}: in order`);
}
