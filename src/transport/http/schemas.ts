/** The schemas of what goes over HTTP, for `/openapi.json`. Queries are validated by them too. */
import { type OpenAPIHono, z } from "@hono/zod-openapi";
import { LIVENESS } from "../../actors/messages.ts";
import { MAX_ID_LENGTH, MAX_NAME_LENGTH } from "../../limits.ts";
import { PROBLEMS, type ProblemType, problemUrn } from "./problem.ts";

const time = () => z.string().openapi({ format: "date-time", example: "2026-01-02T03:04:05.678Z" });

const position = {
  lon: z.number().min(-180).max(180).describe("Degrees WGS 84. Together with `lat` or not at all."),
  lat: z.number().min(-90).max(90).describe("Degrees WGS 84."),
};
const motion = {
  alt: z.number().optional().describe("Metres."),
  speed: z.number().min(0).optional().describe("Over ground, metres per second."),
  course: z.number().min(0).max(360).optional().describe("Course over ground, degrees from true north."),
  heading: z.number().min(0).max(360).optional().describe("Where the bow points, degrees from true north."),
  accuracy: z.number().min(0).optional().describe("Radius of uncertainty, metres."),
};

/** One observation, as `POST /v1/reports` and the feed take it. Documentation: `decodeReport` is what decides. */
const ReportSchema = z
  .strictObject({
    id: z
      .string()
      .min(1)
      .max(MAX_ID_LENGTH)
      .describe("The entity that was observed; not `.` or `..`.")
      .openapi({ example: "mmsi:230123456" }),
    t: time().describe("When it was observed, RFC 3339."),
    kind: z.string().min(1).max(MAX_NAME_LENGTH).optional().openapi({ example: "vessel" }),
    lon: position.lon.optional(),
    lat: position.lat.optional(),
    ...motion,
    attributes: z
      .record(z.string(), z.unknown())
      .optional()
      .describe("Merged into the entity's attributes as RFC 7386 says; `null` removes."),
    source: z.string().min(1).max(MAX_NAME_LENGTH).optional().describe("Who observed it."),
    seq: z
      .int()
      .min(0)
      .optional()
      .describe("Number that the source gave the report; repeated ones count once."),
  })
  .openapi("Report");
export const REPORT_REF = { $ref: "#/components/schemas/Report" };

export const ReportsAnswerSchema = z
  .object({
    accepted: z.int().describe("Reports that are durable now, repeated ones included."),
    refusedCount: z.int(),
    refused: z.array(
      z.object({
        index: z.int().describe("Place in the array, or number of the line, from 0."),
        type: z.string().openapi({ example: problemUrn("invalid-report") }),
        detail: z.string(),
      }),
    ),
  })
  .openapi("ReportsAnswer");

/** What history does not keep. */
const OF_NOW = "Always there without `datetime`, never with it.";

export const FeatureSchema = z
  .object({
    type: z.literal("Feature"),
    id: z.string(),
    geometry: z
      .object({ type: z.literal("Point"), coordinates: z.array(z.number()).min(2).max(2) })
      .nullable()
      .describe("`null` if the entity has never told its place."),
    properties: z.object({
      kind: z.string(),
      state: z.string(),
      liveness: z.enum(LIVENESS),
      t: time().describe("Fix time of the newest report."),
      placedAt: time()
        .optional()
        .describe("Fix time of the newest report with a place, if that is another; absent = `t`."),
      received: time().optional().describe(`When the newest report came in. ${OF_NOW}`),
      recorded: time()
        .optional()
        .describe("When this was known. Always there with `datetime`, never without."),
      source: z.string().optional(),
      ...motion,
      implausible: z.literal(true).optional().describe("The last move was faster than its kind can be."),
      attributes: z.record(z.string(), z.unknown()),
      labels: z.array(z.string()),
      fences: z.array(z.string()).describe("Names of those that it is inside of, in order."),
      epoch: z.int().optional().describe(OF_NOW),
      seq: z.int().optional().describe(`\`(epoch, seq)\` only grows. ${OF_NOW}`),
      distance: z.number().optional().describe("Metres from `near`, in answers to it."),
    }),
  })
  .openapi("Feature");

