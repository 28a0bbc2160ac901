/** `DELETE /v1/entities/{id}`: takes an entity out of the picture; with `erase=true` also everything else that is known of it. */
import { createRoute, type OpenAPIHono, z } from "@hono/zod-openapi";
import type { CommandHandler } from "../../../actors/messages.ts";
import { MAX_COMMAND_ID_LENGTH, MAX_ID_LENGTH } from "../../../limits.ts";
import { nameFault } from "../../ingest/report.ts";
import { RETRY_AFTER } from "../json-body.ts";
import { entityId } from "../path-id.ts";
import { PROBLEMS } from "../problem.ts";
import { problemResponse } from "../problem-response.ts";
import { flatten } from "../query.ts";
import { refuseInvalid } from "../refuse-invalid.ts";
import { PROBLEM_RESPONSE } from "../schemas.ts";

const Query = z.strictObject({
  erase: z.enum(["true", "false"]).default("false").openapi({
    description:
      "`true` = its tracks, its events, what is to be delivered of them, and all else that is stored of it go too, also if it is deleted already.",
  }),
});

const route = createRoute({
  method: "delete",
  path: "/v1/entities/{id}",
  operationId: "deleteEntity",
  tags: ["Entities"],
  summary: "Delete an entity, or erase all that is known of it",
  description:
    "The entity leaves the picture, with the departure `deleted` on feeds; its history stays. A later report with the id begins a new entity. " +
    "An erasure is answered when it is done, some 10 to 30 s later. After a 503, or without an answer, a deletion may be done, or go on by itself: ask " +
    "again, with the same `Idempotency-Key`, until it is answered.",
  request: {
    params: z.object({ id: z.string().max(MAX_ID_LENGTH).describe("Percent-encoded, slashes too.") }),
    query: Query,
    headers: z.object({
      "idempotency-key": z.string().max(MAX_COMMAND_ID_LENGTH).optional().openapi({
        description:
          "The deletion's own id, 1 … 64 characters: one that is sent again under it, within 10 minutes, deletes nothing that has come since.",
      }),
    }),
  },
  responses: { 204: { description: "It is done." }, default: PROBLEM_RESPONSE },
});

/** @param newId makes ids for deletions. */
export function deletionsRoute(app: OpenAPIHono, handler: CommandHandler, newId: () => string): void {
  app.openAPIRegistry.registerPath(route);
  app.delete("/v1/entities/:id", async (c) => {
    const url = new URL(c.req.url);
    const entity = entityId(url.pathname);
    if (entity instanceof Response) return entity;
    const query = Query.safeParse(flatten(url.searchParams));
    if (!query.success) return refuseInvalid(query.error, url.searchParams);
    const id = c.req.header("idempotency-key");
    const idFault = id === undefined ? undefined : nameFault("Idempotency-Key", id, MAX_COMMAND_ID_LENGTH);
    if (idFault !== undefined) return problemResponse("bad-request", idFault);
    const result = await handler.command({
      id: id ?? newId(),
      entity,
      erase: query.data.erase === "true",
    });
    if (result.accepted) return new Response(null, { status: 204 });
    const headers = PROBLEMS[result.type].status === 503 ? RETRY_AFTER : undefined;
    return problemResponse(result.type, result.detail, { headers });
  });
}
