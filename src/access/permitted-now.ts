/** What is permitted at this moment: what stays open for long, as feeds and streams do, outlives the roles and the key that opened it. */
import type { Policy } from "./policy.ts";
import { type Action, ADMIN, type Permitted, type Principal, type Resource } from "./ports.ts";

/** What says who may do what now. */
export interface Authority {
  policy: Policy;
  /** A principal as it is configured now; `undefined` = it is none any more. Absent = principals stay as they are. */
  current?(principal: Principal): Principal | undefined;
}

export function permittedNow<R extends Resource>(
  { policy, current }: Authority,
  principal: Principal,
  resource: R,
  action: Action<R>,
): Permitted {
  if (principal === ADMIN) return "all";
  const now = current === undefined ? principal : current(principal);
  return now === undefined ? [] : policy.permits(now, resource, action);
}
