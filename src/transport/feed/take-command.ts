/** The op `command`: hand in, and reply after the commit. */
import type { CommandHandler } from "../../actors/messages.ts";
import { MAX_PENDING_COMMANDS_PER_CONNECTION } from "../../limits.ts";
import type { CommandMessage } from "./protocol.ts";
import type { Session } from "./session.ts";

/**
 * Resolves when the message has been answered; rejects if `handler` fails, which it must not.
 * @param newId makes ids for commands that have none.
 */
export async function takeCommand(
  session: Session,
  { n, id: entity, command: id, name, data }: CommandMessage,
  handler: CommandHandler,
  newId: () => string,
): Promise<void> {
  if (session.pendingCommands >= MAX_PENDING_COMMANDS_PER_CONNECTION) {
    const detail = `at most ${MAX_PENDING_COMMANDS_PER_CONNECTION} commands may wait for their reply`;
    session.refuse({ type: "too-many-commands", detail, n });
    return;
  }
  const command = { id: id ?? newId(), entity, name, data };
  session.pendingCommands++;
  try {
    const result = await handler.command(command);
    session.sendMessage({ op: "reply", n, command: command.id, ...result });
  } finally {
    session.pendingCommands--;
  }
}
