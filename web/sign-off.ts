/** What became of sign-offs. It belongs to the entity that was asked: another one may be selected when the answer comes. */
import type { CommandResult } from "../client/command-queue.ts";
import type { ConnectionState } from "../client/connection-state.ts";

/** What the panel says of the button, and whether it does something; `text` is empty if there is nothing to say. */
export interface SignOffTold {
  canBeAsked: boolean;
  text: string;
}

export class SignOffs {
  readonly #command: (id: string) => Promise<CommandResult>;
  readonly #changed: () => void;
  readonly #waiting = new Set<string>();
  /** Why it was not done, by id. */
  readonly #refused = new Map<string, string>();

  /** @param command asks it of an entity. @param changed something else is to be told */
  constructor(command: (id: string) => Promise<CommandResult>, changed: () => void) {
    this.#command = command;
    this.#changed = changed;
  }

  async ask(id: string): Promise<void> {
    this.#waiting.add(id);
    this.#refused.delete(id);
    this.#changed();
    let refusal: string | undefined;
    try {
      const result = await this.#command(id);
      if (!result.accepted) refusal = result.detail;
    } catch (error) {
      refusal = (error as Error).message;
    }
    this.#waiting.delete(id);
    if (refusal !== undefined) this.#refused.set(id, refusal);
    this.#changed();
  }

  /** A refusal that was read is not told again. */
  read(id: string): void {
    this.#refused.delete(id);
  }

  /** Nothing is asked without a connection: it would be carried out when nobody thinks of it any more. */
  told(id: string, connection: ConnectionState["name"]): SignOffTold {
    const isOpen = connection === "open";
    if (this.#waiting.has(id))
      return {
        canBeAsked: false,
        text: isOpen ? "Signing off …" : "The sign-off was asked for and waits for the connection.",
      };
    const refusal = this.#refused.get(id);
    const refused = refusal === undefined ? "" : `Not signed off: ${refusal}`;
    if (isOpen) return { canBeAsked: true, text: refused };
    return { canBeAsked: false, text: refused || "Without a connection it cannot be asked to sign off." };
  }
}
