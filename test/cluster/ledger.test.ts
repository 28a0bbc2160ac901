import t from "tap";
import { Ledger } from "../../src/cluster/ledger.ts";
import type { ClusterState } from "../../src/cluster/ports.ts";
import { SHARDS } from "../../src/limits.ts";

const SHARD = 7;

function state(owner: string | undefined, epoch: number): ClusterState {
  const shards = Array.from({ length: SHARDS }, (_, shard) =>
    shard === SHARD ? { owner, epoch } : { epoch: 0 },
  );
  return { members: [], shards };
}

/** One that is handing over a shard. */
function leaving(): Ledger {
  const ledger = new Ledger("a");
  ledger.claimed(new Map([[SHARD, 1]]), 0);
  ledger.move([SHARD], "leaving");
  return ledger;
}

t.test("a shard whose release is done before its answer comes is no disagreement", async (t) => {
  const ledger = leaving();
  ledger.take(state(undefined, 1), 10, 11);
  t.same(ledger.disagreements(), { unknown: new Map(), wrong: [] });
  ledger.move([SHARD], "open");
  t.same(ledger.disagreements().wrong, [SHARD], "one that is open is");
});

t.test("a shard that another has claimed before the answer to its release comes is given up", async (t) => {
  const ledger = leaving();
  ledger.take(state("b", 2), 10, 11);
  ledger.given(new Map([[SHARD, 1]]), 12);
  t.equal(ledger.phase(SHARD), undefined);
  t.equal(ledger.owner(SHARD), "b", "and is the other's");
});
