/** What became of sign-offs. It belongs to the entity that was asked: another one may be selected when the answer comes. */
import type { CommandResult } from "../client/command-queue.ts";
import type { ConnectionState } from "../client/connection-state.ts";
import { CommandOutcomeUnknown, ConnectionClosed } from "../client/errors.ts";

/** What the panel says of the button, and whether it does something; `text` is empty if there is nothing to say. */
export interface SignOffTold {
  canBeAsked: boolean;
  text: string;
}

export class SignOffs {
  readonly #command: (id: string) => Promise<CommandResult>;
  readonly #changed: () => void;
  readonly #answered: (id: string) => void;
  readonly #waiting = new Set<string>();
  /** What became of it, by id. */
  readonly #outcomes = new Map<string, string>();

  /** @param command asks it of an entity. @param changed something else is to be told @param answered what is known of an entity may be old */
  constructor(
    command: (id: string) => Promise<CommandResult>,
    changed: () => void,
    answered: (id: string) => void,
  ) {
    this.#command = command;
    this.#changed = changed;
    this.#answered = answered;
  }

  async ask(id: string): Promise<void> {
    this.#waiting.add(id);
    this.#outcomes.delete(id);
    this.#changed();
    let outcome: string;
    try {
      const result = await this.#command(id);
      outcome = result.accepted ? "Signed off." : `Not signed off: ${result.detail}`;
    } catch (error) {
      const isUnknown = error instanceof CommandOutcomeUnknown || error instanceof ConnectionClosed;
      outcome = isUnknown
        ? "The connection was lost: it is not known whether it was signed off."
        : `Not signed off: ${(error as Error).message}`;
    }
    this.#waiting.delete(id);
    this.#outcomes.set(id, outcome);
    this.#answered(id);
    this.#changed();
  }

  /** What was read is not told again. */
  read(id: string): void {
    this.#outcomes.delete(id);
  }

  /** Nothing is asked without a connection: it would be carried out when nobody thinks of it any more. */
  told(id: string, connection: ConnectionState["name"]): SignOffTold {
    const isOpen = connection === "open";
    if (this.#waiting.has(id))
      return {
        canBeAsked: false,
        text: isOpen ? "Signing off …" : "The sign-off was asked for and waits for the connection.",
      };
    const outcome = this.#outcomes.get(id) ?? "";
    if (isOpen) return { canBeAsked: true, text: outcome };
    return { canBeAsked: false, text: outcome || "Without a connection it cannot be asked to sign off." };
  }
}
