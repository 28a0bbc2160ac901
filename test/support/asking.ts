/** Asks a node over HTTP, as the admin. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Serving } from "./serve.ts";

export function asking(node: Pick<Serving, "url" | "headers">) {
  return (method: string, path: string, body?: unknown, headers: Record<string, string> = {}) =>
    fetch(`${node.url}${path}`, {
      method,
      headers: { ...node.headers, "content-type": "application/json", ...headers },
      body: body === undefined || typeof body === "string" ? body : JSON.stringify(body),
    });
}
export type Ask = ReturnType<typeof asking>;

export async function json(response: Response | Promise<Response>): Promise<Record<string, unknown>> {
  return (await (await response).json()) as Record<string, unknown>;
}

/** Expects a problem. @returns it */
export async function refused(status: number, type: string, response: Promise<Response>) {
  const problem = await json(response);
  const urn = `urn:muster:problem:${type}`;
  if (problem.status !== status || problem.type !== urn)
    throw new Error(`${status} ${urn} was expected, not ${JSON.stringify(problem)}`);
  return problem;
}

/** Events of a type, once there are `count`: one is read a moment after what the picture shows of it. */
export async function eventsOf(ask: Ask, type: string, count: number) {
  for (;;) {
    const list = (await json(ask("GET", `/v1/events?type=${type}&limit=1000`))) as { events: unknown[] };
    if (list.events.length >= count)
      return list.events as { subject: string; data: Record<string, unknown> }[];
    await sleep(20);
  }
}
