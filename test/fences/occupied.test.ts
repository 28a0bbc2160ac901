// What one fence makes of fixes and of time, against a slow reference that looks back over all of them.
import assert from "node:assert/strict";
import t from "tap";
import type { FenceRules } from "../../src/actors/fences/definition.ts";
import { dueOf, dwelt, isStay, judged, type Occupied, type Side } from "../../src/actors/fences/occupied.ts";
import { fc } from "../support/seeded.ts";

interface Seen {
  side: Side;
  t: number;
  now: number;
}

/** Where the entity is by all that was seen until `now`, and since when. */
function reference(rules: FenceRules, seen: readonly Seen[], now: number): number | undefined {
  let enteredAt: number | undefined;
  let run: Seen[] = [];
  const turn = () => {
    enteredAt = enteredAt === undefined ? run[0]!.t : undefined;
    run = [];
  };
  // Something may happen with each fix, and at the end of a dwell before the next.
  seen.forEach((fix, i) => {
    if (fix.side !== "unknown") {
      if (fix.side === (enteredAt === undefined ? "in" : "out")) run.push(fix);
      else run = [];
    }
    if (run.length < rules.minReports) return;
    const isLong = run.at(-1) === fix && fix.t - run[0]!.t >= rules.dwellMs;
    const next = seen[i + 1]?.now ?? now + 1;
    if (isLong || run[0]!.now + rules.dwellMs <= fix.now) turn();
    else if (run[0]!.now + rules.dwellMs < next) turn();
  });
  return enteredAt;
}

const rules: fc.Arbitrary<FenceRules> = fc.record({
  exitBuffer: fc.constant(0),
  // No deadline is at the moment of a fix, so that it does not matter which comes first.
  dwellMs: fc.constantFrom(0, 3, 53, 203),
  minReports: fc.constantFrom(1, 2, 4),
});
const steps = fc.array(
  fc.record({
    side: fc.constantFrom<Side>("in", "in", "out", "out", "near", "unknown"),
    later: fc.constantFrom(10, 20, 60, 300),
    // Fixes that come in one go, or more slowly than they were made.
    newer: fc.constantFrom(0, 10, 60, 300),
  }),
  { maxLength: 30 },
);

t.test("[FE4, FE5] entering and leaving is what all fixes together say", async () => {
  fc.assert(
    fc.property(rules, steps, (rules, steps) => {
      const seen: Seen[] = [];
      let [now, time, made] = [1_000_000, 1_000, 0];
      let occupied: Occupied | undefined;
      const newEpisode = () => `e${made++}`;
      const fire = (until: number) => {
        if (occupied !== undefined && dueOf(occupied) < until) occupied = dwelt(occupied, newEpisode);
      };
      const episodes = new Set<string>();
      for (const { side, later, newer } of steps) {
        now += later;
        time += newer;
        fire(now);
        seen.push({ side, t: time, now });
        const before = occupied;
        const fence = { name: "f", version: 1, rules };
        occupied = judged(fence, before, side, { t: time, now }, newEpisode);
        if (side === "unknown") assert.equal(occupied, before);
        if (before !== undefined && occupied !== before)
          assert.notDeepEqual(occupied, before, "no change is the same object");
        const stay = occupied !== undefined && isStay(occupied) ? occupied.episode : undefined;
        assert.equal(stay?.enteredAt, reference(rules, seen, now - 1), JSON.stringify(seen));
        if (stay !== undefined) episodes.add(stay.id);
        if (occupied?.phase === "pending_in" || occupied?.phase === "pending_out")
          assert.ok(rules.minReports > 1 || rules.dwellMs > 0, "nothing is pending without need");
      }
      fire(now + 10_000);
      const last = occupied !== undefined && isStay(occupied) ? occupied.episode.enteredAt : undefined;
      assert.equal(last, reference(rules, seen, now + 10_000), JSON.stringify(seen));
      assert.ok(episodes.size <= made);
    }),
    { numRuns: 5_000 },
  );
});
