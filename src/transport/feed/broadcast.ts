/**
 * Who sees what: the views by channel, and what a base tick does for them. Channels take over what changed; each that is
 * due publishes, and its views take their turn; then snapshots grow while there is room.
 *
 * A filter that few views have gets no channel: its views are with those of everything, and filter for themselves.
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
import type { Channel } from "../../picture/channel.ts";
import {
  type ChannelLimits,
  type ChannelSpec,
  Channels,
  channelKey,
  hasRoom,
} from "../../picture/channels.ts";
import { Clusters } from "../../picture/clusters.ts";
import { everything } from "../../picture/lens.ts";
import type { Picture } from "../../picture/picture.ts";
import { Publication, type TickTime } from "../../picture/tick.ts";
import type { Session } from "./session.ts";
import type { Turn, View } from "./view.ts";

/** What the feed says to a log; pino's loggers do. */
export interface FeedLog {
  error(details: object, message: string): void;
}

/** The views that share a channel. The channel is made at their first base tick: it starts with what is published then. */
interface Audience extends ChannelSpec {
  readonly key: string;
  readonly views: Map<View, Session>;
  channel: Channel | undefined;
  clusters: Clusters | undefined;
}

/** Where a view is, and what it asked for. */
interface Seat {
  readonly spec: ChannelSpec;
  audience: Audience;
}

