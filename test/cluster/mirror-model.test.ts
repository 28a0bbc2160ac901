import t from "tap";
import { shardOf } from "../../src/actors/shard-hash.ts";
import type { Box } from "../../src/picture/cover.ts";
import { fc } from "../support/seeded.ts";
import { type Faults, NO_FAULTS, TestCluster } from "./mirror-cluster.ts";

/** Twelve ids in three shards. */
const IDS = [0, 1, 2].flatMap((shard) => {
  const found: string[] = [];
  for (let i = 0; found.length < 4; i++) if (shardOf(`e${i}`) === shard) found.push(`e${i}`);
  return found;
});
/** Where entities are: several in one cell of the interest, in neighbours, and far away. */
const PLACES = [
  [0, 0],
  [0.01, 0.01],
  [0.3, 0.1],
  [1, 0],
  [5, 5],
  [-170, 60],
  [179.99, -60],
] as const;
const BOXES: (Box | undefined)[] = [
  undefined,
  [-0.1, -0.1, 0.1, 0.1],
  [0, 0, 1.2, 1],
  [4, 4, 6, 6],
  [-10, -10, 10, 10],
  [-180, -90, 180, 90],
  [170, -70, -160, 70],
];

type Step =
  | { do: "report"; id: number; place: number; attributes: number; who: number }
  | { do: "expire"; id: number }
  | { do: "delete"; id: number }
  | { do: "commit"; shard: number }
  | { do: "hand"; shard: number; to: number }
  | { do: "steal"; shard: number; to: number }
  | { do: "notice"; node: number }
  | { do: "restart"; node: number; heirs: number }
  | { do: "look"; node: number; box: number }
  | { do: "want"; node: number; ids: number[] }
  | { do: "pass"; ms: number }
  | { do: "faults"; faults: Faults };

const NODES = 3;
const index = (count: number) => fc.nat(count - 1);
const calmSteps: fc.MaybeWeightedArbitrary<unknown>[] = [
  {
    weight: 24,
    arbitrary: fc.record({
      do: fc.constant("report"),
      id: index(IDS.length),
      place: index(PLACES.length + 1),
      attributes: index(5),
      who: index(2),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("expire"), id: index(IDS.length) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("delete"), id: index(IDS.length) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("commit"), shard: index(3) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("hand"), shard: index(3), to: index(NODES) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("steal"), shard: index(3), to: index(NODES) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("notice"), node: index(NODES) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("restart"), node: index(NODES), heirs: index(8) }) },
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constant("look"), node: index(NODES), box: index(BOXES.length) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant("want"),
      node: index(NODES),
      ids: fc.array(index(IDS.length), { maxLength: 3 }),
    }),
  },
  {
    weight: 8,
    arbitrary: fc.record({ do: fc.constant("pass"), ms: fc.constantFrom(20, 40, 100, 300, 1_200) }),
  },
];
const faults = {
  weight: 3,
  arbitrary: fc.record({
    do: fc.constant("faults"),
    faults: fc.constantFrom<Faults[]>(
      NO_FAULTS,
      NO_FAULTS,
      { lost: 20, doubled: 0, refused: 0, delay: 0 },
      { lost: 0, doubled: 30, refused: 0, delay: 300 },
      { lost: 10, doubled: 10, refused: 10, delay: 50 },
      { lost: 0, doubled: 0, refused: 30, delay: 0 },
      { lost: 0, doubled: 0, refused: 0, delay: 1_000 },
    ),
  }),
};
const history = (steps: fc.MaybeWeightedArbitrary<unknown>[]) =>
  fc.array(fc.oneof(...steps) as fc.Arbitrary<Step>, { minLength: 10, maxLength: 100, size: "max" });

class History {
  readonly cluster: TestCluster;
  /** By place: the name of the node that is there now. */
  readonly names = ["a0", "b0", "c0"];
  #restarts = 0;

