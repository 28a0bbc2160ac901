/** In place of the guard, where routes are tested without it. */
import type { MiddlewareHandler } from "hono";

export const permitAll: MiddlewareHandler = async (c, next) => {
  c.set("permitted", "all");
  await next();
};
