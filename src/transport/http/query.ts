/** Parts of addresses, as several routes read them. */
import { z } from "@hono/zod-openapi";
import { MAX_NAME_LENGTH, MAX_QUERY_NAMES } from "../../limits.ts";

export const wholeText = (low: number, high: number) =>
  z
    .string()
    .regex(/^\d{1,9}$/, "must be a whole number")
    .transform(Number)
    .pipe(z.number().min(low).max(high));

/** Names with commas between them. */
export const names = z
  .string()
  .transform((text) => text.split(","))
  .pipe(z.array(z.string().min(1).max(MAX_NAME_LENGTH)).max(MAX_QUERY_NAMES));

/** One value a name; a repeated name keeps all, which the schema refuses. */
export function flatten(parameters: URLSearchParams): Record<string, string | string[]> {
  const flat: [string, string | string[]][] = [];
  for (const name of new Set(parameters.keys())) {
    const values = parameters.getAll(name);
    flat.push([name, values.length === 1 ? values[0] : values]);
  }
  return Object.fromEntries(flat);
}