/** A view that had to leave. */
export interface Homeless {
  readonly view: View;
  readonly session: Session;
}

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
  /** Views that filter for themselves, by the key of the channel that they would have. */
  readonly #private = new Map<string, number>();
  /** Views that lack something, the one that was served longest ago first. */
  readonly #growing = new Set<View>();
  #isFillingOver = () => false;
  /** Views that had to leave for want of a channel, since `tick` gave them back. */
  #homeless: Homeless[] = [];

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
    const key = channelKey(spec);
    const privates = this.#private.get(key) ?? 0;
    // A tolerance is the channel's to apply, and it must know the filter: a change of what passes breaks a hold.
    const isPrivate =
      spec.lens !== everything &&
      spec.tolerance === undefined &&
      privates < this.#privateViews &&
      !this.#audiences.has(key);
    const audience = this.#audience(isPrivate ? { ...spec, lens: everything } : spec);
    if (audience === undefined) return false;
    view.filter = isPrivate ? spec.lens : undefined;
    if (isPrivate) this.#private.set(key, privates + 1);
    audience.views.set(view, session);
    this.#seats.set(view, { spec, audience });
    return true;
  }

  #audience(spec: ChannelSpec): Audience | undefined {
    const key = channelKey(spec);
    let audience = this.#audiences.get(key);
    if (audience === undefined) {
      const { capacity } = this.#picture.columns;
      if (!hasRoom(spec, this.#audiences.values(), capacity, this.#channelLimits)) return undefined;
      audience = { ...spec, key, views: new Map(), channel: undefined, clusters: undefined };
      this.#audiences.set(key, audience);
    }
    return audience;
  }

  leave(view: View): void {
    this.#growing.delete(view);
    const seat = this.#seats.get(view);
    if (seat === undefined) return;
    this.#seats.delete(view);
    seat.audience.views.delete(view);
    if (view.filter === undefined) return;
    const key = channelKey(seat.spec);
    const privates = this.#private.get(key)! - 1;
    if (privates === 0) this.#private.delete(key);
    else this.#private.set(key, privates);
  }

  /**
   * Serves all views. The sessions have been looked at.
   *
   * @returns the views that need a channel where none is left: they take part no more, and their clients do not know it
   */
  tick(time: TickTime, { atOnce = false, growUntil }: BroadcastTurn = {}): readonly Homeless[] {
    this.#homeless = [];
    const fillUntil = this.#clock.monotonic() + BASE_TICK_MS / 4;
    this.#isFillingOver = () => this.#clock.monotonic() > fillUntil;
    this.#channels.merge();
    for (const audience of this.#audiences.values()) {
      if (audience.views.size === 0) this.#forget(audience);
      else this.#serve(audience, time, atOnce);
    }
    this.#grow(time, growUntil);
    this.#channels.release();
    return this.#homeless;
  }

  #serve(audience: Audience, time: TickTime, atOnce: boolean): void {
    let published: Publication | undefined;
    try {
      if (audience.channel?.isFilled !== true) {
        audience.channel = this.#channels.open(audience, time.tick, time.t, this.#isFillingOver);
        // What its views are sent waits for it, the others do not.
        if (!audience.channel.isFilled) return;
      }
      if (atOnce || audience.channel.isDue(time.tick)) {
        audience.channel.publish(time.tick, time.t, this.#publication);
        published = this.#publication;
      }
    } catch (error) {
      // The channel is in no known state: its viewers start again on a new one.
      this.#log.error({ err: error, lens: audience.lens.key }, "a channel failed");
      for (const session of audience.views.values()) session.close("internal_error");
      this.#forget(audience);
      return;
    }
    const turn = turnOf(audience, audience.channel, published, time, atOnce ? 0 : CLUSTER_TICKS);
    for (const [view, session] of audience.views) {
      if (!session.takesFrame()) {
        if (session.state === "slow") this.skipped++;
        continue;
      }
      this.guard(session, () => {
        view.turn(turn);
        if (view.wantsChannel) this.#promote(view, session);
        else if (view.isGrowing) this.#growing.add(view);
      });
    }
  }

  /** Gives a view that filters for itself a channel. If none is left it must leave: its own filter costs too much by now. */
  #promote(view: View, session: Session): void {
    const seat = this.#seats.get(view)!;
    const audience = this.#audience(seat.spec);
    this.leave(view);
    if (audience === undefined) {
      this.#homeless.push({ view, session });
      return;
    }
    view.filter = undefined;
    view.restart();
    audience.views.set(view, session);
    this.#seats.set(view, { spec: seat.spec, audience });
  }

  #forget(audience: Audience): void {
    this.#audiences.delete(audience.key);
    this.#channels.drop(audience);
  }

  /** Parts of snapshots, one a view in turn, until nobody lacks anything or the tick's share of bytes or time is used. */
  #grow(time: TickTime, until?: number): void {
    // Its time counts from here: however long the deltas took, snapshots must get on.
    const end = until ?? this.#clock.monotonic() + BASE_TICK_MS / 2;
    let bytes = this.#snapshotBytesPerTick;
    const waiting = [...this.#growing];
    for (let i = 0; i < waiting.length; i++) {
      if (bytes <= 0 || (i > 0 && this.#clock.monotonic() > end)) return;
      const view = waiting[i];
      this.#growing.delete(view);
      const audience = this.#seats.get(view)?.audience;
      const session = audience?.views.get(view);
      const channel = audience?.channel;
      // A view of a slow session, or of a channel that is not filled, comes back with its next turn, and one that shows clusters now lacks nothing.
      if (channel?.isFilled !== true || session?.state !== "open" || !view.isGrowing) continue;
      if (session.hasRoom) {
        this.guard(session, () => {
          bytes -= view.grow(turnOf(audience!, channel, undefined, time));
        });
        if (view.isGrowing) waiting.push(view);
      }
      if (view.isGrowing) this.#growing.add(view);
    }
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

function turnOf(
  audience: Audience,
  channel: Channel,
  publication: Publication | undefined,
  time: TickTime,
  clusterTicks = CLUSTER_TICKS,
): Turn {
  return {
    channel,
    publication,
    time,
    clusters() {
      audience.clusters ??= new Clusters();
      const age = time.tick - audience.clusters.tick;
      if (age > 0 && age >= clusterTicks) audience.clusters.refresh(channel, time.tick);
      return audience.clusters;
    },
  };
}
