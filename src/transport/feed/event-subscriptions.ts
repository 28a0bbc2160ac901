/**
 * Subscriptions of connections to the log of events. Nothing is left out and nothing queued: each reads the log when its socket has room.
 *
 * A subscription is opening (where it begins is looked up) → reading (its follower waits for events) ⇄ sending (some are on their way to the socket,
 * or wait for room) → closed.
 */
import { PermittedEvents } from "../../access/permitted-events.ts";
import { type Authority, permittedNow } from "../../access/permitted-now.ts";
import { ADMIN } from "../../access/ports.ts";
import { StoreAway } from "../../actors/ports.ts";
import type { EventAccess } from "../../events/access.ts";
import { type Cursor, compareCursors, cursorText } from "../../events/cursor.ts";
import { type EventTest, eventTest } from "../../events/filter.ts";
import type { Follower } from "../../events/follower.ts";
import type { LoggedEvent } from "../../events/ports.ts";
import { CursorError, positionOf } from "../../events/position.ts";
import { BASE_TICK_MS, HEARTBEAT_MS, MAX_EVENT_STREAMS, MAX_EVENTS_PER_CONNECTION } from "../../limits.ts";
import { ExpressionError } from "../../picture/cel.ts";
import { FilterCostly } from "../../picture/filter-time.ts";
import type { MessageProblem } from "./decode.ts";
import type { SubscribeEvents, UnsubscribeEvents } from "./protocol.ts";
import type { Session } from "./session.ts";

interface Subscription {
  readonly session: Session;
  readonly name: string;
  readonly test: EventTest;
  /** Absent = all, for ever. */
  readonly permitted: PermittedEvents | undefined;
  state: "opening" | "reading" | "sending" | "closed";
  follower: Follower | undefined;
  /** Where the client knows that it is. */
  told: Cursor | undefined;
  /** Goes on when the socket has room. */
  hasRoom: (() => void) | undefined;
}

/** Once so many base ticks it is looked whether anything is permitted still: a second. */
const LOOK_TICKS = 1_000 / BASE_TICK_MS;
const FORBIDDEN: MessageProblem = { type: "forbidden", detail: "no role allows this to read events" };

export class EventSubscriptions {
  readonly #events: EventAccess | undefined;
  readonly #authority: Authority;
  readonly #failed: (session: Session, error: unknown) => void;
  readonly #bySession = new Map<Session, Map<string, Subscription>>();
  #count = 0;

  /** @param events absent = there is no log. @param failed told of what must not happen: the session cannot go on. */
  constructor(
    events: EventAccess | undefined,
    authority: Authority,
    failed: (session: Session, error: unknown) => void,
  ) {
    this.#events = events;
    this.#authority = authority;
    this.#failed = failed;
  }

  get count(): number {
    return this.#count;
  }

  subscribe(session: Session, message: SubscribeEvents): void {
    const refusal = this.#open(session, message);
    if (refusal !== undefined) session.refuse({ ...refusal, events: message.events });
  }

