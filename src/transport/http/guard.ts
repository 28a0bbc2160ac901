/** Nothing behind this without the token. */
import type { MiddlewareHandler } from "hono";
import { isOwnOrigin, offeredToken } from "../../auth/request-token.ts";
import { unauthorized } from "../../auth/upgrade.ts";
import type { DirectAnswer, DirectRequest } from "../server/server.ts";
import { problemAnswer, toResponse } from "./problem-response.ts";

/** What is judged: the same whether it comes through the router or past it. */
type Asked = Pick<DirectRequest, "method" | "headers" | "url">;
export type Guard = (asked: Asked) => DirectAnswer | undefined;

/** @returns a function that says why a request may not be served, or nothing. */
export function createGuard(checkToken: (token: string) => boolean): Guard {
  return ({ headers, method, url }) => {
    const offered = offeredToken(headers, url);
    if (offered === undefined || !checkToken(offered.token)) return unauthorized(offered !== undefined);
    const changes = method !== "GET" && method !== "HEAD";
    if (changes && offered.from === "cookie" && !isOwnOrigin(headers, url))
      return problemAnswer("cross-origin", "A page of another origin needs a token of its own.");
    return undefined;
  };
}

/** A middleware to put in front of routes by their paths, so that the router itself says what is protected. */
export function guarded(guard: Guard): MiddlewareHandler {
  return async (c, next) => {
    const { headers, method, url } = c.req.raw;
    const refusal = guard({ headers, method, url: new URL(url) });
    if (refusal !== undefined) return toResponse(refusal);
    await next();
  };
}
