// Few kills; `npm run chaos -- --embedded` has many.
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import t from "tap";
import { runEmbedded } from "../../chaos/embedded.ts";
import { verdictLines } from "../../chaos/verdict-lines.ts";
import { madeDataDir } from "../support/data-dir.ts";
import { NODE_FLAGS } from "../support/node-program.ts";
import { temporaryFolder } from "../support/serve.ts";

const HURRIED = fileURLToPath(new URL("../support/serve-hurried.ts", import.meta.url));
const KILLS = 2;

t.test(
  "[N1] kill -9 at random moments loses, doubles and reorders nothing acknowledged: embedded store",
  { timeout: 900_000 },
  async (t) => {
    const said: string[] = [];
    const { verdict, accepted, refused, kills } = await runEmbedded({
      ...{ kills: Number(process.env.MUSTER_TEST_CRASHES ?? KILLS), rate: 300, seed: 3, program: HURRIED },
      dataDir: await madeDataDir(t),
      nodeFlags: NODE_FLAGS,
      history: join(await temporaryFolder(t), "history.ndjson"),
      say: (text) => said.push(text),
      onLine: (line) => /starts from/.test(line) && said.push(line),
    });
    t.same(verdict.violations, [], [...said, ...verdictLines(verdict)].join("\n"));
    t.equal(refused, 0, "nothing is refused for good");
    t.match(said.join(), /starts from \{"checkpoints":[1-9]/, "recovered from checkpoints");
    t.match(said.join(), /starts from .*"rows":[1-9]/, "and the journal");
    t.comment(`${kills} kills, ${accepted} reports accepted`);
  },
);
