import t from "tap";
import { testDatabase } from "../support/postgres.ts";
import { temporaryFolder } from "../support/serve.ts";
import { storeContract } from "./contract.ts";
import { open } from "./fixture.ts";

t.test("the store on a PostgreSQL server", async (t) => {
  const dataDir = await temporaryFolder(t);
  const { url } = await testDatabase(t);
  await storeContract(t, { open: (options) => open({ dataDir, databaseUrl: url, ...options }) });
});
