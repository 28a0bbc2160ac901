/**
 * One node, put together from a Config: the composition root, and the only file that knows everybody.
 *
 * Start goes store → actors (claim, load) → feed → server, so that who can connect finds everything there. Stop goes the other way: nothing
 * new is taken, what was taken is committed and answered, feeds are closed as soon as they are, then sockets, actors and store.
 */
import { fileURLToPath } from "node:url";
import { Policy } from "./access/policy.ts";
import type { FenceStore } from "./actors/fences/ports.ts";
import { LocalTails } from "./actors/local-tails.ts";
import { compileMachine } from "./actors/machine/compile.ts";
import type { MachineStore } from "./actors/machine/ports.ts";
import { TRACKED } from "./actors/machine/tracked.ts";
import { replayedTooMuch } from "./actors/ownership.ts";
import type { CheckpointStore, Journal, ShardStore } from "./actors/ports.ts";
import type { Recovered } from "./actors/recovery.ts";
import { closedAmong } from "./actors/shard.ts";
import { ActorSystem } from "./actors/system.ts";
import { TrackSource } from "./actors/track-source.ts";
import { identifyAdmin, openAdminToken } from "./auth/admin-token.ts";
import { admitted, createUpgrade } from "./auth/upgrade.ts";
import { type Clock, systemClock, systemId, systemRandom } from "./clock.ts";
import { Cluster } from "./cluster/cluster.ts";
import type { ClusterStore } from "./cluster/ports.ts";
import { aloneStatus } from "./cluster/status.ts";
import { type Config, reachable } from "./config.ts";
import { entityRows, type RowSink } from "./entity-rows.ts";
import { type ErasureStore, tracesOf } from "./erasure.ts";
import { EventEncoder } from "./events/cloud-event.ts";
import type { EventLog } from "./events/ports.ts";
import { EventTail } from "./events/tail.ts";
import { healthOf } from "./health.ts";
import { HeldConfiguration } from "./held-configuration.ts";
import { MAX_CONNECTIONS, MAX_FEED_MESSAGE_BYTES } from "./limits.ts";
import { FilterTime } from "./picture/filter-time.ts";
import { nodeReadings, type TrackStats } from "./readings.ts";
import { openStore } from "./store/store.ts";
import type { Log } from "./telemetry/log.ts";
import { createMetrics } from "./telemetry/metrics.ts";
import { History } from "./tracks/history.ts";
import type { TrackStore } from "./tracks/ports.ts";
import { openBus } from "./transport/bus/open-bus.ts";
import { Feed } from "./transport/feed/feed.ts";
import { createApp } from "./transport/http/app.ts";
import { decodeReport } from "./transport/ingest/report.ts";
import { type ChosenServer, chooseServer } from "./transport/server/choose-server.ts";
import type { Server } from "./transport/server/server.ts";
import { VERSION } from "./version.ts";
import { openWebhooks, type WebhookDelivery } from "./webhook-delivery.ts";
import type { DeliveryStore, WebhookStore } from "./webhooks/ports.ts";

/** HTTP requests under way at a stop get so long. */
const SERVER_GRACE_MS = 3_000;
/** What is decided gets so long to be committed at a stop; an unreachable database must not keep the process. */
const COMMIT_GRACE_MS = 10_000;
/** The last checkpoints of a stop get so long; the next start replays what is missing. All three together stay below 30 s. */
const CHECKPOINT_GRACE_MS = 15_000;

/** A node that leaves a cluster is gone within 10 s, whatever does not answer: its reports are answered, then its shards handed over, then all as above. */
const LEAVE_GRACE_MS = 9_000;
const FORWARD_GRACE_MS = 1_500;
const HAND_OVER_GRACE_MS = 4_500;

/** As nodes tell each other that one was changed. */
const WEBHOOKS = "webhooks";
const WEB_DIR = fileURLToPath(new URL("../web/dist", import.meta.url));

