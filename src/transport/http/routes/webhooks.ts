/** `/v1/webhooks`: events sent to where they are wanted. */
import { createRoute, type OpenAPIHono, z } from "@hono/zod-openapi";
import type { Context } from "hono";
import { StoreAway } from "../../../actors/ports.ts";
import type { Clock } from "../../../clock.ts";
import type { EventEncoder } from "../../../events/cloud-event.ts";
import { cursorText, parseCursor, START } from "../../../events/cursor.ts";
import { DEFAULT_LIST_LIMIT, MAX_CURSOR_LENGTH } from "../../../limits.ts";
import { MAX_DEAD_LETTERS, MAX_WEBHOOKS, WEBHOOK_ROTATION_MS } from "../../../webhooks/limits.ts";
import type { WebhookStore } from "../../../webhooks/ports.ts";
import { secretText } from "../../../webhooks/sign.ts";
import type { BodyBudget } from "../body.ts";
import { NO_STORE } from "../no-store.ts";
import { problemResponse } from "../problem-response.ts";
import { flatten, wholeText } from "../query.ts";
import { refuseInvalid } from "../refuse-invalid.ts";
import { JSON_TYPE, jsonAnswer, PROBLEM_RESPONSE } from "../schemas.ts";
import { readSmallJson } from "../small-body.ts";
import {
  CreatedSchema,
  changeSchema,
  createSchema,
  DeadLettersSchema,
  isoText,
  RedeliverSchema,
  RotatedSchema,
  statusJson,
  WebhookSchema,
} from "./webhook-schemas.ts";

export interface WebhooksOptions {
  store: WebhookStore;
  encoder: EventEncoder;
  /** Whether addresses may be private. */
  allowPrivate: boolean;
  newId(): string;
  /** Base64 of `WEBHOOK_SECRET_BYTES` random bytes. */
  newSecret(): string;
  /** Something was changed. */
  changed(): void;
}

const Id = z.object({ id: z.uuid() });
const LettersQuery = z.strictObject({
  after: z
    .string()
    .max(MAX_CURSOR_LENGTH)
    .transform((text, context) => {
      const cursor = parseCursor(text);
      if (cursor === undefined) context.addIssue({ code: "custom", message: "must be a cursor" });
      return cursor ?? START;
    })
    .optional()
    .openapi({ type: "string", description: "The id of an event: only letters after it." }),
  limit: wholeText(1, MAX_DEAD_LETTERS)
    .default(DEFAULT_LIST_LIMIT)
    .openapi({ type: "integer", minimum: 1, maximum: MAX_DEAD_LETTERS, default: DEFAULT_LIST_LIMIT }),
});

const body = (schema: z.ZodType) => ({ required: true, content: { [JSON_TYPE]: { schema } } });
const describe = (
  operationId: string,
  method: "get" | "post" | "patch" | "delete",
  path: string,
  summary: string,
  responses: Record<number, { description: string }>,
  request: Parameters<typeof createRoute>[0]["request"] = {},
) =>
  createRoute({
    method,
    path,
    operationId,
    tags: ["Webhooks"],
    summary,
    request: path.includes("{id}") ? { params: Id, ...request } : request,
    responses: { ...responses, default: PROBLEM_RESPONSE } as never,
  });

