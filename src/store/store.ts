/**
 * The store of a node: a PostgreSQL server, or the embedded one, behind the actors' ports. Everything shard-owned that becomes durable goes
 * through the fence.
 *
 * States: open → down (another node has this node's place: nothing can be written any more) or closed.
 */
import assert from "node:assert/strict";
import type { Pool } from "pg";
import {
  type AppendOutcome,
  type Batch,
  type Checkpoint,
  type CheckpointStore,
  type Journal,
  type RecoveryItem,
  type ShardStore,
  StoreAway,
} from "../actors/ports.ts";
import type { Clock } from "../clock.ts";
import type { ClusterStore } from "../cluster/ports.ts";
import { RepeatedWarning } from "../telemetry/repeated-warning.ts";
import { VERSION } from "../version.ts";
import { appendFlush, findFlush } from "./append-flush.ts";
import { Cluster, leasePool } from "./cluster.ts";
import { EVENT_PARTITIONS } from "./drop-old-events.ts";
import { EmbeddedDatabase } from "./embedded/bridge.ts";
import { lockFolder, makeFolder } from "./embedded/folder.ts";
import { startUpkeep, type UpkeepLimits } from "./embedded/upkeep.ts";
import { isPoison, StoreStartError } from "./errors.ts";
import { StoredEvents } from "./event-log.ts";
import { Fence } from "./fence.ts";
import { claim, evicted, join, leave, leaveCluster, renew } from "./membership.ts";
import { type Orm, openOrm } from "./orm.ts";
import { PartitionUpkeep } from "./partition-upkeep.ts";
import { prepareDatabase } from "./prepare-database.ts";
import { raiseMarks } from "./raise-marks.ts";
import { recoverShards } from "./recover-shards.ts";
import { raiseGeneration, releaseShards } from "./release-shards.ts";
import { JournalRing, type Ring } from "./ring.ts";
import { type StoreContext, withClient } from "./session.ts";
import { SharedRing } from "./shared-ring.ts";
import { SnapshotWriter } from "./snapshot.ts";
import { StoredAccess } from "./stored-access.ts";
import { StoredErasure } from "./stored-erasure.ts";
import { StoredFences } from "./stored-fences.ts";
import { StoredMachines } from "./stored-machines.ts";
import { StoredWebhooks } from "./stored-webhooks.ts";
import { TRACK_PARTITIONS } from "./track/drop-old-tracks.ts";
import { StoredTracks } from "./track/stored-tracks.ts";
import { TrackWriter } from "./track/track-writer.ts";
import { RingTurner } from "./turn-ring.ts";
import { writeCheckpoint } from "./write-checkpoint.ts";

const RENEW_MS = 1_250;
/** A server that does not answer a flush in this time counts as away. Below the lease. */
const SERVER_DEADLINE_MS = 4_500;
/** The embedded database answers or is dead; this only bounds a fault nobody thought of. */
const EMBEDDED_DEADLINE_MS = 120_000;
/** What is to be written behind gets so long at a stop. */
const GRACE_MS = 3_000;

/** What the store says to a log; pino's loggers do. */
export interface StoreLog {
  info(details: object, message: string): void;
  warn(details: object, message: string): void;
  error(details: object, message: string): void;
}

export interface StoreOptions {
  /** A PostgreSQL server; absent = the embedded one in `dataDir`. */
  databaseUrl?: string;
  dataDir: string;
  /** Of this node, as others reach it. */
  url: string;
  clock: Clock;
  log: StoreLog;
  /** When a part of the journal is full. Default `JOURNAL_PART_BYTES`. */
  journalPartBytes?: number;
  /** How old events and tracks may be. Default: they are kept for ever. */
  retentionMs?: number;
  /** One of many nodes on the server of `databaseUrl`. Default: the only one. */
  clustered?: boolean;
  /** When the embedded database is looked after. */
  upkeep?: UpkeepLimits;
}

