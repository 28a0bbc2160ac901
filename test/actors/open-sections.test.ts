import assert from "node:assert/strict";
import t from "tap";
import { ByteWriter } from "../../src/actors/bytes.ts";
import { writeFact } from "../../src/actors/fact-codec.ts";
import type { Fact } from "../../src/actors/facts.ts";
import { OpenSections } from "../../src/actors/open-sections.ts";
import { SHARDS } from "../../src/limits.ts";
import { fc } from "../support/seeded.ts";

const shard = fc.oneof(
  fc.integer({ min: 0, max: SHARDS - 1 }),
  fc.constantFrom(0, 1, SHARDS - 2, SHARDS - 1),
);
const steps = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      is: fc.constant("add" as const),
      shards: fc.array(shard),
      fact: fc.constantFrom(introduced, introduced, patched),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      is: fc.constant("many" as const),
      shard,
      count: fc.integer({ min: 900, max: 2_500 }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ is: fc.constant("drop" as const), shards: fc.array(shard) }) },
  { weight: 2, arbitrary: fc.record({ is: fc.constant("take" as const) }) },
);

function introduced(number: number): Fact {
  return { is: "introduced", number, seq: 1, id: `id ${number}`.repeat(1 + (number % 5)), kind: "ship" };
}

function patched(number: number): Fact {
  return { is: "patched", number, seq: 2, key: "k", at: 0, attributes: "{}" };
}

function bytesOf(fact: Fact): Uint8Array {
  const out = new ByteWriter(0);
  writeFact(fact, out);
  return out.copy();
}

t.test(
  "[D1] [D63] sections are the facts of each shard in their order, without those of shards that were dropped",
  async (t) => {
    let most = 0;
    fc.assert(
      fc.property(fc.array(steps, { maxLength: 20, size: "max" }), (plan) => {
        const open = new OpenSections();
        const model = new Map<number, Uint8Array[]>();
        const withPatch = new Set<number>();
        let number = 0;
        let facts = 0;
        const add = (to: number, make: typeof patched) => {
          const fact = make(number++);
          if (make === patched) withPatch.add(to);
          const bytes = bytesOf(fact);
          assert.equal(open.add(to, fact), bytes.length);
          model.set(to, [...(model.get(to) ?? []), bytes]);
          facts += 1;
        };
        const check = () => {
          const epochOf = (of: number) => of + 70_000;
          const sections = open.isEmpty ? [] : open.take(epochOf);
          const expected = [...model].sort(([a], [b]) => a - b);
          t.same(
            sections.map((section) => ({ ...section, body: Buffer.from(section.body).toString("hex") })),
            expected.map(([of, parts]) => ({
              shard: of,
              epoch: epochOf(of),
              body: Buffer.concat([Uint8Array.of(withPatch.has(of) ? 9 : 8), ...parts]).toString("hex"),
            })),
          );
          t.ok(open.isEmpty);
          model.clear();
          withPatch.clear();
          most = Math.max(most, facts);
          facts = 0;
        };
        for (const step of plan) {
          if (step.is === "add") for (const to of step.shards) add(to, step.fact);
          else if (step.is === "many")
            for (let i = 0; i < step.count; i++) add((step.shard + i) % SHARDS, introduced);
          else if (step.is === "drop") {
            open.drop(new Set(step.shards));
            for (const of of step.shards) {
              model.delete(of);
              withPatch.delete(of);
            }
            t.equal(open.isEmpty, model.size === 0);
          } else check();
        }
        check();
        return t.passing();
      }),
      { numRuns: 60 },
    );
    t.ok(most > 2_048, `${most} facts in one batch`);
  },
);
