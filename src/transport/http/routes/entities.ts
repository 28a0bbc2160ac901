/** `GET /v1/entities` and `/v1/entities/{id}`: the picture as GeoJSON. */
import { createRoute, type OpenAPIHono, z } from "@hono/zod-openapi";
import { shardOf } from "../../../actors/shard-hash.ts";
import type { Clock } from "../../../clock.ts";
import type { EntityQueries, Gathered } from "../../../cluster/scatter.ts";
import { MAX_ID_LENGTH, MAX_LIST_LIMIT } from "../../../limits.ts";
import { permittedLens } from "../../../picture/lens.ts";
import { PermittedMemo } from "../../../picture/permitted.ts";
import type { Picture } from "../../../picture/picture.ts";
import { queryBbox, queryNear } from "../../../picture/query.ts";
import type { History } from "../../../tracks/history.ts";
import {
  collectionResponse,
  type Feature,
  featureOf,
  featureOfRecord,
  GEOJSON,
  gatheredResponse,
  geoJson,
  type Link,
} from "../feature.ts";
import { link, nextLink, unreached } from "../page.ts";
import { entityId, pathId } from "../path-id.ts";
import { textsOf } from "../permissions.ts";
import { problemResponse } from "../problem-response.ts";
import {
  bbox,
  flatten,
  KNOWN,
  listLimit,
  moment,
  names,
  numbers,
  numberText,
  storableText,
  wholeText,
} from "../query.ts";
import { refuseInvalid } from "../refuse-invalid.ts";
import { FeatureCollectionSchema, FeatureSchema, PROBLEM_RESPONSE } from "../schemas.ts";
import { listThen, oneThen } from "../then.ts";

/** Half the way round the globe: no two places are farther apart. */
const MAX_RADIUS = 20_037_508;

const near = z
  .string()
  .transform(numbers)
  .refine(
    ([lon, lat, ...more]) => more.length === 0 && Math.abs(lon) <= 180 && Math.abs(lat) <= 90,
    "must be lon,lat in degrees",
  );

const NEEDS_DATETIME = { path: ["known"], message: "needs datetime" };
const NOT_BEFORE = { path: ["known"], message: "must be datetime or later" };

const Query = z
  .strictObject({
    bbox: bbox.optional().openapi({
      type: "string",
      description: "west,south,east,north in degrees; west > east crosses 180°.",
      example: "24.5,59.9,25.5,60.3",
    }),
    near: near.optional().openapi({
      type: "string",
      description: "lon,lat: the nearest to it first, not together with bbox or after.",
      example: "24.95,60.16",
    }),
    radius: numberText(0, MAX_RADIUS)
      .optional()
      .openapi({ type: "number", description: "With near: not farther than so many metres." }),
    k: wholeText(1, MAX_LIST_LIMIT)
      .optional()
      .openapi({ type: "integer", description: "With near: so many at most; default is limit." }),
    kind: names
      .optional()
      .openapi({ type: "string", description: "Only these kinds, with commas between them." }),
    state: names
      .optional()
      .openapi({ type: "string", description: "Only these states, with commas between them." }),
    datetime: moment("Where everything was then, and what it was; not together with near."),
    known: moment(`With datetime, not before it. ${KNOWN}`),
    limit: listLimit,
    after: storableText(MAX_ID_LENGTH)
      .optional()
      .openapi({ description: "The id after which to go on; the link `next` has it." }),
    partial: z.enum(["true", "false"]).default("false").openapi({
      description:
        "`true` = answer without the shards that cannot be reached now, or that are being loaded again, and count them in `missingShards`; else that is a 503.",
    }),
  })
  .superRefine((query, context) => {
    const refuse = (path: string, message: string) =>
      context.addIssue({ code: "custom", path: [path], message });
    if (query.near === undefined) {
      if (query.radius !== undefined) refuse("radius", "needs near");
      if (query.k !== undefined) refuse("k", "needs near");
    } else {
      if (query.bbox !== undefined) refuse("bbox", "cannot be combined with near");
      if (query.after !== undefined) refuse("after", "cannot be combined with near");
      if (query.datetime !== undefined) refuse("datetime", "cannot be combined with near");
    }
  })
  .refine(isKnownOfThen, NEEDS_DATETIME)
  .refine(isKnownSince, NOT_BEFORE);
type Query = z.output<typeof Query>;

const OneQuery = z
  .strictObject({
    datetime: moment("What it was then, and where. Default: what it is now."),
    known: moment(`With datetime, not before it. ${KNOWN}`),
  })
  .refine(isKnownOfThen, NEEDS_DATETIME)
  .refine(isKnownSince, NOT_BEFORE);

function isKnownOfThen({ datetime, known }: { datetime?: number; known?: number }): boolean {
  return known === undefined || datetime !== undefined;
}

/** What was to come was not known. */
function isKnownSince({ datetime, known }: { datetime?: number; known?: number }): boolean {
  return known === undefined || datetime === undefined || known >= datetime;
}

const listRoute = createRoute({
  method: "get",
  path: "/v1/entities",
  operationId: "listEntities",
  tags: ["Entities"],
  summary: "List entities, in the order of their ids or of their distance",
  description:
    "Those that who asks may see. With `datetime` a page may have fewer than `limit` for who may not see all; only one without a link `next` is the last.",
  request: { query: Query },
  responses: {
    200: { description: "The entities.", content: { [GEOJSON]: { schema: FeatureCollectionSchema } } },
    default: PROBLEM_RESPONSE,
  },
});

