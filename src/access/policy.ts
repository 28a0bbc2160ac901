/** The roles that there are, and what they allow whom. */
import { ExpressionError } from "../picture/cel.ts";
import { bindPrincipal } from "./bind.ts";
import {
  type Action,
  ADMIN_ROLE,
  type Grant,
  type Permitted,
  type Principal,
  type Resource,
  type Role,
} from "./ports.ts";
import { TOPICS } from "./topics.ts";

/** A role or a grant that allows a principal nothing, and why. */
export interface GrantFault {
  role: string;
  /** From 0. Absent = it is the whole role. */
  grant?: number;
  detail: string;
}

export class Policy {
  #roles: ReadonlyMap<string, Role> = new Map();
  /** By principal, what was found out since the roles changed. */
  #known = new WeakMap<Principal, Map<string, Permitted>>();
  #revision = 0;

  /** Grows with each change. */
  get revision(): number {
    return this.#revision;
  }

  /** Replaces all roles. */
  take(roles: Iterable<Role>): void {
    this.#roles = new Map([...roles].map((role) => [role.name, role]));
    this.#known = new WeakMap();
    this.#revision++;
  }

  /** What a principal may do. The same list as long as roles do not change. */
  permits<R extends Resource>(principal: Principal, resource: R, action: Action<R>): Permitted {
    const known = this.#known.get(principal) ?? new Map<string, Permitted>();
    this.#known.set(principal, known);
    const key = `${resource} ${action}`;
    const permitted = known.get(key) ?? this.#find(principal, resource, action);
    known.set(key, permitted);
    return permitted;
  }

  /** Roles of a principal that are not there, and grants of the others that have no meaning for it. */
  faults(principal: Principal): GrantFault[] {
    const faults: GrantFault[] = [];
    for (const role of principal.roles)
      if (role !== ADMIN_ROLE && !this.#roles.has(role))
        faults.push({ role, detail: "there is no such role" });
    for (const role of this.#rolesOf(principal))
      for (const [i, grant] of role.grants.entries()) {
        const { fault } = boundGrant(grant, principal);
        if (fault !== undefined) faults.push({ role: role.name, grant: i, detail: fault });
      }
    return faults;
  }

  #find(principal: Principal, resource: Resource, action: Action): Permitted {
    if (principal.roles.includes(ADMIN_ROLE)) return "all";
    const texts = new Set<string>();
    for (const { grants } of this.#rolesOf(principal))
      for (const grant of grants) {
        if (grant.resource !== resource || !grant.actions.includes(action)) continue;
        if (grant.where === undefined) return "all";
        const { where } = boundGrant(grant, principal);
        if (where !== undefined) texts.add(where);
      }
    return [...texts].sort();
  }

  #rolesOf({ roles }: Principal): Role[] {
    return roles.flatMap((name) => this.#roles.get(name) ?? []);
  }
}

function boundGrant({ resource, where }: Grant, principal: Principal): { where?: string; fault?: string } {
  const topic = TOPICS[resource];
  if (where === undefined) return {};
  if (topic === undefined) return { fault: `a grant of ${resource} has no where` };
  try {
    return { where: bindPrincipal(where, principal, topic) };
  } catch (error) {
    if (!(error instanceof ExpressionError)) throw error;
    return { fault: error.message };
  }
}
