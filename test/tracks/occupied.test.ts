import t from "tap";
import { decodeCheckpoint } from "../../src/actors/checkpoint.ts";
import { LocalTails } from "../../src/actors/local-tails.ts";
import { HARBOUR, report, startSystem } from "../support/actor-system.ts";

const START = Date.UTC(2026, 0, 1);

t.test("[TR2] [TR11] [TR5] a track says where it was inside of a fence, also after a restart", async (t) => {
  const h = await startSystem({ fences: [HARBOUR] });
  const tell = async ({ system, clock }: typeof h, second: number, lon: number) => {
    const answer = system.router.submit([report("a", second, { lon })]);
    await clock.advance(10);
    await answer;
  };
  h.clock.pass(100_000);
  // Two outside, two inside, two outside again.
  for (const [i, lon] of [24, 24.5, 25, 25.001, 26, 26.5].entries()) await tell(h, 10 * i, lon);
  const expected = [
    { fences: [], times: [0, 10, 20] },
    { fences: ["harbour"], times: [20, 30, 40] },
    // Held until it would be stale.
    { fences: [], times: [40, 50, 400.05] },
  ];
  const segments = ({ system, clock }: typeof h) =>
    new LocalTails(system.table, clock).of("a").map(({ fences, points }) => ({
      fences,
      times: points.map((point) => (point.t - START) / 1_000),
    }));
  t.same(segments(h), expected);
  const at = async ({ system, clock }: typeof h, second: number) => {
    const query = { t: START + second * 1_000, limit: 10 };
    const { records } = await new LocalTails(system.table, clock).at(query, () => true);
    return records.map(({ fences }) => fences);
  };
  for (const [second, fences] of [
    [19, []],
    [20, ["harbour"]],
    [39, ["harbour"]],
    [40, []],
    [55, []],
  ] as const)
    t.same(await at(h, second), [fences], `${second} s`);
  const checkpoint = h.system.checkpointer.take(true)!;
  t.equal(decodeCheckpoint(checkpoint.body).entities.length, 1);
  await h.system.checkpointer.write(checkpoint, h.system.commit.lastJournalId);
  const again = await startSystem({ store: h.store, clock: h.clock, fences: [HARBOUR] });
  t.same(segments(again), expected);
});
