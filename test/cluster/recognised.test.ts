// What a router takes for recognised must be what the memory of entities recognises.
import t from "tap";
import { DuplicateMemory } from "../../src/actors/duplicate-memory.ts";
import type { IngestResult, Report } from "../../src/actors/messages.ts";
import { unrecognised } from "../../src/cluster/recognised.ts";
import { Rows } from "../../src/picture/rows.ts";
import { fc } from "../support/seeded.ts";
import { idIn, ModelCluster } from "./model-cluster.ts";

const A = 3;
const id = idIn(A);
const accepted = (count: number): IngestResult => ({ accepted: count, refused: [] });

function start(): ModelCluster {
  const cluster = new ModelCluster(["b", "c"]);
  cluster.claim(A, "b");
  cluster.tell(A);
  return cluster;
}

/** Submits and looks later. */
function submit(cluster: ModelCluster, reports: Report[]): { result?: IngestResult } {
  const answer: { result?: IngestResult } = {};
  void cluster.router.submit(reports).then((result) => {
    answer.result = result;
  });
  return answer;
}

const IDS = ["a", "b"];

/** Takes reports as an owner does, as far as duplicates go. */
class Owner {
  readonly #rows = new Rows();
  readonly #memory = new DuplicateMemory(this.#rows);
  readonly #newest: number[];

  constructor() {
    this.#rows.grow(IDS.length);
    this.#newest = IDS.map(() => Number.NEGATIVE_INFINITY);
    for (const slot of IDS.keys()) this.#memory.reset(slot);
  }

  /** @returns whether it is taken, and not a duplicate. */
  take({ id, t, seq = -1, source = "" }: Report, hash: number): boolean {
    const slot = IDS.indexOf(id);
    const number = source.length;
    if (this.#memory.has(slot, t, hash, number, seq, t > this.#newest[slot])) return false;
    this.#memory.remember(slot, t, hash, number, seq);
    this.#newest[slot] = Math.max(this.#newest[slot], t);
    return true;
  }
}

const step = fc.record({
  id: fc.constantFrom(...IDS),
  by: fc.oneof({ weight: 60, arbitrary: fc.constant(1) }, { weight: 1, arbitrary: fc.constantFrom(30, 64) }),
  numbered: fc.boolean(),
  source: fc.nat({ max: 9 }),
});
const steps = fc.nat(140).chain((length) => fc.array(step, { minLength: length, maxLength: length }));

t.test("[L14] what is sent again is taken once, however much of it was stored before", async (t) => {
  let again = 0;
  let refused = 0;
  fc.assert(
    fc.property(
      steps,
      fc.constantFrom("all", "none", "some"),
      fc.constantFrom(1, 2, 10),
      fc.double({ min: 0, max: 1, noNaN: true }),
      (given, numbers, sources, share) => {
        const seqs = new Map<string, number>();
        const reports = given.map(({ id, by, numbered, source }, t): Report => {
          const seq = (seqs.get(id) ?? 0) + by;
          seqs.set(id, seq);
          const has = numbers === "all" || (numbers === "some" && numbered);
          return { id, t, source: "s".repeat(source % sources), seq: has ? seq : undefined };
        });
        const stored = Math.round(share * reports.length);
        const owner = new Owner();
        for (let i = 0; i < stored; i++) owner.take(reports[i], i);
        const doubtful = unrecognised(reports);
        for (const [i, report] of reports.entries()) {
          if (doubtful.has(i)) refused += 1;
          else {
            again += 1;
            if (owner.take(report, i) !== i >= stored) throw new Error(`${i} of ${stored} stored`);
          }
        }
      },
    ),
    { numRuns: 2_000 },
  );
  t.ok(again > 10_000 && refused > 10_000, `${again} sent again, ${refused} refused`);
});

t.test("[L14] what is withdrawn is sent again only if the next owner knows it again", async (t) => {
  const unnumbered = (i: number): Report => ({ id, t: i });
  const numbered = (i: number): Report => ({ id, t: i, seq: 1_000 + i });
  const cases: [number, (i: number) => Report, number][] = [
    [8, unnumbered, 8],
    [9, unnumbered, 0],
    [64, numbered, 64],
    [65, numbered, 0],
    [8, (i) => ({ ...numbered(i), seq: 1_000 * i }), 8],
    [12, (i) => (i === 3 ? unnumbered(i) : numbered(i)), 11],
  ];
  for (const [count, make, again] of cases) {
    for (const moves of ["owner dies", "shard moves"]) {
      const cluster = start();
      cluster.owner("b").commitDelay = () => 1_000;
      const reports = Array.from({ length: count }, (_, i) => make(i));
      // Not in one call, and with another entity of the same shard.
      const others = submit(cluster, [{ id: idIn(A, 1), t: 1 }]);
      const answers = [submit(cluster, reports.slice(0, 5)), submit(cluster, reports.slice(5))];
      await cluster.clock.advance(1);
      if (moves === "owner dies") {
        cluster.kill("b");
        cluster.router.gone("b");
      }
      cluster.claim(A, "c");
      cluster.tell(A);
      await cluster.clock.advance(10);
      const name = `${count} reports, ${moves}`;
      const { calls } = cluster.owner("c");
      t.equal(calls.flatMap((call) => call.reports).length, again + 1, name);
      const refused = answers.flatMap(({ result }) => result!.refused);
      t.equal(refused.length, count - again, name);
      t.ok(
        refused.every(({ type, detail }) => type === "retry" && /may have been stored/.test(detail)),
        name,
      );
      t.equal(cluster.router.stats.doubtful, count - again);
      t.same(others.result, accepted(1), "other entities go on");
      const later = submit(cluster, [unnumbered(1_000)]);
      await cluster.clock.advance(10);
      t.same(later.result, accepted(1));
    }
  }
});

t.test(
  "[L14] what has come back as moved was not stored, and is sent again however much it is",
  async (t) => {
    const cluster = start();
    cluster.claim(A, "c");
    const answer = submit(
      cluster,
      Array.from({ length: 100 }, (_, i) => ({ id, t: i })),
    );
    await cluster.clock.advance(10);
    cluster.tell(A);
    await cluster.clock.advance(10);
    t.same(answer.result, accepted(100));
    t.equal(cluster.router.stats.doubtful, 0);
  },
);
