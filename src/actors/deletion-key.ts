import { createHash } from "node:crypto";

/** Under what a deletion is remembered. */
export function deletionKey(id: string, entity: string, erase: boolean): string {
  return digest([id, entity, erase]);
}

/**
 * Under what a patch is remembered: the same id with something else in it is another patch. It stands beside commands, whose ids have no line
 * breaks: who may command could else take the place of a patch.
 */
export function patchKey(id: string, labels: readonly string[] | undefined, attributes: string): string {
  return `\n${digest([id, attributes, JSON.stringify(labels ?? null)])}`;
}

/** Under what a command is remembered when its entity is deleted. */
export function formerCommandKey(id: string, entity: string): string {
  return digest([id, entity]);
}

/** Tells neither the entity, which may have to be forgotten, nor the request's own id. 132 bits: no two are taken for one. */
function digest(request: readonly (string | boolean)[]): string {
  return createHash("sha256").update(JSON.stringify(request)).digest("base64url").slice(0, 22);
}
