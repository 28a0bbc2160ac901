/** Who asks, and what he may: principals, roles and their grants. */

/** What there is to be allowed, and the actions on it that a grant may name. All else only the role `admin` may. */
export const ACTIONS = {
  /** `read`: where it is and was, in answers and on feeds. */
  entity: ["read", "command"],
  event: ["read"],
  /** What a report says of itself is judged, not what is known of the entity. */
  report: ["create"],
  fence: ["read"],
  machine: ["read"],
} as const satisfies Record<string, readonly string[]>;

export type Resource = keyof typeof ACTIONS;
export type Action<R extends Resource = Resource> = (typeof ACTIONS)[R][number];

export interface Grant {
  resource: Resource;
  /** Of those that `ACTIONS` has for the resource, at least one. */
  actions: readonly Action[];
  /**
   * CEL over `principal` and what the resource is: `entity`, `event` or `report`. Absent = all of them. One that fails, or that has no meaning with the
   * principal's own attributes, allows nothing.
   */
  where?: string;
}

export interface Role {
  name: string;
  /** What any of them allows is allowed, nothing else. */
  grants: readonly Grant[];
}

export type PrincipalAttribute = string | number | boolean | readonly string[];

/** Who asks. */
export interface Principal {
  readonly id: string;
  readonly name: string;
  /** A role that is not there (any more) allows nothing. */
  readonly roles: readonly string[];
  readonly attributes: Readonly<Record<string, PrincipalAttribute>>;
  /** From then on it is none any more, Unix ms. Absent = it stays one. */
  readonly expires?: number;
}

/** May do everything; no role of this name can be made. */
export const ADMIN_ROLE = "admin";

/** Whoever has the admin token. */
export const ADMIN: Principal = { id: "admin", name: "admin", roles: [ADMIN_ROLE], attributes: {} };

/** Who a token is of; `undefined` = nobody. */
export type Identify = (token: string) => Principal | undefined;

/** What is allowed: all, or what passes any of these CEL expressions over `entity`, `event` or `report`. None of them = nothing. */
export type Permitted = "all" | readonly string[];
