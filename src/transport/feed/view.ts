/** A view: one client's window on a channel. `box-view.ts` and `ids-view.ts` implement it. */
import type { Channel } from "../../picture/channel.ts";
import type { Clusters } from "../../picture/clusters.ts";
import type { Cover } from "../../picture/cover.ts";
import type { Lens } from "../../picture/lens.ts";
import type { Publication, TickTime } from "../../picture/tick.ts";
import type { Format } from "./format.ts";
import type { ViewReply } from "./protocol.ts";

/** A channel's part in a base tick. */
export interface Turn {
  readonly channel: Channel;
  /** What the channel published, if it did. */
  readonly publication: Publication | undefined;
  readonly time: TickTime;
  /** The clusters of the channel, about a second old at most. */
  clusters(): Clusters;
}

export interface View {
  readonly name: string;
  /** A filter that few views have: the channel shows everything, and this view applies it record by record. Set while nothing is sent. */
  filter: Lens | undefined;
  /** Whether `grow` has something to do. */
  readonly isGrowing: boolean;
  /** Its filter costs more as its own than a channel would: too much is in view. Asked after `turn` and `grow`. */
  readonly wantsChannel: boolean;
  /** Forgets what the client holds: it missed a publication, or comes to another channel. */
  restart(): void;
  /** Comes to a channel with another filter: what is in view is found out anew, and the client gets a reply that counts the changes, then a new snapshot. */
  refilter(changes: number): void;
  /** Takes from the client what it may not see any more; the view is to be filtered anew. Call after the channel's `merge`. */
  deny(channel: Channel, permits: (slot: number) => boolean, time: TickTime): void;
  /** Takes part in a base tick. A view that is not called in a tick in which its channel published must be restarted. */
  turn(turn: Turn): void;
  /**
   * Sends one part of what the client lacks, or nothing yet if none was found. Call after `turn`.
   * @param isOver whether a filter of its own may be asked no longer now @returns the bytes of it.
   */
  grow(turn: Turn, isOver: () => boolean): number;
}

/** Who is told what views look at, so that other nodes send what they own of it. */
export interface InterestSink {
  /** A view has moved; a new one moves from nothing, one that ends to nothing. */
  moved(from: Cover, to: Cover): void;
  /** Ids are looked at, wherever they are. False if that would be too many, and then none of them is. */
  wanted(ids: readonly string[]): boolean;
  /** The end of what was `wanted`. */
  unwanted(ids: readonly string[]): void;
}

/** What a view is sent through. */
export interface ViewSink {
  readonly format: Format;
  /** Sends a frame that holds so many records. @param goesOn with the one before: both or none fit */
  sendFrame(frame: Uint8Array, records: number, goesOn?: boolean): void;
  sendMessage(message: ViewReply): void;
}
