/** The channels of a node, one per lens, rate and tolerance, and the turn that they take together at each base tick. */
import { Channel, type Rate } from "./channel.ts";
import type { Tolerance } from "./hold.ts";
import type { Lens } from "./lens.ts";
import type { Picture } from "./picture.ts";

/** What makes a channel. */
export interface ChannelSpec {
  readonly lens: Lens;
  readonly rate: Rate;
  readonly tolerance: Tolerance | undefined;
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

  get size(): number {
    return this.#channels.size;
  }

  /** The channel of a spec, made if there is none. Call between `merge` and the next change of the picture. @param now Unix ms. */
  open(spec: ChannelSpec, tick: number, now: number): Channel {
    const key = channelKey(spec);
    let channel = this.#channels.get(key);
    if (channel === undefined) {
      channel = new Channel(this.#picture, spec.lens, spec.rate, spec.tolerance, tick, now);
      this.#channels.set(key, channel);
    }
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
