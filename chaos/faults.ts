/** What is broken, and how it is mended. A fault leaves everything as it found it. */
import { setTimeout as sleep } from "node:timers/promises";
import { terminateBackends } from "./database-side.ts";
import type { LinkMode } from "./faulty-link.ts";
import type { LocalCluster } from "./local-cluster.ts";
import type { LocalNode } from "./local-node.ts";
import { between, pick, type Random } from "./random.ts";

/** What a fault is given. */
export interface Scene {
  cluster: LocalCluster;
  random: Random;
  /** Says whom the fault hits, when it does: the name of a node, or `all`. */
  hit(target: string): void;
}

export interface Fault {
  name: string;
  needsRedis: boolean;
  run(scene: Scene): Promise<void>;
}

const SECOND = 1_000;
const START_AGAIN_MS = 60 * SECOND;

async function wait(random: Random, lowSeconds: number, highSeconds: number): Promise<void> {
  await sleep(between(random, lowSeconds, highSeconds) * SECOND);
}

/** One node, or now and then all. */
function someNodes({ cluster, random, hit }: Scene): readonly LocalNode[] {
  if (cluster.nodes.length === 1 || random() < 0.25) {
    hit("all");
    return cluster.nodes;
  }
  return [someNode({ cluster, random, hit })];
}

function someNode({ cluster, random, hit }: Scene): LocalNode {
  const node = pick(random, cluster.nodes);
  hit(node.name);
  return node;
}

/** One that ends while it starts, as its database answers too late, is started again as whoever ends by itself is. */
async function startAgain(node: LocalNode): Promise<void> {
  await node.start().catch(() => node.becomesReady(START_AGAIN_MS));
}

/** A link in a mode for some seconds. */
function link(name: string, to: "postgres" | "redis", mode: LinkMode, low: number, high: number): Fault {
  return {
    name,
    needsRedis: to === "redis",
    async run(scene) {
      const links = someNodes(scene).map(({ links }) => links[to]!);
      for (const one of links) one.mode = mode;
      await wait(scene.random, low, high);
      for (const one of links) one.mode = "pass";
    },
  };
}

/** All kinds. A lease is 5 s. */
export const FAULTS: readonly Fault[] = [
  {
    name: "kill -9",
    needsRedis: false,
    async run(scene) {
      const node = someNode(scene);
      await node.kill();
      await wait(scene.random, 0, 8);
      await startAgain(node);
    },
  },
  {
    name: "pause",
    needsRedis: false,
    async run(scene) {
      const node = someNode(scene);
      node.signal("SIGSTOP");
      await wait(scene.random, 5, 15);
      node.signal("SIGCONT");
    },
  },
  {
    name: "restart",
    needsRedis: true,
    async run(scene) {
      const node = someNode(scene);
      await node.stop();
      await startAgain(node);
    },
  },
  {
    name: "postgres restarted",
    needsRedis: false,
    async run({ cluster, random, hit }) {
      hit("all");
      await cluster.postgres.stop();
      await wait(random, 0, 3);
      await cluster.postgres.start();
    },
  },
  {
    name: "postgres crashed",
    needsRedis: false,
    async run({ cluster, hit }) {
      hit("all");
      await cluster.postgres.crash();
      await cluster.postgres.start();
    },
  },
  {
    name: "backends terminated",
    needsRedis: false,
    async run({ cluster, hit }) {
      hit("all");
      await terminateBackends(cluster.databaseUrl);
    },
  },
  link("postgres stalled", "postgres", "stall", 1, 12),
  link("postgres half-open", "postgres", "half-open", 1, 12),
  {
    name: "postgres cut",
    needsRedis: false,
    async run(scene) {
      for (const { links } of someNodes(scene)) links.postgres!.cut();
    },
  },
  {
    name: "redis restarted empty",
    needsRedis: true,
    async run({ cluster, random, hit }) {
      hit("all");
      await cluster.redis!.stop();
      await wait(random, 0, 3);
      await cluster.redis!.start();
    },
  },
  {
    name: "redis paused",
    needsRedis: true,
    async run({ cluster, random, hit }) {
      hit("all");
      cluster.redis!.pause();
      await wait(random, 1, 8);
      cluster.redis!.resume();
    },
  },
  {
    name: "redis slow",
    needsRedis: true,
    async run(scene) {
      const links = someNodes(scene).map(({ links }) => links.redis!);
      for (const one of links) one.delayMs = between(scene.random, 20, 400);
      await wait(scene.random, 3, 8);
      for (const one of links) one.delayMs = 0;
    },
  },
  link("redis stalled", "redis", "stall", 1, 8),
  link("redis half-open", "redis", "half-open", 1, 8),
  {
    name: "redis cut",
    needsRedis: true,
    async run(scene) {
      for (const { links } of someNodes(scene)) links.redis!.cut();
    },
  },
];
