import type { JsonObject } from "../src/actors/messages.ts";
import {
  CELL_BYTES,
  DEPARTURE_BYTES,
  FRAME_BYTES,
  FRAME_CLUSTERS,
  FRAME_SNAPSHOT,
  type FrameHead,
  type Full,
  LayoutError,
  LIVENESS_NAMES,
  MOVE_BYTES,
  type Move,
  readCell,
  readDeparture,
  readFull,
  readMove,
} from "../src/transport/feed/layout.ts";
import type { ClusterCell, Departure, FullRecord } from "../src/transport/feed/protocol.ts";
import { isoTime } from "./iso-time.ts";
import { type Entity, type Frame, Gap } from "./replica.ts";

type Entities = ReadonlyMap<string, Entity>;

/**
 * Reads the frames of one subscription in `muster.v1.bin`. A handle stands for an entity from the full record that
 * introduces it to its departure; a frame that replaces all forgets every handle. After an error the handles are not
 * what the server means any more, so the subscription must end.
 */
export class BinaryFrames {
  readonly #ids = new Map<number, string>();
  /** Moves are read into this one, because there are many. */
  readonly #move: Move = { handle: 0, t: 0, lon: 0, lat: 0, alt: 0, speed: 0, course: 0, heading: 0 };

  /**
   * @param view the whole frame
   * @param entities what the view has before it
   * @throws {LayoutError} if the bytes are not the protocol
   * @throws {Gap} if it moves an entity that is not there
   */
  read(view: DataView, head: FrameHead, entities: Entities): Frame {
    const { n, t, lag, first, last } = head;
    if (head.type === FRAME_CLUSTERS) return { op: "clusters", n, t, lag, cells: this.#cells(view, head) };
    if (head.type === FRAME_SNAPSHOT) {
      if (head.departures + head.moves > 0) throw new LayoutError("a snapshot has more than full records");
      if (first) this.#ids.clear();
      const introduced: Entity[] = [];
      this.#introduce(view, FRAME_BYTES, introduced);
      return { op: "snapshot", n, t, lag, first, last, entities: introduced };
    }
    const departures = this.#depart(view, head.departures);
    const moves = FRAME_BYTES + head.departures * DEPARTURE_BYTES;
    const updated = this.#moves(view, head, moves, entities);
    this.#introduce(view, moves + head.moves * MOVE_BYTES, updated);
    return { op: "delta", n, t, lag, departures, entities: updated };
  }

  #cells(view: DataView, head: FrameHead): ClusterCell[] {
    if (head.departures + head.fullBytes > 0) throw new LayoutError("clusters have more than cells");
    this.#ids.clear();
    return Array.from({ length: head.moves }, (_, i) => {
      const { lon, lat, count } = readCell(view, FRAME_BYTES + i * CELL_BYTES);
      return [lon, lat, count];
    });
  }

  /** A handle that was never introduced is of an entity that this view was not shown: nothing departs. */
  #depart(view: DataView, count: number): Departure[] {
    const departures: Departure[] = [];
    for (let i = 0; i < count; i++) {
      const { handle, reason } = readDeparture(view, FRAME_BYTES + i * DEPARTURE_BYTES);
      const id = this.#ids.get(handle);
      if (id === undefined) continue;
      this.#ids.delete(handle);
      departures.push([id, reason]);
    }
    return departures;
  }

  #moves(view: DataView, head: FrameHead, start: number, entities: Entities): Entity[] {
    const moved = new Array<Entity>(head.moves);
    for (let i = 0; i < head.moves; i++) {
      const move = readMove(view, start + i * MOVE_BYTES, head.t, this.#move);
      const entity = entities.get(this.#ids.get(move.handle)!);
      if (entity === undefined)
        throw new Gap(`frame ${head.n} moves handle ${move.handle}, which was never introduced`);
      moved[i] = moveTo(entity, move);
    }
    return moved;
  }

  /** Full records from `start` to the end of the frame. */
  #introduce(view: DataView, start: number, into: Entity[]): void {
    for (let at = start; at < view.byteLength; ) {
      const { full, next } = readFull(view, at, view.byteLength);
      this.#ids.set(full.handle, full.id);
      into.push(entityOf(full));
      at = next;
    }
  }
}

/** The entity after a move, which carries all motion: NaN = gone. A spread and few stores, because it is done for every move. */
function moveTo(entity: Entity, { t, lon, lat, alt, speed, course, heading }: Move): Entity {
  const next: FullRecord = { ...entity };
  next.t = isoTime(t);
  if (next.placedAt !== undefined) delete next.placedAt;
  place(next, lon, lat);
  if (!Number.isNaN(alt)) next.alt = alt;
  else if (next.alt !== undefined) delete next.alt;
  if (!Number.isNaN(speed)) next.speed = speed;
  else if (next.speed !== undefined) delete next.speed;
  if (!Number.isNaN(course)) next.course = course;
  else if (next.course !== undefined) delete next.course;
  if (!Number.isNaN(heading)) next.heading = heading;
  else if (next.heading !== undefined) delete next.heading;
  return next;
}

/** What the same full record is in JSON: what is unknown is absent. */
function entityOf(full: Full): Entity {
  const record: FullRecord = {
    id: full.id,
    kind: full.kind,
    state: full.state,
    liveness: LIVENESS_NAMES[full.liveness],
    t: isoTime(full.t),
    received: isoTime(full.received),
    lon: 0,
    lat: 0,
    attributes: attributesOf(full.attributes),
    labels: namesOf(full.labels),
    fences: namesOf(full.fences),
    epoch: full.epoch,
    seq: full.seq,
  };
  place(record, full.lon, full.lat);
  if (!Number.isNaN(full.placedAt)) record.placedAt = isoTime(full.placedAt);
  if (full.source !== "") record.source = full.source;
  if (!Number.isNaN(full.alt)) record.alt = full.alt;
  if (!Number.isNaN(full.speed)) record.speed = full.speed;
  if (!Number.isNaN(full.course)) record.course = full.course;
  if (!Number.isNaN(full.heading)) record.heading = full.heading;
  if (!Number.isNaN(full.accuracy)) record.accuracy = full.accuracy;
  if (full.implausible) record.implausible = true;
  return record;
}

function place(record: FullRecord, lon: number, lat: number): void {
  // Views have only what has a place.
  if (Number.isNaN(lon) || Number.isNaN(lat)) throw new LayoutError("a record has no place");
  record.lon = lon;
  record.lat = lat;
}

function attributesOf(json: string): JsonObject {
  const value = json === "" ? {} : parse(json);
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw new LayoutError("attributes are not an object");
  return value as JsonObject;
}

function namesOf(json: string): string[] {
  const value = json === "" ? [] : parse(json);
  if (!Array.isArray(value) || !value.every((name) => typeof name === "string"))
    throw new LayoutError("labels or fences are not an array of texts");
  return value;
}

function parse(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    throw new LayoutError("attributes, labels or fences are not JSON");
  }
}
