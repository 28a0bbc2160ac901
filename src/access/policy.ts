/** The roles that there are, and what they allow whom. */
import { ExpressionError } from "../picture/cel.ts";
import { BindableWhere, type Bound } from "./bind.ts";
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

/** A role or a grant that allows a principal nothing, or a grant part of which never does, and why. */
export interface GrantFault {
  role: string;
  /** From 0. Absent = it is the whole role. */
  grant?: number;
  detail: string;
}

/** What was found out of a principal, and of which roles: those that it had at this revision. */
interface Known {
  roles: readonly BindableRole[];
  revision: number;
  permitted: Map<string, Permitted>;
}

/** A role that is taken over as it is, until its grants are others. */
class BindableRole implements Role {
  readonly name: string;
  readonly grants: readonly Grant[];
  /** Of the grants that were asked for. */
  readonly #wheres = new Map<Grant, BindableWhere>();

  constructor({ name, grants }: Role) {
    this.name = name;
    this.grants = grants;
  }

  hasGrants(grants: readonly Grant[]): boolean {
    return textOf(grants) === textOf(this.grants);
  }

  /** Of a grant of this role that has a `where`. @throws ExpressionError if it has no meaning for a principal */
  bind(grant: Grant, principal: Principal): Bound {
    let where = this.#wheres.get(grant);
    if (where === undefined) {
      const topic = TOPICS[grant.resource];
      if (topic === undefined) throw new ExpressionError(`a grant of ${grant.resource} has no where`, 0);
      where = new BindableWhere(grant.where!, topic);
      this.#wheres.set(grant, where);
    }
    return where.bind(principal);
  }
}

function textOf(grants: readonly Grant[]): string {
  return JSON.stringify(grants.map(({ resource, actions, where }) => [resource, actions, where]));
}

export type RolesTaken = (before: ReadonlyMap<string, Role>, now: ReadonlyMap<string, Role>) => void;

export class Policy {
  #roles: ReadonlyMap<string, BindableRole> = new Map();
  #known = new WeakMap<Principal, Known>();
  #revision = 0;
  readonly #watchers: RolesTaken[] = [];

  /** Grows with each change. */
  get revision(): number {
    return this.#revision;
  }

  /** @param taken is told of each change of roles: all before it and after it, by name. One whose grants stay the same is the same object. */
  watch(taken: RolesTaken): void {
    this.#watchers.push(taken);
  }

  /** Replaces all roles. */
  take(roles: Iterable<Role>): void {
    const before = this.#roles;
    const taken = [...roles].map((role) => {
      const known = before.get(role.name);
      return known?.hasGrants(role.grants) ? known : new BindableRole(role);
    });
    this.#roles = new Map(taken.map((role) => [role.name, role]));
    this.#revision++;
    for (const watcher of this.#watchers) watcher(before, this.#roles);
  }

  /** What a principal may do. The same list as long as its own roles do not change. */
  permits<R extends Resource>(principal: Principal, resource: R, action: Action<R>): Permitted {
    const known = this.#knownOf(principal);
    const key = `${resource} ${action}`;
    let permitted = known.permitted.get(key);
    if (permitted === undefined) {
      permitted = this.#find(principal, known.roles, resource, action);
      known.permitted.set(key, permitted);
    }
    return permitted;
  }

  #knownOf(principal: Principal): Known {
    const known = this.#known.get(principal);
    if (known?.revision === this.#revision) return known;
    const roles = this.#rolesOf(principal);
    if (known !== undefined && isSameList(roles, known.roles)) {
      known.revision = this.#revision;
      return known;
    }
    const made = { roles, revision: this.#revision, permitted: new Map() };
    this.#known.set(principal, made);
    return made;
  }

  /** Roles of a principal that are not there, and grants of the others that have no meaning for it or ask for attributes that it lacks. */
  faults(principal: Principal): GrantFault[] {
    const faults: GrantFault[] = [];
    for (const role of principal.roles)
      if (role !== ADMIN_ROLE && !this.#roles.has(role))
        faults.push({ role, detail: "there is no such role" });
    for (const role of this.#rolesOf(principal))
      for (const [grant, one] of role.grants.entries())
        for (const detail of faultsOf(role, one, principal)) faults.push({ role: role.name, grant, detail });
    return faults;
  }

  #find(principal: Principal, roles: readonly BindableRole[], resource: Resource, action: Action): Permitted {
    if (principal.roles.includes(ADMIN_ROLE)) return "all";
    const texts = new Set<string>();
    for (const role of roles)
      for (const grant of role.grants) {
        if (grant.resource !== resource || !grant.actions.includes(action)) continue;
        if (grant.where === undefined) return "all";
        const bound = boundGrant(role, grant, principal);
        if ("where" in bound) texts.add(bound.where);
      }
    return [...texts].sort();
  }

  #rolesOf({ roles }: Principal): BindableRole[] {
    return roles.flatMap((name) => this.#roles.get(name) ?? []);
  }
}

function isSameList(roles: readonly BindableRole[], others: readonly BindableRole[]): boolean {
  return roles.length === others.length && roles.every((role, i) => role === others[i]);
}

function boundGrant(role: BindableRole, grant: Grant, principal: Principal): Bound | { fault: string } {
  try {
    return role.bind(grant, principal);
  } catch (error) {
    if (!(error instanceof ExpressionError)) throw error;
    return { fault: error.message };
  }
}

function faultsOf(role: BindableRole, grant: Grant, principal: Principal): string[] {
  if (grant.where === undefined) return [];
  const bound = boundGrant(role, grant, principal);
  if ("fault" in bound) return [bound.fault];
  return bound.missing.map((name) => `the key has no attribute ${name}, so what asks for it fails`);
}