const oneRoute = createRoute({
  method: "get",
  path: "/v1/entities/{id}",
  operationId: "getEntity",
  tags: ["Entities"],
  summary: "One entity",
  request: {
    params: z.object({ id: z.string().max(MAX_ID_LENGTH).describe("Percent-encoded, slashes too.") }),
    query: OneQuery,
  },
  responses: {
    200: { description: "The entity.", content: { [GEOJSON]: { schema: FeatureSchema } } },
    default: PROBLEM_RESPONSE,
  },
});

export interface EntitiesOptions {
  picture: Picture;
  clock: Clock;
  /** Asks all nodes; absent = this node has everything … */
  cluster: EntityQueries | undefined;
  /** … but these shards, which it is loading (again). */
  closedShards(): readonly number[];
  /** Absent = this node keeps none. */
  history: History | undefined;
}

export function entitiesRoutes(app: OpenAPIHono, options: EntitiesOptions): void {
  const { picture, clock, cluster, closedShards, history } = options;
  const lenses = new PermittedMemo((permitted) => permittedLens(picture, permitted).test);
  app.openAPIRegistry.registerPath(listRoute);
  app.get(listRoute.path, (c) => {
    const url = new URL(c.req.url);
    const parsed = Query.safeParse(flatten(url.searchParams));
    if (!parsed.success) return refuseInvalid(parsed.error, url.searchParams);
    const { datetime } = parsed.data;
    const permitted = textsOf(c.get("permitted"));
    if (datetime !== undefined) return listThen(history, clock, { ...parsed.data, datetime, permitted }, url);
    if (cluster !== undefined) return gather(cluster, clock, { ...parsed.data, permitted }, url);
    return list(options, parsed.data, url, permitted && lenses.of(permitted));
  });

  app.openAPIRegistry.registerPath(oneRoute);
  app.get("/v1/entities/:id", async (c) => {
    const url = new URL(c.req.url);
    const parsed = OneQuery.safeParse(flatten(url.searchParams));
    if (!parsed.success) return refuseInvalid(parsed.error, url.searchParams);
    const { datetime, known } = parsed.data;
    const permitted = textsOf(c.get("permitted"));
    if (datetime !== undefined) {
      const id = entityId(url.pathname);
      return id instanceof Response ? id : oneThen(history, clock, id, { datetime, known, permitted });
    }
    const id = pathId(url.pathname);
    if (id instanceof Response) return id;
    let feature: Feature | undefined;
    if (cluster === undefined) {
      const missing = closedShards();
      if (missing.includes(shardOf(id))) return unreached(missing);
      const slot = picture.find(id);
      if (slot !== -1 && (permitted === undefined || lenses.of(permitted)(slot)))
        feature = featureOf(picture, slot);
    } else {
      const { records, missing } = await cluster.one(id, permitted);
      if (records.length > 0) feature = featureOfRecord(records[0]);
      else if (missing.includes(shardOf(id))) return unreached(missing, permitted);
    }
    if (feature === undefined)
      return problemResponse(
        "entity-not-found",
        `There is no entity ${JSON.stringify(id.slice(0, MAX_ID_LENGTH))}.`,
      );
    return geoJson(feature);
  });
}

async function gather(
  cluster: EntityQueries,
  clock: Clock,
  query: Query & { permitted: readonly string[] | undefined },
  url: URL,
): Promise<Response> {
  const { kind: kinds, state: states, limit, permitted } = query;
  const links: Link[] = [link("self", url.pathname, url.searchParams)];
  let found: Gathered;
  if (query.near !== undefined) {
    const [lon, lat] = query.near;
    const k = Math.min(query.k ?? limit, MAX_LIST_LIMIT);
    found = await cluster.near({ lon, lat, radius: query.radius, k, kinds, states, permitted });
  } else {
    const { bbox, after } = query;
    found = await cluster.list({ bbox, kinds, states, limit, after, permitted });
    const last = found.records.at(-1);
    if (found.more && last !== undefined) links.push(nextLink(url, last.id));
  }
  if (found.missing.length > 0 && query.partial === "false") return unreached(found.missing, permitted);
  return gatheredResponse(clock, found, links);
}

/** @param permits only slots for which this is true; absent = all. */
function list(
  { picture, clock, closedShards }: EntitiesOptions,
  query: Query,
  url: URL,
  permits: ((slot: number) => boolean) | undefined,
): Response {
  const { kind: kinds, state: states, limit } = query;
  const missing = closedShards();
  if (missing.length > 0 && query.partial === "false") return unreached(missing);
  const { shard } = picture.columns;
  // What is loaded of them may be of before.
  const isLoaded = (slot: number) => !missing.includes(shard.of(slot)) && (permits?.(slot) ?? true);
  const only = missing.length === 0 ? permits : isLoaded;
  const links: Link[] = [link("self", url.pathname, url.searchParams)];
  if (query.near !== undefined) {
    const [lon, lat] = query.near;
    const k = Math.min(query.k ?? limit, MAX_LIST_LIMIT);
    const found = queryNear(picture, { lon, lat, radius: query.radius, k, kinds, states, only });
    return collectionResponse(picture, clock, { ...found, missing, permits }, links);
  }
  const wanted = { bbox: query.bbox, kinds, states, limit, after: query.after, only };
  const { slots, more } = queryBbox(picture, wanted);
  if (more) links.push(nextLink(url, picture.columns.id[slots.at(-1)!]!));
  return collectionResponse(picture, clock, { slots, missing, permits }, links);
}
