/** PostgreSQL goes and comes back while reports go on: whether shards have moved, and what became of the reports. */
import { setTimeout as sleep } from "node:timers/promises";
import { Fleet, type FleetParameters } from "../fleet.ts";
import type { ClusterUnderTest } from "./cluster-under-test.ts";
import { ReportFeed } from "./report-feed.ts";
import { SteadyLoad } from "./steady-load.ts";

export interface DatabaseAwaySize {
  fleet: FleetParameters;
  reportsPerS: number;
  awayS: number;
  /** From the return on: reports go on, and whoever took another's lease for run out would take its shards. */
  afterS: number;
}

const CALM_S = 1;
/** So that what waits for the database is less than one may have without an answer. */
const CONNECTIONS = 8;
/** From the return of the database: longer than any report may wait for another node. */
const ANSWER_MS = 30_000;

export async function databaseAway(
  cluster: ClusterUnderTest,
  size: DatabaseAwaySize,
): Promise<Record<string, number>> {
  // Nothing but the database's being away shall move any.
  await cluster.balanced();
  const nodes = cluster.running;
  const feeds = await Promise.all(nodes.map((node) => ReportFeed.open(cluster.target(node), CONNECTIONS)));
  const load = new SteadyLoad(feeds, new Fleet(size.fleet), size.reportsPerS);
  try {
    await sleep(CALM_S * 1_000);
    const before = await cluster.shards();
    await cluster.postgres.stop();
    const wentAt = performance.now();
    await sleep(size.awayS * 1_000);
    const returnsAt = performance.now();
    await cluster.postgres.start();
    const isBackAt = performance.now();
    await sleep(size.afterS * 1_000);
    await load.stop();
    const unanswered = await load.unanswered(ANSWER_MS);
    const after = await cluster.shards();

    const afterReturn = load.answered.filter(({ at, accepted }) => accepted > 0 && at >= returnsAt);
    if (afterReturn.length === 0) throw new Error("nothing was acknowledged after the database had returned");
    const backlog = load.answered.filter(({ sentAt }) => sentAt >= wentAt && sentAt < returnsAt);
    const sinceBack = (times: number[], of: (...times: number[]) => number) =>
      Math.max(0, of(...times) - isBackAt);
    return {
      database_away_s: (returnsAt - wentAt) / 1_000,
      database_away_moved_shards: before.filter(
        ({ owner, epoch }, i) => owner !== after[i].owner || epoch !== after[i].epoch,
      ).length,
      database_away_recovery_ms: sinceBack(
        afterReturn.map(({ at }) => at),
        Math.min,
      ),
      database_away_backlog_answered_ms: sinceBack(
        backlog.map(({ at }) => at),
        Math.max,
      ),
      database_away_longest_answer_ms: load.answered.reduce(
        (most, { sentAt, at }) => Math.max(most, at - sentAt),
        0,
      ),
      database_away_backlog_acked: sum(backlog.map(({ accepted }) => accepted)),
      database_away_sent_reports: load.sentReports,
      database_away_acked_reports: sum(load.answered.map(({ accepted }) => accepted)),
      database_away_refused_reports: sum(load.answered.map(({ refused }) => refused)),
      database_away_unanswered_reports: unanswered,
    };
  } finally {
    await load.stop();
    for (const feed of feeds) feed.close();
  }
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
