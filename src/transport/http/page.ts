/** What lists say of the pages after them, and of what is missing in them. */
import { GEOJSON, type Link } from "./feature.ts";
import { problemResponse } from "./problem-response.ts";

/** @param permitted what of them was asked for; absent = all. */
export function unreached(missing: readonly number[], permitted?: readonly string[]): Response {
  const older = permitted === undefined ? "" : ", or are of a version that does not know keys";
  return problemResponse(
    "unavailable",
    `${missing.length} of the cluster's shards cannot be reached now: their nodes do not answer${older}, or they are on their way to another.`,
    { headers: { "retry-after": "1" } },
  );
}

export function nextLink(url: URL, after: string, type?: string): Link {
  const next = new URLSearchParams(url.searchParams);
  next.set("after", after);
  return link("next", url.pathname, next, type);
}

export function link(
  rel: Link["rel"],
  path: string,
  parameters: URLSearchParams,
  type: string = GEOJSON,
): Link {
  const query = parameters.toString();
  return { rel, type, href: query === "" ? path : `${path}?${query}` };
}
