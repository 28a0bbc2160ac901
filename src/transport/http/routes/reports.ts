/** `POST /v1/reports`: a JSON array at once, or NDJSON line by line. */
import { isUtf8 } from "node:buffer";
import { createRoute, type OpenAPIHono } from "@hono/zod-openapi";
import type { Ingest } from "../../../actors/messages.ts";
import type { Clock } from "../../../clock.ts";
import {
  MAX_BATCH_REPORTS,
  MAX_BODIES_BYTES,
  MAX_JSON_BODY_BYTES,
  MAX_NDJSON_BODY_BYTES,
  MAX_REFUSALS_LISTED,
} from "../../../limits.ts";
import { jsonFault } from "../../ingest/json-fault.ts";
import { ingestNdjson } from "../../ingest/ndjson-stream.ts";
import { decodeReport, isRefusal } from "../../ingest/report.ts";
import { type Batch, Tally } from "../../ingest/tally.ts";
import type { BodyReader, DirectAnswer, HeaderReader } from "../../server/server.ts";
import { BodyBudget, bodyOf, readBody } from "../body.ts";
import { problemAnswer, toResponse } from "../problem-response.ts";
import { PROBLEM_RESPONSE, REPORT_REF, ReportsAnswerSchema } from "../schemas.ts";

/** What a client that was refused for want of room should wait, in seconds: some flushes. */
const RETRY_AFTER = { "retry-after": "1" };
const JSON_TYPE = "application/json";
const NDJSON_TYPES = ["application/x-ndjson", "application/ndjson"];

const route = createRoute({
  method: "post",
  path: "/v1/reports",
  tags: ["Reports"],
  summary: "Report what was observed",
  description:
    `A JSON array of at most ${MAX_BATCH_REPORTS} reports (${MAX_JSON_BODY_BYTES} bytes), or NDJSON, a report a line ` +
    `(${MAX_NDJSON_BODY_BYTES} bytes), which is worked off as it comes. Answered when all that is accepted is durable. Reports are ` +
    "accepted or refused one by one: look at `refused`. A report that was accepted before is accepted again, without effect, " +
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

/** Takes a body of reports, whichever way it came. Rejects if the ingest does. */
export type PostReports = (headers: HeaderReader, body: BodyReader) => Promise<DirectAnswer>;

export function createPostReports(ingest: Ingest, clock: Clock): PostReports {
  const budget = new BodyBudget(MAX_BODIES_BYTES);
  return async (headers, body) => {
    const type = contentType(headers);
    if (type === undefined)
      return problemAnswer(
        "unsupported-media-type",
        `Send ${JSON_TYPE} or ${NDJSON_TYPES[0]} in UTF-8, not compressed.`,
        {
          headers: { "accept-post": `${JSON_TYPE}, ${NDJSON_TYPES[0]}` },
        },
      );
    if (ingest.overloaded)
      return problemAnswer("overloaded", "Nothing of the body was read. Send it again later.", {
        headers: RETRY_AFTER,
      });
    if (type !== JSON_TYPE) return postLines(body, ingest, clock);
    return postArray(body, headers.get("content-length"), ingest, budget);
  };
}

export function reportsRoute(app: OpenAPIHono, post: PostReports): void {
  app.openAPIRegistry.registerPath(route);
  app.post(route.path, async (c) => toResponse(await post(c.req.raw.headers, bodyOf(c.req.raw))));
}

/** The media type of the body, or `undefined` if it is not one that is taken. */
function contentType(headers: HeaderReader): string | undefined {
  const [type, ...parameters] = (headers.get("content-type") ?? "").toLowerCase().split(";");
  const charset = parameters.find((parameter) => parameter.trim().startsWith("charset="));
  if (charset !== undefined && !/^charset="?utf-?8"?$/.test(charset.trim())) return undefined;
  const encoding = headers.get("content-encoding");
  if (encoding !== null && encoding !== "identity") return undefined;
  const name = type.trim();
  return name === JSON_TYPE || NDJSON_TYPES.includes(name) ? name : undefined;
}

async function postArray(
  reader: BodyReader,
  length: string | null,
  ingest: Ingest,
  budget: BodyBudget,
): Promise<DirectAnswer> {
  using share = budget.share();
  const body = await readBody(reader, length, MAX_JSON_BODY_BYTES, share);
  if (body === "too-large")
    return problemAnswer(
      "body-too-large",
      `A JSON body may have ${MAX_JSON_BODY_BYTES} bytes. Send more in several requests, or as ${NDJSON_TYPES[0]}.`,
    );
  if (body === "no-room")
    return problemAnswer("overloaded", "Too many bodies are being worked on. Send it again later.", {
      headers: RETRY_AFTER,
    });
  if (body === "broken") return problemAnswer("bad-request", "The body ended before its length.");
  if (!isUtf8(body)) return problemAnswer("malformed-json", "The body is not UTF-8.");
  const text = new TextDecoder().decode(body);
  let values: unknown;
  try {
    values = JSON.parse(text);
  } catch {
    return problemAnswer("malformed-json", jsonFault(text));
  }
  if (!Array.isArray(values))
    return problemAnswer("bad-request", "The body must be a JSON array of reports, even for one.");
  if (values.length > MAX_BATCH_REPORTS)
    return problemAnswer(
      "body-too-large",
      `${values.length} reports in one array; at most ${MAX_BATCH_REPORTS} are allowed.`,
    );

  const tally = new Tally();
  const batch: Batch = { reports: [], indexes: [] };
  for (let index = 0; index < values.length; index++) {
    const report = decodeReport(values[index]);
    if (isRefusal(report)) tally.refuse(index, report.type, report.detail);
    else {
      batch.reports.push(report);
      batch.indexes.push(index);
    }
  }
  if (batch.reports.length > 0) tally.add(batch, await ingest.submit(batch.reports));
  return answer(tally);
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
    return problemAnswer("overloaded", "The node holds more work than it may. Send the same again later.", {
      headers: RETRY_AFTER,
      members: { ...tally.answer() },
    });
  return {
    status: 200,
    headers: { "content-type": JSON_TYPE },
    body: JSON.stringify(tally.answer()),
  };
}
