/** What each route is about, for who is no admin. */
import assert from "node:assert/strict";
import type { Policy } from "../../access/policy.ts";
import {
  type Action,
  ADMIN_ROLE,
  type Permitted,
  type Principal,
  type Resource,
} from "../../access/ports.ts";

interface Route {
  method: string;
  path: RegExp;
}

interface Permission<R extends Resource = Resource> extends Route {
  resource: R;
  action: Action<R>;
}

/** Routes that grants can open. Each of them looks at what is `permitted`, but those of fences and machines, whose grants have no `where`. */
export const PERMISSIONS: readonly Permission[] = [
  { method: "POST", path: /^\/v1\/reports$/, resource: "report", action: "create" },
  { method: "POST", path: /^\/v1\/entities\/[^/]+\/commands$/, resource: "entity", action: "command" },
  { method: "GET", path: /^\/v1\/entities(\/[^/]+(\/track)?)?$/, resource: "entity", action: "read" },
  { method: "GET", path: /^\/v1\/events$/, resource: "event", action: "read" },
  { method: "GET", path: /^\/v1\/entities\/[^/]+\/events$/, resource: "event", action: "read" },
  { method: "GET", path: /^\/v1\/fences(\/[^/]+)?$/, resource: "fence", action: "read" },
  { method: "GET", path: /^\/v1\/machines(\/[^/]+)?$/, resource: "machine", action: "read" },
];

/** What a handler tells of: any of these texts must be true of it. `undefined` = all of it. */
export function textsOf(permitted: Permitted): readonly string[] | undefined {
  assert.ok(permitted !== undefined, "whoever asks was judged by the guard");
  return permitted === "all" ? undefined : permitted;
}

/** Routes that tell nothing but what Muster can do, and who asks: any principal may ask them. */
export const FOR_EVERYBODY: readonly Route[] = [
  { method: "GET", path: /^\/openapi\.json$/ },
  { method: "GET", path: /^\/docs$/ },
  { method: "GET", path: /^\/v1\/feed$/ },
  { method: "GET", path: /^\/v1\/me$/ },
];

/** What of a route a principal may; nothing = `[]`. A route that is in neither table is for admins. */
export function permittedOf(policy: Policy, principal: Principal, method: string, path: string): Permitted {
  if (principal.roles.includes(ADMIN_ROLE)) return "all";
  const asked = method === "HEAD" ? "GET" : method;
  const isAsked = (one: Route) => one.method === asked && one.path.test(path);
  if (FOR_EVERYBODY.some(isAsked)) return "all";
  const permission = PERMISSIONS.find(isAsked);
  return permission === undefined ? [] : policy.permits(principal, permission.resource, permission.action);
}
