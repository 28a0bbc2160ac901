/** What every `Server` must do. Run by one test file per implementation. */
import type { Test } from "tap";
import { httpContract } from "./contract-http.ts";
import type { CreateServer, Manners } from "./contract-rig.ts";
import { websocketContract } from "./contract-websocket.ts";

export function serverContract(t: Test, create: CreateServer, manners: Manners): void {
  httpContract(t, create, manners);
  websocketContract(t, create, manners);
}
