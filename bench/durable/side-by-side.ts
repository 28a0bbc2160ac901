/**
 * The reports of `durable` through what is often used in Muster's place, each as fast as it takes them: a row a report by `COPY`, with an index for each question
 * and without any; and Redis with its log on the disk.
 */
import assert from "node:assert/strict";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort } from "../../test/support/programs.ts";
import { findRedis, TestRedis } from "../../test/support/redis.ts";
import type { Fleet } from "../fleet.ts";
import { ReportClient, type ReportRoute } from "../report-client.ts";
import type { Options } from "../result.ts";
import { CopyRows } from "./copy-rows.ts";
import { DURABLE, RedisLog } from "./redis-log.ts";

export interface PeerSize {
  batchSize: number;
  /** Each has one batch under way. */
  connections: number;
  seed: number;
  warmUpS: number;
  saturateS: number;
}

/** @returns durable reports a second, by who took them */
export async function sideBySide(
  fleet: Fleet,
  size: PeerSize,
  { databaseUrl }: Options,
): Promise<Record<string, number>> {
  const figures: Record<string, number> = {};
  if (databaseUrl === undefined) console.log("COPY is left out: it needs DATABASE_URL");
  else {
    figures.copy_rows_per_s = await copied(databaseUrl, fleet, size, true);
    figures.copy_rows_without_index_per_s = await copied(databaseUrl, fleet, size, false);
  }
  const program = findRedis();
  if (program === undefined)
    console.log("Redis is left out: it is not installed (apt-get install redis-server)");
  else figures.redis_reports_per_s = await logged(program, fleet, size);
  return figures;
}

async function copied(url: string, fleet: Fleet, size: PeerSize, indexed: boolean): Promise<number> {
  const rows = await CopyRows.open(url, fleet, { ...size, indexed });
  try {
    const { perS, sent } = await saturated(rows, size);
    assert.equal(await rows.dropTable(), sent, "each report is a row");
    return perS;
  } finally {
    rows.close();
  }
}

async function logged(program: string, fleet: Fleet, size: PeerSize): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), "muster-bench-redis-"));
  const redis = new TestRedis(program, folder, await freePort(), DURABLE);
  try {
    await redis.start();
    const log = await RedisLog.open(redis.url, fleet, size);
    try {
      return (await saturated(log, size)).perS;
    } finally {
      log.close();
    }
  } finally {
    await redis.dispose();
  }
}

async function saturated(route: ReportRoute, { connections, warmUpS, saturateS }: PeerSize) {
  const client = new ReportClient(route);
  await client.saturate(connections, warmUpS);
  const perS = await client.saturate(connections, saturateS);
  return { perS, sent: client.sent };
}
