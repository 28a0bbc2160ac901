// What a node does with its own messages to others.
import t from "tap";
import { Cluster } from "../../src/cluster/cluster.ts";
import type { Interest } from "../../src/cluster/interest.ts";
import type { ClusterStore } from "../../src/cluster/ports.ts";
import { MAX_BUS_MESSAGE_BYTES } from "../../src/limits.ts";
import { NOTHING } from "../../src/picture/cover.ts";
import { LocalBusHub } from "../../src/transport/bus/local-bus.ts";
import { startSystem } from "../support/actor-system.ts";

/** Of a node that never joins. */
const STORE: ClusterStore = {
  incarnation: "self",
  renew: () => Promise.reject(new Error()),
  setUrl: () => {},
  claimFree: () => Promise.reject(new Error()),
  release: () => Promise.reject(new Error()),
  drain: () => Promise.reject(new Error()),
};

t.test("[X15] a message that is longer than the bus takes is dropped and counted", async (t) => {
  const { system, clock } = await startSystem();
  const cluster = new Cluster({
    name: "test",
    store: STORE,
    bus: new LocalBusHub(clock).open(),
    clock,
    log: { info: () => {}, warn: () => {} },
    random: () => 0.5,
    onStale: () => {},
    onDown: () => {},
    onFatal: (error) => t.fail(String(error)),
  });
  cluster.attach(system);
  const { mirrors } = cluster.parts;
  mirrors.nodes(["other"]);
  t.match(cluster.stats, { published: 1, tooLarge: 0 });
  const tells = (id: string) => {
    const interest: Interest = { k: id.length, cover: NOTHING, ids: new Set([id]) };
    cluster.interest.current = () => interest;
    mirrors.look();
  };
  tells("x".repeat(MAX_BUS_MESSAGE_BYTES));
  await clock.advance(10);
  t.match(cluster.stats, { published: 1, tooLarge: 1 });
  tells("x".repeat(MAX_BUS_MESSAGE_BYTES - 1_000));
  await clock.advance(10);
  t.match(cluster.stats, { published: 2, tooLarge: 1, unheard: 2 });
});
