/** The channels of a node, one per lens, rate and tolerance, and the turn that they take together at each base tick. */
import { Channel, type Rate } from "./channel.ts";
import type { Tolerance } from "./hold.ts";
import { everything, type Lens } from "./lens.ts";
import type { Picture } from "./picture.ts";

/** What makes a channel. */
export interface ChannelSpec {
  readonly lens: Lens;
  readonly rate: Rate;
  readonly tolerance: Tolerance | undefined;
}

/** What a channel takes for each slot: flags, verdict, published key, and a place in the list of what is dirty. */
const SLOT_BYTES = 1 + 1 + 4 + 4;
/** What its hold takes beside: place, time, speed and course that were sent last, and when. */
const HOLD_SLOT_BYTES = 3 * 8 + 2 * 4 + 8;
/** One of everything for each rate. */
const RESERVED = 2;

/** How many channels there may be beside the reserved ones, and how many bytes with them. */
export interface ChannelLimits {
  channels: number;
  bytes: number;
}

/** What a channel takes, about: beside it only lists that are as long as its changes. @param capacity slots of the picture */
export function channelBytes({ tolerance }: Pick<ChannelSpec, "tolerance">, capacity: number): number {
  return (tolerance === undefined ? SLOT_BYTES : SLOT_BYTES + HOLD_SLOT_BYTES) * capacity;
}

/** Whether it shows everything as it is. Such channels are never refused: all views with filters of their own live on them. */
function isReserved({ lens, tolerance }: ChannelSpec): boolean {
  return lens === everything && tolerance === undefined;
}

/**
 * Whether there is room for a channel more. What there is stays, however the picture grows: the limit is for new ones.
 *
 * @param taken what has a channel, or is to get one
 * @param capacity slots of the picture
 */
export function hasRoom(
  spec: ChannelSpec,
  taken: Iterable<ChannelSpec>,
  capacity: number,
  limits: ChannelLimits,
): boolean {
  if (isReserved(spec)) return true;
  let channels = 1;
  let bytes = RESERVED * SLOT_BYTES * capacity + channelBytes(spec, capacity);
  for (const one of taken) {
    if (isReserved(one)) continue;
    channels++;
    bytes += channelBytes(one, capacity);
  }
  return channels <= limits.channels && bytes <= limits.bytes;
}

/** Names a channel: equal for equal lens, rate and tolerance. */
export function channelKey({ lens, rate, tolerance }: ChannelSpec): string {
  return `${rate}|${tolerance?.name ?? ""}|${lens.key}`;
}

export class Channels {
  readonly #picture: Picture;
  readonly #channels = new Map<string, Channel>();

  constructor(picture: Picture) {
    this.#picture = picture;
  }

  /**
   * The channel of a spec, made if there is none. Call between `merge` and the next change of the picture, and again until it is filled.
   * @param now Unix ms. @param isOver whether it may take no longer now
   */
  open(spec: ChannelSpec, tick: number, now: number, isOver = () => false): Channel {
    const key = channelKey(spec);
    let channel = this.#channels.get(key);
    if (channel === undefined) {
      channel = new Channel(this.#picture, spec.lens, spec.rate, spec.tolerance, tick, now, isOver);
      this.#channels.set(key, channel);
    } else channel.fill(tick, now, isOver);
    return channel;
  }

  /** Drops a channel that has no views left. */
  drop(spec: ChannelSpec): void {
    this.#channels.delete(channelKey(spec));
  }

  /** Hands all channels what changed since the last base tick. */
  merge(): void {
    const changes = this.#picture.changes();
    for (const channel of this.#channels.values()) channel.merge(changes);
    this.#picture.clearChanges();
  }

  /** Frees the slots of removed entities that every channel has told. */
  release(): void {
    if (this.#picture.removedCount === 0) return;
    this.#picture.releaseRemoved((slot) => {
      for (const channel of this.#channels.values()) if (!channel.hasTold(slot)) return false;
      return true;
    });
  }
}
