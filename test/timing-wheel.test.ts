import t from "tap";
import { BUCKET_MS, TimingWheel } from "../src/actors/timing-wheel.ts";
import { fc, runs } from "./support/seeded.ts";

const START = 1_750_000_000_000;
const HOUR = 3_600_000;
const DAY = 24 * HOUR;

function wheel(slots: number): TimingWheel {
  const wheel = new TimingWheel(START);
  wheel.grow(slots);
  return wheel;
}

/** Advances until caught up; the slots fired, in order. */
function fired(wheel: TimingWheel, now: number): number[] {
  const slots: number[] = [];
  while (!wheel.advance(now, (slot) => void slots.push(slot), 1_000));
  return slots;
}

t.test("[T1] a slot fires once, at the first advance at or after its deadline, never before", async (t) => {
  for (const delay of [
    0,
    1,
    63,
    64,
    65,
    1_000,
    16_383,
    16_384,
    16_385,
    HOUR,
    DAY,
    12.4 * DAY,
    13 * DAY,
    400 * DAY,
  ]) {
    const w = wheel(1);
    const due = START + delay;
    w.arm(0, due);
    if (delay > 0) t.same(fired(w, due - 1), [], `${delay} ms: not before`);
    t.equal(w.due(0), due);
    t.same(fired(w, due), [0], `${delay} ms: at its time`);
    t.equal(w.due(0), Number.POSITIVE_INFINITY);
    t.same(fired(w, due + DAY), [], `${delay} ms: once`);
  }
});

t.test("[T1] the deadline is handed to the callback", async (t) => {
  const w = wheel(3);
  w.arm(2, START + 10);
  w.advance(START + 500, (slot, due) => t.same([slot, due], [2, START + 10]), 10);
  t.plan(1);
});

t.test("[T2] deadlines in the past fire at the next advance; Infinity disarms", async (t) => {
  const w = wheel(4);
  w.arm(0, START - DAY);
  w.arm(1, Number.NEGATIVE_INFINITY);
  w.arm(2, START + 5);
  w.arm(2, Number.POSITIVE_INFINITY);
  w.arm(3, Number.POSITIVE_INFINITY);
  t.same(fired(w, START), [0, 1]);
  t.same(fired(w, START + DAY), []);
  w.arm(3, START + HOUR);
  t.same(fired(w, START + DAY), [3], "also after the wheel has turned");
});

t.test("[T2] NaN and slots that were not made are programming errors", async (t) => {
  const w = wheel(1);
  t.throws(() => w.arm(0, Number.NaN));
  t.throws(() => w.arm(1, START));
  w.grow(2);
  w.arm(1, START);
  t.same(fired(w, START), [1]);
});

t.test("[T3] the newest deadline of a slot counts, be it later or earlier", async (t) => {
  const w = wheel(1);
  w.arm(0, START + 1_000);
  w.arm(0, START + 90_000);
  t.same(fired(w, START + 89_999), [], "moved later");
  w.arm(0, START + 200_000);
  w.arm(0, START + 95_000);
  t.same(fired(w, START + 95_000), [0], "moved earlier");
  w.arm(0, START + 100_000);
  w.disarm(0);
  w.disarm(0);
  t.same(fired(w, START + DAY), [], "taken away");
});

t.test("[T4] slots fire in order of their 64 ms buckets", async (t) => {
  const w = wheel(5);
  for (const [slot, delay] of [HOUR, 64, 20_000, 0, 63].entries()) w.arm(slot, START + delay);
  t.same(fired(w, START + HOUR), [3, 4, 1, 2, 0]);
});

