/** Reads what is durable of shards: checkpoints, then the journal above their marks, in pages so that memory stays bounded. */
import type { RecoveryItem } from "../actors/ports.ts";
import { sectionOf } from "./journal-body.ts";
import { type StoreContext, withClient } from "./session.ts";

const MARKS =
  "SELECT shard::int AS shard, checkpoint::float8 AS mark FROM mark WHERE shard = ANY ($1) ORDER BY shard";
/** Two at a time: the largest has `MAX_SHARD_BYTES`, and twice as much as text in the embedded database's memory. */
const CHECKPOINT = "SELECT epoch, body FROM checkpoint WHERE shard = $1";
const PIECES = "SELECT no, body FROM track_tail WHERE shard = $1 ORDER BY no";
/** The next rows, as many as `PAGE_BYTES` hold, at least one. The lengths are known without reading the bodies. */
const JOURNAL = `
SELECT id::float8 AS id, shards::int[] AS shards, epochs, body FROM (
  SELECT *, sum(octet_length(body)) OVER (ORDER BY id) - octet_length(body) AS before FROM (
    SELECT id, shards, epochs, body FROM journal WHERE id > $1 AND shards && $2::smallint[] ORDER BY id LIMIT $3
  ) AS next
) AS page WHERE before < $4 ORDER BY id`;

/** A journal row takes up to 4 MB. */
const ROWS_PER_PAGE = 500;
const PAGE_BYTES = 8 * 2 ** 20;

interface JournalRow {
  id: number;
  shards: number[];
  epochs: number[];
  body: Buffer;
}

export async function* recoverShards(
  context: StoreContext,
  shards: readonly number[],
): AsyncIterable<RecoveryItem> {
  if (shards.length === 0) return;
  const { rows } = await withClient(context, (client) =>
    client.query<{ shard: number; mark: number }>(MARKS, [shards]),
  );
  const marks = new Map(rows.map((row) => [row.shard, row.mark]));
  let next = readCheckpoint(context, shards[0]);
  for (const [i, shard] of shards.entries()) {
    const { checkpoints, pieces } = await next;
    // The database reads it while this one is loaded.
    if (i + 1 < shards.length) next = readCheckpoint(context, shards[i + 1]);
    // A failure is seen when its turn comes; it may not come to that.
    next.catch(() => {});
    for (const { epoch, body } of checkpoints) {
      const checkpoint = { shard, epoch, mark: marks.get(shard) ?? 0, body };
      yield { is: "checkpoint", checkpoint, pieces };
    }
  }
  let after = Math.min(...marks.values());
  for (;;) {
    const page = await withClient(context, (client) =>
      client.query<JournalRow>(JOURNAL, [after, shards, ROWS_PER_PAGE, PAGE_BYTES]),
    );
    if (page.rows.length === 0) return;
    for (const row of page.rows) {
      after = row.id;
      for (const [i, shard] of row.shards.entries()) {
        const mark = marks.get(shard);
        if (mark === undefined || row.id <= mark) continue;
        yield {
          is: "section",
          journalId: row.id,
          section: { shard, epoch: row.epochs[i]!, body: sectionOf(row.body, i) },
        };
      }
    }
  }
}

/** The checkpoint of a shard, if there is one, and the pieces of its tracks. */
async function readCheckpoint(context: StoreContext, shard: number) {
  const checkpoints = await withClient(context, (client) =>
    client.query<{ epoch: number; body: Buffer }>(CHECKPOINT, [shard]),
  );
  const pieces = await withClient(context, (client) =>
    client.query<{ no: number; body: Buffer }>(PIECES, [shard]),
  );
  return { checkpoints: checkpoints.rows, pieces: pieces.rows };
}
