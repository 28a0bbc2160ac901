/** What roles and keys want of the outside. All of it rejects with `StoreAway` when the outcome is unknown. */
import type { IfVersion } from "../actors/ports.ts";
import type { PrincipalAttribute, Role } from "./ports.ts";

/** A role as it is stored. */
export interface StoredRole extends Role {
  /** Of all roles together: a later change has a higher one, also of a role that was removed and made anew. */
  version: number;
  /** Unix ms. */
  changedAt: number;
}

export type RoleChange =
  /** `created`: there was no such role. */
  | { is: "saved"; role: StoredRole; created: boolean }
  /** It is so already. */
  | { is: "unchanged"; role: StoredRole }
  /** It is not as `ifVersion` says; absent = there is no such role. */
  | { is: "other-version"; version?: number }
  /** There are `MAX_ROLES`. */
  | { is: "too-many" };

export interface RoleStore {
  /** All roles, if something was changed after `revision`. */
  since(revision: number): Promise<{ revision: number; roles: StoredRole[] } | undefined>;
  save(role: Role, ifVersion?: IfVersion): Promise<RoleChange>;
  remove(name: string, ifVersion?: IfVersion): Promise<{ is: "removed" } | Refused>;
}
type Refused = Extract<RoleChange, { is: "other-version" }>;

/** A key as it is stored: without itself. */
export interface StoredKey {
  /** A UUID. */
  id: string;
  /** Of all keys together: a later change has a higher one. */
  revision: number;
  name: string;
  /** SHA-256 of the key, in hexadecimal digits. */
  hash: string;
  roles: readonly string[];
  attributes: Readonly<Record<string, PrincipalAttribute>>;
  /** Unix ms. */
  createdAt: number;
  /** Unix ms. Absent = never. */
  expires?: number;
}

/** What is there stays as it is. */
export interface KeyChange extends Partial<Pick<StoredKey, "name" | "roles" | "attributes">> {
  /** Unix ms; `null` = never. */
  expires?: number | null;
}

export interface KeyStore {
  /** Keys that were made or changed after `revision`, and how many there are; `undefined` = nothing was changed, nor removed. */
  since(revision: number): Promise<{ revision: number; count: number; keys: StoredKey[] } | undefined>;
  /** Of all keys. */
  ids(): Promise<string[]>;
  /** `undefined` = there are `MAX_KEYS`. */
  create(key: Omit<StoredKey, "revision">): Promise<StoredKey | undefined>;
  /** `undefined` = there is no such key. */
  change(id: string, change: KeyChange): Promise<StoredKey | undefined>;
  /** Whether there was one. */
  remove(id: string): Promise<boolean>;
}
