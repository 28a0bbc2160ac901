/** Sums and orders of records that the model compares. */
import { FRAME_BYTES } from "../../src/transport/feed/layout.ts";
import {
  type Delta,
  type FullRecord,
  PROTOCOL_BINARY,
  type Snapshot,
} from "../../src/transport/feed/protocol.ts";
import type { TestClient } from "./harness.ts";

/** Bytes of a frame's records, about: without some commas. @param size of the frame */
export function recordBytes({ socket }: TestClient, frame: Snapshot | Delta, size: number): number {
  if (socket.protocol === PROTOCOL_BINARY) return size - FRAME_BYTES;
  const lists = frame.op === "snapshot" ? [frame.entities] : [frame.departures, frame.updates];
  return lists.reduce((bytes, list) => bytes + JSON.stringify(list).length - 2, 0);
}

/** Maps compare in order; what is in both is put into the order of the first. */
export function sortedLike(
  order: Map<string, FullRecord>,
  map: Map<string, FullRecord>,
): Map<string, FullRecord> {
  const known = [...order.keys()].filter((id) => map.has(id));
  const rest = [...map.keys()].filter((id) => !order.has(id));
  return new Map([...known, ...rest].map((id) => [id, map.get(id)!]));
}
