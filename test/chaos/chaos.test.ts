// A short run with real processes; `npm run chaos` is the long one.
import { join } from "node:path";
import t from "tap";
import { runChaos } from "../../chaos/run.ts";
import { verdictLines } from "../../chaos/verdict-lines.ts";
import { temporaryFolder } from "../support/serve.ts";

const SEED = 7;
t.setTimeout(120_000);

t.test(
  "what is acknowledged is there once and in order, whatever breaks",
  { timeout: 120_000 },
  async (t) => {
    const said: string[] = [];
    const outcome = await runChaos({
      ...{ seconds: 9, spreadMs: 6_000, rate: 250, nodes: 3, redis: true, seed: SEED },
      history: join(await temporaryFolder(t), "history.ndjson"),
      say: (text) => said.push(text),
    });
    const { verdict, accepted, faults, refused, commands } = outcome;
    t.same(verdict.violations, [], [...said, ...verdictLines(verdict)].join("\n"));
    t.ok(accepted > 600, `${accepted} reports accepted`);
    t.ok(faults > 0, `${faults} faults`);
    t.ok(commands.accepted > 10 && commands.refused > 5, JSON.stringify(commands));
    t.equal(refused, 0, "nothing is refused for good");
  },
);
