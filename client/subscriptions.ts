import type { View } from "./view.ts";

/**
 * Whom a frame is for. The client names each subscription anew, so that late frames of an earlier one of the same view
 * are told apart; the server's answer gives it a number, which names it in binary frames.
 */
export class Subscriptions {
  readonly #views = new Map<string, View>();
  readonly #names = new Map<number, string>();
  #last = 0;

  /** A name that this connection never used. */
  name(view: View): string {
    const name = `v${++this.#last}`;
    this.#views.set(name, view);
    return name;
  }

  /** The server's number for a name, until it gives it to another. */
  number(name: string, number: number): void {
    if (this.#views.has(name)) this.#names.set(number, name);
  }

  forget(name: string): void {
    this.#views.delete(name);
    for (const [number, named] of this.#names) if (named === name) this.#names.delete(number);
  }

  named(name: string): View | undefined {
    return this.#views.get(name);
  }

  numbered(number: number): View | undefined {
    const name = this.#names.get(number);
    return name === undefined ? undefined : this.#views.get(name);
  }
}
