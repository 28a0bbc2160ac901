/** `/v1/fences`: the areas that entities enter and leave, as GeoJSON. */
import { createRoute, type OpenAPIHono, z } from "@hono/zod-openapi";
import { FenceError } from "../../../actors/fences/errors.ts";
import { MAX_FENCE_POINTS_KEPT, MAX_FENCES } from "../../../actors/fences/limits.ts";
import { parseFence } from "../../../actors/fences/parse.ts";
import type { FenceChange, FenceDraft, FenceStore, FenceVersion } from "../../../actors/fences/ports.ts";
import { isObject, type JsonObject } from "../../../actors/messages.ts";
import type { Clock } from "../../../clock.ts";
import {
  DEFAULT_LIST_LIMIT,
  MAX_FENCE_BODY_BYTES,
  MAX_LIST_LIMIT,
  MAX_NAME_LENGTH,
} from "../../../limits.ts";
import { nameFault } from "../../ingest/report.ts";
import type { BodyBudget } from "../body.ts";
import { GEOJSON, slicedCollection } from "../feature.ts";
import { isUnmeasured, meets } from "../fence-boxes.ts";
import { link, nextLink } from "../page.ts";
import { problemResponse } from "../problem-response.ts";
import { bbox, flatten, wholeText } from "../query.ts";
import { refuseInvalid } from "../refuse-invalid.ts";
import { JSON_TYPE, PROBLEM_RESPONSE } from "../schemas.ts";
import { readSmallJson } from "../small-body.ts";
import { changing, type Held, IfMatch, versionAnswer } from "../versions.ts";

export type FencesOptions = Held<FenceStore, FenceVersion>;

/** Made in one go: some 2 ms. Most fences have few points, some have 10,000. */
const SLICE_FENCES = 256;
const SLICE_POINTS = 5_000;
/** Fences that are measured in one go: up to 8 ms once if they are the largest, far less of others. */
const SLICE_BOXES = 16;

const number = (description: string) => z.number().optional().describe(description);
const properties = z.object({
  radius: number("Metres around a Point, or around each place of a LineString; they need it."),
  kinds: z.array(z.string()).optional().describe("Only entities of these kinds. Default: all."),
  exitBuffer: number("An entity has left only when it is so many metres outside. Default 0."),
  dwellMs: number("It has entered, or left, when it was on that side for so long, ms. Default 0."),
  minReports: number("It has entered, or left, with so many fixes in a row on that side. Default 1."),
  maxAccuracy: number("Fixes that are less accurate say nothing, metres. Default: all count."),
  floor: number("Metres above sea level. Default: none."),
  ceiling: number("Metres above sea level. Default: none."),
  title: z.string().optional().describe("For people."),
});
const FenceSchema = z
  .object({
    type: z.literal("Feature"),
    id: z.string().describe("Its name.").openapi({ example: "south-harbour" }),
    version: z.int().describe("One more with each change; also the `ETag`, in quotes."),
    changedAt: z.string().openapi({ format: "date-time" }),
    geometry: z
      .object({
        type: z.enum(["Polygon", "MultiPolygon", "Point", "LineString"]),
        coordinates: z.array(z.unknown()),
      })
      .describe("A Point with a `radius` is a circle, a LineString with one a corridor."),
    properties: properties.nullable(),
  })
  .openapi("Fence");
const PutSchema = FenceSchema.partial({ id: true, version: true, changedAt: true }).openapi("FenceChange");
const ListSchema = z
  .object({
    type: z.literal("FeatureCollection"),
    timeStamp: z.string().openapi({ format: "date-time" }),
    features: z.array(FenceSchema),
    numberReturned: z.int(),
    links: z.array(z.object({ rel: z.enum(["self", "next"]), type: z.string(), href: z.string() })),
  })
  .openapi("Fences");
