// The benchmark of a cluster in its small size, as in bench.test.ts.
import { join } from "node:path";
import t, { type Test } from "tap";
import { idOfEachShard, OwnedFleet } from "../bench/cluster/owned-fleet.ts";
import { Fleet } from "../bench/fleet.ts";
import { shardOf } from "../src/actors/shard-hash.ts";
import { SHARDS } from "../src/limits.ts";
import { looksRight, type Run, run } from "./support/bench.ts";
import { stoppableDatabase } from "./support/postgres.ts";
import { findPostgres } from "./support/postgres-server.ts";
import { findRedis, ownRedis } from "./support/redis.ts";
import { temporaryFolder } from "./support/serve.ts";

/** A machine that does much else takes three times as long. */
const RUN_MS = 180_000;
t.setTimeout(RUN_MS);

t.test("[B12] ids are of the wanted shards, and the rest of a fleet does not depend on them", async (t) => {
  const parameters = { entities: 300, seed: 12 };
  const shards = new Set([3, 77, 255]);
  const owned = new OwnedFleet(parameters, 230_000_000, shards);
  const ids = Array.from({ length: owned.size }, (_, entity) => owned.id(entity));
  t.equal(new Set(ids).size, 300);
  t.same(new Set(ids.map(shardOf)), shards);
  t.ok(ids.every((id) => /^\d{9}$/.test(id)));
  const any = new Fleet(parameters);
  t.same([owned.lon, owned.lat, owned.speed, owned.course], [any.lon, any.lat, any.speed, any.course]);
  t.same(
    idOfEachShard(SHARDS).map(shardOf),
    Array.from({ length: SHARDS }, (_, shard) => shard),
  );
});

t.test("[B1] [B12] cluster, small", { timeout: RUN_MS }, async (t) => {
  const figures = looksRight(t, await runCluster(t));
  t.test("reports are forwarded, and decided where they belong", async (t) => {
    for (const prefix of ["", "bin_"]) {
      const figure = (name: string) => figures[prefix + name];
      t.ok(figure("local_reports") > 0 && figure("forwarded_reports") > 0);
      t.ok(figure("local_reports_per_cpu_s") > 0 && figure("forwarded_reports_per_cpu_s") > 0);
      t.ok(figure("forward_cost_percent") < 100);
    }
  });
  t.test("viewers of both nodes have what they look at", async (t) => {
    for (const where of ["local", "remote"]) {
      const figure = (name: string) => figures[`${where}_view_${name}`];
      t.ok(figure("measured_reports") > 100);
      t.ok(figure("p50_ms") > 0 && figure("p99_ms") >= figure("p50_ms"));
      t.ok(figure("max_ms") >= figure("p99_ms"));
    }
  });
  t.test("without its database the cluster stays as it is, and answers all that it was sent", async (t) => {
    const figure = (name: string) => figures[`database_away_${name}`];
    t.equal(figure("moved_shards"), 0);
    t.ok(figure("backlog_acked") > 0);
    t.equal(figure("unanswered_reports"), 0);
    t.equal(figure("acked_reports") + figure("refused_reports"), figure("sent_reports"));
    t.ok(figure("recovery_ms") <= figure("backlog_answered_ms"));
  });
  t.test("shards move, and all reports are answered meanwhile", async (t) => {
    const { hand_over_joined_shards, hand_over_left_shards, takeover_shards } = figures;
    t.ok(hand_over_joined_shards > 0 && hand_over_left_shards > 0 && takeover_shards > 0);
    t.ok(takeover_shards < SHARDS);
    t.ok(figures.takeover_entities > 0);
    t.ok(figures.takeover_ms >= figures.takeover_p50_ms && figures.takeover_p50_ms > 0);
    t.ok(figures.hand_over_max_ms >= figures.hand_over_p99_ms && figures.hand_over_p50_ms > 0);
    t.equal(figures.moving_unanswered_reports, 0);
    const { moving_acked_reports, moving_refused_reports, moving_sent_reports } = figures;
    t.equal(moving_acked_reports + moving_refused_reports, moving_sent_reports);
  });
});

async function runCluster(t: Test): Promise<Run> {
  // Installed here, where that is possible: the benchmark only looks for them.
  if (findPostgres() === undefined) await stoppableDatabase();
  if (findRedis() === undefined) await ownRedis(t);
  const file = join(await temporaryFolder(t), "result.json");
  return { scenario: "cluster", file, ...(await run(t, ["cluster", "--small", "--json", file])) };
}