t.test("[T5] at most `limit` slots are worked off in a call, and it says whether it is done", async (t) => {
  const w = wheel(10);
  for (let slot = 0; slot < 10; slot++) w.arm(slot, START + slot * 100);
  const slots: number[] = [];
  const advance = (limit: number) => w.advance(START + 900, (slot) => void slots.push(slot), limit);
  t.equal(advance(0), false);
  t.same(slots, []);
  t.equal(advance(4), false);
  t.same(slots, [0, 1, 2, 3]);
  w.disarm(4);
  w.arm(5, START + 5_000);
  t.equal(advance(5), true, "exactly what is left: four to fire, one to move");
  t.same(slots, [0, 1, 2, 3, 6, 7, 8, 9], "what changed in between is respected");
  t.same(fired(w, START + 5_000), [5]);
});

t.test("[T5] moving lazily re-armed slots counts towards the limit", async (t) => {
  const w = wheel(100);
  for (let slot = 0; slot < 100; slot++) {
    w.arm(slot, START + 100);
    w.arm(slot, START + HOUR);
  }
  let calls = 1;
  while (!w.advance(START + 100, () => t.fail("nothing is due"), 10)) calls++;
  t.equal(calls, 10);
});

t.test("[T6] the callback may arm and disarm any slot", async (t) => {
  const w = wheel(4);
  for (let slot = 0; slot < 3; slot++) w.arm(slot, START + 10);
  const slots: number[] = [];
  const done = w.advance(
    START + 10,
    (slot) => {
      slots.push(slot);
      if (slot !== 0) return;
      t.equal(w.due(0), Number.POSITIVE_INFINITY, "disarmed before it fires");
      w.disarm(1);
      w.arm(3, START - 5);
      w.arm(0, START + 11);
    },
    100,
  );
  t.equal(done, true);
  t.same(slots, [0, 2, 3], "1 was disarmed, 3 was armed in the past");
  t.same(fired(w, START + 11), [0], "armed again within the bucket");
});

t.test("[T6] a slot that arms itself in the past for ever is stopped by the limit", async (t) => {
  const w = wheel(1);
  w.arm(0, START);
  let count = 0;
  const rearm = () => {
    count++;
    w.arm(0, START);
  };
  t.equal(w.advance(START, rearm, 50), false);
  t.equal(count, 50);
});

t.test("[T6] if the callback throws, that slot has fired and the rest is still armed", async (t) => {
  const w = wheel(2);
  w.arm(0, START);
  w.arm(1, START);
  t.throws(
    () =>
      w.advance(
        START,
        () => {
          throw new Error("no");
        },
        10,
      ),
    /no/,
  );
  t.same(fired(w, START), [1]);
});

t.test("[T7] the clock may jump either way", async (t) => {
  const w = wheel(3);
  w.arm(0, START + 1_000);
  w.arm(1, START + 2 * DAY);
  w.arm(2, START + 400 * DAY);
  t.same(fired(w, START + DAY), [0], "a day ahead at once");
  w.arm(0, START + DAY + 5_000);
  t.same(fired(w, START + 500), [], "and back");
  w.arm(0, START + 2_000);
  t.same(fired(w, START + 2_000), [0], "deadlines count from the time it is now");
  t.same(fired(w, START + 4_000 * DAY), [1, 2], "eleven years ahead");
});

t.test(
  "[T1] deadlines on all levels and beyond fire at their time when the wheel is walked through",
  async (t) => {
    const delays = [
      5_000,
      20_000,
      HOUR,
      2 * HOUR,
      DAY,
      5 * DAY,
      12.42 * DAY,
      12.5 * DAY,
      13 * DAY,
      13.5 * DAY,
    ];
    const w = wheel(delays.length);
    for (const [slot, delay] of delays.entries()) w.arm(slot, START + delay);
    const seen: number[] = [];
    for (let now = START; now <= START + 14 * DAY; now += HOUR) {
      const here = fired(w, now);
      for (const slot of here) if (delays[slot] <= now - START - HOUR) t.fail(`slot ${slot} is late`);
      for (const slot of here) if (delays[slot] > now - START) t.fail(`slot ${slot} is early`);
      seen.push(...here);
    }
    t.same(seen, [...delays.keys()]);
  },
);

