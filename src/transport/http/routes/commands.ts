/** `POST /v1/entities/{id}/commands`: asks something of an entity, and answers what became of it. */
import { createRoute, type OpenAPIHono, z } from "@hono/zod-openapi";
import { permittedCommands } from "../../../access/permitted-commands.ts";
import type { Authority } from "../../../access/permitted-now.ts";
import type { Command, CommandHandler, JsonObject } from "../../../actors/messages.ts";
import {
  MAX_ATTRIBUTES_BYTES,
  MAX_COMMAND_BODY_BYTES,
  MAX_COMMAND_ID_LENGTH,
  MAX_ID_LENGTH,
  MAX_NAME_LENGTH,
} from "../../../limits.ts";
import { entityPasses, type WhereEntitiesAre } from "../../entity-passes.ts";
import { commandFault } from "../../ingest/command.ts";
import { quoted } from "../../ingest/text.ts";
import { type BodyBudget, bodyOf } from "../body.ts";
import { RETRY_AFTER, readJson } from "../json-body.ts";
import { unlessJson } from "../media-type.ts";
import { NO_STORE } from "../no-store.ts";
import { pathId } from "../path-id.ts";
import { PROBLEMS } from "../problem.ts";
import { problemResponse, toResponse } from "../problem-response.ts";
import { JSON_TYPE, PROBLEM_RESPONSE } from "../schemas.ts";

const MEMBERS: ReadonlySet<string> = new Set(["id", "name", "data"]);

const BodySchema = z
  .strictObject({
    id: z
      .string()
      .min(1)
      .max(MAX_COMMAND_ID_LENGTH)
      .optional()
      .describe(
        "The command's own, within its entity: one that is sent again under the same id is answered as before, for 10 minutes at least.",
      ),
    name: z
      .string()
      .min(1)
      .max(MAX_NAME_LENGTH)
      .describe("The event that the entity's machine gets.")
      .openapi({ example: "sign-off" }),
    data: z
      .record(z.string(), z.unknown())
      .optional()
      .describe(`\`event.data\` in the machine; at most ${MAX_ATTRIBUTES_BYTES} bytes of JSON.`),
  })
  .openapi("Command");

const AnswerSchema = z
  .object({
    id: z.string().describe("The command's own; made by the node if it had none."),
    accepted: z.literal(true),
    state: z.string().describe("The state of the entity right after the command."),
  })
  .openapi("CommandAnswer");

const route = createRoute({
  method: "post",
  path: "/v1/entities/{id}/commands",
  operationId: "sendCommand",
  tags: ["Entities"],
  summary: "Ask something of an entity",
  description:
    "The command is accepted exactly if the entity's machine takes a transition on the event of that name, and answered when that is durable. " +
    "Whether a role allows it is judged by the entity as it is when the command comes. A refusal of the machine is a 409 `command-refused`. After a 503, or without an answer, it may have been applied: ask again with the same `id`.",
  request: {
    params: z.object({ id: z.string().max(MAX_ID_LENGTH).describe("Percent-encoded, slashes too.") }),
    body: { required: true, content: { [JSON_TYPE]: { schema: BodySchema } } },
  },
  responses: {
    200: { description: "It was accepted.", content: { [JSON_TYPE]: { schema: AnswerSchema } } },
    default: PROBLEM_RESPONSE,
  },
});

export interface CommandsOptions extends Authority, WhereEntitiesAre {
  commands: CommandHandler;
  /** Makes ids for commands that have none. */
  newId(): string;
}

export function commandsRoute(app: OpenAPIHono, options: CommandsOptions, bodies: BodyBudget): void {
  const passes = entityPasses(options);
  app.openAPIRegistry.registerPath(route);
  app.post("/v1/entities/:id/commands", async (c) => {
    const entity = pathId(c.req.path.slice(0, -"/commands".length));
    if (entity instanceof Response) return entity;
    const { headers } = c.req.raw;
    const refusal = unlessJson(headers);
    if (refusal !== undefined) return refusal;
    using share = bodies.share();
    const tooLarge = `A command may have ${MAX_COMMAND_BODY_BYTES} bytes.`;
    const body = await readJson(
      bodyOf(c.req.raw),
      headers.get("content-length"),
      MAX_COMMAND_BODY_BYTES,
      share,
      tooLarge,
    );
    if ("refusal" in body) return toResponse(body.refusal);
    const command = readCommand(entity, body.value, options.newId);
    if (typeof command === "string") return problemResponse("invalid-command", command);
    const handler = permittedCommands(options.commands, c.get("principal"), options, passes);
    return answer(command, await handler.command(command));
  });
}

/** @returns what is wrong with it if it is none. */
function readCommand(entity: string, value: unknown, newId: () => string): Command | string {
  if (typeof value !== "object" || value === null || Array.isArray(value))
    return "a command must be a JSON object";
  const stranger = Object.keys(value).find((name) => !MEMBERS.has(name));
  if (stranger !== undefined) return `${quoted(stranger)} is not a member of a command`;
  const { id, name, data } = value as Record<string, unknown>;
  const fault = commandFault({ id, entity, name, data }, "the entity's id", "id");
  if (fault !== undefined) return fault;
  return {
    id: (id as string | undefined) ?? newId(),
    entity,
    name: name as string,
    data: data as JsonObject,
  };
}

function answer({ id }: Command, result: Awaited<ReturnType<CommandHandler["command"]>>): Response {
  if (result.accepted) return Response.json({ id, ...result }, { headers: NO_STORE });
  const { type, detail } = result;
  const headers = PROBLEMS[type].status === 503 ? RETRY_AFTER : undefined;
  return problemResponse(type, detail, { headers, members: { id } });
}
