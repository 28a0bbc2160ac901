/** The events of a webhook that wait to be tried again: by subject, in order, so that only the oldest of each subject is tried. */
import { compareCursors } from "../events/cursor.ts";
import type { LoggedEvent } from "../events/ports.ts";
import { MAX_WEBHOOK_ALL_REFUSED, MAX_WEBHOOK_REFUSED } from "./limits.ts";
import type { Letter } from "./ports.ts";
import type { Aside } from "./set-aside.ts";

/** Failures of a subject's oldest, 25 s from the first on at least: an endpoint that was away for a moment has not refused it. */
const REFUSED_AFTER = 3;
const TOO_MANY = `the endpoint refuses this entity: ${MAX_WEBHOOK_REFUSED} events of it wait, fewer if many are refused; this one is sent after them`;

/** Failures of a subject between which others were taken: those of an outage are one. */
interface Failures {
  count: number;
  /** Of all, as many as were taken when the last was counted. */
  taken: number;
}

export class Letters {
  readonly #bySubject = new Map<string, Letter[]>();
  /** Of subjects that wait, until one of theirs is taken. */
  readonly #failures = new Map<string, Failures>();
  /** Those of them that are refused, as many as may be. */
  readonly #refused = new Set<string>();
  /** Those of which later ones are set aside. At least one of each waits. */
  readonly #aside = new Set<string>();
  #size = 0;

