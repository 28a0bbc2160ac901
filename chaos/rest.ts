/** What REST says of entities. */
import type { FullRecord } from "../src/transport/feed/protocol.ts";
import type { Target } from "./senders.ts";

const PAGE = 10_000;
const TIMEOUT_MS = 10_000;

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
    const response = await fetch(`${url}/v1/entities?${query}`, {
      headers: { authorization: `Bearer ${token}` },
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    if (!response.ok) throw new Error(`${response.status} ${await response.text()}`);
    const { features, links } = (await response.json()) as Collection;
    for (const { id, geometry, properties } of features) {
      const [lon, lat] = geometry?.coordinates ?? [];
      found.push({ ...properties, id, lon, lat });
    }
    after = features.at(-1)?.id;
    if (after === undefined || !links.some(({ rel }) => rel === "next")) return found;
  }
}
