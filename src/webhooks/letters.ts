/** The events of a webhook that wait to be tried again: by subject, in order, so that only the oldest of each subject is tried. */
import { compareCursors } from "../events/cursor.ts";
import { MAX_WEBHOOK_REFUSED } from "../limits.ts";
import type { Letter } from "./ports.ts";

export class Letters {
  readonly #bySubject = new Map<string, Letter[]>();
  /** Subjects whose events fail while those of others are taken. */
  readonly #refused = new Set<string>();
  #size = 0;

  /** Replaces all. */
  load(letters: readonly Letter[]): void {
    this.#bySubject.clear();
    this.#size = 0;
    for (const letter of letters) this.add(letter);
    for (const subject of this.#refused) if (!this.has(subject)) this.#refused.delete(subject);
  }

  get size(): number {
    return this.#size;
  }

  has(subject: string): boolean {
    return this.#bySubject.has(subject);
  }

  /** How many more of a subject may wait. */
  room(subject: string): number {
    if (!this.#refused.has(subject)) return Infinity;
    return Math.max(0, MAX_WEBHOOK_REFUSED - this.#bySubject.get(subject)!.length);
  }

  /** Its oldest fails again and again while others are taken: until one of it is taken, few may wait. */
  refuse(subject: string): void {
    if (this.has(subject)) this.#refused.add(subject);
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
    this.#refused.delete(subject);
  }

  /** Takes out the oldest of a subject, which was taken. */
  taken(subject: string): void {
    this.#refused.delete(subject);
    this.#shift(subject);
  }

  /** The oldest of a subject has failed once more. */
  failed(letter: Letter): void {
    const own = this.#bySubject.get(letter.event.subject);
    if (own === undefined) return;
    if (letter.nextAt === undefined) this.#shift(letter.event.subject);
    else own[0] = letter;
  }

  /** The oldest letters of subjects that are due, those first that are so for longest, `limit` at most. @param now Unix ms. */
  due(now: number, limit: number): Letter[] {
    const due: Letter[] = [];
    for (const [letter] of this.#bySubject.values()) if (letter!.nextAt! <= now) due.push(letter!);
    return due.sort((a, b) => a.nextAt! - b.nextAt!).slice(0, limit);
  }

  /** When the next is due, Unix ms; Infinity = none waits. */
  get nextAt(): number {
    let next = Infinity;
    for (const [letter] of this.#bySubject.values()) next = Math.min(next, letter!.nextAt!);
    return next;
  }

  /** No-op if there is none any more. */
  #shift(subject: string): void {
    const own = this.#bySubject.get(subject);
    if (own === undefined) return;
    own.shift();
    this.#size--;
    if (own.length === 0) this.forget(subject);
  }
}
