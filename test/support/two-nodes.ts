/** Two nodes on one PostgreSQL and one Redis, both real. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Test } from "tap";
import { shardOf } from "../../src/actors/shard-hash.ts";
import { type Clock, systemClock } from "../../src/clock.ts";
import type { ClusterStatus } from "../../src/cluster/status.ts";
import { type Config, loadConfig } from "../../src/config.ts";
import { CONFIGURATION_LOOK_MS } from "../../src/limits.ts";
import { startNode } from "../../src/node.ts";
import { createLog } from "../../src/telemetry/log.ts";
import { WEBHOOK_RENEW_MS } from "../../src/webhooks/limits.ts";
import { asking, json } from "./asking.ts";
import { testDatabase } from "./postgres.ts";
import { testRedis } from "./redis.ts";
import { serve, TOKEN, temporaryFolder } from "./serve.ts";

/** Processes that both have shards. @param name of their cluster; others on the same Redis have others. */
export async function serveTwo(t: Test, name: string) {
  const [{ url }, redis] = await Promise.all([testDatabase(t), testRedis(t)]);
  const env = { DATABASE_URL: url, REDIS_URL: redis, MUSTER_CLUSTER: `${name}-${process.pid}` };
  const start = async () => serve(t, { dataDir: await temporaryFolder(t), env });
  const nodes = await Promise.all([start(), start()]);
  const status = async () =>
    (await json(asking(nodes[0]!)("GET", "/v1/cluster"))) as unknown as ClusterStatus;
  let cluster = await status();
  const isShared = () =>
    cluster.shards.every(({ state }) => state === "open") &&
    cluster.nodes.length === 2 &&
    cluster.nodes.every(({ shards }) => shards > 0);
  while (!isShared()) {
    await sleep(100);
    cluster = await status();
  }
  /** Who owns these entities, once each is owned: shards still move to even out. */
  const ownersOf = async (ids: readonly string[]): Promise<Set<string>> => {
    for (;;) {
      const { shards } = await status();
      const owners = ids.map((id) => shards[shardOf(id)]!.owner);
      if (owners.every((owner) => owner !== undefined)) return new Set(owners);
      await sleep(50);
    }
  };
  return { url, nodes, ownersOf };
}

const LOOKS: ReadonlySet<number> = new Set([CONFIGURATION_LOOK_MS, WEBHOOK_RENEW_MS]);

/** In this process, and they never look by themselves whether the configuration, or a webhook, has changed: they must hear of it. */
export async function startTwoThatOnlyHear(t: Test, name: string) {
  const [{ url }, redis] = await Promise.all([testDatabase(t), testRedis(t)]);
  const clock: Clock = {
    ...systemClock,
    schedule: (ms, work) => (LOOKS.has(ms) ? () => {} : systemClock.schedule(ms, work)),
  };
  const start = async () => {
    const config = loadConfig({
      ...{ PORT: "0", MUSTER_SERVER: "ws", MUSTER_ADMIN_TOKEN: TOKEN },
      ...{ MUSTER_CLUSTER: `${name}-${process.pid}`, MUSTER_DATA_DIR: await temporaryFolder(t) },
      ...{ DATABASE_URL: url, REDIS_URL: redis, MUSTER_WEBHOOK_PRIVATE: "true" },
    }) as Config;
    const onFatal = (error: unknown) => t.fail(String(error));
    const node = await startNode({ config, log: createLog("silent"), clock, onFatal });
    t.teardown(() => node.stop());
    const ask = asking({ url: node.url, headers: { authorization: `Bearer ${TOKEN}` } });
    return { ask, stop: () => node.stop() };
  };
  return { url, nodes: [await start(), await start()] as const };
}
