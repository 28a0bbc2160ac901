/** The events of a webhook that wait to be tried again: by subject, in order, so that only the oldest of each subject is tried. */
import { compareCursors } from "../events/cursor.ts";
import type { Letter } from "./ports.ts";

export class Letters {
  readonly #bySubject = new Map<string, Letter[]>();
  #size = 0;

  /** Replaces all. */
  load(letters: readonly Letter[]): void {
    this.#bySubject.clear();
    this.#size = 0;
    for (const letter of letters) this.add(letter);
  }

  get size(): number {
    return this.#size;
  }

  has(subject: string): boolean {
    return this.#bySubject.has(subject);
  }

  add(letter: Letter): void {
    const { subject, cursor } = letter.event;
    const own = this.#bySubject.get(subject);
    this.#size++;
    if (own === undefined) {
      this.#bySubject.set(subject, [letter]);
      return;
    }
    const after = own.findLastIndex(({ event }) => compareCursors(event.cursor, cursor) < 0);
    own.splice(after + 1, 0, letter);
  }

  /** Takes out all of a subject. */
  forget(subject: string): void {
    this.#size -= this.#bySubject.get(subject)?.length ?? 0;
    this.#bySubject.delete(subject);
  }

  /** Takes out the oldest of a subject: it is delivered, or given up. No-op if there is none any more. */
  shift(subject: string): void {
    const own = this.#bySubject.get(subject);
    if (own === undefined) return;
    own.shift();
    this.#size--;
    if (own.length === 0) this.#bySubject.delete(subject);
  }

  /** The oldest letters of subjects that are due, `limit` at most. @param now Unix ms. */
  due(now: number, limit: number): Letter[] {
    const due: Letter[] = [];
    for (const [letter] of this.#bySubject.values()) {
      if (letter!.nextAt! > now) continue;
      due.push(letter!);
      if (due.length === limit) break;
    }
    return due;
  }

  /** When the next is due, Unix ms; Infinity = none waits. */
  get nextAt(): number {
    let next = Infinity;
    for (const [letter] of this.#bySubject.values()) next = Math.min(next, letter!.nextAt!);
    return next;
  }
}
