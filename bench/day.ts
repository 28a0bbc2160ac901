/**
 * `day`: a fleet that reports each 10 s, for long enough that its tracks become rows: what a report costs the node, and the database, until it is stored for good. A day of a
 * million entities on paper is made of it.
 */
import assert from "node:assert/strict";
import pg from "pg";
import { BinaryBatches } from "./binary-batches.ts";
import { FeedReports } from "./feed-reports.ts";
import { Fleet, workloadHash } from "./fleet.ts";
import { bytesOfTracks } from "./history/storage.ts";
import { ReportClient } from "./report-client.ts";
import type { Measured, Options } from "./result.ts";
import { BenchServer, NODE } from "./server-process.ts";

const SEED = 20_261;

interface Size {
  entities: number;
  everyS: number;
  /** Until the first segments end, after 32 to 63 reports. Then it is measured while 64 more come, in which each entity ends one. */
  warmUpS: number;
  measuredS: number;
  batchSize: number;
  connections: number;
}

const SIZES: Record<Options["size"], Size> = {
  full: {
    ...{ entities: 100_000, everyS: 10, warmUpS: 330, measuredS: 640 },
    ...{ batchSize: 1_000, connections: 8 },
  },
  small: { entities: 500, everyS: 0.5, warmUpS: 0.5, measuredS: 1, batchSize: 50, connections: 2 },
};

export async function day(options: Options): Promise<Measured> {
  const { databaseUrl } = options;
  if (databaseUrl === undefined)
    throw new Error("day needs DATABASE_URL: what it asks is what PostgreSQL writes");
  const size = SIZES[options.size];
  const fleet = new Fleet({ entities: size.entities, seed: SEED });
  const batches = new BinaryBatches(fleet, size.batchSize, SEED, size.connections);
  const workload_hash = workloadHash({ scenario: "day", seed: SEED, ...size }, ...batches.generated);
  const perS = size.entities / size.everyS;
  await using server = await BenchServer.start({ ...options, entry: NODE, args: ["serve"] });
  const database = new pg.Client(databaseUrl);
  await database.connect();
  const client = new ReportClient(await FeedReports.open(server, batches, size.connections));
  try {
    await client.offer(perS, size.warmUpS);
    const before = await look(server, database);
    await client.offer(perS, size.measuredS);
    const after = await look(server, database);
    assert.equal(client.acknowledged, client.sent);
    const { bytes } = await bytesOfTracks(database);
    const stored = after.metrics.get("muster_track_points_written_total");
    const during = (name: string) => after.metrics.get(name) - before.metrics.get(name);
    const reports = during("muster_reports_accepted_total");
    const figures = {
      reports_per_s: reports / size.measuredS,
      server_cpu_of_1000_reports_ms: (1e6 * (after.metrics.cpuS - before.metrics.cpuS)) / reports,
      journal_bytes_per_report: during("muster_flushed_bytes_total") / reports,
      wal_bytes_per_report: (after.wal - before.wal) / reports,
      track_reports_per_s: during("muster_track_points_written_total") / size.measuredS,
      track_rows_per_s: during("muster_track_rows_total") / size.measuredS,
      track_waiting_mb: after.metrics.get("muster_track_waiting_bytes") / 1e6,
      // None in the small size, which is over before a segment ends.
      stored_bytes_of_1000_track_reports: stored === 0 ? 0 : (1_000 * bytes) / stored,
      rss_mb: after.metrics.rssMb,
    };
    return { workload_hash, figures };
  } finally {
    client.close();
    await database.end();
  }
}

/** @returns what the node says, and where the write-ahead log of the whole database server is, bytes */
async function look(server: BenchServer, database: pg.Client) {
  const { rows } = await database.query<{ wal: number }>(
    "SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::float8 AS wal",
  );
  return { metrics: await server.metrics(), wal: rows[0].wal };
}