export const FeatureCollectionSchema = z
  .object({
    type: z.literal("FeatureCollection"),
    timeStamp: time(),
    features: z.array(FeatureSchema),
    numberReturned: z.int(),
    missingShards: z
      .int()
      .optional()
      .describe("Of the cluster's 256 shards so many were not reached; only with `partial=true`."),
    links: z.array(z.object({ rel: z.enum(["self", "next"]), type: z.string(), href: z.string() })),
  })
  .openapi("FeatureCollection");

export const CloudEventSchema = z
  .object({
    specversion: z.literal("1.0"),
    id: z.string().describe("Its cursor."),
    source: z.string().openapi({ example: "urn:muster:muster" }),
    type: z.string().openapi({ example: "state.changed" }),
    subject: z.string().describe("Id of the entity it is about."),
    time: time(),
    datacontenttype: z.literal("application/json"),
    data: z.record(z.string(), z.unknown()),
  })
  .openapi("CloudEvent");

export const TrackSchema = z
  .object({
    type: z.literal("FeatureCollection"),
    timeStamp: time(),
    features: z.array(
      z.object({
        type: z.literal("Feature"),
        id: z.string(),
        geometry: z.object({ type: z.literal("LineString"), coordinates: z.array(z.array(z.number())) }),
        properties: z.object({
          entity: z.string(),
          kind: z.string(),
          state: z.string(),
          attributes: z.record(z.string(), z.unknown()),
          labels: z.array(z.string()),
          fences: z.array(z.string()).describe("Names of those that it was inside of, in order."),
          recorded: time().describe("When this was known."),
          hold: z
            .boolean()
            .describe(
              "At the last position it was taken to be still, unheard of; up to now, if that may go on.",
            ),
          times: z.array(time()).describe("Of each position."),
          speed: z.array(z.number().nullable()).describe("Metres per second, at each position."),
          course: z.array(z.number().nullable()).describe("Degrees from true north, at each position."),
          alt: z
            .array(z.number().nullable())
            .optional()
            .describe("Metres, at each position, if only some are known; if all are, positions have it."),
        }),
      }),
    ),
    numberReturned: z.int(),
    missingShards: z.int().optional(),
    links: z.array(z.object({ rel: z.enum(["self", "next"]), type: z.string(), href: z.string() })),
  })
  .openapi("Track");

const ProblemSchema = z
  .object({
    type: z.string().openapi({ enum: Object.keys(PROBLEMS).map((type) => problemUrn(type as ProblemType)) }),
    title: z.string(),
    status: z.int(),
    detail: z.string(),
    errors: z
      .array(z.object({ field: z.string(), detail: z.string() }))
      .optional()
      .describe("What is wrong with each field."),
  })
  .openapi("Problem");

export const JSON_TYPE = "application/json";

/** How a route says that it answers with JSON. */
export function jsonAnswer(schema: z.ZodType, description: string) {
  return { description, content: { [JSON_TYPE]: { schema } } };
}

/** Every route's answer if anything goes wrong. */
export const PROBLEM_RESPONSE = { $ref: "#/components/responses/Problem" };

/** Adds what routes refer to by name. */
export function registerSchemas(app: OpenAPIHono): void {
  const registry = app.openAPIRegistry;
  registry.register("Report", ReportSchema);
  registry.register("Problem", ProblemSchema);
  registry.registerComponent("responses", "Problem", {
    description: "What went wrong (RFC 9457). `type` is stable.",
    content: { "application/problem+json": { schema: { $ref: "#/components/schemas/Problem" } } },
  });
  registry.registerComponent("securitySchemes", "token", { type: "http", scheme: "bearer" });
}