/** Of a node of a cluster: it renews nothing by itself, whoever has it does. */
export type ClusteredStore = Store & { readonly cluster: ClusterStore };

/** Opens the store, migrates it and joins as a new incarnation. @throws StoreStartError with a sentence for the operator */
export async function openStore(options: StoreOptions & { clustered: true }): Promise<ClusteredStore>;
export async function openStore(options: StoreOptions): Promise<Store>;
export async function openStore(options: StoreOptions): Promise<Store> {
  const { databaseUrl, dataDir, clock, log, clustered = false, retentionMs = Infinity } = options;
  assert.ok(databaseUrl !== undefined || !clustered, "many nodes need a server");
  await using opened = new AsyncDisposableStack();
  let embedded: EmbeddedDatabase | undefined;
  let orm: Orm;
  let context: StoreContext;
  if (databaseUrl === undefined) {
    const folder = await lockFolder(dataDir, clock);
    opened.defer(() => folder.release());
    embedded = await EmbeddedDatabase.open(folder, clock).catch((error: Error) => {
      throw new StoreStartError(
        "cannot-open",
        `the database in ${folder.database} cannot be opened: ${error.message}`,
        { cause: error },
      );
    });
    const database = embedded;
    opened.defer(() => database.close());
    folder.onLost((why) => database.lose(why));
    orm = await openOrm({ embedded }, "work");
    opened.defer(() => orm.close());
    context = { pool: orm.pool, clock, deadlineMs: EMBEDDED_DEADLINE_MS };
    await prepareDatabase(orm.orm, context, databaseUrl, log);
    folder.complete();
  } else {
    makeFolder(dataDir);
    await migrateServer(databaseUrl, clock, log);
    orm = await openOrm({ url: databaseUrl }, "work");
    opened.defer(() => orm.close());
    context = { pool: orm.pool, clock, deadlineMs: SERVER_DEADLINE_MS };
  }
  const membership = await join(context, {
    url: options.url,
    version: VERSION,
    alone: embedded !== undefined,
    clustered,
  });
  const kind = embedded === undefined ? "postgresql" : "embedded";
  const single = clustered ? undefined : new JournalRing(context, options.journalPartBytes);
  const ring = single ?? new SharedRing(context, options.journalPartBytes);
  await ring.open();
  const lease = databaseUrl !== undefined && clustered ? leasePool(databaseUrl) : undefined;
  if (lease !== undefined) opened.defer(() => lease.end());
  const store = new Store({
    context,
    kind,
    ...membership,
    ring,
    single,
    lease,
    log,
    retentionMs,
  });
  opened.defer(() => store.leave());
  await store.partitions.make();
  const kept = opened.move();
  store.opened(kept, embedded, options.upkeep);
  return store;
}

/** In a pool of its own, on whose statements the server sets no limit. */
export async function migrateServer(databaseUrl: string, clock: Clock, log: StoreLog): Promise<void> {
  const { orm, pool, close } = await openOrm({ url: databaseUrl }, "migration");
  try {
    await prepareDatabase(orm, { pool, clock, deadlineMs: SERVER_DEADLINE_MS }, databaseUrl, log);
  } finally {
    await close();
  }
}

interface StoreParts {
  context: StoreContext;
  kind: Store["kind"];
  incarnation: string;
  era: number;
  ring: Ring;
  /** The ring, if this is the only node. */
  single: JournalRing | undefined;
  /** For renewals, if this is a node of a cluster. */
  lease: Pool | undefined;
  log: StoreLog;
  retentionMs: number;
}

