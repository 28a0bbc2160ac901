/** What routes share about things with versions that all nodes hold: `ETag`, `If-Match`, `If-None-Match`, and a database that does not answer. */
import { z } from "@hono/zod-openapi";
import type { Context, HonoRequest } from "hono";
import { type IfVersion, StoreAway } from "../../actors/ports.ts";
import { RETRY_AFTER } from "./json-body.ts";
import { NO_STORE } from "./no-store.ts";
import { problemResponse } from "./problem-response.ts";

export interface Held<Store, Version> {
  store: Store;
  /** The newest ones, by name. */
  versions(): readonly Version[];
  find(name: string): Version | undefined;
  /** Something was changed. Resolves when this node has it. @throws StoreAway */
  changed(): Promise<void>;
}

export const IfMatch = z.object({
  "if-match": z
    .string()
    .optional()
    .describe("Changes only this version, in quotes, as `ETag` gave it, or with `*` any."),
});
export const IfMatchOrNone = IfMatch.extend({
  "if-none-match": z.literal("*").optional().describe("Makes it only if there is none; else 412."),
});

/** A route that changes what its path names. @param handle is given what the request binds the change to. */
export function changing(
  handle: (name: string, ifVersion: IfVersion | undefined, c: Context) => Promise<Response>,
): (c: Context) => Promise<Response> {
  return async (c) => {
    const ifVersion = boundTo(c.req);
    if (ifVersion instanceof Response) return ifVersion;
    try {
      return await handle(c.req.param("name") ?? "", ifVersion, c);
    } catch (error) {
      if (!(error instanceof StoreAway)) throw error;
      return problemResponse("unavailable", "The database does not answer. The change may be made or not.", {
        headers: RETRY_AFTER,
      });
    }
  };
}

function boundTo(request: HonoRequest): IfVersion | undefined | Response {
  const match = request.header("if-match")?.trim();
  const noneMatch = request.header("if-none-match")?.trim();
  if (noneMatch !== undefined) {
    if (noneMatch === "*" && match === undefined && request.method === "PUT") return "none";
    return problemResponse("bad-request", "If-None-Match is *, with PUT and without If-Match.");
  }
  if (match === undefined) return undefined;
  if (match === "*") return "any";
  const version = /^"(\d{1,9})"$/.exec(match)?.[1];
  return version === undefined
    ? problemResponse("bad-request", 'If-Match is one version in quotes, e.g. "3", or * for any.')
    : Number(version);
}

/** One version. @param type of the content; default JSON. */
export function versionAnswer(
  body: { version: number },
  status: 200 | 201 = 200,
  type = "application/json",
): Response {
  return Response.json(body, {
    status,
    headers: { ...NO_STORE, "content-type": type, etag: `"${body.version}"` },
  });
}
