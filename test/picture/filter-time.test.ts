import t from "tap";
import { BASE_TICK_MS, MAX_FILTER_MS } from "../../src/limits.ts";
import { type FilterOrigin, FilterTime } from "../../src/picture/filter-time.ts";
import { FakeClock } from "../support/fake-clock.ts";

function set() {
  const clock = new FakeClock();
  const time = new FilterTime(clock);
  const asked: string[] = [];
  /** A filter that takes so long. */
  const taking = (ms: number, name = "", origin?: FilterOrigin) =>
    time.measured(() => {
      clock.pass(ms);
      asked.push(name);
      return true;
    }, origin);
  return { clock, asked, taking };
}

function times(count: number, run: () => void): void {
  for (let i = 0; i < count; i++) run();
}

t.test(
  "[F77] the filter that takes most is stopped when all take more than half of a base tick",
  async (t) => {
    const { asked, taking } = set();
    const little = taking(2, "little");
    const much = taking(3, "much");
    times(MAX_FILTER_MS / 5, () => t.ok(little() && much()));
    t.ok(little(), "the one that makes it too much goes on");
    t.equal(asked.length, 2 * (MAX_FILTER_MS / 5) + 1);
    times(3, () => t.throws(much, { name: "FilterCostly", message: /too much time/ }));
    t.equal(asked.filter((name) => name === "much").length, MAX_FILTER_MS / 5, "it is not asked any more");
    t.ok(little());
  },
);

t.test("[F77] each base tick has its own time", async (t) => {
  const { clock, taking } = set();
  const filter = taking(1);
  for (let tick = 0; tick < 5; tick++) {
    times(MAX_FILTER_MS, () => t.ok(filter()));
    clock.pass(BASE_TICK_MS - MAX_FILTER_MS);
  }
  times(MAX_FILTER_MS + 1, filter);
  t.throws(filter, { name: "FilterCostly" });
});

t.test("[F77] of a cheap one each eighth is measured, and stands for the others", async (t) => {
  const { clock, asked, taking } = set();
  const filter = taking(1 / 64);
  let looks = 0;
  const { monotonic } = clock;
  clock.monotonic = () => {
    looks++;
    return monotonic.call(clock);
  };
  times(8 * 64 * 4, filter);
  t.ok(looks <= 3 * 64 * 4, "the clock is hardly looked at");
  times(64 * MAX_FILTER_MS, () => {
    try {
      filter();
    } catch {}
  });
  t.match(asked.length, 64 * MAX_FILTER_MS + 1, "and it takes as long as it takes");
});

t.test("[F77] when the process stood still no filter is blamed", async (t) => {
  const { taking } = set();
  const filter = taking(20_000);
  times(5, () => t.ok(filter()));
});

t.test("[AC92] what is permitted counts 10 s after it was first asked for", async (t) => {
  const { clock, taking } = set();
  const grant = taking(4, "grant", "permitted");
  const filter = taking(1, "filter");
  times(9_000 / 5, () => t.ok(grant() && filter()));
  clock.pass(1_000);
  t.throws(() => times(MAX_FILTER_MS / 4 + 2, grant), { name: "FilterCostly", message: /roles .* take/ });
  t.ok(filter(), "which does not count either, whatever grants took");
});
