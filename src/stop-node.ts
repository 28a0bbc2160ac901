/** How a node stops: nothing new is taken, what was taken is committed and answered, feeds are closed as soon as they are, then sockets, actors and store. */
import type { ActorSystem } from "./actors/system.ts";
import type { Clock } from "./clock.ts";
import type { Cluster } from "./cluster/cluster.ts";
import type { EventTail } from "./events/tail.ts";
import type { Feed } from "./transport/feed/feed.ts";
import type { Server } from "./transport/server/server.ts";
import type { Deliverer } from "./webhooks/deliverer.ts";

/** HTTP requests under way at a stop get so long. */
const SERVER_GRACE_MS = 3_000;
/** What is decided gets so long to be committed at a stop; an unreachable database must not keep the process. */
const COMMIT_GRACE_MS = 10_000;
/** The last checkpoints of a stop get so long; the next start replays what is missing. All three together stay below 30 s. */
const CHECKPOINT_GRACE_MS = 15_000;

/** A node that leaves a cluster is gone within 10 s, whatever does not answer: its reports are answered, then its shards handed over, then all as above. */
const LEAVE_GRACE_MS = 9_000;
const FORWARD_GRACE_MS = 1_500;
const HAND_OVER_GRACE_MS = 4_500;

export interface StoppingNode {
  clock: Clock;
  server: Server;
  feed: Feed;
  cluster: Cluster | undefined;
  system: ActorSystem;
  webhooks: Deliverer | undefined;
  tail: EventTail | undefined;
  /** Whether it cannot go on. */
  failed(): boolean;
  /** Closes all that was opened. */
  close(): Promise<void>;
}

/** @returns whether all that was decided is committed. */
export async function stopNode(node: StoppingNode): Promise<boolean> {
  const { clock, server, feed, cluster, system, webhooks, tail, failed, close } = node;
  server.leave();
  // Before the intake closes: what feeds send now is left to be sent again, and not refused.
  feed.leave();
  const end = clock.monotonic() + (cluster === undefined ? Infinity : LEAVE_GRACE_MS);
  const atMost = (ms: number) => Math.max(0, Math.min(ms, end - clock.monotonic()));
  if (cluster !== undefined && !failed()) {
    cluster.close();
    await within(clock, FORWARD_GRACE_MS, cluster.answered());
    await within(clock, HAND_OVER_GRACE_MS, cluster.leave());
  }
  // Of a node that cannot go on nothing more will be committed.
  const settled = !failed() && (await within(clock, atMost(COMMIT_GRACE_MS), system.settle()));
  await within(clock, atMost(SERVER_GRACE_MS), webhooks?.stop() ?? Promise.resolve());
  // Streams end only so; the server waits for them.
  await tail?.stop();
  await server.close(atMost(SERVER_GRACE_MS));
  if (settled && !failed()) await within(clock, atMost(CHECKPOINT_GRACE_MS), system.stop());
  const clean = system.router.idle && system.commit.idle;
  await close();
  return clean;
}

/** Whether `promise` is done within `ms`. */
function within(clock: Clock, ms: number, promise: Promise<void>): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const cancel = clock.schedule(ms, () => resolve(false));
    promise.then(() => {
      cancel();
      resolve(true);
    }, reject);
  });
}
