import type { ActorSystem } from "./actors/system.ts";
import type { Cluster } from "./cluster/cluster.ts";
import type { EventTail } from "./events/tail.ts";
import type { Reading } from "./telemetry/metrics.ts";
import type { Feed } from "./transport/feed/feed.ts";
import type { Deliverer } from "./webhooks/deliverer.ts";

/** What a node tells Prometheus, read when it asks. @param events absent = the log of events is not read. */
export function nodeReadings(
  system: ActorSystem,
  feed: Feed,
  cluster: Cluster | undefined,
  events: { tail: EventTail; deliverer: Deliverer } | undefined,
  tracks: TrackStats | undefined,
): Reading[] {
  const { router, commit, checkpointer, picture } = system;
  return [
    gauge("muster_entities", "Entities in memory.", () => picture.size),
    gauge("muster_fences", "Fences, the areas that entities enter and leave.", () => system.fences.size),
    counter("muster_reports_accepted_total", "Reports acknowledged.", () => router.stats.accepted),
    counter("muster_reports_duplicate_total", "Reports taken before.", () => router.stats.duplicates),
    counter("muster_reports_refused_total", "Reports refused.", () => router.stats.refused),
    counter("muster_commands_accepted_total", "Commands accepted.", () => router.commandStats.accepted),
    counter(
      "muster_commands_duplicate_total",
      "Commands asked before.",
      () => router.commandStats.duplicates,
    ),
    counter("muster_commands_refused_total", "Commands refused.", () => router.commandStats.refused),
    counter("muster_flushes_total", "Flushes to the journal.", () => commit.stats.flushes),
    counter("muster_flushed_bytes_total", "Bytes of facts flushed.", () => commit.stats.bytes),
    counter("muster_events_total", "Events stored.", () => commit.stats.events),
    counter(
      "muster_flush_retries_total",
      "Flushes tried again: the store was away.",
      () => commit.stats.retries,
    ),
    counter("muster_shards_lost_total", "Shards lost and loaded again.", () => commit.stats.lostShards),
    gauge("muster_backlog_bytes", "Facts decided and not committed.", () => commit.backlogBytes),
    gauge("muster_store_away", "1 while the store does not answer.", () => Number(commit.away)),
    counter("muster_checkpoints_total", "Checkpoints written.", () => checkpointer.stats.written),
    gauge("muster_replay_facts", "Facts a recovery would replay now.", () => checkpointer.replayFacts),
    gauge("muster_feed_connections", "Open feeds.", () => feed.stats.connections),
    gauge("muster_feed_views", "Open views.", () => feed.stats.views),
    gauge("muster_feed_playbacks", "Open views of the past.", () => feed.stats.playbacks),
    gauge(
      "muster_feed_channels",
      "Distinct filters, rates and tolerances in use.",
      () => feed.stats.channels,
    ),
    counter("muster_feed_frames_total", "Frames sent to views.", () => feed.stats.frames),
    counter("muster_feed_bytes_total", "Bytes of frames sent.", () => feed.stats.bytes),
    counter("muster_feed_updates_total", "Entity records sent.", () => feed.stats.updates),
    counter(
      "muster_feed_skipped_total",
      "Frames not sent because their socket was slow.",
      () => feed.stats.skipped,
    ),
    gauge(
      "muster_feed_lag_seconds",
      "From a tick being due to its being done.",
      () => feed.stats.lagMs / 1_000,
    ),
    ...(cluster === undefined ? [] : clusterReadings(cluster)),
    ...(events === undefined ? [] : eventReadings(events.tail, events.deliverer)),
    ...(tracks === undefined ? [] : trackReadings(system, tracks)),
  ];
}

function eventReadings(tail: EventTail, deliverer: Deliverer): Reading[] {
  const { stats } = deliverer;
  return [
    gauge(
      "muster_event_lag_seconds",
      "For how long a transaction has kept new events from being read.",
      () => tail.lagMs / 1_000,
    ),
    gauge("muster_event_readers", "Those who follow the log of events.", () => tail.followers),
    gauge("muster_webhooks_held", "Webhooks that this node delivers.", () => deliverer.held),
    gauge("muster_webhook_waiting", "Events that will be sent again.", () => deliverer.waiting),
    counter("muster_webhook_delivered_total", "Events delivered.", () => stats.delivered),
    counter("muster_webhook_failures_total", "Attempts that failed.", () => stats.failures),
    counter("muster_webhook_dead_total", "Events given up.", () => stats.dead),
  ];
}

/** What was written of tracks. */
export interface TrackStats {
  rows: number;
  points: number;
  corrections: number;
}