/** What a node wants of its store. */
export interface NodeStore extends Journal, CheckpointStore, ShardStore, AsyncDisposable {
  readonly kind: string;
  readonly snapshot: RowSink;
  /** Absent = events are written and not read. */
  readonly eventLog?: EventLog;
  readonly webhooks?: WebhookStore & DeliveryStore;
  /** Absent = only the built-in machine. */
  readonly machines?: MachineStore;
  /** Absent = no fences. */
  readonly fences?: FenceStore;
  /** Takes away what is stored of entities that are deleted. Absent = nothing is. */
  readonly erasure?: ErasureStore;
  /** Writes the tracks as rows. */
  readonly tracks?: { start(rows: TrackSource): void; readonly stats: TrackStats };
  readonly history?: TrackStore;
  /** Of a node of a cluster. */
  readonly cluster?: ClusterStore;
  readonly incarnation?: string | number;
  /** `down` is called when another node has taken this node's place. */
  onDown(down: (error: Error) => void): void;
}

export interface NodeOptions {
  config: Config;
  log: Log;
  clock?: Clock;
  /** Another store than the one the config names: tests give one in memory. The node disposes it. */
  store?: NodeStore;
  /** Default `CHECKPOINT_INTERVAL_MS`; tests want checkpoints sooner. */
  checkpointIntervalMs?: number;
  /** The node cannot go on: the process should end. Called at most once, and not after `onEvicted`. */
  onFatal(error: unknown): void;
  /** Others have evicted this node, for it did not renew its lease: it should be stopped, and may be started anew. Default: as `onFatal`. */
  onEvicted?(): void;
}

export interface Node extends AsyncDisposable {
  /** `http://host:port` as other processes of this machine reach it. */
  readonly url: string;
  readonly token: string;
  /** The token was made by this start. */
  readonly tokenCreated: boolean;
  readonly system: ActorSystem;
  readonly feed: Feed;
  /** Of a node of a cluster. */
  readonly cluster: Cluster | undefined;
  readonly store: NodeStore;
  /** The server's name, and what is to be said about it. */
  readonly server: { name: string } & ChosenServer["about"];
  /** Stops in order. Resolves to false if decided work could not be committed in time; it was never acknowledged. */
  stop(): Promise<boolean>;
}

