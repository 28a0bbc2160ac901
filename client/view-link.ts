import type { Subscribe, Update } from "../src/transport/feed/protocol.ts";
import type { ClientClock } from "./clock.ts";
import type { View } from "./view.ts";

/** What a view needs of its connection. */
export interface ViewLink {
  /** Sends if the connection is open; false if it is not. */
  send(message: Subscribe | Update | { op: "unsubscribe"; view: string }): boolean;
  /** A name that this connection never used. */
  name(view: View): string;
  forget(name: string): void;
  /** Unix ms. */
  serverNow(): number;
  clock: ClientClock;
  /** Uniform in [0, 1). */
  random(): number;
}
