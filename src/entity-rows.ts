/** The `entity` rows follow the checkpoints: made of what is durable, and only of entities that changed since their last row. */
import { type CheckpointEntity, decodeCheckpoint } from "./actors/checkpoint.ts";
import { staysOf } from "./actors/fences/occupied.ts";
import type { TakenCheckpoint } from "./actors/group-commit.ts";
import { LIVENESS } from "./actors/messages.ts";
import { SHARDS } from "./limits.ts";
import { HAS_PLACE } from "./picture/columns.ts";
import type { SnapshotRow } from "./store/snapshot.ts";

/** Where rows are written behind; a newer offer for a shard replaces one that waits. */
export interface RowSink {
  /** @param rows resolves to nothing if the shard is another's by then; `written` is not called then. */
  offer(
    shard: number,
    epoch: number,
    rows: () => Promise<Iterable<SnapshotRow> | undefined>,
    written: () => void,
  ): void;
  /** The checkpoint that is durable under that epoch, as its body. @throws StoreAway */
  checkpoint(shard: number, epoch: number): Promise<Uint8Array | undefined>;
}

/** A larger checkpoint is read again when its turn comes: of a million entities they take as much memory as the picture. */
const KEPT_BYTES = 65_536;

/**
 * @param mayBeListed whether a shard has an entity of that number now, and no row of its id is being taken away: if not it gets none, until a later
 * checkpoint.
 * @returns what to do with each checkpoint that is durable. Of its body nothing is needed afterwards.
 */
export function entityRows(
  sink: RowSink,
  mayBeListed: (shard: number, number: number, id: string) => boolean = () => true,
): (checkpoint: TakenCheckpoint) => void {
  /** By shard, by number: the `seq` of the last row made. */
  const written = Array.from({ length: SHARDS }, () => new Uint32Array(0));
  return ({ shard, epoch, body }) => {
    const kept = body.length <= KEPT_BYTES ? body.slice() : undefined;
    /** By number, of the last time that the rows were made. */
    let made = new Uint32Array(0);
    function* rowsOf(durable: Uint8Array): Iterable<SnapshotRow> {
      const { entities, nextNumber } = decodeCheckpoint(durable);
      made = new Uint32Array(nextNumber);
      for (const entity of entities) {
        const isNew = entity.seq !== written[shard][entity.number];
        if (isNew && !mayBeListed(shard, entity.number, entity.id)) continue;
        made[entity.number] = entity.seq;
        if (isNew) yield rowOf(entity, epoch);
      }
    }
    const rows = async () => {
      const durable = kept ?? (await sink.checkpoint(shard, epoch));
      return durable === undefined ? undefined : rowsOf(durable);
    };
    sink.offer(shard, epoch, rows, () => {
      written[shard] = made;
    });
  };
}

function rowOf(entity: CheckpointEntity, epoch: number): SnapshotRow {
  const placed = (entity.flags & HAS_PLACE) !== 0;
  return {
    id: entity.id,
    kind: entity.kind,
    state: entity.state,
    liveness: LIVENESS[entity.liveness]!,
    t: entity.t,
    received: entity.received,
    source: entity.source === "" ? undefined : entity.source,
    lon: placed ? entity.lon : undefined,
    lat: placed ? entity.lat : undefined,
    alt: known(entity.alt),
    speed: known(entity.speed),
    course: known(entity.course),
    heading: known(entity.heading),
    accuracy: known(entity.accuracy),
    attributes: entity.attributes === "" ? "{}" : entity.attributes,
    labels: entity.labels,
    fences: staysOf(entity.occupied),
    epoch,
    seq: entity.seq,
  };
}

/** With as few digits as name the same float: 14.2 and not 14.199999809265137, which takes longer to write, to send and to read. */
function known(value: number): number | undefined {
  if (Number.isNaN(value)) return undefined;
  const short = Math.round(value * 1_000) / 1_000;
  return Math.fround(short) === value ? short : value;
}
