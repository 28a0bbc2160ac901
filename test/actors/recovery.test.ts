import assert from "node:assert/strict";
import t from "tap";
import { decodeCheckpoint, encodeCheckpoint } from "../../src/actors/checkpoint.ts";
import { OUTCOME } from "../../src/actors/command-memory.ts";
import { readFacts } from "../../src/actors/fact-codec.ts";
import { compileMachine } from "../../src/actors/machine/compile.ts";
import { parseMachine } from "../../src/actors/machine/definition.ts";
import { type Command, isPatch, type Patch, type Report } from "../../src/actors/messages.ts";
import type { Batch } from "../../src/actors/ports.ts";
import { shardOf } from "../../src/actors/shard-hash.ts";
import { COMMAND_MEMORY_MS } from "../../src/limits.ts";
import { type Harness, report, seen, startSystem, stop } from "../support/actor-system.ts";
import { MemoryStore } from "../support/memory-store.ts";
import { fc } from "../support/seeded.ts";

const IDS = ["a", "b", "c", "d", "ö", "f"];
/** A name that the store refuses. */
const POISON = "poison";

type Action =
  | { is: "reports"; reports: Report[] }
  | { is: "commands"; commands: (Command | Patch)[] }
  | { is: "wait"; ms: number }
  | { is: "crash" }
  | { is: "stop" }
  /** The next flush is fenced, and claims take so long. */
  | { is: "fence"; ms: number }
  | { is: "away"; how: "before" | "after" };

const reports = fc.array(
  fc.record({
    id: fc.constantFrom(...IDS),
    seconds: fc.integer({ min: -600, max: 0 }),
    lon: fc.option(fc.integer({ min: -180, max: 180 }), { nil: undefined }),
    speed: fc.option(fc.constantFrom(0, 0.7, 4), { nil: undefined }),
    kind: fc.option(fc.constantFrom("vessel", "truck"), { nil: undefined }),
    name: fc.option(fc.constantFrom("x", null, POISON), { nil: undefined }),
    source: fc.option(fc.constantFrom("one", "two"), { nil: undefined }),
    seq: fc.option(fc.nat(80), { nil: undefined }),
  }),
  { minLength: 1, maxLength: 8 },
);
const commands = fc.array(
  fc.record({
    id: fc.constantFrom("1", "2", "3", "4", "5"),
    entity: fc.constantFrom(...IDS),
    name: fc.constantFrom("sign-off", "sign-off", "dance"),
  }),
  { minLength: 1, maxLength: 4 },
);
const patches = fc.array(
  fc.record({
    id: fc.constantFrom("p1", "p2", "p3"),
    entity: fc.constantFrom(...IDS),
    labels: fc.constantFrom([], ["north"], ["north", "south"]),
  }),
  { minLength: 1, maxLength: 3 },
);
const action: fc.Arbitrary<Action> = fc.oneof(
  { weight: 2, arbitrary: patches.map((some) => ({ is: "commands" as const, commands: some })) },
  { weight: 4, arbitrary: commands.map((some) => ({ is: "commands" as const, commands: some })) },
  {
    weight: 6,
    arbitrary: reports.map((rows) => ({
      is: "reports" as const,
      reports: rows.map(({ id, seconds, lon, speed, kind, name, source, seq }) => ({
        ...report(id, seconds, { kind, speed, source, seq }),
        lon,
        lat: lon === undefined ? undefined : 10,
        ...(name === undefined ? {} : { attributes: { name } }),
      })),
    })),
  },
  {
    weight: 3,
    arbitrary: fc.constantFrom(1, 30, 700, 12_000, 400_000).map((ms) => ({ is: "wait" as const, ms })),
  },
  { weight: 1, arbitrary: fc.constant({ is: "crash" as const }) },
  { weight: 1, arbitrary: fc.constant({ is: "stop" as const }) },
  { weight: 1, arbitrary: fc.constantFrom(0, 50, 1_000).map((ms) => ({ is: "fence" as const, ms })) },
  {
    weight: 1,
    arbitrary: fc
      .constantFrom("before" as const, "after" as const)
      .map((how) => ({ is: "away" as const, how })),
  },
);

function isPoisoned(batch: Batch): boolean {
  let found = false;
  for (const { body } of batch.sections) {
    readFacts(body, (fact) => {
      if (fact.is === "reported" && fact.attributes.includes(POISON)) found = true;
    });
  }
  return found;
}

/** What the journal alone says, without any checkpoint. */
async function fromJournal(h: Harness): Promise<Harness> {
  const bare = new MemoryStore();
  bare.batches.push(...h.store.batches);
  for (const [shard, epoch] of h.store.epochs) bare.epochs.set(shard, epoch - 1);
  return startSystem({ store: bare, clock: h.clock });
}

