/** Commands of who may not command everything: the entity is judged as it is when the command comes, before it is sent on. */
import type { CommandHandler, CommandResult, Request } from "../actors/messages.ts";
import { type Authority, permittedNow } from "./permitted-now.ts";
import { ADMIN_ROLE, type Permitted, type Principal } from "./ports.ts";

/** Whether there is an entity of this id that passes, as it is now; `undefined` = it cannot be told now. */
export type EntityPasses = (id: string, permitted: Permitted) => Promise<boolean | undefined>;

/** What a principal may ask of entities. For an admin it is `handler` itself; nobody else may ask what is no command. */
export function permittedCommands(
  handler: CommandHandler,
  principal: Principal,
  authority: Authority,
  passes: EntityPasses,
): CommandHandler {
  if (
    principal.roles.includes(ADMIN_ROLE) &&
    permittedNow(authority, principal, "entity", "command") === "all"
  )
    return handler;
  return { command: (request) => judge(handler, request, principal, authority, passes) };
}

async function judge(
  handler: CommandHandler,
  request: Request,
  principal: Principal,
  authority: Authority,
  passes: EntityPasses,
): Promise<CommandResult> {
  if (!("name" in request)) return refused("forbidden", "only admins may do this");
  const { entity } = request;
  const permitted = permittedNow(authority, principal, "entity", "command");
  if (permitted === "all") return handler.command(request);
  const isForbidden = refused("forbidden", "no role allows commands to this entity");
  // Of no entity at all: that says nothing of this one.
  if (permitted.length === 0) return isForbidden;
  const mayCommand = await passes(entity, permitted);
  if (mayCommand === true) return handler.command(request);
  const readable = permittedNow(authority, principal, "entity", "read");
  const mayRead = mayCommand === false && readable.length > 0 ? await passes(entity, readable) : mayCommand;
  if (mayRead === undefined) return refused("retry", "the entity's shard is being loaded");
  return mayRead ? isForbidden : refused("entity-not-found", `there is no entity ${entity}`);
}

function refused(type: "forbidden" | "retry" | "entity-not-found", detail: string): CommandResult {
  return { accepted: false, type, detail };
}
