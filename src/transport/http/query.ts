/** Parts of addresses, as several routes read them. */
import { z } from "@hono/zod-openapi";
import { DEFAULT_LIST_LIMIT, MAX_LIST_LIMIT, MAX_NAME_LENGTH, MAX_QUERY_NAMES } from "../../limits.ts";
import { parseTime } from "../ingest/parse-time.ts";
import { textFault } from "../ingest/text.ts";

const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/;

export const numberText = (low: number, high: number) =>
  z
    .string()
    .regex(NUMBER, `must be a number from ${low} to ${high}`)
    .transform(Number)
    .pipe(z.number().min(low).max(high));

export const wholeText = (low: number, high: number) =>
  z
    .string()
    .regex(/^\d{1,9}$/, `must be a whole number from ${low} to ${high}`)
    .transform(Number)
    .pipe(z.number().min(low).max(high));

/** What `known` promises. */
export const KNOWN =
  "As far as it was known then: to 10 s of reports that came within 10 s after they were observed, to 60 s of those that came later in the order of their observation, and of those that changed what was written already to the some 10 s until that was.";

/** How much of a list at most. */
export const listLimit = wholeText(1, MAX_LIST_LIMIT)
  .default(DEFAULT_LIST_LIMIT)
  .openapi({ type: "integer", minimum: 1, maximum: MAX_LIST_LIMIT, default: DEFAULT_LIST_LIMIT });

/** Numbers with commas between them, NaN where one is none. */
export function numbers(text: string): number[] {
  return text.split(",").map((part) => (NUMBER.test(part.trim()) ? Number(part) : NaN));
}

/** west,south,east,north in degrees; west > east crosses 180°. */
export const bbox = z
  .string()
  .transform(numbers)
  .refine(
    ([west, south, east, north, ...more]) =>
      more.length === 0 &&
      Math.abs(west) <= 180 &&
      Math.abs(east) <= 180 &&
      south >= -90 &&
      south <= north &&
      north <= 90,
    "must be west,south,east,north in degrees with south ≤ north (west > east crosses 180°)",
  )
  .transform((box) => box as [number, number, number, number]);

/** A time, RFC 3339 → Unix ms. */
export const instant = z
  .string()
  .transform(parseTime)
  .refine((t) => !Number.isNaN(t), { error: "must be a time as 2026-01-02T03:04:05Z", abort: true });

/** A parameter that may name an instant. */
export const moment = (description: string) =>
  instant.optional().openapi({ type: "string", format: "date-time", description });

/** `from/to`, either of them `..` = without end → Unix ms, ±∞. */
export const interval = z
  .string()
  .transform((text) => {
    const [from, to, ...more] = text.split("/");
    const at = (part: string | undefined, open: number) =>
      part === ".." || part === "" ? open : parseTime(part ?? "");
    return more.length > 0 ? [NaN, NaN] : [at(from, -Infinity), at(to, Infinity)];
  })
  .refine(
    ([from, to]) => from <= to,
    "must be two times with a slash between them, the first one first (.. is without end)",
  );

/** What a stored text could be: PostgreSQL refuses to compare with others. @param lines as of `textFault` */
export const storableText = (longest: number, lines = false) =>
  z
    .string()
    .min(1)
    .max(longest)
    .superRefine((text, context) => {
      const fault = textFault(text, lines);
      if (fault !== undefined) context.addIssue({ code: "custom", message: fault });
    });

/** Names with commas between them. */
export const names = z
  .string()
  .transform((text) => text.split(","))
  .pipe(z.array(storableText(MAX_NAME_LENGTH)).max(MAX_QUERY_NAMES));

/** One value a name; a repeated name keeps all, which the schema refuses. */
export function flatten(parameters: URLSearchParams): Record<string, string | string[]> {
  const flat: [string, string | string[]][] = [];
  for (const name of new Set(parameters.keys())) {
    const values = parameters.getAll(name);
    flat.push([name, values.length === 1 ? values[0] : values]);
  }
  return Object.fromEntries(flat);
}
