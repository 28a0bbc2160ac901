import { createHash } from "node:crypto";

/** Under what a deletion is remembered. */
export function deletionKey(id: string, entity: string, erase: boolean): string {
  return digest([id, entity, erase]);
}

/** How keys of patches begin. They stand beside commands, whose ids have no line breaks: who may command could else take the place of a patch. */
const PATCH = "\n";

/** Under what a patch is remembered: the same id with something else in it is another patch. */
export function patchKey(id: string, labels: readonly string[] | undefined, attributes: string): string {
  return PATCH + digest([id, attributes, JSON.stringify(labels ?? null)]);
}

/** Whether a patch is remembered under it, also one whose entity is deleted. */
export function isPatchKey(key: string): boolean {
  return key.startsWith(PATCH);
}

/** Under what a command, or a patch, is remembered when its entity is deleted. @param id of a patch its key */
export function formerCommandKey(id: string, entity: string): string {
  const key = digest([id, entity]);
  return isPatchKey(id) ? PATCH + key : key;
}

/** Tells neither the entity, which may have to be forgotten, nor the request's own id. 132 bits: no two are taken for one. */
function digest(request: readonly (string | boolean)[]): string {
  return createHash("sha256").update(JSON.stringify(request)).digest("base64url").slice(0, 22);
}
