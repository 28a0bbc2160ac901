/** Who a token is of: the admin's, or a key that the node holds. */
import { ADMIN, type Identify, type Principal } from "./ports.ts";
import type { StoredKey } from "./store-ports.ts";

export interface IdentitiesOptions {
  /** Who has the admin token. */
  admin: Identify;
  /** As `StoredKey.hash`. */
  hash(token: string): string;
  /** Wall time, Unix ms. */
  now(): number;
}

interface Identity {
  key: StoredKey;
  principal: Principal;
}

export class Identities {
  readonly #options: IdentitiesOptions;
  readonly #byId = new Map<string, Identity>();
  readonly #byHash = new Map<string, Identity>();
  #revision = 0;

  constructor(options: IdentitiesOptions) {
    this.#options = options;
  }

  /** Of the newest change. */
  get revision(): number {
    return this.#revision;
  }

  /** By id. */
  get versions(): readonly StoredKey[] {
    return [...this.#byId.values()].map(({ key }) => key).sort((a, b) => (a.id < b.id ? -1 : 1));
  }

  find(id: string): StoredKey | undefined {
    return this.#byId.get(id)?.key;
  }

  /** Who a token is of now; the same object as long as the key is not changed. `undefined` = nobody, also of a key that was removed or has expired. */
  readonly identify: Identify = (token) => {
    const { admin, hash } = this.#options;
    return admin(token) ?? this.#unexpired(this.#byHash.get(hash(token)));
  };

  /**
   * A principal as it is now: the same object as long as its key is not changed.
   * @returns `undefined` = it is none any more: its key was removed or has expired.
   */
  readonly current = (principal: Principal): Principal | undefined =>
    principal === ADMIN ? ADMIN : this.#unexpired(this.#byId.get(principal.id));

  /** How many keys there will be when these were taken. */
  countWith(keys: readonly StoredKey[]): number {
    return this.#byId.size + keys.filter(({ id }) => !this.#byId.has(id)).length;
  }

  /** @param keys that were made or changed. @param ids of all that there are; absent = none was removed. */
  take(revision: number, keys: readonly StoredKey[], ids?: readonly string[]): void {
    for (const key of keys) {
      this.#remove(key.id);
      const identity = { key, principal: principalOf(key) };
      this.#byId.set(key.id, identity);
      this.#byHash.set(key.hash, identity);
    }
    if (ids !== undefined) {
      const there = new Set(ids);
      for (const id of [...this.#byId.keys()]) if (!there.has(id)) this.#remove(id);
    }
    this.#revision = revision;
  }

  #remove(id: string): void {
    const identity = this.#byId.get(id);
    if (identity === undefined) return;
    this.#byId.delete(id);
    this.#byHash.delete(identity.key.hash);
  }

  #unexpired(identity: Identity | undefined): Principal | undefined {
    const expires = identity?.key.expires;
    return expires !== undefined && this.#options.now() >= expires ? undefined : identity?.principal;
  }
}

/** Whoever has the key. */
export function principalOf({ id, name, roles, attributes, expires }: StoredKey): Principal {
  return { id, name, roles, attributes, ...(expires !== undefined && { expires }) };
}
