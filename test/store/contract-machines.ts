/** What both stores must do with machines. */
import type { Test } from "tap";
import { MAX_MACHINE_STATES_KEPT, MAX_MACHINES } from "../../src/actors/machine/limits.ts";
import type { MachineChange, MachineDraft, MachineVersion } from "../../src/actors/machine/ports.ts";
import type { Store } from "../../src/store/store.ts";

const draft = (name: string, more: Partial<MachineDraft> = {}): MachineDraft => ({
  name,
  kinds: [name],
  definition: { id: name, initial: "z", states: { z: {}, a: {} } },
  states: 2,
  timers: [],
  ...more,
});

function saved(change: MachineChange): MachineVersion {
  if (change.is !== "saved") throw new Error(JSON.stringify(change));
  return change.version;
}

/** @param store on which there are no machines yet. */
export async function machinesContract(t: Test, store: Store): Promise<void> {
  const { machines } = store;
  const count = async (name: string) => {
    const sql = "SELECT count(*)::int AS n FROM machine WHERE name = $1";
    return (await store.context.pool.query<{ n: number }>(sql, [name])).rows[0]!.n;
  };

  await t.test("[M28] each change is another version, also after a removal; all are kept", async (t) => {
    t.same(await machines.since(0), []);
    const first = saved(await machines.save(draft("door")));
    t.match(first, { name: "door", version: 1, kinds: ["door"] });
    t.same(await machines.since(0), [first], "it reads back");
    t.equal(JSON.stringify(first.definition), JSON.stringify((await machines.since(0))[0]!.definition));
    t.match(await machines.save(draft("door")), { is: "unchanged", version: { version: 1 } });
    t.same(await machines.since(first.revision), [], "which is no change");
    const second = saved(await machines.save(draft("door", { kinds: ["door", "gate"] }), 1));
    const removed = saved(await machines.remove("door"));
    t.match(removed, { version: 3, kinds: [] });
    t.equal(removed.definition, undefined);
    t.same(await machines.since(0), [removed], "the newest only");
    const again = saved(await machines.save(draft("door")));
    t.equal(again.version, 4);
    const revisions = [first, second, removed, again].map(({ revision }) => revision);
    t.same(
      revisions,
      revisions.toSorted((a, b) => a - b),
    );
    t.equal(new Set(revisions).size, 4);
    t.same(await machines.since(removed.revision), [again]);
    t.equal(await count("door"), 4);
  });

  await t.test("[M28] it is known since which version each timer is there", async (t) => {
    const since = async (...timers: string[]) =>
      saved(await machines.save(draft("timed", { timers, definition: { timers } }))).timersSince;
    t.same(await since("a#1"), { "a#1": 1 });
    t.same(await since("a#1", "b#2"), { "a#1": 1, "b#2": 2 });
    t.same(await since("b#2"), { "b#2": 2 });
    t.same(await since("a#1", "b#2"), { "a#1": 4, "b#2": 2 });
  });

  await t.test("[M28] a change of another version than was meant, or of none, changes nothing", async (t) => {
    t.same(await machines.save(draft("other"), 1), { is: "other-version" });
    t.same(await machines.save(draft("other"), "any"), { is: "other-version" });
    t.same(await machines.remove("other"), { is: "other-version" });
    const { version } = saved(await machines.save(draft("other")));
    t.same(await machines.save(draft("other", { kinds: ["x"] }), version + 1), {
      is: "other-version",
      version,
    });
    t.same(await machines.save(draft("other"), "none"), { is: "other-version", version });
    t.same(await machines.remove("other", version + 1), { is: "other-version", version });
    saved(await machines.remove("other", version));
    t.same(
      await machines.save(draft("other"), version + 1),
      { is: "other-version" },
      "a removed one is none",
    );
    t.equal(await count("other"), 2);
  });

  await t.test("[M28] no two machines have one kind, also of those who ask at once", async (t) => {
    const names = ["p", "q", "r", "s"];
    const changes = await Promise.all(names.map((name) => machines.save(draft(name, { kinds: ["wanted"] }))));
    const winners = changes.filter((change) => change.is === "saved");
    t.equal(winners.length, 1);
    const by = saved(winners[0]!).name;
    for (const change of changes)
      if (change.is !== "saved") t.same(change, { is: "kind-taken", kind: "wanted", by });
    saved(await machines.remove(by));
    saved(await machines.save(draft("t", { kinds: ["wanted"] })));
    saved(await machines.remove("t"));
  });

  await t.test("[M28] what is stored is bounded: machines, and states of all versions", async (t) => {
    const there = (await machines.since(0)).filter(({ definition }) => definition !== undefined).length;
    for (let i = there; i < MAX_MACHINES; i++) saved(await machines.save(draft(`m${i}`)));
    t.same(await machines.save(draft("more")), { is: "too-many", of: "machines" });
    const states = MAX_MACHINE_STATES_KEPT - 1_000;
    saved(await machines.save(draft("door", { states, kinds: ["bulky"] })));
    t.same(await machines.save(draft("door", { states: 1_000 })), { is: "too-many", of: "states" });
    saved(await machines.save(draft("door")));
    for (const { name, definition } of await machines.since(0))
      if (definition !== undefined) saved(await machines.remove(name));
  });
}
