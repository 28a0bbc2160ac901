/** `PATCH /v1/entities/{id}`: changes what administrators say of an entity. */
import { createRoute, type OpenAPIHono, z } from "@hono/zod-openapi";
import type { CommandHandler, JsonObject } from "../../../actors/messages.ts";
import { MAX_COMMAND_ID_LENGTH, MAX_ID_LENGTH, MAX_LABELS, MAX_NAME_LENGTH } from "../../../limits.ts";
import { attributesFault } from "../../ingest/attributes.ts";
import { nameFault } from "../../ingest/report.ts";
import type { BodyBudget } from "../body.ts";
import { RETRY_AFTER } from "../json-body.ts";
import { entityId } from "../path-id.ts";
import { PROBLEMS } from "../problem.ts";
import { problemResponse } from "../problem-response.ts";
import { storableText } from "../query.ts";
import { refuseInvalid } from "../refuse-invalid.ts";
import { PROBLEM_RESPONSE } from "../schemas.ts";
import { readSmallJson } from "../small-body.ts";

const Body = z
  .strictObject({
    labels: z
      .array(storableText(MAX_NAME_LENGTH))
      .max(MAX_LABELS)
      .nullable()
      .optional()
      .describe("All that it has from now on, in any order; `null` or `[]` = none. Absent = as they are.")
      .openapi({ example: ["north", "rented"] }),
    attributes: z
      .custom<JsonObject>()
      .superRefine((attributes, context) => {
        const message = attributes === undefined ? undefined : attributesFault(attributes);
        if (message !== undefined) context.addIssue({ code: "custom", message });
      })
      .optional()
      .openapi({
        type: "object",
        description: "Merged into its attributes (RFC 7386), as those of a report: `null` removes one.",
      }),
  })
  .refine(({ labels, attributes }) => labels !== undefined || attributes !== undefined, {
    message: "has neither labels nor attributes",
  })
  .openapi("EntityPatch");

const route = createRoute({
  method: "patch",
  path: "/v1/entities/{id}",
  operationId: "patchEntity",
  tags: ["Entities"],
  summary: "Change the labels and attributes of an entity",
  description:
    "Labels are what access should depend on: reports do not change them. They hold at once, on open feeds too, and history tells which there were " +
    "when. A deleted entity takes its labels along. Attributes are what the newest of reports and changes says; the entity's machine sees both at its next " +
    "event. After a 503, or without an answer, it may be done: ask again, with the same `Idempotency-Key`, " +
    "until it is answered.",
  request: {
    params: z.object({ id: z.string().max(MAX_ID_LENGTH).describe("Percent-encoded, slashes too.") }),
    headers: z.object({
      "idempotency-key": z.string().max(MAX_COMMAND_ID_LENGTH).optional().openapi({
        description:
          "The change's own id, 1 … 64 characters: one that is sent again under it, within 10 minutes, undoes nothing that was changed since.",
      }),
    }),
    body: {
      required: true,
      content: { "application/merge-patch+json": { schema: Body }, "application/json": { schema: Body } },
    },
  },
  responses: { 204: { description: "It is done." }, default: PROBLEM_RESPONSE },
});

/** @param newId makes ids for patches that have none. */
export function patchesRoute(
  app: OpenAPIHono,
  handler: CommandHandler,
  bodies: BodyBudget,
  newId: () => string,
): void {
  app.openAPIRegistry.registerPath(route);
  app.patch("/v1/entities/:id", async (c) => {
    const entity = entityId(new URL(c.req.url).pathname);
    if (entity instanceof Response) return entity;
    const id = c.req.header("idempotency-key");
    const idFault = id === undefined ? undefined : nameFault("Idempotency-Key", id, MAX_COMMAND_ID_LENGTH);
    if (idFault !== undefined) return problemResponse("bad-request", idFault);
    const read = await readSmallJson(c.req.raw, bodies);
    if (read instanceof Response) return read;
    const body = Body.safeParse(read.value);
    if (!body.success) return refuseInvalid(body.error, read.value);
    const { labels, attributes } = body.data;
    const result = await handler.command({
      ...{ id: id ?? newId(), entity },
      ...(labels !== undefined && { labels: [...new Set(labels)].sort() }),
      ...(attributes !== undefined && { attributes }),
    });
    if (result.accepted) return new Response(null, { status: 204 });
    if (result.type === "invalid-command") return problemResponse("bad-request", result.detail);
    const headers = PROBLEMS[result.type].status === 503 ? RETRY_AFTER : undefined;
    return problemResponse(result.type, result.detail, { headers });
  });
}
