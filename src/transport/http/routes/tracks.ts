/** `GET /v1/entities/{id}/track`: the way of an entity. */
import { createRoute, type OpenAPIHono, z } from "@hono/zod-openapi";
import type { Clock } from "../../../clock.ts";
import { DEFAULT_TRACK_SEGMENTS, MAX_ID_LENGTH, MAX_TRACK_SEGMENTS } from "../../../limits.ts";
import type { History } from "../../../tracks/history.ts";
import type { Segment } from "../../../tracks/segment.ts";
import { clip, everyOf, simplify } from "../../../tracks/thin.ts";
import { parseTime } from "../../ingest/parse-time.ts";
import { GEOJSON, type Link } from "../feature.ts";
import { link, nextLink, unreached } from "../page.ts";
import { entityId } from "../path-id.ts";
import { flatten, instant, interval, numberText, wholeText } from "../query.ts";
import { refuseInvalid } from "../refuse-invalid.ts";
import { PROBLEM_RESPONSE, TrackSchema } from "../schemas.ts";
import { historyAway, withoutHistory } from "../then.ts";
import { movingFeature, trackFeature } from "../track-features.ts";

const NDJSON = "application/x-ndjson";
/** None is registered for it. */
const MOVING_FEATURES = "application/mf+json";
const TYPES = { geojson: GEOJSON, "mf-json": MOVING_FEATURES, ndjson: NDJSON };
type Format = keyof typeof TYPES;
/** Simplification by more than a degree leaves nothing. */
const MAX_SIMPLIFY_METRES = 100_000;
const MAX_EVERY_S = 86_400;
/** Of RFC 3339, Unix ms. */
const FIRST_TIME = parseTime("0000-01-01T00:00:00+23:59");
const LAST_TIME = parseTime("9999-12-31T23:59:59.999-23:59");

const Query = z.strictObject({
  datetime: interval.optional().openapi({
    type: "string",
    description: "from/to, RFC 3339; .. = without end. Default: all.",
    example: "2026-01-02T00:00:00Z/2026-01-03T00:00:00Z",
  }),
  known: instant
    .optional()
    .openapi({ type: "string", format: "date-time", description: "As far as it was known then." }),
  simplify: numberText(0, MAX_SIMPLIFY_METRES).optional().openapi({
    type: "number",
    description: "Without points not farther than so many metres from the line.",
  }),
  every: numberText(0, MAX_EVERY_S)
    .optional()
    .openapi({ type: "number", description: "Points at least so many seconds from each other." }),
  limit: wholeText(1, MAX_TRACK_SEGMENTS).default(DEFAULT_TRACK_SEGMENTS).openapi({
    type: "integer",
    description: "Segments, at most. Not for NDJSON, which is sent as long as it is.",
  }),
  after: wholeTime()
    .optional()
    .openapi({ type: "string", description: "Where to go on; the link `next` has it." }),
  f: z
    .enum(["geojson", "mf-json", "ndjson"])
    .optional()
    .openapi({ description: "Format, if the header Accept does not say it." }),
  partial: z.enum(["true", "false"]).default("false"),
});
type Query = z.output<typeof Query>;

/** Unix ms as digits, of a time that can be written: PostgreSQL has none for others. */
function wholeTime() {
  return z
    .string()
    .regex(/^-?\d{1,15}$/, "must be of a link next")
    .transform(Number)
    .refine((t) => t >= FIRST_TIME && t <= LAST_TIME, "must be of a link next");
}

const route = createRoute({
  method: "get",
  path: "/v1/entities/{id}/track",
  tags: ["Entities"],
  summary: "The way of an entity, segment by segment",
  request: { params: z.object({ id: z.string().max(MAX_ID_LENGTH) }), query: Query },
  responses: {
    200: {
      description: "Its segments, by time; empty if nothing is known.",
      content: {
        [GEOJSON]: { schema: TrackSchema },
        [MOVING_FEATURES]: { schema: z.unknown() },
        [NDJSON]: { schema: z.string() },
      },
    },
    default: PROBLEM_RESPONSE,
  },
});

