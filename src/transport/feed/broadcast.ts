/**
 * Who sees what: the views by channel, and what a base tick does for them. Channels take over what changed; each that is
 * due publishes, and its views take their turn; then snapshots grow while there is room.
 *
 * A filter that few views have gets no channel: its views are with those of everything, and filter for themselves.
 *
 * A channel is filled bit by bit. Who is to have it *comes* to it meanwhile, and is served where it was before, if it was
 * anywhere: so what a view shows is never older than its client is told.
 */
import type { Clock } from "../../clock.ts";
import {
  BASE_TICK_MS,
  CLUSTER_TICKS,
  MAX_CHANNELS,
  MAX_CHANNELS_BYTES,
  MAX_PRIVATE_VIEWS,
  SNAPSHOT_BYTES_PER_TICK,
} from "../../limits.ts";
import {
  type ChannelLimits,
  type ChannelSpec,
  Channels,
  channelKey,
  hasRoom,
} from "../../picture/channels.ts";
import { FilterCostly } from "../../picture/filter-time.ts";
import { everything, type Lens } from "../../picture/lens.ts";
import type { Picture } from "../../picture/picture.ts";
import { Publication, type TickTime } from "../../picture/tick.ts";
import { type Audience, isDeserted, turnOf } from "./audience.ts";
import { type Expulsion, FORBIDDEN, type Homeless, NO_CHANNEL, tooCostly } from "./homeless.ts";
import type { Session } from "./session.ts";
import type { View } from "./view.ts";

/** What the feed says to a log; pino's loggers do. */
export interface FeedLog {
  error(details: object, message: string): void;
}

/** Where a view is served, or will be, and what it asked for. */
interface Place {
  readonly spec: ChannelSpec;
  readonly audience: Audience;
  /** If it filters for itself: the key of the channel that it would have. */
  readonly privateKey: string | undefined;
}

interface Seat {
  readonly session: Session;
  /** None before the first channel that it comes to is filled. */
  place: Place | undefined;
  /** Where it comes to. */
  next: Place | undefined;
  /** Changes of its filter that are in force from then on. */
  refilters: number;
}

const nothing = () => false;

export interface BroadcastTurn {
  /** All channels are due, clusters too. */
  atOnce?: boolean;
  /** Snapshots grow until then, monotonic ms; one part at least. Default: half a base tick from when they begin. */
  growUntil?: number;
}

export interface BroadcastOptions {
  picture: Picture;
  clock: Clock;
  log: FeedLog;
  /** Views with equal filters that filter for themselves, before one more gets a channel. Default MAX_PRIVATE_VIEWS. */
  privateViews?: number;
  /** Channels beside those of everything. Default MAX_CHANNELS. */
  maxChannels?: number;
  /** Bytes that channels may take. Default MAX_CHANNELS_BYTES. */
  maxChannelsBytes?: number;
  /** Default SNAPSHOT_BYTES_PER_TICK. */
  snapshotBytesPerTick?: number;
}

export class Broadcast {
  /** Turns of views left out because their socket was slow. */
  skipped = 0;
  readonly #privateViews: number;
  readonly #picture: Picture;
  readonly #channelLimits: ChannelLimits;
  readonly #snapshotBytesPerTick: number;
  readonly #clock: Clock;
  readonly #log: FeedLog;
  readonly #channels: Channels;
  readonly #publication = new Publication();
  /** By channel key. */
  readonly #audiences = new Map<string, Audience>();
  readonly #seats = new Map<View, Seat>();
  /** Views whose clients may see something else from the next tick on; `over` = and then have to leave. */
  readonly #repermitted = new Map<View, { permits: Lens["permits"]; over: Expulsion | undefined }>();
  /** Views that filter for themselves, by the key of the channel that they would have. */
  readonly #private = new Map<string, number>();
  /** Views that lack something, the one that was served longest ago first. */
  readonly #growing = new Set<View>();
  #isFillingOver = () => false;
  /** Views that had to leave since `tick` gave them back. */
  readonly #homeless: Homeless[] = [];

