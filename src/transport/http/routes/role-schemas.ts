/** `/v1/roles` as it is documented, and what may be put there. */
import { createRoute, z } from "@hono/zod-openapi";
import { MAX_GRANTS, MAX_ROLES } from "../../../access/limits.ts";
import { ACTIONS, type Grant, type Resource } from "../../../access/ports.ts";
import { TOPICS } from "../../../access/topics.ts";
import { MAX_EXPRESSION_LENGTH, MAX_NAME_LENGTH } from "../../../limits.ts";
import { storableText } from "../query.ts";
import { JSON_TYPE, jsonAnswer, PROBLEM_RESPONSE } from "../schemas.ts";
import { IfMatch, IfMatchOrNone } from "../versions.ts";

const WHAT = Object.entries(ACTIONS)
  .map(([resource, actions]) => `${resource}: ${actions.join(", ")}`)
  .join("; ");

const GrantSchema = z
  .strictObject({
    resource: z.enum(Object.keys(ACTIONS) as [Resource, ...Resource[]]),
    actions: z.array(z.string()).min(1).describe(`Of each resource: ${WHAT}.`),
    where: storableText(MAX_EXPRESSION_LENGTH, true)
      .optional()
      .describe(
        "A CEL expression over `principal` (`id`, `name`, `roles`, `attributes`) and `entity`, `event` or `report`, which is the resource; fences and machines have none. Absent = all of them.",
      )
      .openapi({ example: "entity.attributes.fleet == principal.attributes.fleet" }),
  })
  .superRefine(({ resource, actions, where }, context) => {
    const refuse = (message: string, ...path: (string | number)[]) =>
      context.addIssue({ code: "custom", message, path });
    const possible: readonly string[] = ACTIONS[resource];
    for (const [i, action] of actions.entries())
      if (!possible.includes(action)) refuse(`must be ${possible.join(" or ")}`, "actions", i);
    if (new Set(actions).size < actions.length) refuse("must not name an action twice", "actions");
    if (where !== undefined && TOPICS[resource] === undefined)
      refuse(`a grant of ${resource} has no where`, "where");
  })
  .transform((grant) => grant as Grant)
  .openapi("Grant", { type: "object" });
export const PutSchema = z
  .strictObject({
    grants: z
      .array(GrantSchema)
      .max(MAX_GRANTS)
      .describe(
        "What any of them allows is allowed, nothing else. All of them: they replace those of before.",
      ),
  })
  .openapi("RoleChange");
export const RoleSchema = z
  .object({
    name: z.string().openapi({ example: "viewer" }),
    version: z
      .int()
      .describe(
        "Higher with each change, also of one that was removed and made anew; also the `ETag`, in quotes. 0 = built in.",
      ),
    builtIn: z.boolean().describe("Of `admin`, which may everything, also what no grant can name."),
    grants: z.array(GrantSchema),
    changedAt: z.string().optional().openapi({ format: "date-time" }),
  })
  .openapi("Role");
const Name = z.object({ name: z.string().max(MAX_NAME_LENGTH) });

export const ROLE_ROUTES = [
  createRoute({
    method: "get",
    path: "/v1/roles",
    operationId: "listRoles",
    tags: ["Access"],
    summary: "List roles",
    responses: {
      200: jsonAnswer(
        z.object({ roles: z.array(RoleSchema) }),
        `All but the one that is built in, ${MAX_ROLES} at most, by name.`,
      ),
      default: PROBLEM_RESPONSE,
    },
  }),
  createRoute({
    method: "get",
    path: "/v1/roles/{name}",
    operationId: "getRole",
    tags: ["Access"],
    summary: "One role",
    request: { params: Name },
    responses: { 200: jsonAnswer(RoleSchema, "It."), default: PROBLEM_RESPONSE },
  }),
  createRoute({
    method: "put",
    path: "/v1/roles/{name}",
    operationId: "putRole",
    tags: ["Access"],
    summary: "Make a role, or change what it allows",
    description:
      "It counts at once for whoever has the role. The role `admin` may everything and is not changed.",
    request: {
      params: Name,
      headers: IfMatchOrNone,
      body: { required: true, content: { [JSON_TYPE]: { schema: PutSchema } } },
    },
    responses: {
      200: jsonAnswer(RoleSchema, "Changed, or the same as before."),
      201: jsonAnswer(RoleSchema, "Made."),
      default: PROBLEM_RESPONSE,
    },
  }),
  createRoute({
    method: "delete",
    path: "/v1/roles/{name}",
    operationId: "deleteRole",
    tags: ["Access"],
    summary: "Remove a role",
    description: "Keys keep its name, which allows nothing until there is a role of that name again.",
    request: { params: Name, headers: IfMatch },
    responses: { 204: { description: "It is gone." }, default: PROBLEM_RESPONSE },
  }),
];