  #open(session: Session, message: SubscribeEvents): MessageProblem | undefined {
    const { events: name, after = "now", types, where } = message;
    const own = this.#bySession.get(session) ?? new Map<string, Subscription>();
    if (own.has(name)) return { type: "subscription-exists", detail: "unsubscribe it first" };
    if (own.size >= MAX_EVENTS_PER_CONNECTION) {
      const detail = `at most ${MAX_EVENTS_PER_CONNECTION} on one connection`;
      return { type: "too-many-subscriptions", detail };
    }
    const permitted = this.#permittedTo(session);
    if (permitted?.isNone) return FORBIDDEN;
    if (this.#events === undefined || this.#count >= MAX_EVENT_STREAMS)
      return { type: "unavailable", detail: "this node has no log of events, or too many read it" };
    let test: EventTest;
    try {
      test = eventTest({ types, where }, { time: this.#events.filterTime });
    } catch (error) {
      if (!(error instanceof ExpressionError)) throw error;
      return { type: "bad-expression", detail: error.message, position: error.position };
    }
    const subscription: Subscription = {
      session,
      name,
      test,
      permitted,
      state: "opening",
      follower: undefined,
      told: undefined,
      hasRoom: undefined,
    };
    own.set(name, subscription);
    this.#bySession.set(session, own);
    this.#count++;
    this.#read(subscription, after, this.#events).catch((error: unknown) =>
      this.#refuse(subscription, error),
    );
    return undefined;
  }

  #permittedTo({ principal }: Session): PermittedEvents | undefined {
    if (principal === ADMIN || this.#events === undefined) return undefined;
    const permitted = () => permittedNow(this.#authority, principal, "event", "read");
    return new PermittedEvents(permitted, this.#events.filterTime);
  }

  unsubscribe(session: Session, { events: name }: UnsubscribeEvents): void {
    const subscription = this.#bySession.get(session)?.get(name);
    if (subscription !== undefined) this.#close(subscription);
    else {
      const detail = "no subscription of this connection has this name";
      session.refuse({ type: "unknown-subscription", detail, events: name });
    }
  }

  /** A connection has ended. */
  forgetAll(session: Session): void {
    for (const subscription of this.#bySession.get(session)?.values() ?? []) this.#close(subscription);
  }

  /**
   * Once a base tick: those whose socket has room again go on, those that may not be read any more end, and from time to time each client is told how
   * far it has come.
   */
  tick(tick: number): void {
    const tells = tick % (HEARTBEAT_MS / BASE_TICK_MS) === 0;
    const looks = tick % LOOK_TICKS === 0;
    for (const own of this.#bySession.values()) {
      for (const subscription of own.values()) {
        if (looks && subscription.permitted?.isNone) {
          this.#end(subscription, FORBIDDEN);
          continue;
        }
        if (subscription.hasRoom !== undefined && subscription.session.hasRoom) subscription.hasRoom();
        if (tells) this.#tell(subscription);
      }
    }
  }

  async #read(subscription: Subscription, after: string, { log, tail }: EventAccess): Promise<void> {
    const cursor = positionOf(after, await log.moment());
    if (subscription.state === "closed") return;
    const follower = tail.follow(cursor);
    subscription.follower = follower;
    subscription.state = "reading";
    this.#tell(subscription);
    for (let events = await follower.next(); events !== undefined; events = await follower.next()) {
      subscription.state = "sending";
      for (const event of events) {
        if (!mayRead(subscription, event) || !subscription.test(event)) continue;
        if (!subscription.session.hasRoom) {
          await this.#room(subscription);
          if (!mayRead(subscription, event)) continue;
        }
        if (this.#isClosed(subscription)) return;
        this.#send(subscription, event);
      }
      subscription.state = "reading";
    }
  }

  #isClosed({ state }: Subscription): boolean {
    return state === "closed";
  }

  #send(subscription: Subscription, event: LoggedEvent): void {
    const { session, name } = subscription;
    const head = `{"op":"event","events":${JSON.stringify(name)},"cursor":"${cursorText(event.cursor)}","event":`;
    session.sendText(`${head}${this.#events!.encoder.text(event)}}`);
    subscription.told = event.cursor;
  }

  #tell(subscription: Subscription): void {
    const { session, name, state, follower, told } = subscription;
    if (state !== "reading" || follower === undefined || !session.hasRoom) return;
    const { cursor } = follower;
    if (told !== undefined && compareCursors(told, cursor) >= 0) return;
    subscription.told = cursor;
    session.sendMessage({ op: "events", events: name, cursor: cursorText(cursor) });
  }

  #room(subscription: Subscription): Promise<void> {
    return new Promise((resolve) => {
      subscription.hasRoom = () => {
        subscription.hasRoom = undefined;
        resolve();
      };
    });
  }

  #refuse(subscription: Subscription, error: unknown): void {
    if (error instanceof CursorError) this.#end(subscription, { type: error.type, detail: error.message });
    else if (error instanceof FilterCostly)
      this.#end(subscription, { type: "unavailable", detail: error.message });
    else if (error instanceof StoreAway)
      this.#end(subscription, { type: "unavailable", detail: "the database does not answer" });
    else if (subscription.state !== "closed") {
      this.#close(subscription);
      this.#failed(subscription.session, error);
    }
  }

  #end(subscription: Subscription, why: MessageProblem): void {
    if (subscription.state === "closed") return;
    this.#close(subscription);
    subscription.session.refuse({ ...why, events: subscription.name, ended: true });
  }

  #close(subscription: Subscription): void {
    const { session, name, follower } = subscription;
    subscription.state = "closed";
    this.#count--;
    const own = this.#bySession.get(session)!;
    own.delete(name);
    if (own.size === 0) this.#bySession.delete(session);
    follower?.close();
    subscription.hasRoom?.();
  }
}

function mayRead({ permitted }: Subscription, event: LoggedEvent): boolean {
  return permitted?.passes(event) ?? true;
}
