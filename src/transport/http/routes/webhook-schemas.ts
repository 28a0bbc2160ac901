/** What goes over HTTP about webhooks. */
import { z } from "@hono/zod-openapi";
import { cursorText } from "../../../events/cursor.ts";
import { eventTest } from "../../../events/filter.ts";
import { MAX_EXPRESSION_LENGTH } from "../../../limits.ts";
import { ExpressionError } from "../../../picture/cel.ts";
import { MAX_DEAD_LETTERS, MAX_LETTERS_COUNTED, MAX_URL_LENGTH } from "../../../webhooks/limits.ts";
import type { WebhookStatus } from "../../../webhooks/ports.ts";
import { isPrivateHost } from "../../webhooks/public-address.ts";
import { storableText } from "../query.ts";
import { CloudEventSchema } from "../schemas.ts";

/** @param allowPrivate as `MUSTER_WEBHOOK_PRIVATE`. A name is judged when it is connected to, an address already here. */
const url = (allowPrivate: boolean) =>
  storableText(MAX_URL_LENGTH)
    .superRefine((text, context) => {
      const refuse = (message: string) => context.addIssue({ code: "custom", message });
      const parsed = URL.parse(text);
      if (parsed === null || !/^https?:$/.test(parsed.protocol))
        return refuse("must be an http or https address");
      if (parsed.username !== "" || parsed.password !== "" || parsed.hash !== "")
        return refuse("must have no user, password or fragment");
      if (parsed.port === "0") return refuse("must have another port: nothing listens on 0");
      if (!allowPrivate && isPrivateHost(parsed.hostname)) refuse("is a private, local or reserved address");
    })
    .openapi({ example: "https://example.com/muster" });
const where = storableText(MAX_EXPRESSION_LENGTH, true)
  .superRefine((text, context) => {
    try {
      eventTest({ where: text });
    } catch (error) {
      if (!(error instanceof ExpressionError)) throw error;
      context.addIssue({ code: "custom", message: `${error.message} (at ${error.position})` });
    }
  })
  .openapi({ description: "A CEL expression over `event`.", example: "event.type == 'state.changed'" });

export const createSchema = (allowPrivate: boolean) =>
  z.strictObject({
    url: url(allowPrivate),
    where: where.optional(),
    enabled: z.boolean().default(true).describe("A disabled one stands still, and goes on from there."),
  });
export const changeSchema = (allowPrivate: boolean) =>
  z.strictObject({
    url: url(allowPrivate).optional(),
    where: where
      .nullable()
      .optional()
      .describe("`null` = every event. What waits and does not pass is dropped."),
    enabled: z
      .boolean()
      .optional()
      .describe("Enabled again, or with another `url`, it tries what waits at once."),
  });
export const RedeliverSchema = z.strictObject({
  ids: z
    .array(z.string().max(64))
    .min(1)
    .max(MAX_DEAD_LETTERS)
    .optional()
    .describe(`Of events; absent = the oldest ${MAX_DEAD_LETTERS}.`),
});

const time = (text: string) => z.string().optional().describe(text).openapi({ format: "date-time" });
export const WebhookSchema = z
  .object({
    id: z.uuid(),
    url: z.string(),
    where: z.string().optional(),
    enabled: z.boolean(),
    disabledReason: z.string().optional().describe("Why it was disabled by itself."),
    createdAt: z.string().openapi({ format: "date-time" }),
    cursor: z.string().describe("All events up to here are delivered, or wait, or are dead letters."),
    delivered: z.int(),
    failures: z.int().describe("Attempts that failed."),
    waiting: z.int().describe(`Events that will be tried again; ${MAX_LETTERS_COUNTED} may be more.`),
    dead: z.int().describe(`Dead letters: given up, or set aside; ${MAX_LETTERS_COUNTED} may be more.`),
    gaps: z.int().describe("Times that events were dropped for their age before they were sent."),
    lastError: z.string().optional(),
    lastErrorAt: time("When that was."),
    pausedUntil: time("Nothing is tried before."),
  })
  .openapi("Webhook");
const secret = z
  .string()
  .describe("Signs as Standard Webhooks says. It is shown here and never again.")
  .openapi({ example: "whsec_…" });
export const CreatedSchema = WebhookSchema.extend({ secret }).openapi("CreatedWebhook");
export const RotatedSchema = z
  .object({
    secret,
    previousUntil: z
      .string()
      .describe("Until then the secret of before the first of these rotations signs too.")
      .openapi({ format: "date-time" }),
  })
  .openapi("RotatedSecret");
export const DeadLettersSchema = z
  .object({
    letters: z.array(
      z.object({
        event: CloudEventSchema,
        attempts: z.int(),
        failedSince: time("From when on it was to be sent."),
        error: z.string().optional(),
      }),
    ),
    links: z.array(z.object({ rel: z.enum(["self", "next"]), type: z.string(), href: z.string() })),
  })
  .openapi("DeadLetters");

export function statusJson(status: WebhookStatus): z.output<typeof WebhookSchema> {
  const { webhook, cursor, lastErrorAt, pausedUntil, ...counts } = status;
  const { id, url, where, enabled, disabledReason, createdAt } = webhook;
  return {
    id,
    url,
    where,
    enabled,
    disabledReason,
    createdAt: isoText(createdAt)!,
    cursor: cursorText(cursor),
    ...counts,
    lastErrorAt: isoText(lastErrorAt),
    pausedUntil: isoText(pausedUntil),
  };
}

/** @param t Unix ms */
export function isoText(t: number | undefined): string | undefined {
  return t === undefined ? undefined : new Date(t).toISOString();
}