type Found = AsyncGenerator<Segment, { missing: number[] }>;

/** @param history absent = this node keeps none. */
export function tracksRoutes(app: OpenAPIHono, clock: Clock, history: History | undefined): void {
  app.openAPIRegistry.registerPath(route);
  app.get("/v1/entities/:id/track", async (c) => {
    const url = new URL(c.req.url);
    const id = entityId(url.pathname.slice(0, -"/track".length));
    if (id instanceof Response) return id;
    const parsed = Query.safeParse(flatten(url.searchParams));
    if (!parsed.success) return refuseInvalid(parsed.error);
    if (history === undefined) return withoutHistory();
    const query = parsed.data;
    const [from, to] = query.datetime ?? [-Infinity, Infinity];
    const format = query.f ?? accepted(c.req.header("accept") ?? "");
    const found = history.of({ id, from, to, known: query.known }, query.after);
    try {
      if (format === "ndjson") return await lines(found, query, from, to);
      return await page(found, query, { id, from, to, format, url, clock });
    } catch (error) {
      return historyAway(error);
    }
  });
}

function accepted(accept: string): Format {
  for (const format of ["ndjson", "mf-json"] as const) if (accept.includes(TYPES[format])) return format;
  return "geojson";
}

/** As asked for; `undefined` if nothing of it is within. */
function asAsked(
  segment: Segment,
  { every, simplify: metres }: Query,
  from: number,
  to: number,
): Segment | undefined {
  let points = clip(segment.points, from, to);
  if (every !== undefined) points = everyOf(points, every * 1_000);
  if (metres !== undefined) points = simplify(points, metres);
  return points.length === 0 ? undefined : { ...segment, points };
}

async function page(
  found: Found,
  query: Query,
  asked: { id: string; from: number; to: number; format: Format; url: URL; clock: Clock },
): Promise<Response> {
  const { id, from, to, format, url, clock } = asked;
  const segments: Segment[] = [];
  const links: Link[] = [link("self", url.pathname, url.searchParams, TYPES[format])];
  let last = -Infinity;
  let missing: number[] = [];
  for (;;) {
    const next = await found.next();
    if (next.done) {
      missing = next.value.missing;
      break;
    }
    if (segments.length === query.limit) {
      links.push(nextLink(url, String(last), TYPES[format]));
      await found.return({ missing });
      break;
    }
    last = next.value.points[0].t;
    const segment = asAsked(next.value, query, from, to);
    if (segment !== undefined) segments.push(segment);
  }
  if (missing.length > 0 && query.partial === "false") return unreached(missing);
  const features =
    format === "geojson"
      ? segments.map(trackFeature)
      : segments.length === 0
        ? []
        : [movingFeature(id, segments)];
  const body = {
    type: "FeatureCollection",
    timeStamp: new Date(clock.now()).toISOString(),
    features,
    numberReturned: segments.length,
    ...(missing.length > 0 && { missingShards: missing.length }),
    links,
  };
  return Response.json(body, { headers: { "content-type": TYPES[format], "cache-control": "no-store" } });
}

/** A feature a line, as they are read. What fails after the first line ends the answer in the middle, so that it is seen. */
async function lines(found: Found, query: Query, from: number, to: number): Promise<Response> {
  const first = await found.next();
  if (first.done && first.value.missing.length > 0 && query.partial === "false")
    return unreached(first.value.missing);
  const encoder = new TextEncoder();
  let next: typeof first | undefined = first;
  const body = new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        for (;;) {
          const { done, value } = next ?? (await found.next());
          next = undefined;
          if (done) {
            controller.close();
            return;
          }
          const segment = asAsked(value, query, from, to);
          if (segment === undefined) continue;
          controller.enqueue(encoder.encode(`${JSON.stringify(trackFeature(segment))}\n`));
          return;
        }
      },
      async cancel() {
        await found.return({ missing: [] });
      },
    },
    { highWaterMark: 0 },
  );
  return new Response(body, { headers: { "content-type": NDJSON, "cache-control": "no-store" } });
}
