/**
 * Changes a shard's sections of the journal, as its owner, in one transaction: a recovery finds all of them changed, or none. Only sections are
 * read, a page at a time; of rows that change the whole body is written anew, as a row may have sections of all shards.
 *
 * Inputs: shard; id after which to go on; number of rows.
 */
import type { PoolClient } from "pg";
import type { SectionChange } from "../actors/ports.ts";
import type { FenceKey } from "./fence.ts";
import { encodeBody, sectionOf } from "./journal-body.ts";
import { OWN, type Owned, ownedBy } from "./own-shard.ts";
import { inTransaction, type StoreContext } from "./session.ts";

const OWNED = `WITH ${OWN} SELECT 1 FROM own`;
/** Little-endian, of eight bytes at `bounds`. */
const u32 = (at: number) =>
  [0, 1, 2, 3].map((i) => `(get_byte(bounds, ${at + i})::bigint << ${8 * i})`).join(" + ");
/** As `encodeBody` makes them. A part of a body that is not compressed is read without the rest. */
const SECTIONS = `
SELECT id::float8 AS id, substring(body FROM (head + low + 1)::int FOR (high - low)::int) AS section FROM (
  SELECT id, body, head, ${u32(0)} AS low, ${u32(4)} AS high FROM (
    SELECT id, body, 2 + 4 * (cardinality(shards) + 1) AS head,
      substring(body FROM 3 + 4 * (array_position(shards, $1::smallint) - 1) FOR 8) AS bounds
    FROM journal WHERE id > $2 AND shards @> ARRAY[$1::smallint] ORDER BY id LIMIT $3
  ) AS found
) AS bounded ORDER BY id`;
const LOCKED = "SELECT shards::int[] AS shards, body FROM journal WHERE id = $1 FOR UPDATE";
const UPDATE = "UPDATE journal SET body = $2 WHERE id = $1";
const PAGE_ROWS = 500;

/** @returns false if the shard is not this node's under that epoch any more. @throws StoreAway */
export function rewriteJournal(
  context: StoreContext,
  key: FenceKey,
  owned: Owned,
  change: SectionChange,
): Promise<boolean> {
  return inTransaction(context, async (client) => {
    const held = await client.query(OWNED, ownedBy(key, owned));
    if (held.rowCount === 0) return false;
    for await (const { section } of sections(client, owned.shard)) change.look(section);
    for await (const { id, section } of sections(client, owned.shard)) {
      if (change.changed(section) !== undefined) await rewrite(client, id, owned.shard, change);
    }
    return true;
  });
}

async function* sections(client: PoolClient, shard: number): AsyncGenerator<{ id: number; section: Buffer }> {
  for (let after = 0; ; ) {
    const { rows } = await client.query<{ id: number; section: Buffer }>(SECTIONS, [shard, after, PAGE_ROWS]);
    yield* rows;
    if (rows.length < PAGE_ROWS) return;
    after = rows.at(-1)!.id;
  }
}

/** Sections of other shards may have been changed by their owners until the row was locked. */
async function rewrite(client: PoolClient, id: number, shard: number, change: SectionChange): Promise<void> {
  const { rows } = await client.query<{ shards: number[]; body: Buffer }>(LOCKED, [id]);
  for (const { shards, body } of rows) {
    const made = shards.map((each, i) => {
      const section = sectionOf(body, i);
      return { shard: each, epoch: 0, body: each === shard ? (change.changed(section) ?? section) : section };
    });
    await client.query(UPDATE, [id, encodeBody(made)]);
  }
}
