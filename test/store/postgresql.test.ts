import t from "tap";
import { testDatabase } from "../support/postgres.ts";
import { temporaryFolder } from "../support/serve.ts";
import { storeContract } from "./contract.ts";
import { accessContract } from "./contract-access.ts";
import { entityRowsContract } from "./contract-entity-rows.ts";
import { erasureContract } from "./contract-erasure.ts";
import { fencesContract } from "./contract-fences.ts";
import { machinesContract } from "./contract-machines.ts";
import { open } from "./fixture.ts";

t.test("the store on a PostgreSQL server", async (t) => {
  const dataDir = await temporaryFolder(t);
  const { url } = await testDatabase(t);
  const store = await storeContract(t, {
    open: (options) => open({ dataDir, databaseUrl: url, ...options }),
  });
  await entityRowsContract(t, store);
  await erasureContract(t, store);
  await machinesContract(t, store);
  await fencesContract(t, store);
  await accessContract(t, store);
});