/** Starts a node. @throws StoreStartError, ServerStartError, the system's listen errors; whatever was opened is closed again then. */
export async function startNode(options: NodeOptions): Promise<Node> {
  const { config, log, clock = systemClock } = options;
  const chosen = chooseServer(config.server);
  await using opened = new AsyncDisposableStack();
  const admin = openAdminToken({ dataDir: config.dataDir, given: config.adminToken });
  const { databaseUrl, dataDir, redisUrl, retentionMs } = config;
  const urlAt = (port: number) => `http://${reachable(config.host)}:${port}`;
  let publicUrl = config.publicUrl ?? urlAt(config.port);
  const bus =
    redisUrl === undefined ? undefined : await openBus({ url: redisUrl, log, clock, random: systemRandom });
  if (bus !== undefined) opened.defer(() => bus.close());
  const storeOptions = { databaseUrl, dataDir, url: publicUrl, clock, log, retentionMs };
  const store: NodeStore = opened.use(
    options.store ??
      (await (bus === undefined ? openStore(storeOptions) : openStore({ ...storeOptions, clustered: true }))),
  );
  let failed = false;
  const fail = (error: unknown) => {
    if (failed) return;
    failed = true;
    options.onFatal(error);
  };
  const evicted = () => {
    if (options.onEvicted === undefined) fail(new Error("other nodes have evicted this one"));
    if (failed) return;
    failed = true;
    options.onEvicted?.();
  };
  const staleBecause = { away: false, cluster: false };
  const tellStale = () => {
    feed.stale = staleBecause.away || staleBecause.cluster;
  };
  /** Those who have events, or what was, in memory, each after those that it gets them from. */
  const memories: { forget(id: string): Promise<void> }[] = [];
  const forget = async (id: string) => {
    for (const memory of memories) await memory.forget(id);
  };
  let webhooks: WebhookDelivery | undefined;
  const cluster =
    bus === undefined || store.cluster === undefined
      ? undefined
      : new Cluster({
          name: config.cluster,
          store: store.cluster,
          bus,
          clock,
          log,
          random: systemRandom,
          forget,
          onConfiguration: (part) => {
            held.heard(part);
            if (part === undefined || part === WEBHOOKS) webhooks?.deliverer.changed();
          },
          onStale: (stale) => {
            staleBecause.cluster = stale;
            tellStale();
          },
          onDown: evicted,
          onFatal: fail,
        });
  const mayBeListed = (index: number, number: number, id: string) => {
    const shard = system.table.shards[index];
    return shard.slot(number) >= 0 && !shard.leaving.isGoing(id);
  };
  const rows = entityRows(store.snapshot, mayBeListed);
  const held = new HeldConfiguration({
    machines: store.machines,
    fences: store.fences,
    system: () => system,
    announce: (part) => cluster?.announceConfiguration(part),
    clock,
    onFatal: fail,
  });
  const system: ActorSystem = new ActorSystem({
    receive: {
      maxClockSkew: config.maxClockSkewMs,
      maxReportAge: config.maxReportAgeMs,
      staleAfter: config.staleAfterMs,
      lostAfter: config.lostAfterMs,
      expiredAfter: config.expiredAfterMs,
    },
    machine: compileMachine(TRACKED),
    readMachines: () => held.readMachines(),
    readFences: () => held.readFences(),
    store,
    traces: tracesOf(store.erasure, async (id) => cluster?.forget(id) ?? forget(id).then(() => true)),
    clock,
    ...cluster?.forSystem,
    checkpointIntervalMs: options.checkpointIntervalMs,
    onCheckpoint: rows,
    onLost: (shards, recovered) => log.warn({ shards, ...recovered }, "shards were lost and loaded again"),
    onAway: (away) => {
      staleBecause.away = away;
      tellStale();
      if (away) log.warn("the database does not answer: what is decided waits, nothing is acknowledged");
      else log.info("the database answers again");
    },
    onFatal: fail,
  });
  cluster?.attach(system);
  const ingest = cluster?.ingest ?? system.router;
  const commands = cluster?.commands ?? system.router;
  const { picture } = system;
  const tail =
    store.eventLog === undefined
      ? undefined
      : new EventTail({
          log: store.eventLog,
          clock,
          onHeld: (lagMs, holders) =>
            log.warn({ lagMs: Math.round(lagMs), holders }, "a transaction keeps new events from being read"),
          onFatal: fail,
        });
  if (tail !== undefined) {
    memories.push(tail);
    tail.start();
    opened.defer(() => tail.stop());
  }
  const filterTime = new FilterTime(clock);
  const encoder = new EventEncoder(config.cluster);
  const events = tail && { log: store.eventLog!, tail, encoder, filterTime };
  const tails = cluster?.tails ?? new LocalTails(system.table, clock).alone;
  const history = store.history === undefined ? undefined : new History(store.history, tails);
  const policy = new Policy();
  const closedShards = () => closedAmong(system.table.shards);
  const feed = new Feed({
    policy,
    ...{ picture, ingest, commands, newId: systemId, clock, log, decodeReport },
    interest: cluster?.interest,
    events,
    history,
    filterTime,
    cluster: cluster?.queries,
    closedShards,
  });
  memories.push({ forget: async (id) => feed.forget(id) });
  opened.defer(() => system.abandon());
  store.onDown(cluster === undefined ? fail : evicted);
  opened.defer(() => held.stop());
  await held.start();
  if (cluster === undefined) {
    const began = clock.monotonic();
    logRecovery(log, await system.start(), clock.monotonic() - began);
  } else {
    opened.defer(() => cluster.stop());
    system.startTimers();
    await cluster.start();
  }

  store.tracks?.start(new TrackSource(system.table));
  let stopping = false;
  const health = healthOf(system, cluster, () => stopping);
  if (events !== undefined && store.webhooks !== undefined) {
    webhooks = openWebhooks({
      config,
      store: store.webhooks,
      holder: String(store.incarnation),
      events,
      clock,
      log,
      announce: () => cluster?.announceConfiguration(WEBHOOKS),
      fail,
    });
    memories.push(webhooks.deliverer);
    opened.use(webhooks);
  }
  const metrics = createMetrics(nodeReadings(system, feed, cluster, webhooks, store.tracks?.stats));
  const identify = identifyAdmin(admin.token);
  const app = createApp({
    ingest,
    commands,
    newId: systemId,
    picture,
    events,
    webhooks: webhooks?.routes,
    ...held.routes,
    cluster: cluster?.queries,
    closedShards,
    history,
    clusterStatus: () =>
      cluster?.status() ?? aloneStatus(String(store.incarnation ?? "alone"), publicUrl, VERSION),
    health,
    metrics,
    identify,
    policy,
    origins: config.origins,
    clock,
    webDir: WEB_DIR,
    onError: (error) => log.error({ err: error }, "a request failed"),
  });
  const server: Server = chosen.create(
    {
      fetch: app.fetch,
      direct: app.direct,
      upgrade: createUpgrade({ identify, stopping: () => stopping }),
      socket: admitted(feed.handlers),
      maxMessageBytes: MAX_FEED_MESSAGE_BYTES,
      maxConnections: MAX_CONNECTIONS,
    },
    (error) => log.error({ err: error }, "a connection failed"),
  );
  feed.start();
  opened.defer(() => feed.stop());
  const port = await server.listen(config.host, config.port);
  publicUrl = config.publicUrl ?? urlAt(port);
  store.cluster?.setUrl(publicUrl);
  const kept = opened.move();

  const stop = async (): Promise<boolean> => {
    stopping = true;
    server.leave();
    // Before the intake closes: what feeds send now is left to be sent again, and not refused.
    feed.leave();
    const end = clock.monotonic() + (cluster === undefined ? Infinity : LEAVE_GRACE_MS);
    const atMost = (ms: number) => Math.max(0, Math.min(ms, end - clock.monotonic()));
    if (cluster !== undefined && !failed) {
      cluster.close();
      await within(clock, FORWARD_GRACE_MS, cluster.answered());
      await within(clock, HAND_OVER_GRACE_MS, cluster.leave());
    }
    // Of a node that cannot go on nothing more will be committed.
    const settled = !failed && (await within(clock, atMost(COMMIT_GRACE_MS), system.settle()));
    await within(clock, atMost(SERVER_GRACE_MS), webhooks?.deliverer.stop() ?? Promise.resolve());
    // Streams end only so; the server waits for them.
    await tail?.stop();
    await server.close(atMost(SERVER_GRACE_MS));
    if (settled && !failed) await within(clock, atMost(CHECKPOINT_GRACE_MS), system.stop());
    const clean = system.router.idle && system.commit.idle;
    await kept.disposeAsync();
    return clean;
  };
  let stopped: Promise<boolean> | undefined;
  const stopOnce = () => {
    stopped ??= stop();
    return stopped;
  };
  return {
    url: urlAt(port),
    token: admin.token,
    tokenCreated: admin.created,
    system,
    feed,
    cluster,
    store,
    server: { name: server.name, ...chosen.about },
    stop: stopOnce,
    async [Symbol.asyncDispose]() {
      await stopOnce();
    },
  };
}

function logRecovery(log: Log, recovered: Recovered, ms: number): void {
  const { entities, facts } = recovered;
  const report = { entities, facts, ms: Math.round(ms) };
  if (replayedTooMuch(recovered))
    log.warn(report, "recovered, with more to replay than there should ever be");
  else log.info(report, "recovered");
}

/** Whether `promise` is done within `ms`. */
function within(clock: Clock, ms: number, promise: Promise<void>): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const cancel = clock.schedule(ms, () => resolve(false));
    promise.then(() => {
      cancel();
      resolve(true);
    }, reject);
  });
}
