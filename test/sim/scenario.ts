/** What happens to a simulated cluster: faults by kind, each begun at some moment and ended at a later one. */
import type { Chance } from "./chance.ts";
import { FAIR } from "./faulty-bus.ts";
import { CLEAR } from "./faulty-store.ts";
import type { SimNode } from "./sim-node.ts";
import type { World } from "./world.ts";

/** From simple to hard. `all` is any of them at each step. */
export const KINDS = ["calm", "bus", "kill", "pause", "store", "leave", "injected", "all"] as const;
export type Kind = (typeof KINDS)[number];

interface Stage {
  world: World;
  nodes: readonly SimNode[];
  chance: Chance;
}

type Fault = (stage: Stage) => void;

const LONGEST_PAUSE_MS = 15_000;

/** One that is up and runs. The last of them seldom: who is left alone has to see and do what follows. */
function victim({ nodes, chance }: Stage): SimNode | undefined {
  const up = nodes.filter(({ isUp, isPaused }) => isUp && !isPaused);
  return up.length === 0 || (up.length === 1 && chance.is(0.8)) ? undefined : chance.pick(up);
}

function later({ world, chance }: Stage, least: number, most: number, end: () => void): void {
  world.clock.schedule(chance.between(least, most), end);
}

/** For some, or all. */
function some({ nodes, chance }: Stage): SimNode[] {
  return chance.is(0.4) ? [...nodes] : [chance.pick(nodes)];
}

const storm: Fault = (stage) => {
  const { world, chance } = stage;
  const weather = {
    drop: chance.is(0.5) ? chance.between(0, 0.4) : 0,
    double: chance.is(0.5) ? chance.between(0, 0.5) : 0,
    delay: chance.pick([2, 20, 400]),
    reorder: chance.is(0.4),
  };
  world.trace.note(`the bus ${JSON.stringify(weather)}`);
  world.busFaults.weather = weather;
  later(stage, 500, 5_000, () => {
    world.busFaults.weather = FAIR;
  });
};

const partition: Fault = (stage) => {
  const { world, nodes, chance } = stage;
  const a = chance.pick(nodes).name;
  const b = chance.pick(nodes).name;
  world.trace.note(`${a} and ${b} do not hear each other`);
  const { cut } = world.busFaults;
  const ways = chance.is(0.7) ? [`${a}|${b}`, `${b}|${a}`] : [`${a}|${b}`];
  for (const way of ways) cut.add(way);
  later(stage, 300, 6_000, () => {
    for (const way of ways) cut.delete(way);
  });
};

const busAway: Fault = (stage) => {
  const { world } = stage;
  const { away } = world.busFaults;
  const lose = (node: SimNode) => {
    if (node.exists) node.life.bus.lose();
  };
  for (const node of some(stage)) {
    world.trace.note(`${node.name} has no bus`);
    away.add(node.name);
    lose(node);
    later(stage, 100, 5_000, () => {
      away.delete(node.name);
      lose(node);
    });
  }
};

const kill: Fault = (stage) => {
  const node = victim(stage);
  if (node === undefined) return;
  node.kill();
  later(stage, 100, 9_000, () => node.start());
};

const pause: Fault = (stage) => {
  const node = victim(stage);
  if (node === undefined) return;
  node.pause();
  later(stage, 200, LONGEST_PAUSE_MS, () => node.resume());
};

/** Stops with a flush at its commit, which comes when nobody expects it any more. */
const freeze: Fault = (stage) => {
  const { world, chance } = stage;
  const node = victim(stage);
  if (node === undefined) return;
  node.life.store.freeze = {
    ms: chance.between(2_000, 3_900),
    frozen: () => {
      // Not at once: the statement is on its way yet.
      world.clock.schedule(0, () => {
        node.pause();
        later(stage, 4_000, LONGEST_PAUSE_MS, () => node.resume());
      });
    },
  };
};

const rain: Fault = (stage) => {
  const { world, chance } = stage;
  const often = (most: number) => (chance.is(0.5) ? chance.between(0, most) : 0);
  const weather = {
    delay: chance.pick([2, 30, 300]),
    cut: often(0.3),
    hang: often(0.3),
    late: often(0.3),
    hangMs: 3_900,
    lateMs: 9_000,
    loadMs: chance.pick([0, 300, 4_000]),
  };
  world.trace.note(`the database ${JSON.stringify(weather)}`);
  world.storeFaults.weather = weather;
  later(stage, 500, 6_000, () => {
    world.storeFaults.weather = CLEAR;
  });
};

const storeAway: Fault = (stage) => {
  const { world, chance } = stage;
  const how = chance.pick(["refused", "silent"] as const);
  const most = chance.pick([2_000, 6_000, 15_000]);
  for (const node of some(stage)) {
    world.trace.note(`${node.name} does not reach the database: ${how}`);
    world.storeFaults.away.set(node.name, how);
    later(stage, 300, most, () => world.storeFaults.away.delete(node.name));
  }
};

const leave: Fault = (stage) => {
  const { world, chance } = stage;
  const node = victim(stage);
  if (node === undefined) return;
  void node.leave().catch(world.fail);
  const version = chance.is(0.3) ? "2" : "1";
  later(stage, 200, 8_000, () => {
    if (node.exists) return;
    node.version = version;
    node.start();
  });
};

const join: Fault = ({ nodes, chance }) => {
  const down = nodes.filter(({ exists }) => !exists);
  if (down.length > 0) chance.pick(down).start();
};

const falseMoved: Fault = (stage) => {
  const { world, chance } = stage;
  world.falseMoved = chance.between(0, 0.2);
  later(stage, 100, 1_000, () => {
    world.falseMoved = 0;
  });
};

const nothing: Fault = () => {};

const FAULTS: Record<Exclude<Kind, "all">, readonly Fault[]> = {
  calm: [nothing],
  bus: [storm, partition, busAway],
  kill: [kill, kill, join],
  pause: [pause, freeze],
  store: [rain, rain, storeAway],
  leave: [leave, join],
  injected: [falseMoved, storm, nothing],
};
const ALL = Object.values(FAULTS).flat();

const CALM_SHARE = 0.3;

/** One step: something goes wrong, or nothing. */
export function disturb(kind: Kind, stage: Stage): void {
  if (stage.chance.is(CALM_SHARE)) return;
  stage.chance.pick(kind === "all" ? ALL : FAULTS[kind])(stage);
}

/** Everything is well from now on. */
export function heal({ world, nodes, chance }: Stage): void {
  world.trace.note("all faults end");
  world.busFaults.weather = FAIR;
  world.busFaults.cut.clear();
  for (const { name } of nodes) {
    if (!world.busFaults.away.delete(name)) continue;
    const node = nodes.find((other) => other.name === name)!;
    if (node.exists) node.life.bus.lose();
  }
  world.storeFaults.weather = CLEAR;
  world.storeFaults.away.clear();
  world.falseMoved = 0;
  for (const node of nodes) {
    if (node.exists) {
      node.life.store.freeze = undefined;
      node.resume();
    }
  }
  // Some stay dead, but not all.
  const living = nodes.filter(({ exists }) => exists);
  for (const node of nodes) if (!node.exists && (living.length === 0 || chance.is(0.6))) node.start();
}