export function webhooksRoutes(
  app: OpenAPIHono,
  options: WebhooksOptions,
  bodies: BodyBudget,
  clock: Clock,
): void {
  const { store, encoder, allowPrivate, newId, newSecret, changed } = options;
  const Create = createSchema(allowPrivate);
  const Change = changeSchema(allowPrivate);
  const one = "/v1/webhooks/:id";
  for (const route of [
    describe("listWebhooks", "get", "/v1/webhooks", "List webhooks", {
      200: jsonAnswer(z.object({ webhooks: z.array(WebhookSchema) }), "All of them."),
    }),
    describe(
      "createWebhook",
      "post",
      "/v1/webhooks",
      "Send events to an address, from now on",
      {
        201: jsonAnswer(
          CreatedSchema,
          "With its secret. Events that were committed before may come too, if an older transaction is under way on the database's server; none that is committed later is missing.",
        ),
      },
      { body: body(Create) },
    ),
    describe("getWebhook", "get", "/v1/webhooks/{id}", "One webhook", {
      200: jsonAnswer(WebhookSchema, "It."),
    }),
    describe(
      "changeWebhook",
      "patch",
      "/v1/webhooks/{id}",
      "Change a webhook",
      { 200: jsonAnswer(WebhookSchema, "As it is now.") },
      { body: body(Change) },
    ),
    describe("deleteWebhook", "delete", "/v1/webhooks/{id}", "Remove a webhook, its dead letters too", {
      204: { description: "It is gone." },
    }),
    describe("rotateWebhookSecret", "post", "/v1/webhooks/{id}/secret", "Give a webhook another secret", {
      200: jsonAnswer(
        RotatedSchema,
        "The new one, which signs from now on. Asked for again before `previousUntil`, as after a lost answer, it is replaced and signs nothing any more, while the secret of before keeps its time. To end that at once too, remove the webhook and make it anew.",
      ),
    }),
    describe(
      "listDeadLetters",
      "get",
      "/v1/webhooks/{id}/dead-letters",
      "Events that were given up after a day, or are set aside",
      {
        200: jsonAnswer(
          DeadLettersSchema,
          "The oldest first. Each is kept for `MUSTER_RETENTION`. Those with `attempts` 0 were set aside, as more than may wait of an entity that the endpoint refuses: they come by themselves once it is taken again, but for those of entities that are refused beyond 500.",
        ),
      },
      { query: LettersQuery },
    ),
    describe(
      "redeliverDeadLetters",
      "post",
      "/v1/webhooks/{id}/redeliver",
      "Try dead letters again",
      { 200: jsonAnswer(z.object({ redelivered: z.int() }), "How many.") },
      { body: body(RedeliverSchema) },
    ),
  ])
    app.openAPIRegistry.registerPath(route);

  const status = async (id: string, code: 200 | 201, secret?: string): Promise<Response> => {
    const [found] = await store.statuses(id);
    if (found === undefined) return unknown(id);
    const answer = { ...statusJson(found), ...(secret !== undefined && { secret: secretText(secret) }) };
    return Response.json(answer, { status: code, headers: NO_STORE });
  };
  /** A handler of a route of one webhook, or of all. */
  const answered =
    (handle: (id: string, c: Context) => Promise<Response>) =>
    async (c: Context): Promise<Response> => {
      const id = c.req.param("id") ?? "";
      if (id !== "" && !Id.safeParse({ id }).success) return unknown(id);
      try {
        return await handle(id, c);
      } catch (error) {
        if (!(error instanceof StoreAway)) throw error;
        return problemResponse("unavailable", "The database does not answer.", {
          headers: { "retry-after": "1" },
        });
      }
    };

  app.get(
    "/v1/webhooks",
    answered(async () => {
      const webhooks = (await store.statuses()).map(statusJson);
      return Response.json({ webhooks }, { headers: NO_STORE });
    }),
  );
  app.post(
    "/v1/webhooks",
    answered(async (_, c) => {
      const given = await parsed(c.req.raw, bodies, Create);
      if (given instanceof Response) return given;
      const webhook = { ...given, id: newId(), secret: newSecret(), createdAt: clock.now() };
      if (!(await store.create(webhook)))
        return problemResponse("too-many-webhooks", `There are ${MAX_WEBHOOKS} already.`);
      changed();
      return status(webhook.id, 201, webhook.secret);
    }),
  );
  app.get(
    one,
    answered((id) => status(id, 200)),
  );
  app.patch(
    one,
    answered(async (id, c) => {
      const given = await parsed(c.req.raw, bodies, Change);
      if (given instanceof Response) return given;
      if (!(await store.change(id, given))) return unknown(id);
      changed();
      return status(id, 200);
    }),
  );
  app.delete(
    one,
    answered(async (id) => {
      if (!(await store.remove(id))) return unknown(id);
      changed();
      return new Response(null, { status: 204 });
    }),
  );
  app.post(
    `${one}/secret`,
    answered(async (id) => {
      const secret = newSecret();
      const previousUntil = await store.rotate(id, secret, clock.now() + WEBHOOK_ROTATION_MS);
      if (previousUntil === undefined) return unknown(id);
      changed();
      const answer = { secret: secretText(secret), previousUntil: isoText(previousUntil) };
      return Response.json(answer, { headers: NO_STORE });
    }),
  );
  app.get(
    `${one}/dead-letters`,
    answered(async (id, c) => {
      const { pathname, searchParams } = new URL(c.req.url);
      const query = LettersQuery.safeParse(flatten(searchParams));
      if (!query.success) return refuseInvalid(query.error, searchParams);
      const { after = START, limit } = query.data;
      if ((await store.statuses(id)).length === 0) return unknown(id);
      // One more than is told, to know whether there is one.
      const found = await store.deadLetters(id, after, limit + 1);
      const told = found.slice(0, limit);
      const letters = told.map(({ event, attempts, failedSince, error }) => ({
        event: encoder.encode(event),
        attempts,
        failedSince: isoText(failedSince),
        error,
      }));
      const links = [{ rel: "self", type: JSON_TYPE, href: pathname }];
      if (found.length > limit) {
        const next = cursorText(told.at(-1)!.event.cursor);
        links.push({ rel: "next", type: JSON_TYPE, href: `${pathname}?limit=${limit}&after=${next}` });
      }
      return Response.json({ letters, links }, { headers: NO_STORE });
    }),
  );
  app.post(
    `${one}/redeliver`,
    answered(async (id, c) => {
      const given = await parsed(c.req.raw, bodies, RedeliverSchema);
      if (given instanceof Response) return given;
      const cursors = given.ids?.map(parseCursor);
      if (cursors?.includes(undefined)) return problemResponse("bad-cursor", "`ids` are those of events.");
      if ((await store.statuses(id)).length === 0) return unknown(id);
      const redelivered = await store.redeliver(id, cursors as never, MAX_DEAD_LETTERS);
      changed();
      return Response.json({ redelivered }, { headers: NO_STORE });
    }),
  );
}

async function parsed<S extends z.ZodType>(
  request: Request,
  bodies: BodyBudget,
  schema: S,
): Promise<z.output<S> | Response> {
  const read = await readSmallJson(request, bodies);
  if (read instanceof Response) return read;
  const result = schema.safeParse(read.value);
  return result.success ? result.data : refuseInvalid(result.error, read.value);
}

function unknown(id: string): Response {
  return problemResponse("webhook-not-found", `There is no webhook ${JSON.stringify(id.slice(0, 64))}.`);
}
