import type { ClientClock } from "./clock.ts";

export type Protocol = "binary" | "json";

export interface ConnectOptions {
  /** Sent as `?token=`: browsers cannot set headers on a WebSocket. Absent in a page of the same origin: its cookie counts. */
  token?: string;
  /** Speaks only this. By default both are offered, binary first, and the server chooses. What a view holds is the same in both. */
  protocol?: Protocol;
  /** Default: the global one. */
  WebSocket?: typeof WebSocket;
  /** Waits between attempts, in milliseconds: default 250 and 15,000. */
  reconnect?: { minMs?: number; maxMs?: number };
  /** Reports that may wait for their acknowledgement, default 100,000. So no call may have more. */
  maxUnacknowledged?: number;
  clock?: ClientClock;
  /** Uniform in [0, 1). */
  random?: () => number;
}