export class Store implements Journal, CheckpointStore, ShardStore, AsyncDisposable {
  readonly kind: "embedded" | "postgresql";
  readonly incarnation: string;
  readonly snapshot: SnapshotWriter;
  readonly eventLog: StoredEvents;
  readonly webhooks: StoredWebhooks;
  readonly machines: StoredMachines;
  readonly fences: StoredFences;
  readonly access: StoredAccess;
  readonly tracks: TrackWriter;
  readonly history: StoredTracks;
  readonly erasure: StoredErasure;
  readonly partitions: PartitionUpkeep;
  /** The pool, for the parts of the store that are not behind a port. */
  readonly context: StoreContext;
  /** Of a node of a cluster. */
  readonly cluster: ClusterStore | undefined;
  readonly #era: number;
  readonly #fence: Fence;
  readonly #ring: Ring;
  readonly #turner: RingTurner;
  readonly #single: JournalRing | undefined;
  readonly #log: StoreLog;
  #down: ((error: Error) => void)[] = [];
  #isDown = false;
  readonly #unrenewed: RepeatedWarning;
  #cancelRenew = () => {};
  #stopUpkeep: () => Promise<void> = async () => {};
  #resources = new AsyncDisposableStack();
  #hurry = () => {};
  #closed: Promise<void> | undefined;

