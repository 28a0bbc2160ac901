/** The views that share a channel, and what they are given when it is their turn. */
import { CLUSTER_TICKS } from "../../limits.ts";
import type { Channel } from "../../picture/channel.ts";
import type { ChannelSpec } from "../../picture/channels.ts";
import { Clusters } from "../../picture/clusters.ts";
import type { Publication, TickTime } from "../../picture/tick.ts";
import type { Session } from "./session.ts";
import type { Turn, View } from "./view.ts";

/** The views that share a channel. The channel is made at their first base tick: it starts with what is published then. */
export interface Audience extends ChannelSpec {
  readonly key: string;
  readonly views: Map<View, Session>;
  /** Those that it will have when its channel is filled. */
  readonly coming: Map<View, Session>;
  channel: Channel | undefined;
  clusters: Clusters | undefined;
}

export function isDeserted({ views, coming }: Audience): boolean {
  return views.size + coming.size === 0;
}

/** One turn of the views of an audience. @param clusterTicks how old clusters may be */
export function turnOf(
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