interface Model {
  due: Map<number, number>;
}
const SLOTS = 12;
const slot = fc.nat(SLOTS - 1);
const ahead = fc.oneof(
  fc.integer({ min: -200, max: 300 }),
  fc.integer({ min: 0, max: 40_000 }),
  fc.integer({ min: 0, max: 3 * HOUR }),
  fc.integer({ min: 0, max: 40 * DAY }),
);
const operation = fc.oneof(
  { weight: 4, arbitrary: fc.record({ op: fc.constant("arm" as const), slot, ahead }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constant("disarm" as const), slot }) },
  {
    weight: 3,
    arbitrary: fc.record({
      op: fc.constant("advance" as const),
      ahead,
      limit: fc.integer({ min: 1, max: 6 }),
    }),
  },
);
/** What the callback does when a slot fires: arms or disarms another. */
const reaction = fc.option(fc.record({ slot, ahead: fc.option(ahead) }), { freq: 3 });

t.test("[T1] [T3] [T4] [T5] [T6] [T7] it does what a sorted list does", async (t) => {
  let firings = 0;
  const property = fc.property(
    fc.array(operation, { minLength: 1, maxLength: 60, size: "max" }),
    fc.array(reaction, { minLength: 1, maxLength: 8 }),
    (operations, reactions) => {
      const w = wheel(SLOTS);
      const model: Model = { due: new Map() };
      let now = START;
      const arm = (slot: number, due: number) => {
        w.arm(slot, due);
        model.due.set(slot, due);
      };
      const disarm = (slot: number) => {
        w.disarm(slot);
        model.due.delete(slot);
      };
      const advance = (limit: number): boolean => {
        let count = 0;
        let last = Number.NEGATIVE_INFINITY;
        const done = w.advance(
          now,
          (slot, due) => {
            if (++count > limit) throw new Error("more than the limit");
            if (model.due.get(slot) !== due)
              throw new Error(`${slot} fired for ${due}, armed for ${model.due.get(slot)}`);
            if (due > now) throw new Error("too early");
            model.due.delete(slot);
            const bucket = Math.floor(due / BUCKET_MS);
            if (!jumped && !reacted && bucket < last) throw new Error("out of order");
            last = bucket;
            const reaction = reactions[firings++ % reactions.length];
            if (reaction === null || count > 3) return;
            reacted = true;
            if (reaction.ahead === null) disarm(reaction.slot);
            else arm(reaction.slot, now + reaction.ahead);
          },
          limit,
        );
        if (done)
          for (const [slot, due] of model.due)
            if (due <= now) throw new Error(`${slot} was due at ${due}, not fired`);
        return done;
      };
      let jumped = false;
      let reacted = false;
      // How far the wheel turned: a call that its limit ended may have left it anywhere since.
      let turned = START;
      for (const operation of operations) {
        if (operation.op === "arm") arm(operation.slot, now + operation.ahead);
        else if (operation.op === "disarm") disarm(operation.slot);
        else {
          jumped = operation.ahead < 0 || now + operation.ahead - turned > HOUR;
          // What was armed in the past waits behind what was taken before it.
          reacted = [...model.due.values()].some((due) => due <= now);
          now += operation.ahead;
          turned = advance(operation.limit) ? now : Math.min(turned, now);
        }
        for (let slot = 0; slot < SLOTS; slot++)
          if (w.due(slot) !== (model.due.get(slot) ?? Number.POSITIVE_INFINITY))
            throw new Error(`deadline of ${slot}`);
      }
      now += 60 * DAY;
      jumped = true;
      for (let calls = 0; !advance(6); calls++) if (calls > 1_000) throw new Error("never done");
    },
  );
  fc.assert(property, { numRuns: runs(1_500) });
  t.ok(firings > 1_000, `${firings} fired`);
});
