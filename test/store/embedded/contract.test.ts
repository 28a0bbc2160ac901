import t from "tap";
import { madeDataDir } from "../../support/data-dir.ts";
import { storeContract } from "../contract.ts";
import { accessContract } from "../contract-access.ts";
import { entityRowsContract } from "../contract-entity-rows.ts";
import { erasureContract } from "../contract-erasure.ts";
import { fencesContract } from "../contract-fences.ts";
import { machinesContract } from "../contract-machines.ts";
import { open } from "../fixture.ts";

t.test("the embedded store", async (t) => {
  const dataDir = await madeDataDir(t);
  const store = await storeContract(t, { open: (options) => open({ dataDir, ...options }) });
  await entityRowsContract(t, store);
  await erasureContract(t, store);
  await machinesContract(t, store);
  await fencesContract(t, store);
  await accessContract(t, store);
});
