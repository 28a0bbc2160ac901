// Reports on their way through a cluster in which everything moves, on a bus that loses, doubles, delays and reorders.
import t from "tap";
import type { IngestResult, Report } from "../../src/actors/messages.ts";
import { CLUSTER_SWEEP_MS, CLUSTER_WAIT_MS } from "../../src/limits.ts";
import { fc } from "../support/seeded.ts";
import { CALM } from "./lossy-bus.ts";
import { idIn, ModelCluster, SELF } from "./model-cluster.ts";

const SHARDS = [3, 50, 200];
const IDS = SHARDS.map((shard) => [idIn(shard, 0), idIn(shard, 1)]);
const OTHERS = ["b", "c", "d"];
const NODES = [SELF, ...OTHERS];

const shard = fc.nat(SHARDS.length - 1);
const node = fc.nat(NODES.length - 1);
const event = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({
      is: fc.constant("submit" as const),
      shards: fc.array(shard, { minLength: 1, maxLength: 6 }),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      is: fc.constant("move" as const),
      shard,
      node,
      heard: fc.constantFrom(-1, -1, 1, 10, 100, 2_000),
      early: fc.constantFrom(-1, -1, 0, 1, 20, 300),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      is: fc.constant("kill" as const),
      node: fc.integer({ min: 1, max: 2 }),
      noticed: fc.nat(8_000),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      is: fc.constant("slow" as const),
      node,
      delay: fc.constantFrom(1, 20, 400, 3_000, 12_000),
    }),
  },
  { weight: 1, arbitrary: fc.record({ is: fc.constant("overload" as const), node, ms: fc.nat(500) }) },
  { weight: 1, arbitrary: fc.record({ is: fc.constant("away" as const), ms: fc.nat(3_000) }) },
  {
    weight: 6,
    arbitrary: fc.record({
      is: fc.constant("wait" as const),
      ms: fc.constantFrom(1, 2, 5, 10, 50, 300, 2_500),
    }),
  },
);
type Event = typeof event extends fc.Arbitrary<infer T> ? T : never;
const faults = fc.record({
  drop: fc.constantFrom(0, 0.05, 0.3),
  double: fc.constantFrom(0, 0.2),
  delay: fc.constantFrom(0, 5, 200),
});

interface Answer {
  reports: Report[];
  at: number;
  result?: IngestResult;
  tookMs?: number;
}

class Run {
  readonly cluster: ModelCluster;
  readonly answers: Answer[] = [];
  #number = 0;
  /** The slowest commits of any node: what has taken a report is waited for. */
  #slowest = 20;

  constructor(random: () => number) {
    this.cluster = new ModelCluster(OTHERS, random);
    for (const owner of this.cluster.owners.values()) owner.commitDelay = () => 1 + random() * 20;
    for (const [i, one] of SHARDS.entries()) {
      this.cluster.claim(one, NODES[i % NODES.length]);
      this.cluster.tell(one);
    }
  }

  async do(event: Event): Promise<void> {
    const { cluster } = this;
    const { clock } = cluster;
    switch (event.is) {
      case "submit":
        return this.#submit(event.shards);
      case "move": {
        const one = SHARDS[event.shard];
        // Announced before it happens: the old owner takes reports until then.
        if (event.early >= 0) cluster.routing.vacant(new Map([[one, cluster.authority.epoch.get(one)!]]));
        if (event.early <= 0) this.#move(one, NODES[event.node], event.heard);
        else clock.schedule(event.early, () => this.#move(one, NODES[event.node], event.heard));
        return;
      }
      case "kill": {
        const name = NODES[event.node];
        cluster.kill(name);
        clock.schedule(event.noticed, () => {
          cluster.router.gone(name);
          for (const one of SHARDS) if (cluster.authority.owner.get(one) === name) cluster.claim(one, "d");
          for (const one of SHARDS) cluster.tell(one);
        });
        return;
      }
      case "slow":
        cluster.owner(NODES[event.node]).commitDelay = () => event.delay;
        this.#slowest = Math.max(this.#slowest, event.delay);
        return;
      case "overload": {
        const owner = cluster.owner(NODES[event.node]);
        owner.overloaded = true;
        clock.schedule(event.ms, () => {
          owner.overloaded = false;
        });
        return;
      }
      case "away":
        cluster.bus.away = true;
        clock.schedule(event.ms, () => {
          cluster.bus.away = false;
        });
        return;
      case "wait":
        return clock.advance(event.ms);
      default:
        event satisfies never;
    }
  }

  #move(shard: number, to: string, heard: number): void {
    const { cluster } = this;
    const { authority, routing } = cluster;
    if (cluster.owner(to).dead) return;
    const epoch = authority.epoch.get(shard)!;
    const fromHere = authority.owner.get(shard) === SELF;
    cluster.claim(shard, to);
    if (fromHere) routing.vacant(new Map([[shard, epoch]]));
    const hear = () => {
      // News of what is over already are told too, as long as they are of another node.
      if (to !== SELF) routing.elsewhere(to, new Map([[shard, epoch + 1]]));
      else if (authority.epoch.get(shard) === epoch + 1) cluster.tell(shard);
    };
    // At once, so that the next event comes before anything else.
    if (heard < 0) hear();
    else cluster.clock.schedule(heard, hear);
  }

