/** What is asked of the owner of a shard on behalf of a client, and what it answers; as JSON, of which `undefined` is left out. */
import {
  COMMAND_REFUSALS,
  type CommandResult,
  isObject,
  type JsonObject,
  MOVED,
  type Request,
} from "../actors/messages.ts";
import { MAX_COMMAND_ID_LENGTH, MAX_ID_LENGTH, MAX_LABELS, MAX_NAME_LENGTH } from "../limits.ts";

export interface CommandRequest {
  /** Of the sender, the same whenever the command is sent again. */
  n: number;
  /** Under which its shard is believed to be the receiver's. */
  epoch: number;
  command: Request;
}

export interface CommandAnswer {
  n: number;
  result: CommandResult | typeof MOVED;
}

/** Reads what another node asks; `undefined` if it asks nothing. */
export function readCommandRequest({
  n,
  epoch,
  command,
}: Record<string, unknown>): CommandRequest | undefined {
  if (!isCount(n) || !isCount(epoch) || !isObject(command)) return undefined;
  const { id, entity } = command;
  if (!isText(id, MAX_COMMAND_ID_LENGTH) || !isText(entity, MAX_ID_LENGTH) || !saysWhat(command))
    return undefined;
  return { n, epoch, command: command as unknown as Request };
}

/** Reads what another node answers; `undefined` if it is no answer. */
export function readCommandAnswer({ n, result }: Record<string, unknown>): CommandAnswer | undefined {
  if (!isCount(n)) return undefined;
  if (result === MOVED) return { n, result };
  if (!isObject(result)) return undefined;
  const { accepted, state, type, detail } = result;
  const fits = accepted
    ? accepted === true && typeof state === "string"
    : accepted === false &&
      typeof type === "string" &&
      Object.hasOwn(COMMAND_REFUSALS, type) &&
      typeof detail === "string";
  return fits ? { n, result: result as unknown as CommandResult } : undefined;
}

/** Whether it has what one of its kind needs. */
function saysWhat({ name, data, erase, labels, attributes }: JsonObject): boolean {
  if (erase !== undefined) return typeof erase === "boolean";
  if (labels !== undefined || attributes !== undefined)
    return (labels === undefined || isLabels(labels)) && (attributes === undefined || isObject(attributes));
  return isText(name, MAX_NAME_LENGTH) && (data === undefined || isObject(data));
}

function isLabels(value: unknown): boolean {
  return (
    Array.isArray(value) && value.length <= MAX_LABELS && value.every((one) => isText(one, MAX_NAME_LENGTH))
  );
}

function isText(value: unknown, maxLength: number): boolean {
  return typeof value === "string" && value.length > 0 && value.length <= maxLength;
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