  /** Stores are made by `openStore`. */
  constructor({ context, kind, incarnation, era, ring, single, lease, log, retentionMs }: StoreParts) {
    this.context = context;
    this.kind = kind;
    this.incarnation = incarnation;
    this.#era = era;
    this.eventLog = new StoredEvents(context);
    this.webhooks = new StoredWebhooks(context, incarnation);
    this.machines = new StoredMachines(context);
    this.fences = new StoredFences(context);
    this.access = new StoredAccess(context);
    this.#fence = new Fence(incarnation, {
      raise: (own) => withClient(context, (client) => raiseGeneration(client, own)),
      release: (key, shards) => withClient(context, (client) => releaseShards(client, key, shards)),
    });
    this.#ring = ring;
    this.#turner = new RingTurner(ring, this.#fence, log, context.clock);
    this.#single = single;
    this.#log = log;
    this.#unrenewed = new RepeatedWarning(context.clock, (reason) =>
      log.warn({ reason }, "the lease could not be renewed"),
    );
    if (lease !== undefined) {
      const down = () => this.#becomeDown(evicted());
      this.cluster = new Cluster(context, lease, this.#fence, down);
    }
    this.snapshot = new SnapshotWriter(context, this.#fence, (error) =>
      log.error({ err: error }, "entity rows could not be written"),
    );
    this.tracks = new TrackWriter(context, this.#fence, kind === "embedded", (error) =>
      log.error({ err: error }, "rows of tracks could not be written"),
    );
    this.history = new StoredTracks(context);
    this.erasure = new StoredErasure(context, this.#fence, this.snapshot, this.tracks, ring);
    this.partitions = new PartitionUpkeep(context, log, retentionMs, [EVENT_PARTITIONS, TRACK_PARTITIONS]);
  }

  /** Takes over what was opened, and starts what goes on behind. */
  opened(
    resources: AsyncDisposableStack,
    embedded: EmbeddedDatabase | undefined,
    upkeep: UpkeepLimits | undefined,
  ): void {
    this.#resources = resources;
    this.partitions.start();
    if (embedded === undefined) {
      if (this.cluster === undefined) this.#planRenewal();
    } else {
      embedded.onDeath((error) => this.#becomeDown(error));
      embedded.onCrash(({ message }) =>
        this.#log.warn({ reason: message }, "the embedded database is opened again"),
      );
      this.#hurry = () => embedded.hurry();
      const failed = (error: unknown) => this.#log.warn({ err: error }, "upkeep of the database failed");
      this.#stopUpkeep = startUpkeep(this.context, failed, upkeep);
    }
  }

  /** Calls `down` once, when this node has lost its place or its database for good. */
  onDown(down: (error: Error) => void): void {
    this.#down.push(down);
  }

  async append(batch: Batch, attempt: number): Promise<AppendOutcome> {
    const { incarnation } = this;
    if (this.#isDown || this.#fence.hasGivenAway(batch)) return { status: "fenced" };
    // Beside other writers the ring may go round before an attempt that hangs on a dead connection lands: it must not land any more.
    if (attempt > 1 && this.cluster !== undefined) await this.#fence.raise();
    const key = await this.#fence.key();
    try {
      const id = await withClient(this.context, async (client) => {
        const known = attempt > 1 ? await findFlush(client, incarnation, batch.flushNo) : undefined;
        if (known !== undefined || key === undefined) return known;
        return appendFlush(client, { ...key, ring: this.#ring.current, era: this.#era }, batch);
      });
      if (id === undefined) return { status: "fenced" };
      this.#appended(id, batch);
      return { status: "committed", journalId: id };
    } catch (error) {
      if (!isPoison(error)) throw error;
      // The first attempt may have landed after the look: then its number is there, and that is no fault of the data.
      const landed = await withClient(this.context, (client) =>
        findFlush(client, incarnation, batch.flushNo),
      );
      if (landed === undefined) return { status: "poisoned", detail: error.message };
      this.#appended(landed, batch);
      return { status: "committed", journalId: landed };
    }
  }

  async write(checkpoint: Checkpoint): Promise<boolean> {
    if (this.#isDown) return false;
    const key = await this.#fence.key();
    if (key === undefined) return false;
    const written = await withClient(this.context, (client) => writeCheckpoint(client, key, checkpoint));
    if (written) this.#ring.marked(checkpoint.shard, checkpoint.mark);
    return written;
  }

  async claim(shards: readonly number[]): Promise<Map<number, number>> {
    const claimed = await claim(this.context, this.incarnation, shards);
    if (claimed === undefined) {
      this.#becomeDown(evicted());
      throw new StoreAway("this incarnation is down");
    }
    this.#fence.raised(claimed.gen);
    this.#fence.holds(claimed.epochs);
    return claimed.epochs;
  }

  recover(shards: readonly number[]): AsyncIterable<RecoveryItem> {
    return recoverShards(this.context, shards);
  }

  /** Gives up shards and lease. Part of closing. */
  async leave(): Promise<void> {
    if (this.#isDown) return;
    try {
      if (this.#single === undefined) await leaveCluster(this.context, this.incarnation);
      else {
        await this.#raiseMarks(this.#single);
        await leave(this.context, this.incarnation);
      }
    } catch (error) {
      // The next start does without: it replays what the marks do not cover, and evicts a dead process.
      this.#log.warn({ err: error }, "the node could not leave the database in order");
    }
  }

  async #raiseMarks(ring: JournalRing): Promise<void> {
    const key = await this.#fence.key();
    if (key === undefined) return;
    const { newest } = ring;
    const clean = ring.cleanShards();
    await withClient(this.context, (client) => raiseMarks(client, key, clean, newest));
  }

  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    this.#hurry();
    this.#cancelRenew();
    this.partitions.stop();
    await this.#stopUpkeep();
    await Promise.all([this.#turner.settled(), this.snapshot.stop(GRACE_MS), this.tracks.stop(GRACE_MS)]);
    await this.#resources.disposeAsync();
  }

  #appended(id: number, batch: Batch): void {
    const bytes = batch.sections.reduce((sum, section) => sum + section.body.length, 0);
    this.#ring.appended(
      id,
      batch.sections.map((section) => section.shard),
      bytes,
    );
    if (batch.events.length > 0) this.eventLog.committed();
    this.#turner.appended();
  }

  #planRenewal(): void {
    this.#cancelRenew = this.context.clock.schedule(RENEW_MS, () => {
      void withClient(this.context, (client) => renew(client, this.incarnation))
        .then((renewed) => {
          this.#unrenewed.over();
          if (!renewed) this.#becomeDown(evicted());
        })
        .catch((error: Error) => this.#unrenewed.tell(error.message))
        .finally(() => {
          if (!this.#isDown && this.#closed === undefined) this.#planRenewal();
        });
    });
  }

  #becomeDown(error: Error): void {
    if (this.#isDown || this.#closed !== undefined) return;
    this.#isDown = true;
    this.#cancelRenew();
    for (const down of this.#down) down(error);
  }
}
