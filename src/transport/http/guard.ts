/** Nothing behind this without a token of who may. */
import type { MiddlewareHandler } from "hono";
import type { Policy } from "../../access/policy.ts";
import type { Identify, Permitted, Principal } from "../../access/ports.ts";
import { isOwnOrigin, offeredToken } from "../../auth/request-token.ts";
import { unauthorized } from "../../auth/upgrade.ts";
import type { DirectAnswer, DirectRequest } from "../server/server.ts";
import { permittedOf } from "./permissions.ts";
import { problemAnswer, toResponse } from "./problem-response.ts";

/** What is judged: the same whether it comes through the router or past it. */
type Asked = Pick<DirectRequest, "method" | "headers" | "url">;
export type Guard = (asked: Asked) => Admitted | { refusal: DirectAnswer };

/** Who asks, and what he may of what the route is about. */
export interface Admitted {
  principal: Principal;
  permitted: Permitted;
}

declare module "hono" {
  interface ContextVariableMap extends Admitted {}
}

/** @returns a function that says why a request may not be served, or what of it. */
export function createGuard(identify: Identify, policy: Policy): Guard {
  return ({ headers, method, url }) => {
    const offered = offeredToken(headers, url);
    const principal = offered && identify(offered.token);
    if (offered === undefined || principal === undefined)
      return { refusal: unauthorized(offered !== undefined) };
    const changes = method !== "GET" && method !== "HEAD";
    if (changes && offered.from === "cookie" && !isOwnOrigin(headers, url))
      return {
        refusal: problemAnswer("cross-origin", "A page of another origin needs a token of its own."),
      };
    const permitted = permittedOf(policy, principal, method, url.pathname);
    if (permitted.length > 0) return { principal, permitted };
    const detail = "None of the roles of who asks allows this.";
    return { refusal: problemAnswer("forbidden", detail) };
  };
}

/** A middleware to put in front of routes by their paths, so that the router itself says what is protected. */
export function guarded(guard: Guard): MiddlewareHandler {
  return async (c, next) => {
    const { headers, method, url } = c.req.raw;
    const guarded = guard({ headers, method, url: new URL(url) });
    if ("refusal" in guarded) return toResponse(guarded.refusal);
    c.set("principal", guarded.principal);
    c.set("permitted", guarded.permitted);
    await next();
  };
}
