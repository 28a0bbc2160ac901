/** What routes share about things with versions that all nodes hold: `ETag`, `If-Match`, and a database that does not answer. */
import { z } from "@hono/zod-openapi";
import type { Context } from "hono";
import { StoreAway } from "../../actors/ports.ts";
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
  "if-match": z.string().optional().describe("Changes only this version, in quotes, as `ETag` gave it."),
});

/** A route that changes what its path names. @param handle is given the version that `If-Match` binds the change to. */
export function changing(
  handle: (name: string, ifVersion: number | undefined, c: Context) => Promise<Response>,
): (c: Context) => Promise<Response> {
  return async (c) => {
    const match = c.req.header("if-match");
    const ifVersion = match === undefined ? undefined : /^"(\d{1,9})"$/.exec(match.trim())?.[1];
    if (match !== undefined && ifVersion === undefined)
      return problemResponse("bad-request", 'If-Match is a version in quotes, e.g. "3".');
    try {
      return await handle(
        c.req.param("name") ?? "",
        ifVersion === undefined ? undefined : Number(ifVersion),
        c,
      );
    } catch (error) {
      if (!(error instanceof StoreAway)) throw error;
      return problemResponse("unavailable", "The database does not answer. The change may be made or not.", {
        headers: RETRY_AFTER,
      });
    }
  };
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
