import pg from "pg";

/**
 * Whether a database holds entities of runs before, or of a node: its tables are larger then, and figures are not those of an empty one.
 * @returns a sentence that says so; undefined if it is empty, or was never used.
 */
export async function usedDatabase(databaseUrl: string): Promise<string | undefined> {
  const client = new pg.Client(databaseUrl);
  await client.connect();
  try {
    const { rows } = await client.query<{ there: boolean }>(
      "SELECT to_regclass('entity') IS NOT NULL AS there",
    );
    if (!rows[0]?.there) return undefined;
    const { rows: counted } = await client.query<{ entities: number }>(
      "SELECT count(*)::int AS entities FROM entity",
    );
    const entities = counted[0]?.entities ?? 0;
    if (entities === 0) return undefined;
    return `The database has ${entities.toLocaleString("en")} entities already: figures compare with those of an empty one only if it is dropped and made anew before the run.`;
  } finally {
    await client.end();
  }
}
