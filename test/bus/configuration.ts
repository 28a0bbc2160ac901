/** What nodes tell each other about the configuration that all of them hold. Run by one test file per implementation of the bus. */
import { randomUUID } from "node:crypto";
import type { Test } from "tap";
import { StoreAway } from "../../src/actors/ports.ts";
import { Cluster } from "../../src/cluster/cluster.ts";
import { encodeControl, everybodyOf, FIRST_CONTROL } from "../../src/cluster/frames.ts";
import type { ClusterState, ClusterStore } from "../../src/cluster/ports.ts";
import { SHARDS } from "../../src/limits.ts";
import { startSystem } from "../support/actor-system.ts";
import type { OpenBus } from "./contract.ts";
import { until } from "./until.ts";

/** Of a cluster in which nobody owns anything. */
function storeOf(incarnation: string): ClusterStore {
  const away = () => Promise.reject(new StoreAway("no database in this test"));
  const state: ClusterState = {
    members: ["a", "b", "c"].map((name) => ({
      ...{ incarnation: name, url: `http://${name}`, version: "1", leaseLeftMs: 5_000, draining: false },
    })),
    shards: Array.from({ length: SHARDS }, () => ({ epoch: 0 })),
  };
  return {
    incarnation,
    renew: async () => state,
    setUrl: () => {},
    claimFree: away,
    release: away,
    drain: away,
  };
}

export function configurationContract(t: Test, open: OpenBus): void {
  t.test("[X19] a change of the configuration is told to all other nodes, with its name", async (t) => {
    const name = `muster-test-${randomUUID()}`;
    const heard: string[] = [];
    const losses: (() => void)[] = [];
    const join = async (node: string) => {
      const bus = await open(t);
      bus.onLoss = (lost) => losses.push(lost);
      const { system, clock } = await startSystem();
      const cluster = new Cluster({
        ...{ name, store: storeOf(node), bus, clock, random: () => 0.5 },
        log: { info: () => {}, warn: () => {} },
        onConfiguration: (part) => heard.push(`${node} ${part}`),
        onStale: () => {},
        onDown: () => t.fail("evicted"),
        onFatal: (error) => t.fail(String(error)),
      });
      cluster.attach(system);
      await cluster.start();
      t.teardown(() => cluster.stop());
      return cluster;
    };
    const [a, b] = [await join("a"), await join("b"), await join("c")];
    a!.announceConfiguration("machines");
    b!.announceConfiguration("others");
    await until("all have heard", () => heard.length >= 4);
    t.same(heard.toSorted(), ["a others", "b machines", "c machines", "c others"], "not to itself");
    const bus = await open(t);
    await bus.publish(everybodyOf(name), encodeControl(FIRST_CONTROL + 6, "z", { name: 7 }));
    await until("it is counted", () => a!.stats.malformed === 1);
    t.equal(heard.length, 4);
    losses[1]!();
    t.equal(heard.at(-1), "b undefined", "what the bus may have lost may have been such news");
  });
}
