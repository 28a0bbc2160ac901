/** A problem as an answer, and answers as fetch has them. */
import type { DirectAnswer } from "../server/server.ts";
import { type ProblemType, problem } from "./problem.ts";

export interface ProblemExtras {
  headers?: Record<string, string>;
  /** Members beside those of RFC 9457, e.g. `accepted`. */
  members?: Record<string, unknown>;
}

export function problemAnswer(type: ProblemType, detail: string, extras: ProblemExtras = {}): DirectAnswer {
  const body = problem(type, detail);
  return {
    status: body.status,
    headers: { "content-type": "application/problem+json", ...extras.headers },
    body: JSON.stringify({ ...body, ...extras.members }),
  };
}

export function problemResponse(type: ProblemType, detail: string, extras: ProblemExtras = {}): Response {
  return toResponse(problemAnswer(type, detail, extras));
}

export function toResponse({ status, headers, body }: DirectAnswer): Response {
  return new Response(body, { status, headers });
}
