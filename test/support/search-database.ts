import type { Pool } from "pg";

/**
 * The tables of a database in which a text occurs, in any column: as text, or as bytes of its UTF-8. An error if a table cannot be read.
 * @param where a connection, or a pool.
 */
export async function tablesWith(where: Pick<Pool, "query">, text: string): Promise<string[]> {
  const { rows } = await where.query<{ name: string }>(
    `SELECT c.oid::regclass::text AS name FROM pg_class c
     WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace ORDER BY 1`,
  );
  const found: string[] = [];
  for (const { name } of rows) {
    const { rowCount } = await where.query(
      `SELECT FROM ${name} AS row WHERE position($1 IN row::text) > 0 OR position($2 IN row::text) > 0 LIMIT 1`,
      [text, Buffer.from(text).toString("hex")],
    );
    if (rowCount !== 0) found.push(name.replace(/_(\d+|default)$/, ""));
  }
  return [...new Set(found)];
}
