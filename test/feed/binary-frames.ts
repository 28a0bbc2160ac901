/** Whole frames of `muster.v1.bin`, for tests that play the server. */
import {
  CELL_BYTES,
  type Cell,
  DEPARTURE_BYTES,
  encodeFull,
  FRAME_BYTES,
  type FrameHead,
  type Full,
  MOVE_BYTES,
  type Move,
  putCell,
  putDeparture,
  putFrameHead,
  putMove,
} from "../../src/transport/feed/layout.ts";

export interface FrameParts {
  head: Omit<FrameHead, "departures" | "moves" | "fullBytes">;
  departures?: readonly { handle: number; reason: number }[];
  moves?: readonly Move[];
  cells?: readonly Cell[];
  fulls?: readonly Full[];
}

export function encodeFrame(parts: FrameParts): Uint8Array<ArrayBuffer> {
  const { head, departures = [], moves = [], cells = [], fulls = [] } = parts;
  const records = fulls.map(encodeFull);
  const fullBytes = records.reduce((sum, { length }) => sum + length, 0);
  const itemBytes = moves.length * MOVE_BYTES + cells.length * CELL_BYTES;
  const bytes = new Uint8Array(FRAME_BYTES + departures.length * DEPARTURE_BYTES + itemBytes + fullBytes);
  const view = new DataView(bytes.buffer);
  putFrameHead(view, {
    ...head,
    departures: departures.length,
    moves: moves.length + cells.length,
    fullBytes,
  });
  let at = FRAME_BYTES;
  for (const { handle, reason } of departures) {
    putDeparture(view, at, handle, reason);
    at += DEPARTURE_BYTES;
  }
  for (const move of moves) {
    putMove(view, at, move, head.t);
    at += MOVE_BYTES;
  }
  for (const cell of cells) {
    putCell(view, at, cell);
    at += CELL_BYTES;
  }
  for (const record of records) {
    bytes.set(record, at);
    at += record.length;
  }
  return bytes;
}
