import { MessageNotSendable } from "./errors.ts";

/** UTF-8 bytes. The server closes a connection that sends a message with more, for good. */
export const MAX_MESSAGE_BYTES = 2 ** 20;
/** Of one UTF-16 unit, at most. */
const MAX_UNIT_BYTES = 3;

/** A message as it is sent. @throws {MessageNotSendable} if it is not JSON or too large */
export function messageText(message: object): string {
  let text: string;
  try {
    text = JSON.stringify(message);
  } catch (error) {
    throw new MessageNotSendable(`is not JSON: ${error instanceof Error ? error.message : error}`);
  }
  if (text.length * MAX_UNIT_BYTES > MAX_MESSAGE_BYTES) {
    const { length } = new TextEncoder().encode(text);
    if (length > MAX_MESSAGE_BYTES)
      throw new MessageNotSendable(`has ${length} bytes, the limit is ${MAX_MESSAGE_BYTES}`);
  }
  return text;
}
