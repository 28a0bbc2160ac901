import type { ActorSystem } from "./actors/system.ts";
import type { Reading } from "./telemetry/metrics.ts";
import type { Feed } from "./transport/feed/feed.ts";

/** What a node tells Prometheus, read when it asks. */
export function nodeReadings(system: ActorSystem, feed: Feed): Reading[] {
  const { router, commit, checkpointer, picture } = system;
  return [
    gauge("muster_entities", "Entities in memory.", () => picture.size),
    counter("muster_reports_accepted_total", "Reports acknowledged.", () => router.stats.accepted),
    counter("muster_reports_duplicate_total", "Reports taken before.", () => router.stats.duplicates),
    counter("muster_reports_refused_total", "Reports refused.", () => router.stats.refused),
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
  ];
}

function gauge(name: Reading["name"], help: string, read: () => number): Reading {
  return { name, help, kind: "gauge", read };
}
function counter(name: Reading["name"], help: string, read: () => number): Reading {
  return { name, help, kind: "counter", read };
}