  #submit(shards: number[]): void {
    const { clock, router } = this.cluster;
    const reports = shards.map((one, i): Report => {
      const seq = this.#number++;
      return { id: IDS[one][i % 2], t: 1, seq, accuracy: seq % 17 === 16 ? 13 : 1 };
    });
    const answer: Answer = { reports, at: clock.monotonic() };
    this.answers.push(answer);
    void router.submit(reports).then((result) => {
      answer.result = result;
      answer.tookMs = clock.monotonic() - answer.at;
    });
  }

  /** Faults stop, everybody learns the truth, and what was slow is done. */
  async rest(): Promise<void> {
    const { cluster } = this;
    cluster.bus.faults = CALM;
    await cluster.clock.advance(CLUSTER_WAIT_MS);
    for (const one of SHARDS) {
      if (cluster.owner(cluster.authority.owner.get(one)!).dead) cluster.claim(one, "d");
      cluster.tell(one);
    }
    await cluster.clock.advance(3 * CLUSTER_WAIT_MS);
  }

  check(): string[] {
    const { authority, router } = this.cluster;
    const faults = [...authority.faults];
    const applied = new Set([...authority.applied.values()].flat());
    for (const { reports, result, tookMs } of this.answers) {
      if (result === undefined) {
        faults.push(`no answer to ${reports[0].seq}`);
        continue;
      }
      if (tookMs! > CLUSTER_WAIT_MS + CLUSTER_SWEEP_MS + this.#slowest)
        faults.push(`${reports[0].seq} waited ${tookMs} ms`);
      const refused = new Map(result.refused.map((one) => [one.index, one]));
      if (refused.size !== result.refused.length || result.accepted + refused.size !== reports.length)
        faults.push(`not each of ${reports[0].seq} was answered once`);
      for (const [index, { seq, accuracy }] of reports.entries()) {
        const refusal = refused.get(index);
        if (refusal === undefined && !applied.has(seq!)) faults.push(`${seq} is acknowledged and lost`);
        if (refusal?.type === "clock-skew" && (accuracy !== 13 || refusal.detail !== `of ${seq}`))
          faults.push(`${seq} got the answer ${refusal.detail}`);
        const isEarly =
          tookMs! < CLUSTER_WAIT_MS && !/is gone or another one now/.test(refusal?.detail ?? "");
        if (refusal?.type === "retry" && isEarly) faults.push(`${seq} was given up early`);
      }
    }
    if (!router.idle || router.waiting > 0) faults.push("something waits");
    return faults;
  }
}

/** Numbers from a seed: mulberry32. */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

t.test("[L2, L3, L4] whatever moves, dies or is lost: in order, once, and true", async (t) => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer(),
      faults,
      fc.array(event, { minLength: 10, maxLength: 60 }),
      async (seed, faults, events) => {
        const run = new Run(random(seed));
        run.cluster.bus.faults = faults;
        for (const event of events) await run.do(event);
        await run.rest();
        const found = run.check();
        if (found.length > 0) throw new Error(found.join("\n"));
      },
    ),
    { numRuns: 120 },
  );
  t.pass();
});

t.test("[L6] a bus that loses one message in seven costs time, and no report", async (t) => {
  await fc.assert(
    fc.asyncProperty(fc.integer(), async (seed) => {
      const run = new Run(random(seed));
      run.cluster.bus.faults = { drop: 0.15, double: 0.2, delay: 0 };
      for (let i = 0; i < 30; i++) {
        await run.do({ is: "submit", shards: [1, 2, 0, 1] });
        await run.do({ is: "wait", ms: 50 });
      }
      await run.cluster.clock.advance(CLUSTER_WAIT_MS + CLUSTER_SWEEP_MS);
      const found = run.check();
      if (run.answers.some(({ result }) => result!.refused.some(({ type }) => type === "retry")))
        found.push("something was given up");
      if (found.length > 0) throw new Error(found.join("\n"));
    }),
    { numRuns: 20 },
  );
  t.pass();
});
