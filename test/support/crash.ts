import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { Test } from "tap";
import { shardOf } from "../../src/actors/shard-hash.ts";
import { madeDataDir } from "./data-dir.ts";
import { type Serving, serve } from "./serve.ts";

const ENTITIES = 400;
/** All in few shards, so that each is checkpointed often. */
const SHARDS = 16;
const BATCH = 200;
const WRITERS = 4;

/** Numbers that an entity's reports carry (as `alt`): the last one sent, and the last one acknowledged. */
interface Numbers {
  sent: number;
  acknowledged: number;
}

const HURRIED = fileURLToPath(new URL("./serve-hurried.ts", import.meta.url));

/** What a node found when it started: checkpoints, and rows of the journal. */
interface Start {
  checkpoints: number;
  rows: number;
}

function startOf(node: Serving): Start {
  return JSON.parse(/starts from (.*)/.exec(node.output())![1]!) as Start;
}

/**
 * Loads a node, kills it with SIGKILL at some moment, starts it again and looks whether everything acknowledged is there; again and again on the
 * same data.
 * @param rounds how often; more by MUSTER_TEST_CRASHES.
 */
export async function crashRounds(t: Test, env: Record<string, string>, rounds: number): Promise<void> {
  const dataDir = await madeDataDir(t);
  const wanted = Number(process.env.MUSTER_TEST_CRASHES ?? rounds);
  const ledger = new Map<string, Numbers>();
  for (let i = 0; ledger.size < ENTITIES; i++) {
    if (shardOf(`e${i}`) < SHARDS) ledger.set(`e${i}`, { sent: 0, acknowledged: 0 });
  }
  const starts: Start[] = [];
  let acknowledgements = 0;
  for (let round = 1; round <= wanted; round++) {
    const node = await serve(t, { dataDir, env, program: HURRIED });
    await compare(t, node, ledger, `round ${round}`);
    starts.push(startOf(node));
    const moment = 100 + Math.random() * 900;
    const first = Promise.withResolvers<void>();
    const load = Array.from({ length: WRITERS }, (_, writer) => write(node, ledger, writer, first.resolve));
    await first.promise;
    await sleep(moment);
    while (round === wanted && !/gone round/.test(node.output())) await sleep(20);
    t.equal(await node.end("SIGKILL"), "SIGKILL");
    const counts = await Promise.all(load);
    acknowledgements += counts.reduce((sum, count) => sum + count, 0);
    t.ok(
      counts.some((count) => count > 0),
      `round ${round}: killed after ${Math.round(moment)} ms of load or more`,
    );
  }
  const node = await serve(t, { dataDir, env, program: HURRIED });
  await compare(t, node, ledger, "at the end");
  starts.push(startOf(node));
  t.ok(
    starts.some(({ checkpoints, rows }) => checkpoints > 0 && rows > 0),
    "recovered from checkpoints and the journal",
  );
  t.equal(await node.end("SIGTERM"), 0);
  t.comment(`${wanted} kills, ${acknowledgements} reports acknowledged, none lost`);
}

/** Sends reports of a quarter of the entities until the node is gone. @returns how many were acknowledged. */
async function write(
  node: Serving,
  ledger: Map<string, Numbers>,
  writer: number,
  acknowledge: () => void,
): Promise<number> {
  const mine = [...ledger].filter((_, i) => i % WRITERS === writer);
  let acknowledged = 0;
  for (let at = 0; ; at += BATCH) {
    const batch = Array.from({ length: BATCH }, (_, i) => mine[(at + i) % mine.length]!).map(
      ([id, numbers]) => {
        numbers.sent += 1;
        return { id, number: numbers.sent };
      },
    );
    const body = JSON.stringify(
      // Numbers are the order, so the time may stand still: of two with the same time the later to arrive wins.
      batch.map(({ id, number }) => ({
        id,
        t: new Date().toISOString(),
        kind: "truck",
        lon: 10,
        lat: 50,
        alt: number,
      })),
    );
    let answer: { accepted: number; refused: unknown[] };
    try {
      const response = await fetch(`${node.url}/v1/reports`, { method: "POST", headers: node.headers, body });
      answer = (await response.json()) as typeof answer;
    } catch {
      return acknowledged;
    }
    if (answer.accepted !== BATCH) throw new Error(`refused: ${JSON.stringify(answer)}`);
    for (const { id, number } of batch) ledger.get(id)!.acknowledged = number;
    acknowledged += BATCH;
    acknowledge();
  }
}

async function compare(t: Test, node: Serving, ledger: Map<string, Numbers>, when: string): Promise<void> {
  const response = await fetch(`${node.url}/v1/entities?limit=10000`, { headers: node.headers });
  const list = (await response.json()) as { features: { id: string; properties: { alt: number } }[] };
  const there = new Map(list.features.map((feature) => [feature.id, feature.properties.alt]));
  const wrong = [...ledger].filter(([id, { sent, acknowledged }]) => {
    const number = there.get(id) ?? 0;
    return number < acknowledged || number > sent;
  });
  t.same(
    wrong.map(([id, numbers]) => ({ id, ...numbers, there: there.get(id) })),
    [],
    `${when}: everything acknowledged is there`,
  );
  // What was sent and never acknowledged may be there or not; from here on it is what is there that counts.
  for (const [id, numbers] of ledger)
    numbers.acknowledged = Math.max(numbers.acknowledged, there.get(id) ?? 0);
}
