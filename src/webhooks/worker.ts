/**
 * Delivers the events of one webhook, as long as this node holds it: at least once, those of one subject in order.
 *
 * It sends letters that are due, and pages of events from the log. An event that fails becomes a letter, and so do the later ones of its subject,
 * while other subjects go on. What is not answered soon becomes one too, while its request goes on: a page waits for no slow subject, and what came
 * of it is saved before more is read. Too many failures, or `Retry-After`, pause the whole webhook; then one letter at a time tries whether it is
 * there again.
 *
 * States: running ⇄ waiting (for events, for a letter to be due, for the end of a pause, for the lease to be renewed) → stopped.
 */
import { StoreAway } from "../actors/ports.ts";
import { Arrival } from "../events/arrival.ts";
import { type Cursor, START } from "../events/cursor.ts";
import { type EventTest, eventTest } from "../events/filter.ts";
import type { Follower } from "../events/follower.ts";
import type { LoggedEvent } from "../events/ports.ts";
import { CursorError } from "../events/position.ts";
import { EVENT_RETRY_MS } from "../limits.ts";
import type { DelivererOptions, DeliveryStats } from "./deliverer.ts";
import { Endpoint } from "./endpoint.ts";
import { Letters } from "./letters.ts";
import {
  MAX_WEBHOOK_WAITING,
  WEBHOOK_PAUSE_LONGEST_MS,
  WEBHOOK_REQUESTS,
  WEBHOOK_SAVE_MS,
  WEBHOOK_TIMEOUT_MS,
} from "./limits.ts";
import { LOOK_MS, LookAhead } from "./look-ahead.ts";
import { pageWait } from "./page-wait.ts";
import type { Held, Letter, Progress } from "./ports.ts";
import { count, countDead, type Landed, noProgress, type Page } from "./progress.ts";
import { type Aside, lastsDropped, nextAside } from "./set-aside.ts";

export class WebhookWorker {
  readonly #options: DelivererOptions;
  readonly #stats: DeliveryStats;
  readonly #letters = new Letters();
  readonly #lookAhead = new LookAhead();
  readonly #endpoint: Endpoint;
  /** When it was sent to last. */
  #wasDoubtful = false;
  #held: Held;
  #test: EventTest;
  #follower: Follower;
  #arrival: Arrival<LoggedEvent[] | undefined>;
  #cursor: Cursor;
  /** Where the cursor is saved though nothing passed the filter, on the monotonic clock. */
  #saveAt = 0;
  #isSaved = true;
  /** Monotonic: until then this node holds the webhook. */
  #leaseEnd: number;
  /** By which the letters were loaded. */
  #loaded: { redelivered: number; test: EventTest } | undefined;
  /** There are more than were loaded. */
  #hasMore = false;
  /** Subjects whose events are deleted: what is in hand of them is not sent or saved any more. */
  readonly #forgotten = new Set<string>();
  /** Subjects that have a letter under way, none twice. */
  readonly #busy = new Map<string, Promise<unknown>>();
  /** Not saved yet. */
  readonly #landed: Landed[] = [];
  #saving: Promise<unknown> = Promise.resolve();
  #stopped = false;
  #running: Promise<void> = Promise.resolve();

  constructor(held: Held, leaseEnd: number, options: DelivererOptions, stats: DeliveryStats) {
    this.#options = options;
    this.#stats = stats;
    this.#held = held;
    this.#leaseEnd = leaseEnd;
    this.#cursor = held.cursor;
    this.#test = eventTest(held.webhook, { isStored: true });
    this.#endpoint = new Endpoint(options, held.pausedUntil);
    this.#arrival = new Arrival(options.clock);
    this.#follower = options.tail.follow(held.cursor);
  }

  get generation(): number {
    return this.#held.generation;
  }
  /** It has stopped by itself: another holds the webhook, or it was disabled. */
  get over(): boolean {
    return this.#stopped;
  }
  get waiting(): number {
    return this.#letters.size;
  }

  start(): void {
    this.#running = this.#run().catch(this.#options.onFatal);
  }

