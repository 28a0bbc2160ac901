/** `/v1/fences` as it is documented, and what its lists may be asked. */
import { createRoute, z } from "@hono/zod-openapi";
import { MAX_NAME_LENGTH } from "../../../limits.ts";
import { GEOJSON } from "../feature.ts";
import { bbox, listLimit, storableText } from "../query.ts";
import { JSON_TYPE, PROBLEM_RESPONSE } from "../schemas.ts";
import { IfMatch, IfMatchOrNone } from "../versions.ts";

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
      .describe(
        "A Point with a `radius` is a circle, a LineString with one a corridor. Edges of one polygon, holes too, may touch and not cross.",
      ),
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
export const FencesQuery = z.strictObject({
  bbox: bbox.optional().openapi({
    type: "string",
    description:
      "west,south,east,north in degrees, west > east crosses 180°: only fences whose own box meets it.",
    example: "24.5,59.9,25.5,60.3",
  }),
  limit: listLimit,
  after: storableText(MAX_NAME_LENGTH)
    .optional()
    .openapi({ description: "The name after which to go on; the link `next` has it." }),
});

const IfNoneMatch = z.object({
  "if-none-match": z.string().optional().describe("Lists only what is not as `ETag` gave it."),
});
const Name = z.object({ name: z.string().max(MAX_NAME_LENGTH) });
const geoJson = (schema: z.ZodType, description: string) => ({
  description,
  content: { [GEOJSON]: { schema } },
});

export const FENCE_ROUTES = [
  createRoute({
    method: "get",
    path: "/v1/fences",
    operationId: "listFences",
    tags: ["Fences"],
    summary: "List fences, in the order of their names",
    request: { query: FencesQuery, headers: IfNoneMatch },
    responses: {
      200: geoJson(ListSchema, "The fences."),
      304: { description: "They are as they were." },
      default: PROBLEM_RESPONSE,
    },
  }),
  createRoute({
    method: "get",
    path: "/v1/fences/{name}",
    operationId: "getFence",
    tags: ["Fences"],
    summary: "One fence",
    request: { params: Name },
    responses: { 200: geoJson(FenceSchema, "It."), default: PROBLEM_RESPONSE },
  }),
  createRoute({
    method: "put",
    path: "/v1/fences/{name}",
    operationId: "putFence",
    tags: ["Fences"],
    summary: "Make a fence, or change it",
    description:
      "What was got can be put: `id` is its name, `version` and `changedAt` are left out. An entity is inside of what the fence is now: one that is not any more leaves it.",
    request: {
      params: Name,
      headers: IfMatchOrNone,
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
    operationId: "deleteFence",
    tags: ["Fences"],
    summary: "Remove a fence",
    description: "Entities that are inside leave it.",
    request: { params: Name, headers: IfMatch },
    responses: { 204: { description: "It is gone." }, default: PROBLEM_RESPONSE },
  }),
];
