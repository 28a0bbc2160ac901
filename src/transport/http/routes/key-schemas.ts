/** `/v1/keys` and `/v1/me` as they are documented, and what of a key may be set. */
import { createRoute, z } from "@hono/zod-openapi";
import { MAX_KEY_ATTRIBUTES_LENGTH, MAX_KEY_ROLES, MAX_KEYS_LISTED } from "../../../access/limits.ts";
import type { PrincipalAttribute } from "../../../access/ports.ts";
import { isObject } from "../../../actors/messages.ts";
import { DEFAULT_LIST_LIMIT, MAX_NAME_LENGTH } from "../../../limits.ts";
import { nameFault } from "../../ingest/report.ts";
import { textFault } from "../../ingest/text.ts";
import { instant, wholeText } from "../query.ts";
import { JSON_TYPE, jsonAnswer, PROBLEM_RESPONSE } from "../schemas.ts";

/** As CEL has them, so that `principal.attributes.fleet` can name it. */
const ATTRIBUTE_NAME = /^[A-Za-z]\w*$/;

const text = (what: string) =>
  z.string().superRefine((value, context) => {
    const fault = nameFault(what, value, MAX_NAME_LENGTH);
    if (fault !== undefined) context.addIssue({ code: "custom", message: fault });
  });
const name = text("a name").describe("For people: whose it is.").openapi({ example: "screen in the north" });
const roles = z
  .array(text("a role"))
  .max(MAX_KEY_ROLES)
  .refine((list) => new Set(list).size === list.length, "must not name a role twice")
  .describe(
    "What any of them allows is allowed. `admin` may everything; one that is not there allows nothing.",
  );
const attributes = z
  .unknown()
  .superRefine((value, context) => {
    const refuse = (message: string, ...path: string[]) =>
      context.addIssue({ code: "custom", message, path });
    if (!isObject(value)) return refuse("must be a JSON object");
    for (const [key, attribute] of Object.entries(value)) {
      if (!ATTRIBUTE_NAME.test(key))
        return refuse("has a name that is not a letter with letters, digits and _ behind it", key);
      const fault = attributeFault(attribute);
      if (fault !== undefined) return refuse(fault, key);
    }
    if (JSON.stringify(value).length > MAX_KEY_ATTRIBUTES_LENGTH)
      refuse(`have more than ${MAX_KEY_ATTRIBUTES_LENGTH} characters as JSON`);
  })
  .transform((value) => value as Record<string, PrincipalAttribute>)
  .openapi({
    type: "object",
    description:
      "What `where` of grants may ask of `principal.attributes`: texts, numbers, truth values and lists of texts. All of them: they replace those of before.",
    example: { fleet: "north" },
  });
const expires = instant.openapi({
  type: "string",
  format: "date-time",
  description: "From then on it is nobody's.",
});

function attributeFault(value: unknown): string | undefined {
  if (typeof value === "boolean") return undefined;
  if (typeof value === "number") return Number.isFinite(value) ? undefined : "must be a finite number";
  if (typeof value === "string") return textFault(value, true);
  if (!Array.isArray(value) || !value.every((item) => typeof item === "string"))
    return "must be a text, a number, true, false or a list of texts";
  return value.map((item) => textFault(item, true)).find((fault) => fault !== undefined);
}

/** @param now Unix ms: a key that has expired before it is made is a mistake. */
export const createSchema = (now: () => number) =>
  z
    .strictObject({
      name,
      roles,
      attributes: attributes.default({}),
      expires: expires
        .refine((t) => t > now(), "must be in the future")
        .nullish()
        .describe("Absent or `null` = it stays."),
    })
    .openapi("KeyDraft");
export const ChangeSchema = z
  .strictObject({
    name: name.optional(),
    roles: roles.optional(),
    attributes: attributes.optional(),
    expires: expires.nullable().optional().describe("`null` = it stays."),
  })
  .openapi("KeyChange");