  constructor({ picture, clock, log, ...options }: BroadcastOptions) {
    this.#privateViews = options.privateViews ?? MAX_PRIVATE_VIEWS;
    this.#channelLimits = {
      channels: options.maxChannels ?? MAX_CHANNELS,
      bytes: options.maxChannelsBytes ?? MAX_CHANNELS_BYTES,
    };
    this.#snapshotBytesPerTick = options.snapshotBytesPerTick ?? SNAPSHOT_BYTES_PER_TICK;
    this.#picture = picture;
    this.#clock = clock;
    this.#log = log;
    this.#channels = new Channels(picture);
  }

  get views(): number {
    return this.#seats.size;
  }

  /** Channels that have views. */
  get channels(): number {
    return this.#audiences.size;
  }

  /** Lets a view take part from the next base tick on. False if there is no room for the channel it needs. */
  join(view: View, session: Session, spec: ChannelSpec): boolean {
    const seat: Seat = { session, place: undefined, next: undefined, refilters: 0 };
    if (!this.#plan(view, seat, spec)) return false;
    this.#seats.set(view, seat);
    return true;
  }

  /** Gives a view another filter, from when there is a channel for it. False if there is no room for one, and then nothing has changed. */
  refilter(view: View, spec: ChannelSpec): boolean {
    const seat = this.#seats.get(view)!;
    if (!this.#plan(view, seat, spec)) return false;
    seat.refilters++;
    return true;
  }

  /**
   * Has a view show what its client may see now. From the next tick on nothing is sent by its lens of before: what the client holds and may not see any more is told
   * as `denied`, and when there is a channel the view starts again. @param spec absent = nothing may be seen: then it has to leave
   */
  permit(view: View, spec: ChannelSpec | undefined): void {
    let over: Expulsion | undefined;
    if (spec === undefined) over = FORBIDDEN;
    else if (!this.#plan(view, this.#seats.get(view)!, spec)) over = NO_CHANNEL;
    this.#repermitted.set(view, { permits: spec === undefined ? nothing : spec.lens.permits, over });
  }

  #plan(view: View, seat: Seat, spec: ChannelSpec): boolean {
    const key = channelKey(spec);
    const privates = this.#private.get(key) ?? 0;
    const own = [seat.place, seat.next].filter((place) => place?.privateKey === key).length;
    // A tolerance is the channel's to apply, and it must know the filter: a change of what passes breaks a hold.
    const isPrivate =
      spec.lens !== everything &&
      spec.tolerance === undefined &&
      privates - own < this.#privateViews &&
      !this.#audiences.has(key);
    const audience = this.#audience(isPrivate ? { ...spec, lens: everything } : spec);
    if (audience === undefined) return false;
    if (isPrivate) this.#private.set(key, privates + 1);
    this.#comeTo(view, seat, { spec, audience, privateKey: isPrivate ? key : undefined });
    return true;
  }

  #comeTo(view: View, seat: Seat, next: Place): void {
    seat.next?.audience.coming.delete(view);
    this.#giveUp(seat.next);
    seat.next = next;
    next.audience.coming.set(view, seat.session);
  }

  #audience(spec: ChannelSpec): Audience | undefined {
    const key = channelKey(spec);
    let audience = this.#audiences.get(key);
    if (audience === undefined) {
      const { capacity } = this.#picture.columns;
      // Those that nobody wants any more are not in the way until the next tick.
      for (const other of this.#audiences.values()) if (isDeserted(other)) this.#forget(other);
      if (!hasRoom(spec, this.#audiences.values(), capacity, this.#channelLimits)) return undefined;
      audience = {
        ...spec,
        key,
        views: new Map(),
        coming: new Map(),
        channel: undefined,
        clusters: undefined,
      };
      this.#audiences.set(key, audience);
    }
    return audience;
  }

  leave(view: View): void {
    this.#growing.delete(view);
    this.#repermitted.delete(view);
    const seat = this.#seats.get(view);
    if (seat === undefined) return;
    this.#seats.delete(view);
    seat.place?.audience.views.delete(view);
    seat.next?.audience.coming.delete(view);
    this.#giveUp(seat.place);
    this.#giveUp(seat.next);
  }

  /** Counts a place no more, if the view filters for itself there. */
  #giveUp(place: Place | undefined): void {
    if (place?.privateKey === undefined) return;
    const privates = this.#private.get(place.privateKey)! - 1;
    if (privates === 0) this.#private.delete(place.privateKey);
    else this.#private.set(place.privateKey, privates);
  }

  /**
   * Serves all views. The sessions have been looked at.
   *
   * @returns the views that need a channel where none is left, or whose filter costs too much: they take part no more, and their clients do not know it
   */
  tick(time: TickTime, { atOnce = false, growUntil }: BroadcastTurn = {}): readonly Homeless[] {
    const fillUntil = this.#clock.monotonic() + BASE_TICK_MS / 4;
    this.#isFillingOver = () => this.#clock.monotonic() > fillUntil;
    this.#channels.merge();
    for (const view of this.#repermitted.keys()) this.#repermit(view, time);
    // Who comes is let in before anybody is served: what it is sent in this tick has its new filter.
    for (const audience of this.#audiences.values()) this.#open(audience, time);
    for (const audience of this.#audiences.values()) this.#serve(audience, time, atOnce);
    this.#grow(time, growUntil);
    this.#channels.release();
    return this.#homeless.splice(0);
  }

  #repermit(view: View, time: TickTime): void {
    const { session, place } = this.#seats.get(view)!;
    const { permits, over } = this.#repermitted.get(view)!;
    this.#repermitted.delete(view);
    this.guardView(view, session, () => {
      const channel = place?.audience.channel;
      if (channel !== undefined && permits !== undefined && session.takesFrame())
        view.deny(channel, permits, time);
    });
    const seat = this.#seats.get(view);
    if (seat === undefined) return;
    place?.audience.views.delete(view);
    this.#giveUp(place);
    seat.place = undefined;
    view.refilter(0);
    if (over !== undefined) this.#expel(view, over);
  }

  /** Lets in who comes, if the channel is filled, and does without one that nobody wants. */
  #open(audience: Audience, { tick, t }: TickTime): void {
    if (isDeserted(audience)) {
      this.#forget(audience);
      return;
    }
    try {
      if (audience.channel?.isFilled !== true)
        audience.channel = this.#channels.open(audience, tick, t, this.#isFillingOver);
    } catch (error) {
      this.#fail(audience, error);
      return;
    }
    if (audience.channel.isFilled) for (const view of audience.coming.keys()) this.#letIn(view);
  }

  #letIn(view: View): void {
    const seat = this.#seats.get(view)!;
    const { spec, audience, privateKey } = seat.next!;
    seat.place?.audience.views.delete(view);
    this.#giveUp(seat.place);
    audience.coming.delete(view);
    audience.views.set(view, seat.session);
    seat.place = seat.next;
    seat.next = undefined;
    view.filter = privateKey === undefined ? undefined : spec.lens;
    if (seat.refilters > 0) view.refilter(seat.refilters);
    else view.restart();
    seat.refilters = 0;
  }

  /** A channel that failed is in no known state: its viewers start again on a new one, unless its filter is why. */
  #fail(audience: Audience, error: unknown): void {
    const viewers = [...audience.views, ...audience.coming];
    if (error instanceof FilterCostly) for (const [view] of viewers) this.#expel(view, tooCostly(error));
    else {
      this.#log.error({ err: error, lens: audience.lens.key }, "a channel failed");
      for (const [, session] of viewers) session.close("internal_error");
    }
    this.#forget(audience);
  }

  #expel(view: View, why: Expulsion): void {
    const seat = this.#seats.get(view);
    if (seat === undefined) return;
    this.leave(view);
    this.#homeless.push({ view, session: seat.session, ...why });
  }

  #serve(audience: Audience, time: TickTime, atOnce: boolean): void {
    // It was made since the others were opened.
    if (audience.channel === undefined) this.#open(audience, time);
    const { channel } = audience;
    if (channel === undefined || audience.views.size === 0) return;
    let published: Publication | undefined;
    try {
      if (atOnce || channel.isDue(time.tick)) {
        channel.publish(time.tick, time.t, this.#publication);
        published = this.#publication;
      } else channel.noteDenied();
    } catch (error) {
      this.#fail(audience, error);
      return;
    }
    const turn = turnOf(audience, channel, published, time, atOnce ? 0 : CLUSTER_TICKS);
    for (const [view, session] of audience.views) {
      if (!session.takesFrame()) {
        if (session.state === "slow") this.skipped++;
        continue;
      }
      this.guardView(view, session, () => {
        view.turn(turn);
        if (view.wantsChannel && this.#seats.get(view)!.next === undefined) this.#promote(view);
        else if (view.isGrowing) this.#growing.add(view);
      });
    }
  }

  /** Gives a view that filters for itself a channel. If none is left it must leave: its own filter costs too much by now. */
  #promote(view: View): void {
    const seat = this.#seats.get(view)!;
    const { spec } = seat.place!;
    const audience = this.#audience(spec);
    if (audience !== undefined) this.#comeTo(view, seat, { spec, audience, privateKey: undefined });
    else this.#expel(view, NO_CHANNEL);
  }

  #forget(audience: Audience): void {
    this.#audiences.delete(audience.key);
    this.#channels.drop(audience);
  }

  /** Parts of snapshots, one a view in turn, until nobody lacks anything or the tick's share of bytes or time is used. */
  #grow(time: TickTime, until?: number): void {
    // Its time counts from here: however long the deltas took, snapshots must get on. What is permitted privately has half of it: what takes more is stopped.
    const begun = this.#clock.monotonic();
    const end = until ?? begun + BASE_TICK_MS / 2;
    const isAskedEnough = () => this.#clock.monotonic() > Math.min(end, begun + BASE_TICK_MS / 4);
    let bytes = this.#snapshotBytesPerTick;
    const waiting = [...this.#growing];
    for (let i = 0; i < waiting.length; i++) {
      if (bytes <= 0 || (i > 0 && this.#clock.monotonic() > end)) return;
      const view = waiting[i];
      if (i > 0 && view.filter?.permits !== undefined && isAskedEnough()) continue;
      this.#growing.delete(view);
      const audience = this.#seats.get(view)?.place?.audience;
      const session = audience?.views.get(view);
      const channel = audience?.channel;
      // A view of a slow session comes back with its next turn, and one that shows clusters now lacks nothing.
      if (channel === undefined || session?.state !== "open" || !view.isGrowing) continue;
      // What may not be seen since it was published departs with the next publication: who was not given it is not to hear of that.
      if (channel.lens.permits !== undefined && !channel.isCurrent(time.tick)) continue;
      if (session.hasRoom) {
        this.guardView(view, session, () => {
          bytes -= view.grow(turnOf(audience!, channel, undefined, time), isAskedEnough);
        });
        if (view.isGrowing) waiting.push(view);
      }
      if (view.isGrowing && this.#seats.has(view)) this.#growing.add(view);
    }
  }

  /** A filter that costs too much ends its view; any other failure is as in `guard`. */
  guardView(view: View, session: Session, run: () => void): void {
    this.guard(session, () => {
      try {
        run();
      } catch (error) {
        if (!(error instanceof FilterCostly)) throw error;
        this.#expel(view, tooCostly(error));
      }
    });
  }

  /** A failure within one session is its own. */
  guard(session: Session, run: () => void): void {
    try {
      run();
    } catch (error) {
      this.#log.error({ err: error }, "a feed session failed");
      session.close("internal_error");
    }
  }
}