const Query = z.strictObject({
  bbox: bbox.optional().openapi({
    type: "string",
    description:
      "west,south,east,north in degrees, west > east crosses 180°: only fences whose own box meets it.",
    example: "24.5,59.9,25.5,60.3",
  }),
  limit: wholeText(1, MAX_LIST_LIMIT)
    .default(DEFAULT_LIST_LIMIT)
    .openapi({ type: "integer", minimum: 1, maximum: MAX_LIST_LIMIT, default: DEFAULT_LIST_LIMIT }),
  after: z
    .string()
    .min(1)
    .max(MAX_NAME_LENGTH)
    .optional()
    .openapi({ description: "The name after which to go on; the link `next` has it." }),
});

const Name = z.object({ name: z.string().max(MAX_NAME_LENGTH) });
const geoJson = (schema: z.ZodType, description: string) => ({
  description,
  content: { [GEOJSON]: { schema } },
});

const ROUTES = [
  createRoute({
    method: "get",
    path: "/v1/fences",
    tags: ["Fences"],
    summary: "List fences, in the order of their names",
    request: { query: Query },
    responses: { 200: geoJson(ListSchema, "The fences."), default: PROBLEM_RESPONSE },
  }),
  createRoute({
    method: "get",
    path: "/v1/fences/{name}",
    tags: ["Fences"],
    summary: "One fence",
    request: { params: Name },
    responses: { 200: geoJson(FenceSchema, "It."), default: PROBLEM_RESPONSE },
  }),
  createRoute({
    method: "put",
    path: "/v1/fences/{name}",
    tags: ["Fences"],
    summary: "Make a fence, or change it",
    description:
      "What was got can be put: `id` is its name, `version` and `changedAt` are left out. An entity is inside of what the fence is now: one that is not any more leaves it.",
    request: {
      params: Name,
      headers: IfMatch,
      body: {
        required: true,
        content: { [GEOJSON]: { schema: PutSchema }, [JSON_TYPE]: { schema: PutSchema } },
      },
    },
    responses: {
      200: geoJson(FenceSchema, "Changed, or the same as before."),
      201: geoJson(FenceSchema, "Made."),
      default: PROBLEM_RESPONSE,
    },
  }),
  createRoute({
    method: "delete",
    path: "/v1/fences/{name}",
    tags: ["Fences"],
    summary: "Remove a fence",
    description: "Entities that are inside leave it.",
    request: { params: Name, headers: IfMatch },
    responses: { 204: { description: "It is gone." }, default: PROBLEM_RESPONSE },
  }),
];

export function fencesRoutes(
  app: OpenAPIHono,
  options: FencesOptions,
  bodies: BodyBudget,
  clock: Clock,
): void {
  const { store, versions, find, changed } = options;
  const one = "/v1/fences/:name";
  for (const route of ROUTES) app.openAPIRegistry.registerPath(route);

  app.get("/v1/fences", (c) => {
    const url = new URL(c.req.url);
    const query = Query.safeParse(flatten(url.searchParams));
    return query.success ? list(versions(), clock, query.data, url) : refuseInvalid(query.error);
  });
  app.get(one, (c) => {
    const name = c.req.param("name");
    const found = find(name);
    return found === undefined ? unknown(name) : answer(found, 200);
  });
  app.put(
    one,
    changing(async (name, ifVersion, c) => {
      const fault = nameFault("a fence", name, MAX_NAME_LENGTH);
      if (fault !== undefined) return problemResponse("bad-request", fault);
      const read = await readSmallJson(c.req.raw, bodies, MAX_FENCE_BODY_BYTES);
      if (read instanceof Response) return read;
      const draft = drafted(name, read.value);
      if (draft instanceof Response) return draft;
      const change = await store.save(draft, ifVersion);
      if (change.is !== "saved" && change.is !== "unchanged") return refused(name, change);
      if (change.is === "saved") await changed();
      return answer(change.version, change.is === "saved" && change.created ? 201 : 200);
    }),
  );
  app.delete(
    one,
    changing(async (name, ifVersion) => {
      if (nameFault("a fence", name, MAX_NAME_LENGTH) !== undefined) return unknown(name);
      const change = await store.remove(name, ifVersion);
      if (change.is !== "saved" && change.is !== "unchanged") return refused(name, change);
      await changed();
      return new Response(null, { status: 204 });
    }),
  );
}

