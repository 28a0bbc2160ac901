/**
 * One node, put together from a Config: the composition root, and the only file that knows everybody.
 *
 * Start goes store → actors (claim, load) → feed → server, so that who can connect finds everything there. Stop goes the other way: nothing
 * new is taken, what was taken is committed and answered, feeds are closed as soon as they are, then sockets, actors and store.
 */
import { fileURLToPath } from "node:url";
import { Identities } from "./access/identities.ts";
import { KEY_BYTES } from "./access/limits.ts";
import { Policy } from "./access/policy.ts";
import { RoleCatalogue } from "./access/roles.ts";
import { LocalTails } from "./actors/local-tails.ts";
import { compileMachine } from "./actors/machine/compile.ts";
import { TRACKED } from "./actors/machine/tracked.ts";
import { replayedTooMuch } from "./actors/ownership.ts";
import type { Recovered } from "./actors/recovery.ts";
import { closedAmong } from "./actors/shard.ts";
import { ActorSystem } from "./actors/system.ts";
import { TrackSource } from "./actors/track-source.ts";
import { identifyAdmin, openAdminToken, tokenHash } from "./auth/admin-token.ts";
import { admitted, createUpgrade } from "./auth/upgrade.ts";
import { type Clock, systemClock, systemId, systemRandom, systemSecret } from "./clock.ts";
import { Cluster } from "./cluster/cluster.ts";
import { aloneStatus } from "./cluster/status.ts";
import { type Config, reachable } from "./config.ts";
import { entityRows } from "./entity-rows.ts";
import { tracesOf } from "./erasure.ts";
import { EventEncoder } from "./events/cloud-event.ts";
import { EventTail } from "./events/tail.ts";
import { healthOf } from "./health.ts";
import { HeldConfiguration } from "./held-configuration.ts";
import { MAX_CONNECTIONS, MAX_FEED_MESSAGE_BYTES } from "./limits.ts";
import type { NodeStore } from "./node-store.ts";
import { FilterTime } from "./picture/filter-time.ts";
import { nodeReadings } from "./readings.ts";
import { stopNode } from "./stop-node.ts";
import { openStore } from "./store/store.ts";
import type { Log } from "./telemetry/log.ts";
import { createMetrics } from "./telemetry/metrics.ts";
import { History } from "./tracks/history.ts";
import { openBus } from "./transport/bus/open-bus.ts";
import { Feed } from "./transport/feed/feed.ts";
import { createApp } from "./transport/http/app.ts";
import { decodeReport } from "./transport/ingest/report.ts";
import { type ChosenServer, chooseServer } from "./transport/server/choose-server.ts";
import type { Server } from "./transport/server/server.ts";
import { VERSION } from "./version.ts";
import { openWebhooks, type WebhookDelivery } from "./webhook-delivery.ts";

/** As nodes tell each other that one was changed. */
const WEBHOOKS = "webhooks";
const WEB_DIR = fileURLToPath(new URL("../web/dist", import.meta.url));

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
  const policy = new Policy();
  const identities = new Identities({
    admin: identifyAdmin(admin.token),
    hash: tokenHash,
    now: () => clock.now(),
  });
  const { identify } = identities;
  const held = new HeldConfiguration({
    machines: store.machines,
    fences: store.fences,
    access: store.access && { ...store.access, catalogue: new RoleCatalogue(policy), identities },
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
  const closedShards = () => closedAmong(system.table.shards);
  const feed = new Feed({
    policy,
    current: identities.current,
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
  const app = createApp({
    ingest,
    commands,
    newId: systemId,
    picture,
    events,
    webhooks: webhooks?.routes,
    ...held.routes,
    keys: held.routes.keys && { ...held.routes.keys, newKey },
    cluster: cluster?.queries,
    closedShards,
    history,
    clusterStatus: () =>
      cluster?.status() ?? aloneStatus(String(store.incarnation ?? "alone"), publicUrl, VERSION),
    health,
    metrics,
    identify,
    policy,
    current: identities.current,
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

  let stopped: Promise<boolean> | undefined;
  const stopOnce = () => {
    stopping = true;
    const parts = { clock, server, feed, cluster, system, webhooks: webhooks?.deliverer, tail };
    stopped ??= stopNode({ ...parts, failed: () => failed, close: () => kept.disposeAsync() });
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

/** It begins so that people and programs that look for secrets know what it is. */
function newKey(): string {
  return `mk_${systemSecret(KEY_BYTES).toString("base64url")}`;
}

function logRecovery(log: Log, recovered: Recovered, ms: number): void {
  const { entities, facts } = recovered;
  const report = { entities, facts, ms: Math.round(ms) };
  if (replayedTooMuch(recovered))
    log.warn(report, "recovered, with more to replay than there should ever be");
  else log.info(report, "recovered");
}