/** What the journal says of commands: outcomes by entity and id, each decided once. */
function commanded(store: MemoryStore): Map<string, number> {
  const ids = new Map<string, string>();
  const outcomes = new Map<string, number>();
  for (const { batch } of store.batches)
    for (const { shard, body } of batch.sections)
      readFacts(body, (fact) => {
        if (fact.is === "introduced") ids.set(`${shard}/${fact.number}`, fact.id);
        if (fact.is !== "commanded") return;
        const key = `${ids.get(`${shard}/${fact.number}`)} ${fact.id}`;
        assert.ok(!outcomes.has(key), `${key} is decided twice`);
        outcomes.set(key, fact.outcome);
      });
  return outcomes;
}

/** As the shards remember it, of those that the journal has. */
function remembered({ system: { table, picture } }: Harness, keys: Iterable<string>): Map<string, number> {
  const outcomes = new Map<string, number>();
  for (const key of keys) {
    const [entity, ...id] = key.split(" ");
    const slot = picture.find(entity);
    const { commands } = table.shards[shardOf(entity)];
    const known = slot < 0 ? undefined : commands.find(table.number.of(slot), id.join(" "));
    if (known !== undefined) outcomes.set(key, known.outcome);
  }
  return outcomes;
}

const picture = (h: Harness) => IDS.map((id) => seen(h.system, id));
const bytes = ({ system }: Harness) => IDS.map((id) => system.table.shards[shardOf(id)].bytes);

t.test(
  "[V1] [V2] [E11] [E17] [G8] [AC42] after any history with crashes, fences and refused data, the picture is what the committed facts make",
  async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(action, { maxLength: 25 }), async (actions) => {
        const store = new MemoryStore();
        store.poison = isPoisoned;
        let h = await startSystem({ store });
        const began = h.clock.now();
        let submitted = 0;
        let answered = 0;
        /** Newest `t` acknowledged, and (epoch, seq) last seen, by id. */
        const acknowledged = new Map<string, number>();
        const versions = new Map<string, [number, number]>();
        /** Of a command: whether it was accepted, by all answers that say so. */
        const told = new Map<string, boolean>();
        const look = () => {
          for (const id of IDS) {
            const now = seen(h.system, id);
            if (now === undefined) continue;
            const before = versions.get(id) ?? [0, 0];
            assert.ok(
              now.epoch > before[0] || (now.epoch === before[0] && now.seq >= before[1]),
              `${id} goes back`,
            );
            versions.set(id, [now.epoch, now.seq]);
          }
        };
        for (const step of actions) {
          if (step.is === "reports") {
            submitted += 1;
            void h.system.router.submit(step.reports).then((answer) => {
              answered += 1;
              const refused = new Set(answer.refused.map(({ index }) => index));
              step.reports.forEach(({ id, t }, index) => {
                if (!refused.has(index)) acknowledged.set(id, Math.max(acknowledged.get(id) ?? -Infinity, t));
              });
            });
          } else if (step.is === "commands") {
            submitted += step.commands.length;
            const period = Math.floor((h.clock.now() - began) / COMMAND_MEMORY_MS);
            for (const { id, ...rest } of step.commands) {
              const command = { ...rest, id: `${id} of ${period}` };
              void h.system.router.command(command).then((answer) => {
                answered += 1;
                if (!answer.accepted && answer.type !== "command-refused") return;
                const key = `${command.entity} ${command.id}`;
                // Another list is another patch.
                if (isPatch(command)) return;
                assert.equal(told.get(key) ?? answer.accepted, answer.accepted, `${key} has two answers`);
                told.set(key, answer.accepted);
              });
            }
          } else if (step.is === "wait") await h.clock.advance(step.ms);
          else if (step.is === "away") h.store.away = step.how;
          else if (step.is === "fence") {
            h.store.fenced = true;
            h.store.claimGate = new Promise((resolve) => h.clock.schedule(step.ms, resolve));
          } else {
            h.store.away = "no";
            if (step.is === "stop") {
              let stopped = false;
              void h.system.stop().then(() => {
                stopped = true;
              });
              await h.clock.advance(3_000);
              assert.ok(stopped, "a stop ends");
            }
            h.system.abandon();
            h.store.claimGate = undefined;
            h = await startSystem({ store: h.store, clock: h.clock });
          }
          look();
        }
        h.store.away = "no";
        await h.clock.advance(5_000);
        assert.deepEqual(h.fatal, []);
        assert.equal(answered, submitted, "every batch is answered");
        const live = picture(h);
        const bare = await fromJournal(h);
        const again = await startSystem({ store: h.store, clock: h.clock });
        const withoutEpoch = (rows: ReturnType<typeof picture>) =>
          rows.map((row) => row && { ...row, epoch: 0 });
        assert.deepEqual(
          withoutEpoch(picture(again)),
          withoutEpoch(picture(bare)),
          "checkpoints change nothing",
        );
        assert.deepEqual(withoutEpoch(picture(again)), withoutEpoch(live), "all decided is durable at rest");
        assert.deepEqual(bytes(again), bytes(bare), "checkpoints change nothing of what shards hold");
        assert.deepEqual(bytes(again), bytes(h), "nor does a restart");
        const decided = commanded(h.store);
        for (const [key, accepted] of told)
          assert.equal(decided.get(key) === OUTCOME.accepted, accepted, `${key}: the journal agrees`);
        const [before, withoutCheckpoints, afterRestart] = [h, bare, again].map((one) =>
          remembered(one, decided.keys()),
        );
        for (const [key, outcome] of afterRestart)
          assert.equal(decided.get(key), outcome, `${key} is remembered as it was`);
        assert.deepEqual(afterRestart, withoutCheckpoints, "checkpoints change nothing of commands");
        assert.deepEqual(afterRestart, before, "nor does a restart");
        for (const [id, newest] of acknowledged) {
          const now = seen(again.system, id);
          assert.ok(
            now !== undefined && now.t >= Math.min(newest, h.clock.now()),
            `${id}: acknowledged and not there`,
          );
        }
      }),
      { numRuns: 120 },
    );
  },
);

