/** The ops `command` and `delete`: hand in, and reply after the commit. */
import type { CommandHandler, Request } from "../../actors/messages.ts";
import { MAX_PENDING_COMMANDS_PER_CONNECTION } from "../../limits.ts";
import type { Session } from "./session.ts";

/**
 * Resolves when the message has been answered; rejects if `handler` fails, which it must not.
 * @param n of the message.
 */
export async function takeCommand(
  session: Session,
  n: number,
  request: Request,
  handler: CommandHandler,
): Promise<void> {
  if (session.pendingCommands >= MAX_PENDING_COMMANDS_PER_CONNECTION) {
    const detail = `at most ${MAX_PENDING_COMMANDS_PER_CONNECTION} commands may wait for their reply`;
    session.refuse({ type: "too-many-commands", detail, n });
    return;
  }
  session.pendingCommands++;
  try {
    const result = await handler.command(request);
    session.sendMessage({ op: "reply", n, command: request.id, ...result });
  } finally {
    session.pendingCommands--;
  }
}
