import assert from "node:assert/strict";
import t from "tap";
import { BLOCK, RUN, Slots } from "../../src/picture/slots.ts";
import { fc } from "../support/seeded.ts";

const SHARDS = 4;
const shards = fc.nat(SHARDS - 1);
const steps = fc.array(fc.oneof(fc.record({ take: shards }), fc.record({ give: fc.nat() })), {
  maxLength: 800,
});

t.test("[P21] a slot is in use once, and its block is its shard's", async () => {
  fc.assert(
    fc.property(steps, (list) => {
      const slots = new Slots();
      const used: { slot: number; shard: number }[] = [];
      let most = 0;
      for (const step of list) {
        if ("take" in step) {
          const slot = slots.take(step.take);
          assert.ok(slot < slots.extent);
          assert.ok(
            used.every((one) => one.slot !== slot),
            `slot ${slot} is given twice`,
          );
          used.push({ slot, shard: step.take });
          most = Math.max(most, new Set(used.map((one) => Math.floor(one.slot / BLOCK))).size);
        } else if (used.length > 0) {
          const [{ slot, shard }] = used.splice(step.give % used.length, 1);
          slots.give(slot, shard);
        }
        const owners = Map.groupBy(used, (one) => Math.floor(one.slot / BLOCK));
        for (const [block, ofBlock] of owners)
          assert.equal(new Set(ofBlock.map(({ shard }) => shard)).size, 1, `block ${block} has two shards`);
      }
      const set = slots.extent / BLOCK;
      assert.ok(set >= most);
      assert.ok(set <= most + SHARDS * (RUN - 1), "a block that is empty is used again, by any shard");
    }),
    { numRuns: 300 },
  );
});

t.test("[P21] what one shard takes in a row lies in a row", async () => {
  const slots = new Slots();
  slots.take(1);
  assert.deepEqual(
    Array.from({ length: BLOCK }, () => slots.take(2)),
    Array.from({ length: BLOCK }, (_, i) => BLOCK + i),
  );
  for (let i = BLOCK; i < RUN * BLOCK; i++) {
    slots.take(2);
    slots.take(1);
  }
  const first = slots.take(2);
  for (let i = 1; i < RUN * BLOCK; i++) {
    slots.take(1);
    assert.equal(slots.take(2), first + i, "more, the more it has");
  }
});