t.test(
  "[V5] checkpoints from before there were commands, deletions, other machines, fences, short memories and former ways are read",
  async (t) => {
    const h = await startSystem();
    void h.system.router.submit([report("a", 0, { speed: 5 })]);
    await h.clock.advance(10);
    const shard = shardOf("a");
    const body = encodeCheckpoint(h.system.table, h.system.table.shards[shard]);
    // A version, and then no states, no commands, nothing departed, nothing leaving, the built-in machine, no fences, a time for it and no former ways before the duplicate memory of the one entity, which ends it.
    const [memory, former, time] = [3 + 12 + 1, 1, 8];
    const end = -memory - former - time;
    t.same([...body.subarray(end - 8, end)], [0, 0, 0, 0, 1, 0, 0, 0]);
    const [number, length, letter, ...standing] = body.subarray(3, 9);
    t.same([number, length, letter], [0, 1, "a".charCodeAt(0)]);
    const [next, held, , ...pair] = body.subarray(-memory, -1);
    t.same([next, held], [1, 1], "one report is remembered");
    const nothing = new Uint8Array(new Float64Array([NaN, 0]).buffer).subarray(0, 12);
    const [hash, at] = [pair.slice(0, 4), pair.slice(4)];
    const whole = [next, ...at, ...hash, ...Array.from({ length: 7 }, () => [...nothing]).flat(), 0];
    const read = async (before: Uint8Array) => {
      const bare = new MemoryStore();
      bare.checkpoints.set(shard, { shard, epoch: 1, mark: 1, body: before });
      const again = await startSystem({ store: bare, clock: h.clock });
      t.same(seen(again.system, "a"), seen(h.system, "a"));
    };
    for (const [version, absent] of [
      [1, 8],
      [2, 6],
      [3, 5],
      [4, 4],
      [5, 1],
      [6, -time],
    ]) {
      const head = [version, 1, 1, number, ...standing, length, letter];
      const before = Buffer.from([...head, ...body.subarray(9, end - absent), ...whole]);
      await read(before);
      before[0] = 9;
      t.throws(() => decodeCheckpoint(before), /checkpoint of version 9, this program reads 1 to 8/);
    }
    await read(Buffer.from([7, ...body.subarray(1, -memory - former), ...body.subarray(-memory)]));
  },
);

t.test("[V3] a clean stop leaves nothing to replay", async (t) => {
  const h = await startSystem();
  const answer = h.system.router.submit(IDS.map((id) => report(id, 0)));
  await h.clock.advance(10);
  t.equal((await answer).accepted, IDS.length);
  const before = picture(h);
  await stop(h);
  t.match(await h.system.router.submit([report("a", 0)]), { refused: [{ type: "overloaded" }] });
  h.store.batches.length = 0;
  const again = await startSystem({ store: h.store, clock: h.clock });
  t.same(
    picture(again),
    before.map((row) => ({ ...row, epoch: 2 })),
    "the journal is not needed any more",
  );
});

t.test("[V4] a state that the machine does not know any more", async (t) => {
  const h = await startSystem();
  void h.system.router.submit([report("a", 0, { speed: 5 })]);
  await h.clock.advance(10);
  t.equal(seen(h.system, "a")!.state, "online.moving");
  const machine = compileMachine(parseMachine({ id: "other", initial: "afloat", states: { afloat: {} } }));
  const again = await startSystem({ store: h.store, clock: h.clock, machine });
  await h.clock.advance(10);
  t.equal(seen(again.system, "a")!.state, "afloat");
  t.match(h.store.events.at(-1), {
    type: "state.changed",
    subject: "a",
    data: { from: "online.moving", to: "afloat" },
  });
});