function trackReadings({ table }: ActorSystem, stats: TrackStats): Reading[] {
  return [
    counter("muster_track_rows_total", "Segments of tracks written as rows.", () => stats.rows),
    counter("muster_track_points_written_total", "Reports in them.", () => stats.points),
    counter("muster_track_corrections_total", "Rows written for late reports.", () => stats.corrections),
    gauge("muster_track_waiting_bytes", "Points of tracks that are in memory.", () => table.tracks.bytes),
  ];
}

function clusterReadings(cluster: Cluster): Reading[] {
  const { member, stats } = cluster;
  const { router, commands, receiver, mirrors, source } = cluster.parts;
  return [
    gauge("muster_cluster_nodes", "Members of the cluster.", () => member.ledger.members.length),
    gauge("muster_cluster_shards", "Shards open here.", () => member.ledger.mine("open").size),
    gauge("muster_cluster_suspended", "1 while the lease is not renewed.", () => Number(!member.lease.open)),
    gauge("muster_cluster_silent_nodes", "Nodes of which nothing is heard.", () => mirrors.silentNodes),
    counter("muster_cluster_claimed_total", "Shards claimed.", () => member.stats.claimed),
    counter("muster_cluster_evicted_total", "Nodes evicted by this one.", () => member.stats.evicted),
    counter("muster_cluster_handed_over_total", "Shards handed over.", () => member.handOverStats.handedOver),
    counter(
      "muster_cluster_bus_losses_total",
      "Times that messages of the bus may have been lost.",
      () => stats.lost,
    ),
    counter(
      "muster_cluster_malformed_total",
      "Messages of the bus that could not be read.",
      () => stats.malformed,
    ),
    gauge("muster_cluster_bus_away", "1 while Redis does not answer.", () => Number(cluster.busAway)),
    gauge(
      "muster_bus_published_bytes",
      "Published, and not taken by Redis yet.",
      () => cluster.busQueued.out,
    ),
    gauge(
      "muster_bus_received_bytes",
      "Received from Redis, and not worked off yet.",
      () => cluster.busQueued.in,
    ),
    gauge(
      "muster_link_unanswered_bytes",
      "Of the fullest link: sent to an owner, and not answered yet.",
      () => router.links.reduce((most, link) => Math.max(most, link.unansweredBytes), 0),
    ),
    counter(
      "muster_cluster_too_large_total",
      "Messages not sent because they were too large.",
      () => stats.tooLarge,
    ),
    counter(
      "muster_link_doubtful_total",
      "Reports refused because they might have been taken twice.",
      () => router.stats.doubtful,
    ),
    gauge(
      "muster_link_waiting_reports",
      "Reports that wait for the owner of their shard.",
      () => router.waiting,
    ),
    counter("muster_link_forwarded_total", "Reports sent to other nodes.", () => router.stats.forwarded),
    counter(
      "muster_link_moved_total",
      "Reports that came to a node that had the shard no more.",
      () => router.stats.moved,
    ),
    counter("muster_link_late_total", "Reports whose owner did not answer in time.", () => router.stats.late),
    gauge(
      "muster_command_waiting",
      "Commands that wait for the owner of their shard to answer.",
      () => commands.waiting,
    ),
    counter(
      "muster_command_late_total",
      "Commands whose owner did not answer in time.",
      () => commands.stats.late,
    ),
    counter(
      "muster_link_frames_total",
      "Frames of reports taken from other nodes.",
      () => receiver.stats.frames,
    ),
    counter("muster_link_repeated_total", "Of them, such as had come before.", () => receiver.stats.repeated),
    gauge(
      "muster_mirror_lag_seconds",
      "How far other nodes' slices are behind.",
      () => mirrors.lagMs / 1_000,
    ),
    counter(
      "muster_mirror_resyncs_total",
      "Streams of other nodes that were asked for anew.",
      () => mirrors.stats.resyncs,
    ),
    counter("muster_mirror_received_bytes_total", "Bytes of other nodes' slices.", () => mirrors.stats.bytes),
    counter(
      "muster_mirror_sent_bytes_total",
      "Bytes of slices sent to other nodes.",
      () => source.stats.bytes,
    ),
    gauge("muster_mirror_waiting_changes", "Changes that no slice has yet.", () => source.waiting),
  ];
}

function gauge(name: Reading["name"], help: string, read: () => number): Reading {
  return { name, help, kind: "gauge", read };
}
function counter(name: Reading["name"], help: string, read: () => number): Reading {
  return { name, help, kind: "counter", read };
}
