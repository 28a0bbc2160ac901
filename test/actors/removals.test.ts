import t from "tap";
import type { CommandResult, Request } from "../../src/actors/messages.ts";
import { shardOf } from "../../src/actors/shard-hash.ts";
import {
  COMMAND_MEMORY_MS,
  MAX_BACKGROUND_ROWS,
  MAX_COMMANDS_PER_SHARD,
  MAX_REMOVALS_PER_SHARD,
} from "../../src/limits.ts";
import { type Harness, report, seen, startSystem } from "../support/actor-system.ts";
import { ErasableStore } from "../support/erasable-store.ts";

const SHARD = 7;

/** So many ids of one shard. */
function names(count: number): string[] {
  const found: string[] = [];
  for (let i = 0; found.length < count; i++) if (shardOf(`n${i}`) === SHARD) found.push(`n${i}`);
  return found;
}

interface Statement {
  epoch: number;
  ids: readonly string[];
}

/** @param statements that took away rows. */
async function observed(statements: Statement[], store = new ErasableStore(), clock?: Harness["clock"]) {
  const { traces } = store;
  const h = await startSystem({
    store,
    clock,
    traces: {
      ...traces,
      unlist(shard, epoch, ids) {
        statements.push({ epoch, ids });
        return traces.unlist(shard, epoch, ids);
      },
    },
  });
  return { ...h, store };
}

async function tell(h: Harness, ids: readonly string[], seconds = 0) {
  const answer = h.system.router.submit(ids.map((id) => report(id, seconds)));
  await h.clock.advance(100);
  t.equal((await answer).accepted, ids.length);
}

async function ask(h: Harness, ...requests: Request[]): Promise<CommandResult[]> {
  const answers = Promise.all(requests.map((request) => h.system.router.command(request)));
  await h.clock.advance(100);
  return answers;
}

const deletion = (entity: string, id = "1"): Request => ({ id, entity, erase: false });

t.test("[D56] rows of a shard's deleted entities go together, some a statement", async (t) => {
  const statements: Statement[] = [];
  const h = await observed(statements);
  const ids = names(2 * MAX_BACKGROUND_ROWS + 2);
  await tell(h, ids);
  const open = h.store.shut();
  for (const id of ids) t.match(await ask(h, deletion(id)), [{ accepted: true }]);
  const { leaving } = h.system.table.shards[SHARD];
  t.equal(leaving.size, ids.length);
  open();
  await h.clock.advance(100);
  t.same(
    statements.map(({ ids }) => ids.length),
    [1, MAX_BACKGROUND_ROWS, MAX_BACKGROUND_ROWS, 1],
  );
  t.same(
    h.store.erased,
    ids.map((id) => `row of ${id}`),
    "in the order in which they were deleted",
  );
  t.equal(leaving.size, 0);
  t.same(h.fatal, []);
});

t.test("[E22] a shard has so many rows that wait to be taken away, and refuses more deletions", async (t) => {
  const h = await observed([]);
  const ids = names(MAX_REMOVALS_PER_SHARD + 1);
  const last = ids.at(-1)!;
  await tell(h, ids);
  const open = h.store.shut();
  // A shard remembers so many deletions of ten minutes.
  for (let from = 0; from < ids.length - 1; from += MAX_COMMANDS_PER_SHARD) {
    await ask(
      h,
      ...ids.slice(from, Math.min(from + MAX_COMMANDS_PER_SHARD, ids.length - 1)).map((id) => deletion(id)),
    );
    await h.clock.advance(COMMAND_MEMORY_MS + 60_000);
  }
  t.match(await ask(h, deletion(last)), [{ accepted: false, type: "overloaded" }]);
  t.ok(seen(h.system, last));
  t.match(await ask(h, deletion("nobody")), [{ type: "entity-not-found" }]);
  open();
  await h.clock.advance(2_000);
  t.match(await ask(h, deletion(last)), [{ accepted: true }]);
  t.equal(seen(h.system, last), undefined);
  t.same(h.fatal, []);
});

t.test("[E23] what is under way when a shard is lost is done again under its new epoch", async (t) => {
  const statements: Statement[] = [];
  const h = await observed(statements);
  const [first, second, other] = names(3) as [string, string, string];
  await tell(h, [first, second, other]);
  const open = h.store.shut();
  await ask(h, deletion(first), deletion(second));
  const { epoch } = h.system.table.shards[SHARD];
  h.store.fenced = true;
  void h.system.router.submit([report(other, 1)]);
  await h.clock.advance(2_000);
  t.same(h.lost, [[SHARD]]);
  const before = h.store.batches.length;
  open();
  await h.clock.advance(2_000);
  t.same(statements, [
    { epoch, ids: [first, second] },
    { epoch: epoch + 1, ids: [first, second] },
  ]);
  t.equal(h.store.batches.length, before + 1, "one tells that they are gone");
  t.equal(h.system.table.shards[SHARD].leaving.size, 0);
  t.same(h.fatal, []);
});

t.test("[E23] an id that is reported and deleted again while its row waits is done with twice", async (t) => {
  const statements: Statement[] = [];
  const h = await observed(statements);
  const [id] = names(1) as [string];
  h.store.answers = () => statements.length > 2;
  const { leaving } = h.system.table.shards[SHARD];
  await tell(h, [id]);
  await ask(h, deletion(id));
  await tell(h, [id], 1);
  t.ok(leaving.isGoing(id), "so that no row of the new one is written");
  t.ok(seen(h.system, id));
  await ask(h, deletion(id, "2"));
  await tell(h, [id], 2);
  await h.clock.advance(5_000);
  t.same(
    statements.map(({ ids }) => ids),
    [[id], [id, id], [id, id]],
  );
  t.notOk(leaving.isGoing(id));
  t.ok(seen(h.system, id));
  const again = await observed([], h.store, h.clock);
  t.ok(seen(again.system, id));
  t.equal(again.system.table.shards[SHARD].leaving.size, 0);
  t.same([...h.fatal, ...again.fatal], []);
});
