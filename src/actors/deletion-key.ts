import { createHash } from "node:crypto";

/** Under what a deletion is remembered: it tells neither the entity, which may have to be forgotten, nor the deletion's own id. 132 bits: no two are taken for one. */
export function deletionKey(id: string, entity: string, erase: boolean): string {
  return createHash("sha256")
    .update(JSON.stringify([id, entity, erase]))
    .digest("base64url")
    .slice(0, 22);
}
