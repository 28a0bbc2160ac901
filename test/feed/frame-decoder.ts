/** Binary frames back to what `muster.v1.json` would have said, by the layout alone: the SDK is tested elsewhere. */
import assert from "node:assert/strict";
import { isoTime } from "../../src/picture/record.ts";
import {
  CELL_BYTES,
  DEPARTURE_BYTES,
  FRAME_BYTES,
  FRAME_CLUSTERS,
  FRAME_SNAPSHOT,
  type Full,
  LIVENESS_NAMES,
  MOVE_BYTES,
  type Move,
  readCell,
  readDeparture,
  readFrameHead,
  readFull,
  readMove,
} from "../../src/transport/feed/layout.ts";
import type {
  Departure,
  FullRecord,
  SmallRecord,
  ViewFrame,
  ViewReply,
} from "../../src/transport/feed/protocol.ts";

interface Known {
  name: string;
  /** Ids by handle. */
  ids: Map<number, string>;
  /** The last handle of each id. */
  handles: Map<string, number>;
}

export class FrameDecoder {
  readonly #views = new Map<number, Known>();

  /** A view was told its number. */
  view({ view, number }: ViewReply): void {
    if (number !== undefined && !this.#views.has(number))
      this.#views.set(number, { name: view, ids: new Map(), handles: new Map() });
  }

  frame(bytes: Uint8Array): ViewFrame {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const head = readFrameHead(view);
    const known = this.#views.get(head.view);
    assert.ok(known, "a view is told its number before its frames");
    const { name, ids, handles } = known;
    const made = { view: name, n: head.n, tick: head.tick, t: isoTime(head.t), lag: head.lag };
    let at = FRAME_BYTES;
    if (head.type === FRAME_CLUSTERS) {
      ids.clear();
      const cells = Array.from({ length: head.moves }, (_, i) => {
        const { lon, lat, count } = readCell(view, at + i * CELL_BYTES);
        return [lon, lat, count] as [number, number, number];
      });
      return { op: "clusters", ...made, cells };
    }
    if (head.first) ids.clear();
    const departures: Departure[] = [];
    for (let i = 0; i < head.departures; i++) {
      const { handle, reason } = readDeparture(view, at + i * DEPARTURE_BYTES);
      const id = ids.get(handle);
      // One that was withheld from this client departs for all.
      if (id === undefined) continue;
      ids.delete(handle);
      departures.push([id, reason]);
    }
    at += head.departures * DEPARTURE_BYTES;
    const moves = Array.from({ length: head.moves }, (_, i) => {
      const move = readMove(view, at + i * MOVE_BYTES, head.t, {} as Move);
      const id = ids.get(move.handle);
      assert.ok(id !== undefined, `handle ${move.handle} moves and was never introduced`);
      return smallOf(id, move);
    });
    at += head.moves * MOVE_BYTES;
    const fulls: FullRecord[] = [];
    while (at < bytes.length) {
      const { full, next } = readFull(view, at, bytes.length);
      const before = handles.get(full.id);
      assert.ok(
        before === undefined || before === full.handle || ids.get(before) !== full.id,
        `${full.id} comes back under another handle, and has not departed`,
      );
      const held = ids.get(full.handle) ?? full.id;
      assert.equal(held, full.id, `handle ${full.handle} is another's, and ${held} has not departed`);
      handles.set(full.id, full.handle);
      ids.set(full.handle, full.id);
      fulls.push(recordOf(full));
      at = next;
    }
    if (head.type === FRAME_SNAPSHOT) {
      assert.equal(departures.length + moves.length, 0);
      const marks = {
        ...(head.first ? { first: true as const } : {}),
        ...(head.last ? { last: true as const } : {}),
      };
      return { op: "snapshot", ...made, ...marks, entities: fulls };
    }
    return { op: "delta", ...made, departures, updates: [...fulls, ...moves] };
  }
}

/** Binary moves have all motion, so what is unknown is gone. */
function smallOf(id: string, { t, lon, lat, alt, speed, course, heading }: Move): SmallRecord {
  const known = (value: number) => (Number.isNaN(value) ? null : value);
  return {
    ...{ id, t: isoTime(t), lon, lat },
    ...{ alt: known(alt), speed: known(speed), course: known(course), heading: known(heading) },
  };
}

function recordOf(full: Full): FullRecord {
  const { id, kind, state, liveness, t, received, lon, lat, source, attributes, labels, fences, epoch, seq } =
    full;
  const record: FullRecord = {
    ...{
      id,
      kind,
      state,
      liveness: LIVENESS_NAMES[liveness],
      t: isoTime(t),
      received: isoTime(received),
      lon,
      lat,
    },
    attributes: attributes === "" ? {} : JSON.parse(attributes),
    labels: labels === "" ? [] : JSON.parse(labels),
    fences: fences === "" ? [] : JSON.parse(fences),
    ...{ epoch, seq },
  };
  for (const name of ["alt", "speed", "course", "heading", "accuracy"] as const)
    if (!Number.isNaN(full[name])) record[name] = full[name];
  if (source !== "") record.source = source;
  if (full.implausible) record.implausible = true;
  if (!Number.isNaN(full.placedAt)) record.placedAt = isoTime(full.placedAt);
  return record;
}