export const Id = z.object({ id: z.uuid() });
export const KeysQuery = z.strictObject({
  limit: wholeText(1, MAX_KEYS_LISTED)
    .default(DEFAULT_LIST_LIMIT)
    .openapi({ type: "integer", minimum: 1, maximum: MAX_KEYS_LISTED, default: DEFAULT_LIST_LIMIT }),
  after: z.uuid().optional().describe("The id after which to go on; the link `next` has it."),
});

const OwnSchema = z
  .object({
    id: z.string(),
    name: z.string(),
    roles: z.array(z.string()),
    attributes: z.record(z.string(), z.unknown()),
    expires: z.string().optional().describe("Absent = never.").openapi({ format: "date-time" }),
  })
  .openapi("Principal");
const ListedSchema = OwnSchema.extend({ createdAt: z.string().openapi({ format: "date-time" }) }).openapi(
  "Key",
);
const KeySchema = ListedSchema.extend({
  faults: z
    .array(
      z.object({
        role: z.string(),
        grant: z.int().optional().describe("Its place in the role, from 0. Absent: there is no such role."),
        detail: z.string(),
      }),
    )
    .describe("What of its roles allows this key nothing, or fails for it, and why."),
}).openapi("KeyWithFaults");
const CreatedSchema = KeySchema.extend({
  key: z
    .string()
    .describe("The key: a token as the admin's is. It is shown here and never again.")
    .openapi({ example: "mk_…" }),
}).openapi("CreatedKey");
const ListSchema = z
  .object({
    keys: z.array(ListedSchema),
    links: z.array(z.object({ rel: z.enum(["self", "next"]), type: z.string(), href: z.string() })),
  })
  .openapi("Keys");

const tags = ["Access"];
const body = (schema: z.ZodType) => ({ required: true, content: { [JSON_TYPE]: { schema } } });

export const KEY_ROUTES = [
  createRoute({
    method: "get",
    path: "/v1/keys",
    operationId: "listKeys",
    tags,
    summary: "List keys",
    request: { query: KeysQuery },
    responses: { 200: jsonAnswer(ListSchema, "Without the keys themselves."), default: PROBLEM_RESPONSE },
  }),
  createRoute({
    method: "post",
    path: "/v1/keys",
    operationId: "createKey",
    tags,
    summary: "Make a key",
    request: { body: body(createSchema(() => 0)) },
    responses: { 201: jsonAnswer(CreatedSchema, "With the key, this once."), default: PROBLEM_RESPONSE },
  }),
  createRoute({
    method: "get",
    path: "/v1/keys/{id}",
    operationId: "getKey",
    tags,
    summary: "One key",
    request: { params: Id },
    responses: { 200: jsonAnswer(KeySchema, "Without the key itself."), default: PROBLEM_RESPONSE },
  }),
  createRoute({
    method: "patch",
    path: "/v1/keys/{id}",
    operationId: "changeKey",
    tags,
    summary: "Change what a key may do, and how long it lasts",
    description: "The key itself stays the same. For another one make a new key, and remove this one.",
    request: { params: Id, body: body(ChangeSchema) },
    responses: { 200: jsonAnswer(KeySchema, "As it is now."), default: PROBLEM_RESPONSE },
  }),
  createRoute({
    method: "delete",
    path: "/v1/keys/{id}",
    operationId: "deleteKey",
    tags,
    summary: "Revoke a key",
    request: { params: Id },
    responses: { 204: { description: "It is nobody's any more." }, default: PROBLEM_RESPONSE },
  }),
];

export const ME_ROUTE = createRoute({
  method: "get",
  path: "/v1/me",
  operationId: "getMe",
  tags,
  summary: "Who asks",
  description: "Whoever has a token may ask this.",
  responses: { 200: jsonAnswer(OwnSchema, "Whose the token is."), default: PROBLEM_RESPONSE },
});
