/** `GET /v1/events` and `/v1/entities/{id}/events`: the log of events, in pages or as a stream. */
import { createRoute, type OpenAPIHono, z } from "@hono/zod-openapi";
import type { Context } from "hono";
import { accepts } from "hono/accepts";
import { PermittedEvents } from "../../../access/permitted-events.ts";
import { type Authority, permittedNow } from "../../../access/permitted-now.ts";
import { ADMIN, type Principal } from "../../../access/ports.ts";
import { StoreAway } from "../../../actors/ports.ts";
import type { Clock } from "../../../clock.ts";
import type { EventAccess } from "../../../events/access.ts";
import { cursorText } from "../../../events/cursor.ts";
import { type EventTest, eventTest } from "../../../events/filter.ts";
import { readPage } from "../../../events/page.ts";
import { CursorError, positionOf } from "../../../events/position.ts";
import {
  DEFAULT_LIST_LIMIT,
  MAX_CURSOR_LENGTH,
  MAX_EVENT_PAGE,
  MAX_EVENT_STREAMS,
  MAX_EXPRESSION_LENGTH,
  MAX_ID_LENGTH,
} from "../../../limits.ts";
import { ExpressionError } from "../../../picture/cel.ts";
import { FilterCostly } from "../../../picture/filter-time.ts";
import { eventStream } from "../event-stream.ts";
import { NO_STORE } from "../no-store.ts";
import { entityId } from "../path-id.ts";
import { problemResponse } from "../problem-response.ts";
import { flatten, names, storableText, wholeText } from "../query.ts";
import { refuseInvalid } from "../refuse-invalid.ts";
import { CloudEventSchema, JSON_TYPE, PROBLEM_RESPONSE } from "../schemas.ts";

const SSE = "text/event-stream";
const RETRY = { headers: { "retry-after": "1" } };

const Query = z.strictObject({
  after: z.string().max(MAX_CURSOR_LENGTH).optional().openapi({
    description:
      "Only events after this: a cursor (`cursor` of a page, `id` of an event), `start` (the oldest kept; the default of a page) or `now` (the default of a stream; what was committed just before may come too, if an older transaction is under way on the database's server).",
  }),
  limit: wholeText(1, MAX_EVENT_PAGE)
    .default(DEFAULT_LIST_LIMIT)
    .openapi({ type: "integer", minimum: 1, maximum: MAX_EVENT_PAGE, default: DEFAULT_LIST_LIMIT }),
  type: names.optional().openapi({
    type: "string",
    description: "Only these types, with commas between them.",
    example: "state.changed",
  }),
  subject: storableText(MAX_ID_LENGTH).optional().describe("Only of this entity."),
  where: z.string().min(1).max(MAX_EXPRESSION_LENGTH).optional().openapi({
    description: "Only events for which this CEL expression over `event` is true.",
    example: "event.data.to == 'online.moving'",
  }),
});

const Page = z
  .object({
    events: z.array(CloudEventSchema).describe("Fewer than `limit` if few pass the filter: look at `links`."),
    cursor: z.string().describe("Where to go on, now or later: `after`."),
    links: z.array(z.object({ rel: z.enum(["self", "next"]), type: z.string(), href: z.string() })),
  })
  .openapi("EventPage");

const answers = {
  200: {
    description:
      "A page; or, if `Accept` names text/event-stream, a stream that never ends: `id` is the cursor (`start` until something was read), `Last-Event-ID` goes on after one. Only events that a role allows are told; a stream of which none are allowed any more ends.",
    content: { [JSON_TYPE]: { schema: Page }, [SSE]: { schema: { type: "string" as const } } },
  },
  default: PROBLEM_RESPONSE,
};
const allRoute = createRoute({
  method: "get",
  path: "/v1/events",
  operationId: "listEvents",
  tags: ["Events"],
  summary: "What happened, in an order in which nothing is skipped",
  request: { query: Query },
  responses: answers,
});
const entityRoute = createRoute({
  method: "get",
  path: "/v1/entities/{id}/events",
  operationId: "listEntityEvents",
  tags: ["Events"],
  summary: "What happened to one entity",
  request: {
    params: z.object({ id: z.string().max(MAX_ID_LENGTH).describe("Percent-encoded, slashes too.") }),
    query: Query.omit({ subject: true }),
  },
  responses: answers,
});

