/** The roles that a node holds, of which its policy is made. */
import type { Policy } from "./policy.ts";
import type { StoredRole } from "./store-ports.ts";

export class RoleCatalogue {
  readonly #policy: Policy;
  #roles = new Map<string, StoredRole>();
  #revision = 0;

  constructor(policy: Policy) {
    this.#policy = policy;
  }

  /** Of the newest change. */
  get revision(): number {
    return this.#revision;
  }

  /** By name. */
  get versions(): readonly StoredRole[] {
    return [...this.#roles.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  find(name: string): StoredRole | undefined {
    return this.#roles.get(name);
  }

  /** @param roles all that there are. */
  take({ revision, roles }: { revision: number; roles: readonly StoredRole[] }): void {
    this.#roles = new Map(roles.map((role) => [role.name, role]));
    this.#revision = revision;
    this.#policy.take(roles);
  }
}
