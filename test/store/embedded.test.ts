import t from "tap";
import { madeDataDir } from "../support/data-dir.ts";
import { storeContract } from "./contract.ts";
import { open } from "./fixture.ts";

t.test("the embedded store", async (t) => {
  const dataDir = await madeDataDir(t);
  await storeContract(t, { open: (options) => open({ dataDir, ...options }) });
});
