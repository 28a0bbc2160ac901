/** What REST says of entities. */
import { setTimeout as sleep } from "node:timers/promises";
import type { FullRecord } from "../src/transport/feed/protocol.ts";
import type { Target } from "./senders.ts";

const PAGE = 10_000;
const TIMEOUT_MS = 10_000;
/** Shards that are handed over cannot be asked for a moment: a node says 503 then. */
const UNAVAILABLE_MS = 15_000;
const RETRY_MS = 200;

interface Collection {
  features: {
    id: string;
    geometry: { coordinates: [number, number] } | null;
    properties: Omit<FullRecord, "id" | "lon" | "lat">;
  }[];
  links: { rel: string }[];
}

/** All entities, or those in a box, in the order of their ids. Rejects if the node does not answer with all of them. */
export async function listEntities(
  { url }: Target,
  token: string,
  box?: readonly number[],
): Promise<Partial<FullRecord>[]> {
  const found: Partial<FullRecord>[] = [];
  for (let after: string | undefined; ; ) {
    const query = new URLSearchParams({ limit: String(PAGE) });
    if (box !== undefined) query.set("bbox", box.join());
    if (after !== undefined) query.set("after", after);
    const { features, links } = await ask(`${url}/v1/entities?${query}`, token);
    for (const { id, geometry, properties } of features) {
      const [lon, lat] = geometry?.coordinates ?? [];
      found.push({ ...properties, id, lon, lat });
    }
    after = features.at(-1)?.id;
    if (after === undefined || !links.some(({ rel }) => rel === "next")) return found;
  }
}

async function ask(address: string, token: string): Promise<Collection> {
  const headers = { authorization: `Bearer ${token}` };
  const end = performance.now() + UNAVAILABLE_MS;
  for (;;) {
    const response = await fetch(address, { headers, signal: AbortSignal.timeout(TIMEOUT_MS) });
    if (response.ok) return (await response.json()) as Collection;
    const problem = await response.text();
    if (response.status !== 503 || performance.now() > end) throw new Error(`${response.status} ${problem}`);
    await sleep(RETRY_MS);
  }
}
