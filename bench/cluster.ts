/**
 * `cluster`: what it costs that there are several nodes. On two of them, forwarding, views of what the other owns, and PostgreSQL being away; on
 * three, shards that move because a node comes, leaves or is killed. They run on a PostgreSQL and a Redis of their own, without fsync.
 */

import { ClusterUnderTest } from "./cluster/cluster-under-test.ts";
import { type DatabaseAwaySize, databaseAway } from "./cluster/database-away.ts";
import { type ForwardingSize, forwarding } from "./cluster/forwarding.ts";
import { type RemoteViewSize, remoteView } from "./cluster/remote-view.ts";
import { type ShardsMoveSize, shardsMove } from "./cluster/shards-move.ts";
import { Fleet, workloadHash } from "./fleet.ts";
import type { Measured, Options } from "./result.ts";

const SEED = 20_268;

interface Size {
  view: RemoteViewSize;
  forward: ForwardingSize;
  away: DatabaseAwaySize;
  /** No shards move while the first two are measured. */
  balanced: boolean;
  move: ShardsMoveSize;
}

const fleet = (entities: number) => ({ entities, seed: SEED });

const SIZES: Record<Options["size"], Size> = {
  full: {
    view: {
      ...{ fleet: fleet(20_000), viewers: 20, held: [100, 1_000], batchSize: 250, connections: 8 },
      ...{ warmUpS: 10, measuredS: 30 },
    },
    forward: {
      ...{ fleet: fleet(50_000), batchSize: 1_000, connections: 8, binaryInFlight: 32 },
      ...{ warmUpS: 5, turnS: 10, turns: 4 },
    },
    away: { fleet: fleet(5_000), reportsPerS: 1_000, awayS: 15, afterS: 10 },
    balanced: true,
    move: { fleet: fleet(200_000), batchSize: 1_000, reportsPerS: 2_000, probeEachMs: 20, whole: true },
  },
  small: {
    view: {
      ...{ fleet: fleet(1_000), viewers: 5, held: [20, 200], batchSize: 100, connections: 2 },
      ...{ warmUpS: 1.2, measuredS: 2 },
    },
    forward: {
      ...{ fleet: fleet(1_000), batchSize: 250, connections: 4, binaryInFlight: 8 },
      ...{ warmUpS: 0.2, turnS: 0.25, turns: 2 },
    },
    away: { fleet: fleet(500), reportsPerS: 200, awayS: 6, afterS: 2 },
    balanced: false,
    move: { fleet: fleet(5_000), batchSize: 1_000, reportsPerS: 200, probeEachMs: 100, whole: false },
  },
};

export async function cluster({ size: name }: Options): Promise<Measured> {
  const size = SIZES[name];
  // Ids are of shards that a node happens to have, the rest is made by the seed.
  const fleets = [size.view, size.forward, size.away, size.move].map(({ fleet }) => new Fleet(fleet));
  const generated = fleets.flatMap(({ lon, lat, speed, course }) => [lon, lat, speed, course]);
  const workload_hash = workloadHash({ scenario: "cluster", seed: SEED, ...size }, ...generated);
  // They wait most of the time. In the full size each has the machine for itself.
  const moving = name === "small" ? shardsMove(size.move) : undefined;
  moving?.catch(() => {});
  const staying = await shardsStay(size);
  return { workload_hash, figures: { ...staying, ...(await (moving ?? shardsMove(size.move))) } };
}

/** The runs in which shards stay where they are. Views are first: entities of the other runs fall silent, and would be old news in them. */
async function shardsStay({ view, forward, away, balanced }: Size): Promise<Record<string, number>> {
  await using cluster = await ClusterUnderTest.start(2, 2);
  if (balanced) await cluster.balanced();
  return {
    ...(await remoteView(cluster, view)),
    ...(await forwarding(cluster, forward)),
    ...(await databaseAway(cluster, away)),
  };
}
