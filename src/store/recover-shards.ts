/** Reads what is durable of shards: checkpoints, then the journal above their marks, in pages so that memory stays bounded. */
import type { RecoveryItem } from "../actors/ports.ts";
import { numbersOf } from "./binary-values.ts";
import { copyRows } from "./copy-rows.ts";
import { sectionOf } from "./journal-body.ts";
import { type StoreContext, withClient } from "./session.ts";

const MARKS =
  "SELECT shard::int AS shard, checkpoint::float8 AS mark FROM mark WHERE shard = ANY ($1) ORDER BY shard";
/** Two at a time: the largest has `MAX_SHARD_BYTES`. */
const checkpointOf = (shard: number) => `SELECT epoch, body FROM checkpoint WHERE shard = ${shard}`;
const piecesOf = (shard: number) => `SELECT no, body FROM track_tail WHERE shard = ${shard} ORDER BY no`;
/** The next rows, as many as `PAGE_BYTES` hold, at least one. The lengths are known without reading the bodies. */
const journalOf = (after: number, shards: readonly number[]) => `
SELECT id, shards, epochs, body FROM (
  SELECT *, sum(octet_length(body)) OVER (ORDER BY id) - octet_length(body) AS before FROM (
    SELECT id, shards, epochs, body FROM journal WHERE id > ${after} AND shards && '{${shards}}'::smallint[] ORDER BY id LIMIT ${ROWS_PER_PAGE}
  ) AS next
) AS page WHERE before < ${PAGE_BYTES} ORDER BY id`;

/** A journal row takes up to 4 MB. */
const ROWS_PER_PAGE = 500;
const PAGE_BYTES = 8 * 2 ** 20;

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
  const readAfter = (id: number) => readJournal(context, id, shards);
  let page = await readAfter(Math.min(...marks.values()));
  while (page.length > 0) {
    const following = readAfter(page.at(-1)!.id);
    following.catch(() => {});
    for (const { id: journalId, shards, epochs, body } of page) {
      for (const [i, shard] of shards.entries()) {
        const mark = marks.get(shard);
        if (mark === undefined || journalId <= mark) continue;
        yield { is: "section", journalId, section: { shard, epoch: epochs[i]!, body: sectionOf(body, i) } };
      }
    }
    page = await following;
  }
}

/** The next rows of the journal, none = there are no more. */
async function readJournal(context: StoreContext, after: number, shards: readonly number[]) {
  const rows = await withClient(context, (client) => copyRows(client, journalOf(after, shards)));
  return rows.map(([id, of, epochs, body]) => ({
    id: Number(id!.readBigInt64BE()),
    shards: numbersOf(of!),
    epochs: numbersOf(epochs!),
    body: body!,
  }));
}

/** The checkpoint of a shard, if there is one, and the pieces of its tracks. */
async function readCheckpoint(context: StoreContext, shard: number) {
  const checkpoints = await withClient(context, (client) => copyRows(client, checkpointOf(shard)));
  const pieces = await withClient(context, (client) => copyRows(client, piecesOf(shard)));
  return {
    checkpoints: checkpoints.map(([epoch, body]) => ({ epoch: epoch!.readInt32BE(), body: body! })),
    pieces: pieces.map(([no, body]) => ({ no: no!.readInt32BE(), body: body! })),
  };
}
