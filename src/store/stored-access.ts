import type { StoreContext } from "./session.ts";
import { StoredKeys } from "./stored-keys.ts";
import { StoredRoles } from "./stored-roles.ts";

/** Who may do what. */
export class StoredAccess {
  readonly roles: StoredRoles;
  readonly keys: StoredKeys;

  constructor(context: StoreContext) {
    this.roles = new StoredRoles(context);
    this.keys = new StoredKeys(context);
  }
}
