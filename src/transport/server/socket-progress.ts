/**
 * How many bytes of a TCP socket the operating system has really taken. `socket.bytesWritten` counts what was handed to
 * libuv, and `writableLength` a whole chunk until its last byte is gone: for a peer that reads slowly both stand still for
 * many seconds. libuv's own queue size is exact, but Node shows it on the handle only.
 */
import assert from "node:assert/strict";
import type { Socket } from "node:net";

interface StreamHandle {
  /** Bytes handed to libuv. */
  bytesWritten: number;
  /** Of these, bytes that the operating system has not taken. */
  writeQueueSize: number;
}

function handleOf(socket: Socket): StreamHandle | null {
  const { _handle: handle } = socket as unknown as { _handle: StreamHandle | null };
  if (handle !== null) assert.equal(typeof handle.writeQueueSize, "number");
  return handle;
}

/** Bytes the operating system has taken since the connection opened; −1 after it was closed. */
export function takenBytes(socket: Socket): number {
  const handle = handleOf(socket);
  return handle === null ? -1 : handle.bytesWritten - handle.writeQueueSize;
}

/** Bytes written to the socket that the operating system has not taken; 0 after it was closed. */
export function waitingBytes(socket: Socket): number {
  if (socket.writableLength === 0) return 0;
  const taken = takenBytes(socket);
  return taken === -1 ? 0 : socket.bytesWritten - taken;
}