  /** The lease is renewed, and this is how it is configured now. */
  renewed(held: Held, leaseEnd: number): void {
    if (held.webhook.where !== this.#held.webhook.where)
      this.#test = eventTest(held.webhook, { isStored: true });
    this.#held = held;
    this.#leaseEnd = leaseEnd;
    this.#arrival.poke();
  }

  /** Drops what is in memory about an entity whose events are deleted. Resolves when nothing of it is saved any more. */
  async forget(subject: string): Promise<void> {
    this.#forgotten.add(subject);
    this.#letters.forget(subject);
    this.#arrival.poke();
    await this.#saving;
  }

  /** Resolves when nothing is under way any more. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#follower.close();
    this.#arrival.poke();
    await this.#running;
  }

  async #run(): Promise<void> {
    while (!this.#stopped) {
      try {
        await this.#turn();
      } catch (error) {
        if (error instanceof StoreAway) await this.#sleep(EVENT_RETRY_MS);
        else if (error instanceof CursorError) await this.#skipGap();
        else throw error;
      }
    }
    await Promise.all(this.#busy.values());
    await this.#land().catch((error: unknown) => {
      if (!(error instanceof StoreAway)) throw error;
    });
  }

  async #turn(): Promise<void> {
    const { clock } = this.#options;
    if (this.#forgotten.size > 0) this.#readAnew();
    if (this.#landed.length > 0) await this.#land();
    const isChanged =
      this.#loaded?.redelivered !== this.#held.redelivered || this.#loaded.test !== this.#test;
    if (isChanged || (this.#hasMore && this.#letters.size < MAX_WEBHOOK_WAITING)) await this.#load();
    if (!this.#isSaved && clock.monotonic() >= this.#saveAt) await this.#save(noProgress(this.#cursor));
    // From here on nothing is awaited before it is told of what lands.
    if (this.#landed.length > 0) return;
    // Older events of a subject may not be in memory yet: none that is read now may overtake them.
    if (this.#hasMore && this.#letters.size < MAX_WEBHOOK_WAITING) return;
    const pause = Math.max(
      this.#endpoint.pausedUntil - clock.now(),
      this.#leaseLeft() > 0 ? 0 : EVENT_RETRY_MS,
    );
    if (pause > 0) return this.#sleep(pause);
    const { isDoubtful } = this.#endpoint;
    const most = isDoubtful ? 1 : WEBHOOK_REQUESTS;
    const isFull = this.#letters.size >= MAX_WEBHOOK_WAITING;
    // What waits and is not in memory may not be overtaken either.
    const mayLook = (isFull || isDoubtful) && !this.#hasMore;
    const looks = mayLook && this.#lookAhead.goesOn(clock.monotonic());
    const free = looks && isDoubtful ? 0 : most - this.#busy.size;
    const now = clock.now();
    if (this.#wasDoubtful && !isDoubtful) this.#letters.hastenOutage(now);
    this.#wasDoubtful = isDoubtful;
    // The pauses are wait enough: that of a letter may be hours.
    if (isDoubtful && free > 0 && this.#letters.nextAt(this.#busy) > now) this.#letters.hastenNext(now);
    const due = this.#letters.due(now, free, this.#busy);
    for (const letter of due) this.#launch(letter);
    if (this.#busy.size >= most) return this.#sleep(WEBHOOK_PAUSE_LONGEST_MS);
    const untilDue = this.#letters.nextAt(this.#busy) - clock.now();
    if (isFull && !looks) return this.#sleep(untilDue);
    if (!looks && this.#lookAhead.isAhead) this.#readAnew();
    const wait = looks ? LOOK_MS : Math.min(Math.max(untilDue, 0), WEBHOOK_PAUSE_LONGEST_MS);
    const came = await this.#arrival.take(() => this.#follower.next(), wait);
    if (came?.value === undefined) return;
    if (looks) this.#tryOther(came.value);
    else await this.#deliver(came.value);
  }

  /** Tries an event of an entity of which none waits, if there is one. */
  #tryOther(events: readonly LoggedEvent[]): void {
    const waits = (subject: string) => this.#letters.has(subject) || this.#busy.has(subject);
    const event = this.#lookAhead.find(events, this.#test, waits);
    // What is in hand may be erased.
    if (event === undefined || this.#forgotten.size > 0) return;
    this.#readAnew();
    this.#launch({ event, attempts: 0, nextAt: this.#options.clock.now() });
  }

  /** Takes what waits; what a filter that was changed does not pass any more is dropped. */
  async #load(): Promise<void> {
    const { webhook, redelivered } = this.#held;
    const test = this.#test;
    const limit = 2 * MAX_WEBHOOK_WAITING;
    const waiting = await this.#options.deliveries.waiting(webhook.id, limit);
    const aside = new Map<Letter, Aside>();
    for (const letter of lastsDropped(waiting, test)) aside.set(letter, await this.#nextAside(letter));
    const kept = waiting.filter(({ event }) => !this.#forgotten.has(event.subject));
    const { passed = [], dropped = [] } = Object.groupBy(kept, ({ event }) =>
      test(event) ? "passed" : "dropped",
    );
    this.#letters.load(passed, this.#endpoint.taken, this.#options.clock.now());
    this.#hasMore = waiting.length === limit;
    this.#loaded = { redelivered, test };
    const back = dropped.flatMap((letter) => {
      const next = aside.get(letter);
      return next === undefined ? [] : this.#letters.comeBack(letter, next);
    });
    const letters = [...back, ...this.#letters.takeExcess(this.#options.clock.now())];
    if (dropped.length === 0 && letters.length === 0) return;
    const done = dropped.map(({ event }) => event.cursor);
    await this.#save({ ...noProgress(this.#cursor), done, letters });
    this.#stats.dead += countDead(letters, this.#forgotten);
  }

  /** For how long requests may still be begun, ms. */
  #leaseLeft(): number {
    return this.#leaseEnd - WEBHOOK_TIMEOUT_MS - this.#options.clock.monotonic();
  }

  #launch(letter: Letter): void {
    const sent = this.#post(letter.event).then((error) => this.#arrive(letter, error));
    this.#busy.set(letter.event.subject, sent);
    sent.catch(this.#options.onFatal);
  }

  #arrive(letter: Letter, error: string | undefined): void {
    this.#landed.push({ letter, error });
    this.#arrival.poke();
  }

  /** Saves what came of letters. */
  async #land(): Promise<void> {
    const landed = [...this.#landed];
    const aside = new Map<Letter, Aside>();
    for (const { letter } of landed)
      if (this.#letters.isBeforeAside(letter)) aside.set(letter, await this.#nextAside(letter));
    this.#landed.splice(0, landed.length);
    const progress = noProgress(this.#cursor);
    const done: Letter[] = [];
    const changed: Letter[] = [];
    const back: Letter[] = [];
    for (const { letter, error } of landed) {
      this.#busy.delete(letter.event.subject);
      count(progress, error);
      // Those of an erased entity are none any more.
      if (!this.#letters.includes(letter)) continue;
      const failed = error === undefined ? undefined : this.#failedAgain(letter, error);
      // In the same save, so that no newer one overtakes them whoever goes on.
      const next = failed?.nextAt === undefined ? aside.get(letter) : undefined;
      if (next !== undefined) back.push(...this.#letters.comeBack(letter, next, failed));
      if (failed === undefined) {
        done.push(letter);
        this.#letters.taken(letter);
      } else {
        changed.push(failed);
        this.#letters.failed(failed);
      }
    }
    if (landed.length === 0) return;
    this.#lookAhead.landed(changed.length > 0, progress.delivered > 0);
    const excess = this.#letters.takeExcess(this.#options.clock.now());
    const kept = [...changed, ...back].filter(({ event }) => !excess.some((one) => one.event === event));
    const letters = [...kept, ...excess];
    await this.#save({ ...progress, done: done.map(({ event }) => event.cursor), letters });
    this.#stats.dead += countDead(letters, this.#forgotten);
  }

  /** Of what is set aside what comes after a letter. */
  #nextAside({ event: { subject, cursor } }: Letter): Promise<Aside> {
    const { deliveries, clock } = this.#options;
    const limit = this.#letters.asideShare;
    const read = (after: Cursor) => deliveries.aside(this.#held.webhook.id, subject, after, limit);
    return nextAside(read, cursor, limit, this.#test, clock.now());
  }

  async #deliver(events: readonly LoggedEvent[]): Promise<void> {
    const { clock } = this.#options;
    const cursor = events.at(-1)!.cursor;
    const wanted = events.filter(this.#test);
    if (wanted.length === 0) {
      this.#cursor = cursor;
      this.#isSaved = false;
      return;
    }
    const subjects = [...Map.groupBy(wanted, ({ subject }) => subject).values()];
    const page: Page = { progress: noProgress(this.#cursor), letters: [], under: new Map(), isOver: false };
    const work = async () => {
      for (let own = subjects.shift(); own !== undefined; own = subjects.shift())
        await this.#deliverSubject(own, page);
    };
    const lanes = Array.from({ length: WEBHOOK_REQUESTS - this.#busy.size }, work);
    const done = Promise.all(lanes);
    await pageWait(clock, Promise.race(lanes), done);
    page.isOver = true;
    for (const subject of page.under.keys()) this.#busy.set(subject, done);
    const begun = [...page.under.values()].flat();
    const rest = subjects.splice(0).flatMap((own) => this.#letters.behind(own, clock.now()));
    const letters = [...page.letters, ...begun, ...rest];
    await this.#save({ ...page.progress, cursor, letters });
    for (const letter of letters) this.#keep(letter);
    this.#stats.dead += countDead(letters, this.#forgotten);
  }

  /** Sends those of one subject, until one fails. */
  async #deliverSubject(events: readonly LoggedEvent[], page: Page): Promise<void> {
    const { subject } = events[0]!;
    const letters = this.#letters.behind(events, this.#options.clock.now());
    const isBehind = this.#letters.has(subject) || this.#busy.has(subject);
    for (const [i, event] of events.entries()) {
      if (this.#forgotten.has(subject)) return;
      const isHeld = this.#endpoint.isDoubtful || this.#leaseLeft() <= 0 || this.#stopped;
      const left = letters.slice(i);
      if (isBehind || isHeld) return void page.letters.push(...left);
      page.under.set(subject, left);
      const error = await this.#post(event);
      if (page.isOver) return this.#arrive(left[0]!, error);
      page.under.delete(subject);
      count(page.progress, error);
      if (error === undefined) continue;
      const failed = { ...this.#endpoint.failed(left[0]!, error), refusals: 1 };
      return void page.letters.push(failed, ...left.slice(1));
    }
  }

  /** @returns why it failed. */
  #post(event: LoggedEvent): Promise<string | undefined> {
    return this.#endpoint.post(this.#held.webhook, event, this.#letters.isRefused(event.subject));
  }

  #keep(letter: Letter): void {
    const { subject } = letter.event;
    if (this.#forgotten.has(subject)) return;
    if (letter.nextAt === undefined) this.#letters.setAside(subject);
    else this.#letters.add(letter);
    if (letter.attempts > 0) this.#letters.countFailure(subject, this.#endpoint.taken);
  }

  #failedAgain(letter: Letter, error: string): Letter {
    const refusals = this.#letters.countFailure(letter.event.subject, this.#endpoint.taken);
    return { ...this.#endpoint.failed(letter, error), refusals };
  }

  /** Saves, however often it must be tried: what was sent must not be sent again for nothing. */
  async #save(progress: Progress): Promise<void> {
    const { deliveries, holder, clock } = this.#options;
    const { webhook, generation } = this.#held;
    const { pausedUntil, disabledReason } = this.#endpoint;
    const paused = pausedUntil > clock.now() ? { pausedUntil } : {};
    this.#stats.delivered += progress.delivered;
    this.#stats.failures += progress.failures;
    for (;;) {
      try {
        const letters = progress.letters.filter(({ event }) => !this.#forgotten.has(event.subject));
        const saving = deliveries.save(webhook.id, holder, generation, {
          ...{ ...progress, letters, ...paused },
          disabledReason,
        });
        this.#saving = saving.catch(() => {});
        const saved = await saving;
        if (!saved || disabledReason !== undefined) this.#stopped = true;
        this.#cursor = progress.cursor;
        this.#isSaved = true;
        this.#saveAt = clock.monotonic() + WEBHOOK_SAVE_MS;
        return;
      } catch (error) {
        if (!(error instanceof StoreAway) || this.#stopped) throw error;
        await this.#sleep(EVENT_RETRY_MS);
      }
    }
  }

  /** What is being read may have been read before it was deleted. */
  #readAnew(): void {
    const { tail, clock } = this.#options;
    this.#forgotten.clear();
    this.#lookAhead.reset();
    this.#follower.close();
    this.#follower = tail.follow(this.#cursor);
    this.#arrival = new Arrival(clock);
  }

  /** Retention was faster: goes on with the oldest that is kept. */
  async #skipGap(): Promise<void> {
    const { tail, clock, onGap } = this.#options;
    onGap(this.#held.webhook.id);
    this.#follower.close();
    this.#follower = tail.follow(START);
    this.#arrival = new Arrival(clock);
    await this.#save({ ...noProgress(this.#cursor), cursor: START, gaps: 1 });
  }

  /** Until something has changed, `ms` at most. */
  #sleep(ms: number): Promise<void> {
    if (this.#stopped) return Promise.resolve();
    return this.#arrival.pause(Math.min(Math.max(ms, 0), WEBHOOK_PAUSE_LONGEST_MS));
  }
}
