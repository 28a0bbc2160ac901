// Kinds and sources of a node that takes over from another: together they are more than reports may bring to one.
import t from "tap";
import { encodeCheckpoint } from "../../src/actors/checkpoint.ts";
import { EntityTable } from "../../src/actors/entity-table.ts";
import { recover, recoverUnseen } from "../../src/actors/recovery.ts";
import { refuse } from "../../src/actors/refuse.ts";
import { MAX_SOURCES } from "../../src/picture/columns.ts";
import type { Interner } from "../../src/picture/interner.ts";
import { Picture } from "../../src/picture/picture.ts";
import { report, startSystem, stop, submit } from "../support/actor-system.ts";
import { numbersOf } from "../support/numbers-of.ts";

const NOW = Date.UTC(2026, 0, 1);
const MANY_KINDS = 2 ** 16;

function fill(names: Interner, count: number): void {
  for (let i = names.size; i < count; i++) names.number(`another's ${i}`);
}

/** A table that knows more names than reports may bring to it: kinds as if it had taken over from many nodes. */
function full(): EntityTable {
  const table = new EntityTable(new Picture());
  fill(table.picture.columns.kinds, MANY_KINDS);
  fill(table.picture.columns.sources, MAX_SOURCES);
  return table;
}

t.test("[E30] what is durable is loaded, however many kinds and sources the node knows", async (t) => {
  const h = await startSystem();
  const { table } = h.system;
  await submit(
    h,
    report("a", -9, { kind: "new", source: "first", seq: 7 }),
    report("b", -9, { kind: undefined }),
  );
  await submit(h, report("a", -8, { source: "second", seq: 8 }), report("b", -8, { kind: "late" }));
  const shards = table.shards.map(({ index }) => index);
  const breathe = () => Promise.resolve();
  const ways = {
    facts: (into: EntityTable) => recover(into, shards, h.store.recover(shards), breathe),
    unseen: (into: EntityTable) => recoverUnseen(into, shards, h.store.recover(shards), breathe, () => {}),
  };
  const check = async (way: keyof typeof ways) => {
    const into = full();
    t.match(await ways[way](into), { entities: 2 });
    const { picture } = into;
    for (const id of ["a", "b"]) {
      const slot = picture.find(id);
      const { epoch, ...known } = numbersOf(table.picture.columns, table.picture.find(id));
      t.match(numbersOf(picture.columns, slot), known, way);
      const shard = picture.columns.shard.of(slot);
      t.same(
        encodeCheckpoint(into, into.shards[shard]).slice(),
        encodeCheckpoint(table, table.shards[shard]).slice(),
        "with what it remembers of each source",
      );
    }
    const first = picture.columns.sources.find("first");
    t.ok(into.duplicates.has(picture.find("a"), NOW, 1, first, 7, false));
    for (const more of [{ kind: "newer" }, { source: "newer" }])
      t.match(refuse(into, into.shards[0], report("c", 0, more), -1), { type: "too-many-kinds" });
    t.equal(refuse(into, into.shards[0], report("c", 0, { kind: "new", source: "first" }), -1), undefined);
  };
  await check("facts");
  await check("unseen");
  await stop(h);
  await check("unseen");
});
