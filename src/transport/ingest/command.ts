/** Bounds a command, whichever way it came: the edge where everything is refused that must not get further. */
import { MAX_COMMAND_ID_LENGTH, MAX_ID_LENGTH, MAX_NAME_LENGTH } from "../../limits.ts";
import { attributesFault } from "./attributes.ts";
import { idFault, nameFault } from "./report.ts";

/** Members of a deletion as they came. */
export interface DeletionMembers {
  /** Its own; absent = it has none. */
  id: unknown;
  entity: unknown;
  erase: unknown;
}

/**
 * What is wrong with a deletion, as a sentence, or `undefined`: then `id` is a string or absent, `entity` is one, `erase` is true or false.
 * @param idMember what the client calls `id`.
 */
export function deletionFault({ id, entity, erase }: DeletionMembers, idMember: string): string | undefined {
  return (
    // Not `idFault`: what a version before took under such an id must go.
    nameFault("id", entity, MAX_ID_LENGTH) ??
    (id === undefined ? undefined : nameFault(idMember, id, MAX_COMMAND_ID_LENGTH)) ??
    (typeof erase === "boolean" ? undefined : "erase must be true or false")
  );
}

/** Members of a command as they came. */
export interface CommandMembers {
  /** Its own; absent = it has none. */
  id: unknown;
  entity: unknown;
  name: unknown;
  data: unknown;
}

/**
 * What is wrong with a command, as a sentence, or `undefined`: then `id` is a string or absent, `entity` and `name` are strings, `data` is an object
 * or absent, bounded as attributes are.
 * @param entityMember what the client calls `entity`. @param idMember what it calls `id`.
 */
export function commandFault(
  { id, entity, name, data }: CommandMembers,
  entityMember: string,
  idMember: string,
): string | undefined {
  return (
    idFault(entityMember, entity) ??
    (id === undefined ? undefined : nameFault(idMember, id, MAX_COMMAND_ID_LENGTH)) ??
    nameFault("name", name, MAX_NAME_LENGTH) ??
    (data === undefined ? undefined : attributesFault(data, "data"))
  );
}
