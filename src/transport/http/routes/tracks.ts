/** `GET /v1/entities/{id}/track`: the way of an entity. */
import { createRoute, type OpenAPIHono, z } from "@hono/zod-openapi";
import type { Clock } from "../../../clock.ts";
import { DEFAULT_TRACK_SEGMENTS, MAX_ID_LENGTH, MAX_TRACK_SEGMENTS } from "../../../limits.ts";
import { Apart } from "../../../tracks/apart.ts";
import type { History } from "../../../tracks/history.ts";
import type { Segment } from "../../../tracks/segment.ts";
import { asPassed } from "../../../tracks/then.ts";
import { clip, simplify } from "../../../tracks/thin.ts";
import { WayGone } from "../../../tracks/way-gone.ts";
import { parseTime } from "../../ingest/parse-time.ts";
import { GEOJSON, type Link } from "../feature.ts";
import { NO_STORE } from "../no-store.ts";
import { link, nextLink, unreached } from "../page.ts";
import { entityId } from "../path-id.ts";
import { textsOf } from "../permissions.ts";
import { problemResponse } from "../problem-response.ts";
import { flatten, interval, KNOWN, moment, numberText, wholeText } from "../query.ts";
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

const Query = z
  .strictObject({
    datetime: interval.optional().openapi({
      type: "string",
      description: "from/to, RFC 3339; .. = without end. Default: all.",
      example: "2026-01-02T00:00:00Z/2026-01-03T00:00:00Z",
    }),
    known: moment(`Not before the begin of datetime. ${KNOWN}`),
    simplify: numberText(0, MAX_SIMPLIFY_METRES).optional().openapi({
      type: "number",
      description:
        "Without points not farther than so many metres from the line. Each segment is a line of its own, with what the entity was meanwhile, so its first and last point stay; together with `every` those of the lines that it leaves.",
    }),
    every: numberText(0, MAX_EVERY_S).optional().openapi({
      type: "number",
      description:
        "Points at least so many seconds from each other, over all segments and pages: the first point, then each that comes so long after the one kept before. A line goes on to the next point that is kept, over the ends of segments, and tells what the entity was at the line's begin; what it was in between is left out. It ends before a gap, where nothing is known; the last point of all is not kept for its own sake. A line that only one point is left of has that twice, as a line needs two positions.",
    }),
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
    partial: z.enum(["true", "false"]).default("false").openapi({
      description:
        "`true` = answer without what only the entity's shard has in memory, if that cannot be reached now, and with `missingShards`, which NDJSON has no place for; else that is a 503.",
    }),
  })
  .refine(({ known = Infinity, datetime: [from] = [-Infinity] }) => !(known < from), {
    path: ["known"],
    message: "must be the begin of datetime or later",
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
  operationId: "getTrack",
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

interface ShownSegment {
  segment: Segment;
  /** When the segment that was read last began, Unix ms; and how many were read. */
  first: number;
  read: number;
}

/** @param history absent = this node keeps none. */
export function tracksRoutes(app: OpenAPIHono, clock: Clock, history: History | undefined): void {
  app.openAPIRegistry.registerPath(route);
  app.get("/v1/entities/:id/track", async (c) => {
    const url = new URL(c.req.url);
    const id = entityId(url.pathname.slice(0, -"/track".length));
    if (id instanceof Response) return id;
    const parsed = Query.safeParse(flatten(url.searchParams));
    if (!parsed.success) return refuseInvalid(parsed.error, url.searchParams);
    if (history === undefined) return withoutHistory();
    const query = parsed.data;
    const { known, every, after, datetime: [start, to] = [-Infinity, Infinity] } = query;
    const format = query.f ?? accepted(c.req.header("accept") ?? "");
    // A line goes on at its first point, which may be anywhere in a segment; a segment after the one before.
    const from = every === undefined ? start : Math.max(start, after ?? -Infinity);
    const now = clock.now();
    try {
      const permitted = textsOf(c.get("permitted"));
      const found = await history.of(
        { id, from, to, known, permitted },
        every === undefined ? after : undefined,
        after,
      );
      const { missing } = found;
      if (missing.length > 0 && query.partial === "false") return unreached(missing, permitted);
      const shown = asAsked(found.segments, query, from, to, now);
      if (format === "ndjson") return await lines(shown);
      return await page(shown, query, { id, format, url, clock, missing });
    } catch (error) {
      return error instanceof WayGone ? overtaken(after !== undefined) : historyAway(error);
    }
  });
}

/** @param isGoingOn from a page that was told before */
function overtaken(isGoingOn: boolean): Response {
  if (isGoingOn)
    return problemResponse(
      "track-gone",
      "What comes next is not kept any more: it is older than what is kept, or was erased. Begin anew, without `after`.",
    );
  const detail = "A part of the track became older than what is kept, or was erased, while it was read.";
  return problemResponse("unavailable", detail, { headers: { "retry-after": "1" } });
}

function accepted(accept: string): Format {
  for (const format of ["ndjson", "mf-json"] as const) if (accept.includes(TYPES[format])) return format;
  return "geojson";
}

/** As asked for, without what is not within, or not yet. */
async function* asAsked(
  found: AsyncGenerator<Segment, void>,
  { every, simplify: metres }: Query,
  from: number,
  to: number,
  now: number,
): AsyncGenerator<ShownSegment, void> {
  const apart = every === undefined ? undefined : new Apart(every * 1_000);
  const simpler = (segment: Segment): Segment =>
    metres === undefined ? segment : { ...segment, points: simplify(segment.points, metres) };
  let first = NaN;
  let read = 0;
  for await (const whole of found) {
    first = whole.points[0].t;
    read += 1;
    const passed = asPassed(whole, now);
    const points = clip(passed.points, from, to);
    if (points.length === 0) continue;
    const segment = { ...passed, points };
    for (const one of apart?.take(segment) ?? [segment]) yield { segment: simpler(one), first, read };
  }
  for (const segment of apart?.end() ?? []) yield { segment: simpler(segment), first, read };
}

async function page(
  shown: AsyncGenerator<ShownSegment, void>,
  query: Query,
  asked: { id: string; format: Format; url: URL; clock: Clock; missing: readonly number[] },
): Promise<Response> {
  const { id, format, url, clock, missing } = asked;
  const segments: Segment[] = [];
  const links: Link[] = [link("self", url.pathname, url.searchParams, TYPES[format])];
  let last = -Infinity;
  for await (const { segment, first, read } of shown) {
    if (segments.length === query.limit || (segments.length > 0 && read > MAX_TRACK_SEGMENTS)) {
      links.push(
        nextLink(url, String(query.every === undefined ? last : segment.points[0].t), TYPES[format]),
      );
      break;
    }
    last = first;
    segments.push(segment);
  }
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
  return Response.json(body, { headers: { "content-type": TYPES[format], ...NO_STORE } });
}

/** A feature a line, as they are read. What fails after the first line ends the answer in the middle, so that it is seen. */
async function lines(shown: AsyncGenerator<ShownSegment, void>): Promise<Response> {
  const first = await shown.next();
  const encoder = new TextEncoder();
  let next: typeof first | undefined = first;
  const body = new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const { done, value } = next ?? (await shown.next());
        next = undefined;
        if (done) controller.close();
        else controller.enqueue(encoder.encode(`${JSON.stringify(trackFeature(value.segment))}\n`));
      },
      async cancel() {
        await shown.return();
      },
    },
    { highWaterMark: 0 },
  );
  return new Response(body, { headers: { "content-type": NDJSON, ...NO_STORE } });
}
