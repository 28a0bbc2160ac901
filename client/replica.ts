import type { ClusterCell, Departure, DepartureReason, FullRecord } from "../src/transport/feed/protocol.ts";

/** A tracked thing as the server last told it; a change makes a new object. Units as everywhere: degrees, metres, m/s. */
export type Entity = Readonly<FullRecord>;

/** `replaced`: a new snapshot begins, and the entity is not in its first part, or clusters have taken its place. It may come again. */
export type RemovalReason = DepartureReason | "replaced";

/** What one frame changed. An entity is in one of the lists at most; a removal is told before anything is added. */
export interface Change {
  added: string[];
  updated: string[];
  removed: [id: string, reason: RemovalReason][];
}

/** What a frame says, in whatever protocol it came: entities are as they are now, each once. */
export type Frame = {
  n: number;
  /** The picture is as of then, Unix ms. NaN from a server that does not say. */
  t: number;
  /** ms from its tick being due to its being worked on. */
  lag: number;
} & (
  | { op: "snapshot"; first: boolean; last: boolean; entities: Entity[] }
  | { op: "delta"; departures: Departure[]; entities: Entity[] }
  | { op: "clusters"; cells: ClusterCell[] }
);

/**
 * A view's frames do not fit together: one is missing, or it speaks of an entity that was never introduced. The
 * only cure is a new subscription.
 */
export class Gap extends Error {
  override readonly name = "Gap";
}

const NONE: readonly ClusterCell[] = [];

/**
 * What one view knows: entities, or clusters in their place. It starts empty and wants a frame that replaces all, which
 * is a `first` snapshot or clusters; from then on each other frame must carry the next number. `restart` makes it want one
 * that replaces all again, and keeps what it has readable until that comes.
 */
export class Replica {
  readonly entities = new Map<string, Entity>();
  #clusters: readonly ClusterCell[] = NONE;
  /** Number of the last frame applied, −1 while one that replaces all is awaited. */
  #n = -1;

  /** Empty while entities are shown. */
  get clusters(): readonly ClusterCell[] {
    return this.#clusters;
  }

  /** Whether one that replaces all has come. */
  get hasBegun(): boolean {
    return this.#n !== -1;
  }

  restart(): void {
    this.#n = -1;
  }

  /** Whether a frame of this number may come next; to be asked before it is read, because it is read against the entities. @throws {Gap} */
  expect(n: number, replacesAll: boolean): void {
    if (replacesAll) return;
    if (this.#n === -1) throw new Gap(`frame ${n} came before the first snapshot`);
    if (n !== this.#n + 1) throw new Gap(`frame ${n} came after frame ${this.#n}`);
  }

  /** @throws {Gap} and then nothing has changed */
  apply(frame: Frame): Change {
    const change: Change = { added: [], updated: [], removed: [] };
    switch (frame.op) {
      case "snapshot":
        if (frame.first) this.#retain(frame.entities, change);
        break;
      case "delta":
        if (this.#clusters.length > 0 && frame.entities.length > 0)
          throw new Gap(`frame ${frame.n} tells of entities where clusters are shown`);
        if (frame.departures.length > 0) this.#depart(frame.departures, frame.entities, change);
        break;
      case "clusters":
        this.#retain([], change);
        this.#clusters = frame.cells;
        break;
      default:
        frame satisfies never;
    }
    if (frame.op !== "clusters") for (const entity of frame.entities) this.#put(entity, change);
    this.#n = frame.n;
    return change;
  }

  #put(entity: Entity, change: Change): void {
    (this.entities.has(entity.id) ? change.updated : change.added).push(entity.id);
    this.entities.set(entity.id, entity);
  }

  /** An entity that crosses a cell departs and comes again in one frame: for the reader it was never away. */
  #depart(departures: readonly Departure[], arriving: readonly Entity[], change: Change): void {
    const arrived = idsOf(arriving);
    for (const [id, reason] of new Map(departures)) {
      if (!arrived.has(id) && this.entities.delete(id)) change.removed.push([id, reason]);
    }
  }

  /** A new beginning: only what it has stays. */
  #retain(beginning: readonly Entity[], change: Change): void {
    this.#clusters = NONE;
    const kept = idsOf(beginning);
    for (const id of this.entities.keys()) {
      if (kept.has(id)) continue;
      this.entities.delete(id);
      change.removed.push([id, "replaced"]);
    }
  }
}

function idsOf(entities: readonly Entity[]): Set<string> {
  const ids = new Set<string>();
  for (const { id } of entities) ids.add(id);
  return ids;
}
