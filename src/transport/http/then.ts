/** `GET /v1/entities?datetime=` and `/v1/entities/{id}?datetime=`: where everything was, and what one was. */
import { StoreAway } from "../../actors/ports.ts";
import type { Clock } from "../../clock.ts";
import type { Box } from "../../picture/cover.ts";
import type { History } from "../../tracks/history.ts";
import type { ThenRecord } from "../../tracks/ports.ts";
import { geoJson, type Link } from "./feature.ts";
import { link, nextLink, unreached } from "./page.ts";
import { problemResponse } from "./problem-response.ts";

/** Of the address, checked. Times are Unix ms. */
export interface ThenParameters {
  datetime: number;
  known?: number;
  bbox?: Box;
  kind?: readonly string[];
  state?: readonly string[];
  limit: number;
  after?: string;
  partial: "true" | "false";
  permitted: readonly string[] | undefined;
}

/** @param history absent = this node keeps none. */
export async function listThen(
  history: History | undefined,
  clock: Clock,
  query: ThenParameters,
  url: URL,
): Promise<Response> {
  const { datetime: t, kind: kinds, state: states, known, bbox, limit, after, permitted } = query;
  if (t > clock.now()) return inTheFuture();
  if (history === undefined) return withoutHistory();
  let found: Awaited<ReturnType<History["at"]>>;
  try {
    found = await history.at({ t, known, bbox, kinds, states, limit, after, permitted });
  } catch (error) {
    return historyAway(error);
  }
  const { records, next, missing } = found;
  if (missing.length > 0 && query.partial === "false") return unreached(missing, permitted);
  const links: Link[] = [link("self", url.pathname, url.searchParams)];
  if (next !== undefined) links.push(nextLink(url, next));
  const body = {
    type: "FeatureCollection",
    timeStamp: new Date(clock.now()).toISOString(),
    features: records.map(featureThen),
    numberReturned: records.length,
    ...(missing.length > 0 && { missingShards: missing.length }),
    links,
  };
  return geoJson(body);
}

/** @param history absent = this node keeps none. */
export async function oneThen(
  history: History | undefined,
  clock: Clock,
  id: string,
  { datetime: t, known, permitted }: Pick<ThenParameters, "datetime" | "known" | "permitted">,
): Promise<Response> {
  if (t > clock.now()) return inTheFuture();
  if (history === undefined) return withoutHistory();
  let found: Awaited<ReturnType<History["one"]>>;
  try {
    found = await history.one(id, { t, known, permitted });
  } catch (error) {
    return historyAway(error);
  }
  const { record, missing } = found;
  if (missing.length > 0) return unreached(missing, permitted);
  if (record === undefined)
    return problemResponse(
      "entity-not-found",
      `Nothing is known of an entity ${JSON.stringify(id)} at that time.`,
    );
  return geoJson(featureThen(record));
}

function inTheFuture(): Response {
  return problemResponse("bad-request", "datetime: must not be in the future");
}

function featureThen({ id, lon, lat, epoch: _, seq: __, ...properties }: ThenRecord) {
  return { type: "Feature", id, geometry: { type: "Point", coordinates: [lon, lat] }, properties };
}

/** The node runs on a store without tracks. */
export function withoutHistory(): Response {
  return problemResponse("unavailable", "This node keeps no history.");
}

/** What to answer if history cannot be read now. @throws what is none of the store's faults */
export function historyAway(error: unknown): Response {
  if (!(error instanceof StoreAway)) throw error;
  return problemResponse("unavailable", "The database does not answer now, and only it knows the past.", {
    headers: { "retry-after": "1" },
  });
}