  /** Replaces all. @param taken how many the endpoint took, of all: those who refused an entity before count on from there. @param now Unix ms. */
  load(letters: readonly Letter[], taken: number, now: number): void {
    const before = new Map(
      [...this.#refused].map((subject) => [subject, this.#bySubject.get(subject)!.length]),
    );
    this.#bySubject.clear();
    this.#aside.clear();
    this.#size = 0;
    for (const letter of letters) {
      this.add(letter);
      if (letter.hasAside) this.#aside.add(letter.event.subject);
    }
    for (const subject of this.#failures.keys()) if (!this.has(subject)) this.#forgive(subject);
    for (const [subject, own] of this.#bySubject) {
      const [oldest] = own;
      // Of what is refused some is to be tried again: is it refused still?
      if (own.length > (before.get(subject) ?? Infinity)) this.#hasten(oldest!, now);
      const count = oldest!.refusals ?? 0;
      if (count > 0 && !this.#failures.has(subject)) this.#fail(subject, { count, taken });
    }
  }

  get size(): number {
    return this.#size;
  }

  has(subject: string): boolean {
    return this.#bySubject.has(subject);
  }

  /** Letters of events of one subject that wait behind others; set aside if too many do. @param now Unix ms. */
  behind(events: readonly LoggedEvent[], now: number): Letter[] {
    const room = this.room(events[0]!.subject);
    return events.map((event, i) =>
      i < room
        ? { event, attempts: 0, nextAt: now }
        : { event, attempts: 0, failedSince: now, error: TOO_MANY },
    );
  }

  isRefused(subject: string): boolean {
    return this.#refused.has(subject);
  }

  /** Events of a subject of which some wait were set aside. */
  setAside(subject: string): void {
    this.#aside.add(subject);
  }

  /** After this one come those that are set aside. */
  isBeforeAside(letter: Letter): boolean {
    const { subject } = letter.event;
    return this.#aside.has(subject) && this.#bySubject.get(subject)!.length === 1 && this.includes(letter);
  }

  /**
   * After one that is done with come those that are set aside: all that were read if it was taken, else one, which is tried for a day too.
   * @param failed given up. @returns those that wait from now on.
   */
  comeBack({ event: { subject } }: Letter, { letters, isAll }: Aside, failed?: Letter): Letter[] {
    const back = letters.slice(0, failed && 1).map((letter) => ({ ...letter, refusals: failed?.refusals }));
    for (const letter of back) this.add(letter);
    if (isAll && back.length === letters.length) this.#aside.delete(subject);
    else this.#aside.add(subject);
    return back;
  }

  /** How many of a subject come back at once: together they leave room for others. */
  get asideShare(): number {
    return Math.max(1, shareOf(this.#aside.size));
  }

  /** How many more of a subject may wait. */
  room(subject: string): number {
    if (this.#aside.has(subject)) return 0;
    if ((this.#failures.get(subject)?.count ?? 0) < REFUSED_AFTER) return Infinity;
    return Math.max(0, this.#shareOf(subject) - this.#bySubject.get(subject)!.length);
  }

  /**
   * Takes out what refused subjects may not have: the newest of each, as their share is smaller the more there are, and all of those for
   * which there is none: these begin anew with their next. @param now Unix ms. @returns them as dead letters, set aside of those that stay.
   */
  takeExcess(now: number): Letter[] {
    const excess: Letter[] = [];
    for (const [subject, { count }] of this.#failures) {
      const own = this.#bySubject.get(subject)!;
      // What is due, or under way, tells whether it is refused still.
      if (count < REFUSED_AFTER || own[0]!.nextAt! <= now) continue;
      const kept = this.#shareOf(subject);
      const taken = own.splice(kept);
      this.#size -= taken.length;
      for (const { event, attempts, failedSince = now } of taken)
        excess.push({ event, attempts, failedSince, error: TOO_MANY });
      if (kept === 0) this.forget(subject);
      else if (taken.length > 0) this.#aside.add(subject);
    }
    return excess;
  }

  /**
   * The oldest of a subject that waits has failed. If it does so again and again while others are taken, this is about the entity, not about the
   * endpoint: until one of it is taken, few may wait. @param taken how many the endpoint took, of all. @returns how often it did so.
   */
  countFailure(subject: string, taken: number): number {
    const failures = this.#failures.get(subject) ?? { count: 0, taken: -1 };
    if (taken <= failures.taken) return failures.count;
    this.#fail(subject, { count: failures.count + 1, taken });
    return failures.count + 1;
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
    this.#aside.delete(subject);
    this.#forgive(subject);
  }

  /** It is not forgotten. */
  includes(letter: Letter): boolean {
    return this.#indexOf(letter) >= 0;
  }

  /** Takes out one that was delivered. */
  taken(letter: Letter): void {
    this.#forgive(letter.event.subject);
    this.#remove(letter);
  }

  /** One has failed once more. No-op if it was forgotten. */
  failed(letter: Letter): void {
    const index = this.#indexOf(letter);
    if (index < 0) return;
    if (letter.nextAt === undefined) this.#remove(letter);
    else this.#bySubject.get(letter.event.subject)![index] = letter;
  }

  /** The oldest letters of subjects that are due, those first that are not refused and are so for longest, `limit` at most. @param now Unix ms. @param busy left out. */
  due(now: number, limit: number, busy: ReadonlyMap<string, unknown>): Letter[] {
    const due: Letter[] = [];
    for (const [subject, [letter]] of this.#bySubject)
      if (letter!.nextAt! <= now && !busy.has(subject)) due.push(letter!);
    const rank = ({ event }: Letter) => Number(this.#refused.has(event.subject));
    return due.sort((a, b) => rank(a) - rank(b) || a.nextAt! - b.nextAt!).slice(0, Math.max(limit, 0));
  }

  /** Makes the next due that is not of a refused subject. @param now Unix ms. */
  hastenNext(now: number): void {
    let next: Letter | undefined;
    for (const [subject, [letter]] of this.#bySubject)
      if (!this.#refused.has(subject) && letter!.nextAt! < (next?.nextAt ?? Infinity)) next = letter;
    if (next !== undefined) this.#hasten(next, now);
  }

  /** Makes all due that failed in one outage, and have not failed since. @param now Unix ms. */
  hastenOutage(now: number): void {
    for (const [subject, { count }] of this.#failures)
      if (count === 1) this.#hasten(this.#bySubject.get(subject)![0]!, now);
  }

  /** When the next is due, Unix ms; Infinity = none waits. @param busy subjects that are left out. */
  nextAt(busy: ReadonlyMap<string, unknown>): number {
    let next = Infinity;
    for (const [subject, [letter]] of this.#bySubject)
      if (!busy.has(subject)) next = Math.min(next, letter!.nextAt!);
    return next;
  }

  #hasten(oldest: Letter, now: number): void {
    this.#bySubject.get(oldest.event.subject)![0] = { ...oldest, nextAt: Math.min(oldest.nextAt!, now) };
  }

  #shareOf(subject: string): number {
    if (!this.#refused.has(subject)) return 0;
    return shareOf(this.#refused.size);
  }

  #fail(subject: string, failures: Failures): void {
    this.#failures.set(subject, failures);
    if (failures.count < REFUSED_AFTER || this.#refused.has(subject)) return;
    // Who is refused for longest goes: others may be taken yet, if the endpoint fails now and then.
    if (this.#refused.size === MAX_WEBHOOK_ALL_REFUSED)
      this.#refused.delete(this.#refused.keys().next().value!);
    this.#refused.add(subject);
  }

  #forgive(subject: string): void {
    this.#failures.delete(subject);
    this.#refused.delete(subject);
  }

  #indexOf({ event }: Letter): number {
    const own = this.#bySubject.get(event.subject) ?? [];
    return own.findIndex((one) => compareCursors(one.event.cursor, event.cursor) === 0);
  }

  /** No-op if it was forgotten. */
  #remove(letter: Letter): void {
    const { subject } = letter.event;
    const index = this.#indexOf(letter);
    if (index < 0) return;
    const own = this.#bySubject.get(subject)!;
    own.splice(index, 1);
    this.#size--;
    if (own.length === 0) this.forget(subject);
  }
}

/** @param subjects among which the room of refused ones is shared. */
function shareOf(subjects: number): number {
  return Math.min(MAX_WEBHOOK_REFUSED, Math.floor(MAX_WEBHOOK_ALL_REFUSED / subjects));
}
