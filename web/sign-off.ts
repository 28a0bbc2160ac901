/** What became of sign-offs. It belongs to the entity that was asked: another one may be selected when the answer comes. */
import type { CommandResult } from "../client/command-queue.ts";
import type { ConnectionState } from "../client/connection-state.ts";
import { CommandOutcomeUnknown, ConnectionClosed } from "../client/errors.ts";

/** What the panel says of the button, and whether it does something; `text` is empty if there is nothing to say. */
export interface SignOffTold {
  canBeAsked: boolean;
  text: string;
}

interface Outcome {
  text: string;
  accepted: boolean;
  /** Since then it was seen signed off. */
  isSeen: boolean;
}

export class SignOffs {
  readonly #command: (id: string) => Promise<CommandResult>;
  readonly #changed: () => void;
  readonly #answered: (id: string) => void;
  readonly #waiting = new Set<string>();
  /** What became of it, by id. */
  readonly #outcomes = new Map<string, Outcome>();

  /** Whom no role allows to sign off: it is not offered again, until the page is loaded anew. */
  readonly #forbidden = new Set<string>();

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
    let text: string;
    let accepted = false;
    try {
      const result = await this.#command(id);
      accepted = result.accepted;
      if (!result.accepted && result.type === "forbidden") this.#forbidden.add(id);
      text = result.accepted ? "Signed off." : `Not signed off: ${result.detail}`;
    } catch (error) {
      const isUnknown = error instanceof CommandOutcomeUnknown || error instanceof ConnectionClosed;
      text = isUnknown
        ? "The connection was lost: it is not known whether it was signed off."
        : `Not signed off: ${(error as Error).message}`;
    }
    this.#waiting.delete(id);
    this.#outcomes.set(id, { text, accepted, isSeen: false });
    this.#answered(id);
    this.#changed();
  }

  /** Whether it was refused because no role allows it. */
  isForbidden(id: string): boolean {
    return this.#forbidden.has(id);
  }

  /** What was read is not told again. */
  read(id: string): void {
    this.#outcomes.delete(id);
  }

  /** How an entity is by now. One that was signed off and can be again has come back: that it was is no news any more. */
  seen(id: string, canSignOff: boolean): void {
    const outcome = this.#outcomes.get(id);
    if (outcome?.accepted !== true) return;
    if (!canSignOff) outcome.isSeen = true;
    else if (outcome.isSeen) this.read(id);
  }

  /** Nothing is asked without a connection: it would be carried out when nobody thinks of it any more. @param isOffered there is a button for it */
  told(id: string, connection: ConnectionState["name"], isOffered = true): SignOffTold {
    const isOpen = connection === "open";
    if (this.#waiting.has(id))
      return {
        canBeAsked: false,
        text: isOpen ? "Signing off …" : "The sign-off was asked for and waits for the connection.",
      };
    const outcome = this.#outcomes.get(id)?.text ?? "";
    if (isOpen || !isOffered) return { canBeAsked: isOpen, text: outcome };
    return { canBeAsked: false, text: outcome || "Without a connection it cannot be asked to sign off." };
  }
}
