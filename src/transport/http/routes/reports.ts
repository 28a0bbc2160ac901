/** `POST /v1/reports`: a JSON array at once, or NDJSON line by line. */
import { createRoute, type OpenAPIHono } from "@hono/zod-openapi";
import { permittedIngest } from "../../../access/permitted-ingest.ts";
import type { Permitted } from "../../../access/ports.ts";
import type { Ingest } from "../../../actors/messages.ts";
import type { Clock } from "../../../clock.ts";
import {
  MAX_BATCH_REPORTS,
  MAX_JSON_BODY_BYTES,
  MAX_NDJSON_BODY_BYTES,
  MAX_REFUSALS_LISTED,
} from "../../../limits.ts";
import type { Picture } from "../../../picture/picture.ts";
import { ingestNdjson } from "../../ingest/ndjson-stream.ts";
import { plainReports } from "../../ingest/plain-reports.ts";
import { decodeReport, isRefusal } from "../../ingest/report.ts";
import { type Batch, Tally } from "../../ingest/tally.ts";
import type { BodyReader, DirectAnswer, HeaderReader } from "../../server/server.ts";
import { type BodyBudget, bodyOf } from "../body.ts";
import { parseBody, RETRY_AFTER, readWhole } from "../json-body.ts";
import { mediaType } from "../media-type.ts";
import { problemAnswer, toResponse } from "../problem-response.ts";
import { JSON_TYPE, PROBLEM_RESPONSE, REPORT_REF, ReportsAnswerSchema } from "../schemas.ts";

const NDJSON_TYPES = ["application/x-ndjson", "application/ndjson"];

const route = createRoute({
  method: "post",
  path: "/v1/reports",
  operationId: "sendReports",
  tags: ["Reports"],
  summary: "Report what was observed",
  description:
    `A JSON array of at most ${MAX_BATCH_REPORTS} reports (${MAX_JSON_BODY_BYTES} bytes), or NDJSON, a report a line ` +
    `(${MAX_NDJSON_BODY_BYTES} bytes), which is worked off as it comes. Answered when all that is accepted is durable. Reports are ` +
    "accepted or refused one by one: look at `refused`; one of what no role allows, by its `id`, `kind` and `source`, is refused as `forbidden`. A report that was accepted before is accepted again, without effect, " +
    "so a request whose answer was lost may be repeated whole.",
  request: {
    // Plain schemas: reports are decoded by hand, not by zod.
    body: {
      required: true,
      content: {
        [JSON_TYPE]: { schema: { type: "array", maxItems: MAX_BATCH_REPORTS, items: REPORT_REF } },
        [NDJSON_TYPES[0]]: { schema: { type: "string", description: "One report a line." } },
      },
    },
  },
  responses: {
    200: {
      description: `What was accepted, and the first ${MAX_REFUSALS_LISTED} of what was refused.`,
      content: { [JSON_TYPE]: { schema: ReportsAnswerSchema } },
    },
    default: PROBLEM_RESPONSE,
  },
});

/** The path as the server and the router know it. */
export const REPORTS_PATH = route.path;

/** Takes a body of reports, whichever way it came, as far as it is permitted. Rejects if the ingest does. */
export type PostReports = (
  headers: HeaderReader,
  body: BodyReader,
  permitted: Permitted,
) => Promise<DirectAnswer>;

export function createPostReports(
  everything: Ingest,
  picture: Picture,
  clock: Clock,
  budget: BodyBudget,
): PostReports {
  return async (headers, body, permitted) => {
    const ingest = permittedIngest(everything, permitted);
    const type = mediaType(headers);
    if (type !== JSON_TYPE && !NDJSON_TYPES.includes(type ?? ""))
      return problemAnswer(
        "unsupported-media-type",
        `Send ${JSON_TYPE} or ${NDJSON_TYPES[0]} in UTF-8, not compressed.`,
        {
          headers: { "accept-post": `${JSON_TYPE}, ${NDJSON_TYPES[0]}` },
        },
      );
    if (ingest.overloaded)
      return problemAnswer(
        "overloaded",
        "It holds as much as it may, or is shutting down. Nothing of the body was read: send it again later.",
        {
          headers: RETRY_AFTER,
        },
      );
    if (type !== JSON_TYPE) return postLines(body, ingest, clock);
    return postArray(body, headers.get("content-length"), ingest, picture, budget);
  };
}

export function reportsRoute(app: OpenAPIHono, post: PostReports): void {
  app.openAPIRegistry.registerPath(route);
  app.post(route.path, async (c) =>
    toResponse(await post(c.req.raw.headers, bodyOf(c.req.raw), c.get("permitted"))),
  );
}

async function postArray(
  reader: BodyReader,
  length: string | null,
  ingest: Ingest,
  picture: Picture,
  budget: BodyBudget,
): Promise<DirectAnswer> {
  using share = budget.share();
  const tooLarge = `A JSON body may have ${MAX_JSON_BODY_BYTES} bytes. Send more in several requests, or as ${NDJSON_TYPES[0]}.`;
  const read = await readWhole(reader, length, MAX_JSON_BODY_BYTES, share, tooLarge);
  if ("refusal" in read) return read.refusal;
  const tally = new Tally();
  const batch = batchOf(read.body, tally, picture);
  if ("refusal" in batch) return batch.refusal;
  if (batch.reports.length > 0) tally.add(batch, await ingest.submit(batch.reports));
  return answer(tally);
}

/** Decodes the reports of a body; those that are refused are told to `tally`. */
function batchOf(body: Uint8Array, tally: Tally, picture: Picture): Batch | { refusal: DirectAnswer } {
  const plain = plainReports(body, MAX_BATCH_REPORTS, picture);
  if (plain !== undefined) return { reports: plain, indexes: [...plain.keys()] };
  const parsed = parseBody(body);
  if ("refusal" in parsed) return parsed;
  const values = parsed.value;
  if (!Array.isArray(values))
    return {
      refusal: problemAnswer("bad-request", "The body must be a JSON array of reports, even for one."),
    };
  if (values.length > MAX_BATCH_REPORTS)
    return {
      refusal: problemAnswer(
        "body-too-large",
        `${values.length} reports in one array; at most ${MAX_BATCH_REPORTS} are allowed.`,
      ),
    };
  const batch: Batch = { reports: [], indexes: [] };
  for (let index = 0; index < values.length; index++) {
    const report = decodeReport(values[index]);
    if (isRefusal(report)) tally.refuse(index, report.type, report.detail);
    else {
      batch.reports.push(report);
      batch.indexes.push(index);
    }
  }
  return batch;
}

async function postLines(body: BodyReader, ingest: Ingest, clock: Clock): Promise<DirectAnswer> {
  const tally = new Tally();
  const end = await ingestNdjson(body, ingest, tally, clock);
  if (end === "too-large")
    return problemAnswer(
      "body-too-large",
      `An NDJSON body may have ${MAX_NDJSON_BODY_BYTES} bytes. What is counted here was taken from the lines before.`,
      { members: { ...tally.answer() } },
    );
  if (end === "broken")
    return problemAnswer("bad-request", "The body broke off. What is counted here was taken before.", {
      members: { ...tally.answer() },
    });
  return answer(tally);
}

function answer(tally: Tally): DirectAnswer {
  if (tally.onlyOverloaded)
    return problemAnswer(
      "overloaded",
      "It holds as much as it may, or is shutting down. Send the same again later.",
      {
        headers: RETRY_AFTER,
        members: { ...tally.answer() },
      },
    );
  return {
    status: 200,
    headers: { "content-type": JSON_TYPE },
    body: JSON.stringify(tally.answer()),
  };
}
