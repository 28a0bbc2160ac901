/** Whether a node can do its work: what `/readyz` tells load balancers and operators. */
import type { ActorSystem } from "./actors/system.ts";
import type { Cluster } from "./cluster/cluster.ts";
import type { Health } from "./transport/http/routes/system.ts";

/** Ready means progress: under load something is committed at least so often. */
const LONGEST_STALL_MS = 5_000;

/** @param cluster absent = the node is alone. @param stopping whether the node is shutting down. */
export function healthOf(
  system: ActorSystem,
  cluster: Cluster | undefined,
  stopping: () => boolean,
): () => Health {
  const { commit } = system;
  return () => {
    const stalled = commit.stalledMs;
    const checks: Health["checks"] = {
      store: { ok: !commit.away, detail: commit.away ? "the database does not answer" : "answers" },
      backlog: { ok: !commit.overloaded, detail: `${commit.backlogBytes} bytes wait for their commit` },
      progress: {
        ok: stalled < LONGEST_STALL_MS,
        detail: stalled === 0 ? "nothing waits" : `nothing was committed for ${Math.round(stalled)} ms`,
      },
      running: { ok: !stopping(), detail: stopping() ? "shutting down" : "yes" },
    };
    if (cluster !== undefined) {
      const { open } = cluster.member.lease;
      const { busAway } = cluster;
      checks.bus = {
        ok: !busAway,
        detail: busAway ? "Redis does not answer: other nodes' shards cannot be reached" : "answers",
      };
      checks.lease = { ok: open, detail: open ? "renewed" : "not renewed: the node stands still" };
    }
    return { ready: Object.values(checks).every((check) => check.ok), checks };
  };
}
