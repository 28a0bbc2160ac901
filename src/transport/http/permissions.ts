/** What each route is about, for who is no admin. */
import type { Policy } from "../../access/policy.ts";
import {
  type Action,
  ADMIN_ROLE,
  type Permitted,
  type Principal,
  type Resource,
} from "../../access/ports.ts";

interface Permission<R extends Resource = Resource> {
  method: string;
  path: RegExp;
  resource: R;
  action: Action<R>;
}

/** Routes that grants can open. Each of them looks at what is `permitted`. */
const PERMISSIONS: readonly Permission[] = [];

/** Routes that are about nothing but who asks: whoever has a token may. */
const OF_ONESELF: readonly Pick<Permission, "method" | "path">[] = [{ method: "GET", path: /^\/v1\/me$/ }];

/** What of a route a principal may; nothing = `[]`. A route that is not in the table is for admins. */
export function permittedOf(policy: Policy, principal: Principal, method: string, path: string): Permitted {
  if (principal.roles.includes(ADMIN_ROLE)) return "all";
  const asked = method === "HEAD" ? "GET" : method;
  if (OF_ONESELF.some((one) => one.method === asked && one.path.test(path))) return "all";
  const permission = PERMISSIONS.find((one) => one.method === asked && one.path.test(path));
  return permission === undefined ? [] : policy.permits(principal, permission.resource, permission.action);
}
