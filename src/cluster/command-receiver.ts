/** Hands commands that other nodes forward to the actors of this node, and answers when what was decided on them is committed. */
import type { LocalCommands } from "../actors/messages.ts";
import { MAX_COMMANDS_UNDER_WAY } from "../limits.ts";
import { type CommandAnswer, readCommandRequest } from "./command-message.ts";

export interface CommandReceiverOptions {
  local: LocalCommands;
  /** To a node's reply channel; may be lost. */
  send(node: string, answer: CommandAnswer): void;
}

export class CommandReceiver {
  readonly #options: CommandReceiverOptions;
  /** By sender and its number: handed in, and not answered. */
  readonly #underWay = new Set<string>();
  readonly stats = { taken: 0, dropped: 0, malformed: 0 };

  constructor(options: CommandReceiverOptions) {
    this.#options = options;
  }

  /** What another node says, whatever is in it. */
  take(sender: string, body: Record<string, unknown>): void {
    const request = readCommandRequest(body);
    if (request === undefined) {
      this.stats.malformed += 1;
      return;
    }
    const { n, epoch, command } = request;
    const key = `${sender} ${n}`;
    // The answer to the first will come, and what has no room is sent again.
    if (this.#underWay.has(key) || this.#underWay.size >= MAX_COMMANDS_UNDER_WAY) {
      this.stats.dropped += 1;
      return;
    }
    this.stats.taken += 1;
    this.#underWay.add(key);
    const { local, send } = this.#options;
    void local.commandPlaced(command, epoch).then((result) => {
      this.#underWay.delete(key);
      send(sender, { n, result });
    });
  }
}
