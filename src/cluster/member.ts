/**
 * One node's part in who owns what: claims what is free, evicts the dead, hands over what another should have, and tells the others.
 *
 * Safety is not made here: whatever this does, the fence keeps older owners from writing, and owners refuse what is not theirs. This makes progress.
 */
import { StoreAway } from "../actors/ports.ts";
import type { Clock } from "../clock.ts";
import { RepeatedWarning } from "../telemetry/repeated-warning.ts";
import type { Announcement } from "./announcement.ts";
import { HandOvers } from "./hand-overs.ts";
import { Lease, RENEW_MS } from "./lease.ts";
import { Ledger } from "./ledger.ts";
import type { ClusterState, ClusterStore, Member as MemberState } from "./ports.ts";
import type { Routing } from "./routing.ts";
import { isAway, type ShardHost } from "./shard-host.ts";

/** Shards are moved only when nobody has come or gone for so long. */
const STABLE_MS = 5_000;
/** A tenth of the shards: moved in a round, a hand-over after the other. */
const SHARDS_PER_ROUND = 26;
const ROUND_MS = 2_000;
/** Between two lists of what is open here: who missed an announcement waits so long at most. */
const ANNOUNCE_MS = 1_000;
const LOAD_RETRY_MS = 500;
/** Between two looks that somebody asked for. */
const LOOK_PAUSE_MS = 200;
/** After the moment at which a lease runs out. */
const LOOK_MARGIN_MS = 20;

export interface MemberLog {
  info(details: object, message: string): void;
  warn(details: object, message: string): void;
}

export interface MemberOptions {
  store: ClusterStore;
  host: ShardHost;
  routing: Routing;
  clock: Clock;
  log: MemberLog;
  /** To all other nodes; may be lost. */
  announce(announcement: Announcement): void;
  /** The gate closed or opened. */
  onSuspended(suspended: boolean): void;
  /** The members are others than before. */
  onMembers?(members: readonly MemberState[]): void;
  /** This incarnation is evicted: everything must be dropped, and the node may join anew. */
  onDown(): void;
  onFatal(error: unknown): void;
}

export class Member {
  readonly lease: Lease;
  readonly ledger: Ledger;
  readonly #options: MemberOptions;
  readonly #handOvers: HandOvers;
  #memberKey = "";
  #stableSince = Infinity;
  #leaving = false;
  /** Under way. */
  #claims = 0;
  /** Something became free while a claim was under way. */
  #claimAgain = false;
  /** Nodes that this one asked to be evicted; the next look tells whether they are. */
  readonly #accused = new Set<string>();
  #nextRound = -Infinity;
  #lookedAt = -Infinity;
  #stopped = false;
  #cancelLook = () => {};
  #cancelAnnounce = () => {};
  readonly stats = { claimed: 0, evicted: 0, lost: 0 };

  constructor(options: MemberOptions) {
    this.#options = options;
    this.ledger = new Ledger(options.store.incarnation);
    this.#handOvers = new HandOvers(options, this.ledger);
    const unrenewed = new RepeatedWarning(options.clock, (reason) =>
      options.log.warn({ reason }, "the lease could not be renewed"),
    );
    this.lease = new Lease(options.store, options.clock, {
      renewed: (state, askedAt) => {
        unrenewed.over();
        this.#renewed(state, askedAt);
      },
      suspended: (suspended) => options.onSuspended(suspended),
      down: () => {
        this.stop();
        options.onDown();
      },
      failed: (error) => unrenewed.tell(error.message),
      fatal: (error) => options.onFatal(error),
    });
  }

  /** Joins in. What is free comes to this node by and by. @throws StoreAway */
  async start(): Promise<void> {
    await this.lease.start();
    this.#announceOpen();
  }

  /** Renews and claims no more. */
  stop(): void {
    this.#stopped = true;
    this.lease.stop();
    this.#cancelLook();
    this.#cancelAnnounce();
  }

