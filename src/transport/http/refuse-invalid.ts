/** What zod refuses, as a problem that says of each field what it must be and what it is. */
import type { z } from "zod";
import { quoted } from "../ingest/text.ts";
import { problemResponse } from "./problem-response.ts";

/** @param given what was judged: a query, or a body. */
export function refuseInvalid(error: z.ZodError, given: unknown): Response {
  const errors = error.issues.flatMap((issue) => {
    if (issue.code === "unrecognized_keys")
      return issue.keys.map((field) => ({ field, detail: "is not known here" }));
    const value = valueAt(given, issue.path);
    const repeated = given instanceof URLSearchParams && Array.isArray(value);
    return [
      { field: issue.path.join("."), detail: repeated ? "is given more than once" : fault(issue, value) },
    ];
  });
  const detail = errors.map((one) => `${one.field || "the body"}: ${one.detail}`).join("; ");
  return problemResponse("bad-request", detail, { members: { errors } });
}

/** Of a part of a text, as one name of several with commas between them, the whole text. */
function valueAt(given: unknown, path: readonly PropertyKey[]): unknown {
  if (given instanceof URLSearchParams) {
    const values = given.getAll(String(path[0]));
    return values.length > 1 ? values : values[0];
  }
  let value = given;
  for (const step of path)
    if (typeof value === "object" && value !== null) value = (value as Record<PropertyKey, unknown>)[step];
  return value;
}

const TYPES: Record<string, string> = {
  array: "a list",
  boolean: "true or false",
  int: "a whole number",
  number: "a number",
  object: "a JSON object",
  record: "a JSON object",
  string: "a string",
};

function fault(issue: z.core.$ZodIssue, value: unknown): string {
  switch (issue.code) {
    case "invalid_type": {
      if (value === undefined) return "is missing";
      return `must be ${TYPES[issue.expected] ?? issue.expected}, not ${quoted(value)}`;
    }
    case "invalid_value":
      return `must be ${issue.values.map(quoted).join(" or ")}, not ${quoted(value)}`;
    case "too_small":
      if (issue.origin === "number") return `must be at least ${issue.minimum}, not ${plain(value)}`;
      return issue.minimum === 1 ? "is empty" : `has less than ${issue.minimum} ${unit(issue.origin)}`;
    case "too_big":
      if (issue.origin === "number") return `must be at most ${issue.maximum}, not ${plain(value)}`;
      return `has more than ${issue.maximum} ${unit(issue.origin)}`;
    default:
      return issue.message.startsWith("must be ") && typeof value === "string"
        ? `${issue.message}, not ${quoted(value)}`
        : issue.message;
  }
}

function unit(origin: string): string {
  return origin === "string" ? "characters" : "items";
}

/** A number that stands in a query is one without quotes to people. */
function plain(value: unknown): string {
  return typeof value === "string" ? quoted(value).slice(1, -1) : quoted(value);
}