  constructor(seed: number, tight: boolean) {
    this.cluster = new TestCluster(
      this.names,
      seed,
      tight ? { maxChangeBytes: 100, maxRoundBytes: 250 } : {},
    );
  }

  async begin(): Promise<void> {
    const { cluster, names } = this;
    for (let shard = 0; shard < 3; shard++) await cluster.claim(names[shard % 2], shard);
    cluster.node("a0").look(BOXES[4]);
    cluster.node("c0").look(BOXES[5]);
    await cluster.pass(200);
  }

  async do(step: Step): Promise<void> {
    const { cluster, names } = this;
    switch (step.do) {
      case "report": {
        const believers = cluster.believers(shardOf(IDS[step.id]));
        const node = believers[step.who % believers.length];
        if (node === undefined) break;
        cluster.report(node, IDS[step.id], PLACES[step.place], step.attributes === 0 ? '{"a":1}' : "");
        if (step.attributes === 1) cluster.occupy(node, IDS[step.id], ["harbour", undefined][step.place % 2]);
        break;
      }
      case "expire": {
        const node = cluster.owner(shardOf(IDS[step.id]));
        if (node !== undefined) cluster.expire(node, IDS[step.id]);
        break;
      }
      case "delete": {
        const node = cluster.owner(shardOf(IDS[step.id]));
        if (node !== undefined) cluster.delete(node, IDS[step.id]);
        break;
      }
      case "commit":
        cluster.commit(step.shard);
        break;
      case "hand": {
        const owner = cluster.owner(step.shard);
        if (owner === undefined) break;
        cluster.commit(step.shard);
        cluster.release(owner.name, step.shard);
        await cluster.claim(names[step.to], step.shard);
        break;
      }
      case "steal":
        await cluster.claim(names[step.to], step.shard);
        break;
      case "notice":
        this.#notice(names[step.node]);
        break;
      case "restart":
        await this.#restart(step.node, step.heirs);
        break;
      case "look":
        cluster.node(names[step.node]).look(BOXES[step.box]);
        break;
      case "want":
        cluster.node(names[step.node]).want([...new Set(step.ids)].map((id) => IDS[id]));
        break;
      case "pass":
        await cluster.pass(step.ms);
        break;
      case "faults":
        cluster.faults = step.faults;
        break;
      default:
        step satisfies never;
    }
  }

  #notice(name: string): void {
    for (let shard = 0; shard < 3; shard++)
      if (this.cluster.owner(shard)?.name !== name) this.cluster.release(name, shard);
  }

  /** @param heirs by its bits: who gets the shards that nobody has now; the one that has started again, or another. */
  async #restart(place: number, heirs: number): Promise<void> {
    const { cluster, names } = this;
    cluster.die(names[place]);
    names[place] = `${"abc"[place]}${++this.#restarts}`;
    cluster.join(names[place]);
    for (let shard = 0; shard < 3; shard++)
      if (cluster.owner(shard) === undefined)
        await cluster.claim(names[(place + ((heirs >> shard) & 1)) % NODES], shard);
  }

  async rest(): Promise<void> {
    const { cluster } = this;
    await cluster.pass(40);
    cluster.faults = NO_FAULTS;
    for (const name of this.names) this.#notice(name);
    await cluster.pass(7_000);
    cluster.checkRest();
  }
}

const histories = fc.asyncProperty(
  // Without faults nothing starts a stream again, which mends everything.
  fc.oneof(history(calmSteps), history([...calmSteps, faults])),
  fc.nat(),
  fc.boolean(),
  async (steps, seed, tight) => {
    const history = new History(seed, tight);
    try {
      await history.begin();
      for (const step of steps) await history.do(step);
      await history.rest();
    } finally {
      history.cluster.end();
    }
  },
);

t.test(
  "[U1, U2, U14] whatever happens, nothing goes back, and at rest mirrors are what the owners have",
  async () => {
    await fc.assert(histories, { numRuns: 200 });
  },
);