  /** Hands over all shards, as long as there is anybody who could take them. Does not reject; what could not be handed over is still open. */
  async leave(): Promise<void> {
    const { store, announce } = this.#options;
    this.#leaving = true;
    this.ledger.draining(this.ledger.incarnation);
    await store.drain().catch(ignoreAway);
    announce({ is: "leaving" });
    while (!this.#stopped && this.#hasTakers()) {
      const open = [...this.ledger.mine("open").keys()];
      if (open.length > 0 && !this.#handOvers.busy && this.lease.open)
        await this.#handOvers.some(this.#handOvers.portion(open));
      else if (open.length === 0 && this.ledger.mine("leaving").size === 0) return;
      else await this.#pause(10);
    }
  }

  /** Shards whose memory is not true any more: forgets them, and opens them again under new epochs. To be called between flushes. */
  async reopen(shards: readonly number[]): Promise<void> {
    const { host, store, routing } = this.#options;
    this.stats.lost += shards.length;
    const epochs = this.ledger.epochs(shards);
    routing.vacant(epochs);
    host.forget(shards);
    this.ledger.move(shards, "leaving");
    while (!this.#stopped) {
      try {
        await store.release(shards);
        break;
      } catch (error) {
        ignoreAway(error);
        await this.#pause(LOAD_RETRY_MS);
      }
    }
    this.ledger.given(epochs, this.#now);
    if (!this.#leaving) await this.#claim(shards, new Set());
  }

  /** Something that another node announced. */
  heard(from: string, announcement: Announcement): void {
    const { routing, store } = this.#options;
    if (from === store.incarnation || this.#stopped) return;
    if (!this.ledger.knows(from)) this.lookSoon();
    switch (announcement.is) {
      case "open": {
        const epochs = new Map(announcement.shards);
        routing.elsewhere(from, epochs);
        this.ledger.opened(from, epochs);
        return;
      }
      case "released": {
        const epochs = new Map(announcement.shards);
        routing.vacant(epochs);
        this.ledger.freed(epochs, this.#now);
        this.#claimFree();
        return;
      }
      case "leaving":
        this.ledger.draining(from);
        return;
      default:
        announcement satisfies never;
    }
  }

  /** Asks the authority now, and not at the next renewal. */
  lookSoon(): void {
    const now = this.#now;
    if (now - this.#lookedAt < LOOK_PAUSE_MS) return;
    this.#lookedAt = now;
    void this.lease.look();
  }

  /** Of the newest hand-overs, from closing to released and taken note of, ms; and how many shards there were in all. */
  get handOverStats(): HandOvers["stats"] {
    return this.#handOvers.stats;
  }

  get #now(): number {
    return this.#options.clock.monotonic();
  }

  #renewed(state: ClusterState, askedAt: number): void {
    const whole = this.ledger.take(state, askedAt, this.#now);
    if (this.#leaving) this.ledger.draining(this.ledger.incarnation);
    this.#noteMembers();
    this.#noteEvicted();
    if (whole) {
      this.#route(state);
      this.#reconcile();
    }
    this.#claimFree();
    this.#rebalance();
    this.#planLook();
  }

  #noteMembers(): void {
    const { members } = this.ledger;
    const key = members
      .map(({ incarnation, draining }) => `${incarnation}${draining}`)
      .sort()
      .join();
    if (key === this.#memberKey) return;
    this.#memberKey = key;
    this.#stableSince = this.#now;
    this.#options.onMembers?.(members);
  }

  /** Those that had renewed meanwhile were spared. */
  #noteEvicted(): void {
    for (const node of this.#accused) if (!this.ledger.knows(node)) this.stats.evicted += 1;
    this.#accused.clear();
  }

  /** Brings the routing up to what the authority says. */
  #route({ shards }: ClusterState): void {
    const claimed = new Map<number, number>();
    const vacant = new Map<number, number>();
    for (const [shard, { owner, epoch }] of shards.entries()) {
      if (owner === undefined) vacant.set(shard, epoch);
      else if (owner !== this.ledger.incarnation) claimed.set(shard, epoch);
    }
    this.#options.routing.claimed(claimed);
    this.#options.routing.vacant(vacant);
  }

  #reconcile(): void {
    const { host, store, log, onFatal } = this.#options;
    const { unknown, wrong } = this.ledger.disagreements();
    if (wrong.length > 0) {
      onFatal(new Error(`shards ${wrong} are in memory here, and another's by the database`));
      return;
    }
    if (unknown.size === 0 || this.#handOvers.busy || this.#claims > 0 || !this.lease.open) return;
    const shards = [...unknown.keys()];
    log.warn({ shards }, "this node owns shards that it did not know of, and releases them");
    this.#handOvers.busy = true;
    host
      .handOver(shards, (left) => store.release(left))
      .then(() => {
        this.ledger.given(unknown, this.#now);
        this.#claimFree();
      })
      .catch((error) => isAway(error, this.#options.onFatal))
      .finally(() => {
        this.#handOvers.busy = false;
      });
  }

  #claimFree(): void {
    if (this.#leaving || this.#stopped || !this.lease.open) return;
    if (this.#claims > 0) {
      this.#claimAgain = true;
      return;
    }
    const { ledger } = this;
    const gone = new Set<string>();
    if (this.lease.isSteady)
      for (const { incarnation, leaseLeftMs } of ledger.members)
        if (leaseLeftMs <= 0 && incarnation !== ledger.incarnation) gone.add(incarnation);
    const wanted = ledger.wanted(gone, this.#now);
    if (gone.size > 0) this.#options.log.warn({ nodes: [...gone] }, "evicting nodes whose lease has run out");
    if (gone.size > 0 || wanted.length > 0) void this.#claim(wanted, gone);
  }

  /** @param gone nodes to evict first. */
  async #claim(shards: readonly number[], gone: ReadonlySet<string>): Promise<void> {
    this.#claims += 1;
    try {
      const epochs = await this.#options.store.claimFree(shards, gone.size > 0);
      if (this.#stopped) return;
      if (epochs === undefined) {
        this.lease.becomeDown();
        return;
      }
      this.ledger.evicted(gone, this.#now);
      this.ledger.claimed(epochs, this.#now);
      for (const node of gone) this.#accused.add(node);
      this.stats.claimed += epochs.size;
      if (epochs.size > 0) void this.#load(epochs);
    } catch (error) {
      isAway(error, this.#options.onFatal);
    } finally {
      this.#claims -= 1;
    }
    if (this.#claimAgain) {
      this.#claimAgain = false;
      this.#claimFree();
    }
  }

  async #load(epochs: ReadonlyMap<number, number>): Promise<void> {
    const { host, routing, announce, log } = this.#options;
    const began = this.#now;
    while (!this.#stopped) {
      try {
        await host.load(epochs);
        break;
      } catch (error) {
        if (!isAway(error, this.#options.onFatal)) return;
        await this.#pause(LOAD_RETRY_MS);
      }
    }
    if (this.#stopped) return;
    this.ledger.move(epochs.keys(), "open");
    routing.opened(epochs);
    announce({ is: "open", shards: [...epochs] });
    log.info({ shards: epochs.size, ms: Math.round(this.#now - began) }, "opened shards");
  }

  /** Moves shards to the nodes that should have them, once the cluster is calm. */
  #rebalance(): void {
    const now = this.#now;
    if (
      this.#leaving ||
      this.#handOvers.busy ||
      this.#stopped ||
      now < Math.max(this.#nextRound, this.#handOvers.notBefore)
    )
      return;
    if (now - this.#stableSince < STABLE_MS || !this.lease.isSteady) return;
    const { ledger } = this;
    if (new Set(ledger.members.map(({ version }) => version)).size > 1) return;
    if (ledger.mine("loading").size > 0 || ledger.mine("leaving").size > 0) return;
    const misplaced = ledger.misplaced();
    if (misplaced.length === 0) return;
    this.#nextRound = now + ROUND_MS;
    void this.#handOvers.all(
      misplaced.slice(0, SHARDS_PER_ROUND),
      () => !this.#stopped && !this.#leaving && this.lease.open,
    );
  }

  /** A look at the moment at which the next lease runs out, or a free shard becomes anybody's, if that is before the next renewal. */
  #planLook(): void {
    this.#cancelLook();
    const wait = this.ledger.untilNextLook(this.#now) + LOOK_MARGIN_MS;
    if (wait < RENEW_MS && wait > LOOK_MARGIN_MS)
      this.#cancelLook = this.#options.clock.schedule(wait, () => void this.lease.look());
  }

  #announceOpen(): void {
    this.#options.announce({ is: "open", shards: [...this.ledger.mine("open")] });
    this.#cancelAnnounce = this.#options.clock.schedule(ANNOUNCE_MS, () => this.#announceOpen());
  }

  #hasTakers(): boolean {
    return this.ledger.members.some(({ draining, leaseLeftMs }) => !draining && leaseLeftMs > 0);
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => this.#options.clock.schedule(ms, resolve));
  }
}

function ignoreAway(error: unknown): void {
  if (!(error instanceof StoreAway)) throw error;
}
