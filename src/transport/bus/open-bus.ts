/** The bus of a node that has one: what it needs is loaded only then, so that others start sooner. */
import type { Bus } from "../../cluster/ports.ts";
import type { ConnectionOptions } from "./redis-connection.ts";

/** @throws BusStartError */
export async function openBus(options: ConnectionOptions): Promise<Bus> {
  const { openRedisBus } = await import("./redis-bus.ts");
  return openRedisBus(options);
}
