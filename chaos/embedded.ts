/** `npm run chaos -- --embedded`: kills a node on the embedded database at random moments, starts included. */
import { setTimeout as sleep } from "node:timers/promises";
import { systemClock } from "../src/clock.ts";
import { openStore } from "../src/store/store.ts";
import { loadOrRelinkUws } from "../src/transport/server/load-uws.ts";
import { freePort } from "../test/support/programs.ts";
import { LocalNode } from "./local-node.ts";
import { loadOneNode, type OneNodeOutcome } from "./one-node.ts";
import { between, seededRandom } from "./random.ts";

export interface EmbeddedOptions {
  kills: number;
  /** Reports a second, and entities. */
  rate: number;
  seed: number;
  /** File for the history. */
  history: string;
  /** An empty folder, or one of a node that has stopped. */
  dataDir: string;
  /** Another program that serves. */
  program?: string;
  /** For Node.js. */
  nodeFlags?: readonly string[];
  say(text: string): void;
  onLine?(line: string): void;
}

export interface EmbeddedOutcome extends OneNodeOutcome {
  kills: number;
  /** Of them, in the middle of a start. */
  early: number;
}

const TOKEN = "a-token-for-chaos-only";
/** Of the kills, those that do not wait for the node to be there. */
const EARLY_SHARE = 0.2;
/** What is waited for before a kill: of load, and of a start; ms. */
const LOAD_MS = [100, 2_500] as const;
const START_MS = [0, 2_000] as const;

const quiet = { info() {}, warn() {}, error() {} };

export async function runEmbedded(options: EmbeddedOptions): Promise<EmbeddedOutcome> {
  const { dataDir, program, nodeFlags, rate, seed, history, say, onLine = () => {} } = options;
  loadOrRelinkUws();
  const port = await freePort();
  const node = new LocalNode({
    ...{ name: "node", port, links: {}, program, nodeFlags, onLine },
    env: {
      ...{ HOST: "127.0.0.1", PORT: String(port), MUSTER_DATA_DIR: dataDir },
      ...{ MUSTER_ADMIN_TOKEN: TOKEN, LOG_LEVEL: "warn" },
    },
    onDeath: () => say("the node has ended by itself"),
  });
  const random = seededRandom(seed);
  let kills = 0;
  let early = 0;
  await node.start();
  const outcome = await loadOneNode(
    {
      ...{ node, token: TOKEN, rate, seed, history, say },
      async withDatabase(work) {
        const store = await openStore({ dataDir, url: node.url, clock: systemClock, log: quiet });
        try {
          await work(async (sql) => (await store.context.pool.query(sql)).rows);
        } finally {
          await store.close();
        }
      },
    },
    async ({ note, accepted }) => {
      let before = 0;
      while (kills < options.kills) {
        // Without something acknowledged in between there would be nothing to lose.
        while (accepted() === before) await sleep(5);
        await sleep(between(random, ...LOAD_MS));
        before = accepted();
        kills += 1;
        note(`kill ${kills} of ${options.kills}, ${before} reports accepted`);
        await node.kill();
        while (kills < options.kills && random() < EARLY_SHARE) {
          const starting = node.start().catch(() => {});
          await sleep(between(random, ...START_MS));
          kills += 1;
          early += 1;
          note(`kill ${kills} of ${options.kills}, in a start`);
          await node.kill();
          await starting;
        }
        await node.start();
      }
    },
  );
  return { ...outcome, kills, early };
}
