/** What a report takes in the database, its share of indexes included. */
import type { ClientBase, Pool } from "pg";
import type { Store } from "../../src/store/store.ts";
import type { Fleet } from "../fleet.ts";
import { pointOf } from "./traffic.ts";

const BATCH = 1_000;

export async function bytesOfTracks(database: ClientBase | Pool): Promise<{ bytes: number; rows: number }> {
  const { rows } = await database.query<{ bytes: number; rows: number }>(
    `SELECT sum(pg_total_relation_size(relid))::float8 AS bytes, (SELECT count(*)::float8 FROM track) AS rows
     FROM pg_partition_tree('track') WHERE isleaf`,
  );
  return rows[0];
}

/** The same as tables of positions usually have it: a row a report, found by entity and time, by place, and by time. @returns bytes of one */
export async function bytesOfRowPerReport(
  store: Store,
  fleet: Fleet,
  from: number,
  everyMs: number,
  count: number,
): Promise<number> {
  const { pool } = store.context;
  await pool.query("DROP TABLE IF EXISTS bench_report");
  await pool.query(
    `CREATE TABLE bench_report (t timestamptz NOT NULL, received timestamptz NOT NULL, entity text NOT NULL, geom geometry(Point, 4326) NOT NULL,
      alt real, speed real, course real, kind text NOT NULL, state text NOT NULL, attributes jsonb NOT NULL, PRIMARY KEY (entity, t))`,
  );
  await pool.query("CREATE INDEX ON bench_report USING gist (geom)");
  await pool.query("CREATE INDEX ON bench_report (t)");
  for (let at = 0; at < count; at += BATCH) {
    const rows = Array.from({ length: Math.min(BATCH, count - at) }, (_, i) => {
      const entity = (at + i) % fleet.size;
      const point = pointOf(fleet, entity, from + Math.floor((at + i) / fleet.size) * everyMs, from);
      return { entity: fleet.id(entity), name: `MS ${entity}`, ...point };
    });
    await pool.query(
      `INSERT INTO bench_report SELECT to_timestamp(t / 1000), to_timestamp(t / 1000 + 1), entity, ST_SetSRID(ST_MakePoint(lon, lat), 4326), NULL,
        speed, course, 'vessel', 'online.moving', jsonb_build_object('name', name)
       FROM json_to_recordset($1::json) AS r (t float8, entity text, name text, lon float8, lat float8, speed real, course real)`,
      [JSON.stringify(rows)],
    );
  }
  const { rows } = await pool.query("SELECT pg_total_relation_size('bench_report')::float8 AS bytes");
  await pool.query("DROP TABLE bench_report");
  return rows[0].bytes / count;
}