export function eventsRoutes(
  app: OpenAPIHono,
  access: EventAccess,
  clock: Clock,
  authority: Authority,
): void {
  let streams = 0;
  const permittedTo = (principal: Principal) =>
    principal === ADMIN
      ? undefined
      : new PermittedEvents(() => permittedNow(authority, principal, "event", "read"), access.filterTime);
  const answer = async (c: Context, subjectOfPath?: string): Promise<Response> => {
    const url = new URL(c.req.url);
    const schema = subjectOfPath === undefined ? Query : Query.omit({ subject: true });
    const parsed = schema.safeParse(flatten(url.searchParams));
    if (!parsed.success) return refuseInvalid(parsed.error, url.searchParams);
    const { type: types, where, limit } = parsed.data;
    const subject = subjectOfPath ?? (parsed.data as { subject?: string }).subject;
    const { log, tail, encoder, filterTime } = access;
    const streaming = isStreamWanted(c);
    const resumed = streaming ? c.req.header("last-event-id") : undefined;
    const after = resumed ?? parsed.data.after ?? (streaming ? "now" : "start");
    try {
      const permitted = permittedTo(c.get("principal"));
      const test = permittedTest(eventTest({ types, where }, { time: filterTime }), permitted);
      const cursor = positionOf(after, await log.moment());
      if (!streaming) {
        const page = await readPage(log, cursor, limit, test, subject);
        const events = page.events.map((event) => encoder.text(event));
        return pageResponse(url, events, cursorText(page.next), page.more);
      }
      if (streams >= MAX_EVENT_STREAMS)
        return problemResponse("unavailable", "Too many streams of events are open.", RETRY);
      streams++;
      const body = eventStream({
        follower: tail.follow(cursor),
        test: ofSubject(test, subject),
        permitted,
        encoder,
        clock,
        ended: once(() => streams--),
      });
      return new Response(body, { headers: { "content-type": SSE, ...NO_STORE } });
    } catch (error) {
      return refusalOf(error);
    }
  };

  app.openAPIRegistry.registerPath(allRoute);
  app.get(allRoute.path, (c) => answer(c));
  app.openAPIRegistry.registerPath(entityRoute);
  app.get("/v1/entities/:id/events", (c) => {
    const { pathname } = new URL(c.req.url);
    const id = entityId(pathname.slice(0, -"/events".length));
    return id instanceof Response ? id : answer(c, id);
  });
}

/** Whoever names it gets it, also beside others; `*` is a page. */
function isStreamWanted(c: Context): boolean {
  const match = (accepted: { type: string; q: number }[]) =>
    accepted.some(({ type, q }) => type.toLowerCase() === SSE && q > 0) ? SSE : JSON_TYPE;
  return accepts(c, { header: "Accept", supports: [JSON_TYPE, SSE], default: JSON_TYPE, match }) === SSE;
}

function pageResponse(url: URL, events: readonly string[], cursor: string, more: boolean): Response {
  const hrefOf = (parameters: URLSearchParams) =>
    parameters.size === 0 ? url.pathname : `${url.pathname}?${parameters}`;
  const links = [{ rel: "self", type: JSON_TYPE, href: hrefOf(url.searchParams) }];
  if (more) {
    const next = new URLSearchParams(url.searchParams);
    next.set("after", cursor);
    links.push({ rel: "next", type: JSON_TYPE, href: hrefOf(next) });
  }
  const text = `{"events":[${events.join(",")}],"cursor":"${cursor}","links":${JSON.stringify(links)}}`;
  return new Response(text, { headers: { "content-type": JSON_TYPE, ...NO_STORE } });
}

/** What is not permitted is not even asked whether it is wanted. */
function permittedTest(wanted: EventTest, permitted: PermittedEvents | undefined): EventTest {
  return permitted === undefined ? wanted : (event) => permitted.passes(event) && wanted(event);
}

function ofSubject(test: EventTest, subject: string | undefined): EventTest {
  return subject === undefined ? test : (event) => event.subject === subject && test(event);
}

function refusalOf(error: unknown): Response {
  if (error instanceof CursorError) return problemResponse(error.type, `${error.message}.`);
  if (error instanceof StoreAway)
    return problemResponse("unavailable", "The database does not answer.", RETRY);
  if (error instanceof FilterCostly)
    return problemResponse("unavailable", "The filter takes too much time.", RETRY);
  if (!(error instanceof ExpressionError)) throw error;
  const { message, position } = error;
  return problemResponse("bad-expression", message, { members: { position } });
}

function once(run: () => void): () => void {
  let done = false;
  return () => {
    if (!done) run();
    done = true;
  };
}