/** What is asked for, checked whole; or why it is none. */
function drafted(name: string, written: unknown): FenceDraft | Response {
  try {
    const definition = withoutOurs(name, written);
    const { points } = parseFence(definition);
    return { name, definition: definition as JsonObject, points };
  } catch (error) {
    if (!(error instanceof FenceError)) throw error;
    const { code, path, message } = error;
    return problemResponse("invalid-fence", message, { members: { code, path } });
  }
}

/** Without what answers have beside what was written. */
function withoutOurs(name: string, written: unknown): unknown {
  if (!isObject(written)) return written;
  const { id, version: _, changedAt: __, ...definition } = written;
  if (id !== undefined && id !== name)
    throw new FenceError("bad-name", "/id", `the \`id\` is the fence's name, ${JSON.stringify(name)}`);
  return definition;
}

function refused(name: string, change: Exclude<FenceChange, { is: "saved" | "unchanged" }>): Response {
  switch (change.is) {
    case "other-version":
      if (change.version === undefined) return unknown(name);
      return problemResponse("fence-version", `${name} has version ${change.version} now.`, {
        members: { version: change.version },
      });
    case "too-many":
      return problemResponse(
        "too-many-fences",
        change.of === "fences"
          ? `There are ${MAX_FENCES} already.`
          : `All fences together have at most ${MAX_FENCE_POINTS_KEPT} points.`,
      );
    default:
      return change satisfies never;
  }
}

async function list(
  all: readonly FenceVersion[],
  clock: Clock,
  { bbox: box, limit, after }: z.output<typeof Query>,
  url: URL,
): Promise<Response> {
  const page: FenceVersion[] = [];
  let more = false;
  let measured = 0;
  for (const fence of all) {
    if (after !== undefined && fence.name <= after) continue;
    if (box !== undefined) {
      if (isUnmeasured(fence) && ++measured % SLICE_BOXES === 0)
        await new Promise<void>((resolve) => clock.yield(resolve));
      if (!meets(fence, box)) continue;
    }
    more = page.length === limit;
    if (more) break;
    page.push(fence);
  }
  const links = [link("self", url.pathname, url.searchParams)];
  if (more) links.push(nextLink(url, page.at(-1)!.name));
  let at = 0;
  const slice = () => {
    const features: object[] = [];
    for (let points = 0; at < page.length && features.length < SLICE_FENCES && points < SLICE_POINTS; at++) {
      const feature = fenceJson(page[at]!);
      points += countPoints((feature.geometry as JsonObject).coordinates);
      features.push(feature);
    }
    return { features, last: at >= page.length };
  };
  return slicedCollection(clock, slice, links);
}

function countPoints(coordinates: unknown): number {
  if (!Array.isArray(coordinates)) return 0;
  return typeof coordinates[0] === "number"
    ? 1
    : coordinates.reduce<number>((sum, one) => sum + countPoints(one), 0);
}

function fenceJson({ name, version, definition, changedAt }: FenceVersion) {
  const { type, ...written } = definition!;
  const feature: JsonObject & { version: number } = {
    ...{ type, id: name, version, changedAt: new Date(changedAt).toISOString() },
    ...written,
  };
  return feature;
}

function answer(version: FenceVersion, status: 200 | 201): Response {
  return versionAnswer(fenceJson(version), status, GEOJSON);
}

function unknown(name: string): Response {
  const shown = JSON.stringify(name.slice(0, MAX_NAME_LENGTH));
  return problemResponse("fence-not-found", `There is no fence ${shown}.`);
}
