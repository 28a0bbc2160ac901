import t from "tap";
import { crashRounds } from "../support/crash.ts";
import { testDatabase } from "../support/postgres.ts";

t.test("[N1] kill -9 under load loses nothing acknowledged: PostgreSQL", { timeout: 900_000 }, async (t) => {
  const { url } = await testDatabase(t);
  await crashRounds(t, { DATABASE_URL: url }, 3);
});
