// Occupancy over crashes, lost shards and fences that change at any moment.
import assert from "node:assert/strict";
import t from "tap";
import type { JsonObject } from "../../src/actors/messages.ts";
import { type Harness, report, seen, startSystem } from "../support/actor-system.ts";
import { MemoryStore } from "../support/memory-store.ts";
import { fc } from "../support/seeded.ts";
import { Fences, square } from "./written.ts";

const IDS = ["a", "b", "c"];
const NAMES = ["x", "y"];

type Action =
  | { is: "report"; id: string; lon: number; late: boolean }
  | { is: "delete"; id: string }
  | { is: "fence"; name: string; definition: JsonObject | undefined }
  | { is: "wait"; ms: number }
  | { is: "crash" }
  | { is: "stop" }
  /** The next flush is refused, and what it held is loaded again. */
  | { is: "lost" };

const definitions: fc.Arbitrary<JsonObject | undefined> = fc.option(
  fc
    .record({
      lon: fc.constantFrom(0, 0, 1),
      dwellMs: fc.constantFrom(0, 0, 5_000),
      minReports: fc.constantFrom(1, 1, 2),
      exitBuffer: fc.constantFrom(0, 50_000),
    })
    .map(({ lon, ...rules }) => square(lon, 0, rules)),
  { nil: undefined, freq: 3 },
);
const actions: fc.Arbitrary<Action> = fc.oneof(
  {
    weight: 10,
    arbitrary: fc.record({
      is: fc.constant("report" as const),
      id: fc.constantFrom(...IDS),
      lon: fc.constantFrom(0, 0.1, 0.5, 1, 5),
      late: fc.constantFrom(false, false, false, true),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      is: fc.constant("fence" as const),
      name: fc.constantFrom(...NAMES),
      definition: definitions,
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({ is: fc.constant("wait" as const), ms: fc.constantFrom(1, 30, 2_000, 11_000) }),
  },
  { weight: 1, arbitrary: fc.record({ is: fc.constant("delete" as const), id: fc.constantFrom(...IDS) }) },
  {
    weight: 3,
    arbitrary: fc.record({ is: fc.constantFrom("crash" as const, "stop" as const, "lost" as const) }),
  },
);

const picture = (h: Harness) => IDS.map((id) => ({ ...seen(h.system, id), epoch: 0 }));

/** All events of all fences, in order: each stay is entered once and left once at most, and none is within another of the same fence. */
function openStays({ events }: MemoryStore): Map<string, string> {
  const open = new Map<string, string>();
  const episodes = new Set<unknown>();
  for (const { type, subject, data } of events) {
    if (!type.startsWith("fence.")) continue;
    const key = `${subject} ${data.fence}`;
    if (type === "fence.entered") {
      assert.ok(!open.has(key), `${key} is entered twice`);
      assert.ok(!episodes.has(data.episode), `the episode ${data.episode} is used twice`);
      episodes.add(data.episode);
      open.set(key, data.episode as string);
    } else {
      assert.equal(open.get(key), data.episode, `${key} leaves what it is in`);
      assert.ok((data.durationMs as number) >= 0);
      open.delete(key);
    }
  }
  return open;
}

t.test("[FE10, FE11, FE12] after any history, what is occupied is what was told", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(actions, { maxLength: 40 }), async (steps) => {
      const fences = new Fences();
      const store = new MemoryStore();
      fences.next("x", square());
      let h = await startSystem({ store, fences: fences.newest });
      let commands = 0;
      const began = h.clock.now();
      for (const step of steps) {
        if (step.is === "report") {
          const seconds = (h.clock.now() - began) / 1_000 - (step.late ? 600 : 0);
          void h.system.router.submit([report(step.id, seconds, { lon: step.lon, lat: 0 })]);
        } else if (step.is === "delete")
          void h.system.router.command({ id: `${commands++}`, entity: step.id, erase: false });
        else if (step.is === "fence") h.system.fences.take([fences.next(step.name, step.definition)]);
        else if (step.is === "wait") await h.clock.advance(step.ms);
        else if (step.is === "lost") store.fenced = true;
        else {
          store.fenced = false;
          if (step.is === "stop") {
            void h.system.stop();
            await h.clock.advance(3_000);
          }
          h.system.abandon();
          h = await startSystem({ store, clock: h.clock, fences: fences.newest });
        }
      }
      await h.clock.advance(20_000);
      assert.deepEqual(h.fatal, []);
      const live = picture(h);
      const open = openStays(store);
      for (const { id, fences: inside, occupied } of live) {
        const told = NAMES.filter((name) => open.has(`${id} ${name}`));
        assert.deepEqual(inside ?? [], told, `${id} is where its events say`);
        for (const one of occupied ?? []) {
          if (one.phase !== "pending_in") assert.equal(one.episode.id, open.get(`${id} ${one.fence}`));
          assert.equal(one.version, h.system.fences.find(one.fence)?.version, "of the newest version");
        }
      }
      h.system.abandon();
      const again = await startSystem({ store, clock: h.clock, fences: fences.newest });
      assert.deepEqual(picture(again), live, "a restart changes nothing");
      again.system.abandon();
    }),
    { numRuns: 300 },
  );
});
