import type { Heartbeat } from "../src/transport/feed/protocol.ts";

/**
 * `connecting`: a socket is being opened. `open`: it is. `waiting`: the last one failed with `code`, another will be tried after `delayMs` or at `retryNow()`.
 * `closed`: for good, by `close()` or by a close code that says so.
 */
export type ConnectionState =
  | { name: "connecting"; attempt: number }
  | { name: "open" }
  | { name: "waiting"; attempt: number; delayMs: number; code: number; reason: string }
  | { name: "closed"; code: number; reason: string };

export interface ConnectionEvents {
  state: ConnectionState;
  /** The server refused a message, or sent one that is not the protocol. */
  problem: Error;
  heartbeat: Heartbeat;
}
