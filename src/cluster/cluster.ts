/**
 * A node's part of a cluster, put together over the ports: who owns what (`member`), reports to wherever their owner is (`router`, `receiver`), the picture
 * of what others own (`mirrors`, `source`), and queries to all (`scatter`).
 */
import type { EntityTable } from "../actors/entity-table.ts";
import { LocalTails } from "../actors/local-tails.ts";
import type { CommandHandler, Ingest } from "../actors/messages.ts";
import type { Mirroring } from "../actors/ownership.ts";
import type { ActorSystem, SystemOptions } from "../actors/system.ts";
import type { Clock } from "../clock.ts";
import { MAX_BUS_MESSAGE_BYTES } from "../limits.ts";
import type { TrackTails } from "../tracks/ports.ts";
import type { Announcement } from "./announcement.ts";
import { ClusterRouter } from "./cluster-router.ts";
import { CommandReceiver } from "./command-receiver.ts";
import { CommandRouter } from "./command-router.ts";
import {
  decodeFrame,
  encodeControl,
  everybodyOf,
  FIRST_CONTROL,
  type Frame,
  feedOf,
  inboxOf,
  repliesOf,
} from "./frames.ts";
import { InterestMap } from "./interest.ts";
import { LinkReceiver } from "./link-receiver.ts";
import { Member, type MemberLog } from "./member.ts";
import { MirrorSource } from "./mirror-source.ts";
import { Mirrors } from "./mirrors.ts";
import { type Bus, BusAway, type ClusterStore, type Member as MemberState } from "./ports.ts";
import type { QueryMessage } from "./query-message.ts";
import { Routing } from "./routing.ts";
import { type EntityQueries, Scatter } from "./scatter.ts";
import { type ClusterStatus, statusOf } from "./status.ts";

/** Types of control messages. */
const CONTROL = {
  announcement: FIRST_CONTROL,
  query: FIRST_CONTROL + 1,
  interest: FIRST_CONTROL + 2,
  resync: FIRST_CONTROL + 3,
  command: FIRST_CONTROL + 4,
  /** On the reply channel. */
  commandAnswer: FIRST_CONTROL + 5,
  configuration: FIRST_CONTROL + 6,
} as const;

const NO_SHARDS: ReadonlyMap<number, number> = new Map();

export interface ClusterOptions {
  name: string;
  store: ClusterStore;
  bus: Bus;
  clock: Clock;
  log: MemberLog;
  /** 0 ≤ value < 1. */
  random(): number;
  /** Drops what this node has in memory of an entity's events. Absent = it has none. */
  forget?(id: string): Promise<void>;
  /** Another node has changed what all nodes hold; absent = such news may have been lost. */
  onConfiguration?(name?: string): void;
  /** What viewers see may be old: the lease is not renewed, or another node is silent. */
  onStale(stale: boolean): void;
  /** Evicted: the node must drop everything. */
  onDown(): void;
  onFatal(error: unknown): void;
}

export class Cluster {
  readonly member: Member;
  readonly routing = new Routing();
  readonly interest = new InterestMap();
  readonly #options: ClusterOptions;
  readonly #node: string;
  readonly #unsubscribe: (() => Promise<void>)[] = [];
  #made: ClusterParts | undefined;
  #suspended = false;
  #stopped = false;
  readonly #silent = new Set<string>();
  readonly stats = { published: 0, unheard: 0, lost: 0, malformed: 0, tooLarge: 0 };

  constructor(options: ClusterOptions) {
    this.#options = options;
    const { store, clock, log } = options;
    this.#node = store.incarnation;
    this.member = new Member({
      store,
      routing: this.routing,
      clock,
      log,
      host: {
        load: (epochs) => this.parts.system.load(epochs),
        handOver: (shards, release) =>
          this.parts.system.ownership.handOver(shards, release, (epochs) => this.#keeping(epochs)),
        forget: (shards) => this.parts.system.ownership.forget(shards),
        bytes: (shard) => this.parts.system.table.shards[shard].bytes,
      },
      announce: (announcement) =>
        this.#publishControl(everybodyOf(options.name), CONTROL.announcement, announcement),
      onSuspended: (suspended) => {
        this.#suspended = suspended;
        this.#tellStale();
      },
      onMembers: (members) => this.#membersAre(members),
      onDown: () => options.onDown(),
      onFatal: (error) => options.onFatal(error),
    });
  }

  /** To be given to the system that is attached then. */
  get forSystem(): Pick<SystemOptions, "gate" | "mirroring" | "reopen"> {
    return {
      gate: this.member.lease,
      mirroring: this.#mirroring,
      reopen: async (shards) => {
        await this.member.reopen(shards);
        return undefined;
      },
    };
  }

  readonly #mirroring: Mirroring = {
    opened: (shard: number, epoch: number): void => {
      const { mirrors, source } = this.parts;
      mirrors.opened(shard, epoch);
      source.opened(shard, epoch);
    },
    release: (table: EntityTable, shard: number, gone: (slot: number) => void): void => {
      const { mirrors, source } = this.parts;
      source.closed(shard);
      mirrors.release(table, shard, gone);
    },
  };

  /** Takes the actors of this node, which were made with this cluster's gate. */
  attach(system: ActorSystem): void {
    const { name, bus, clock, random } = this.#options;
    const self = this.#node;
    const link = { cluster: name, self, bus, clock, random };
    this.#made = {
      system,
      router: new ClusterRouter({
        ...link,
        routing: this.routing,
        local: system.router,
        misplaced: () => this.member.lookSoon(),
      }),
      commands: new CommandRouter({
        ...{ routing: this.routing, local: system.router, clock, random },
        send: (node, request) => this.#publishControl(inboxOf(name, node), CONTROL.command, request),
        misplaced: () => this.member.lookSoon(),
      }),
      commandReceiver: new CommandReceiver({
        local: system.router,
        send: (node, answer) => this.#publishControl(repliesOf(name, node), CONTROL.commandAnswer, answer),
      }),
      receiver: new LinkReceiver({ cluster: name, self, bus, clock, local: system.router }),
      scatter: new Scatter({
        ...{ picture: system.picture, tails: new LocalTails(system.table, clock), clock },
        forget: async (id) => this.#options.forget?.(id),
        // A node that stands still may have been evicted already.
        open: () => (this.member.lease.open ? this.member.ledger.mine("open") : NO_SHARDS),
        others: () => this.#others(),
        log: this.#options.log,
        nodeOf: (shard) => this.routing.nodeOf(shard),
        send: (node, message) => this.#publishControl(inboxOf(name, node), CONTROL.query, message),
      }),
      source: new MirrorSource({
        node: self,
        table: system.table,
        clock,
        publish: (node, payload) => bus.publish(feedOf(name, node), payload),
      }),
      mirrors: new Mirrors({
        picture: system.picture,
        clock,
        interest: this.interest,
        tell: (node, type, message) => this.#publishControl(inboxOf(name, node), CONTROL[type], message),
        onSilent: (node, silent) => {
          if (silent) this.#silent.add(node);
          else this.#silent.delete(node);
          this.#tellStale();
        },
      }),
    };
  }

  get ingest(): Ingest {
    return this.parts.router;
  }

  get commands(): CommandHandler {
    return this.parts.commands;
  }

  get queries(): EntityQueries {
    return this.parts.scatter;
  }

  /** Drops what nodes have in memory of an entity's events. @returns whether all of them have. */
  forget(id: string): Promise<boolean> {
    return this.parts.scatter.forget(id);
  }

  /** What of tracks is in memory, here and in the other nodes. */
  get tails(): TrackTails {
    return this.parts.scatter;
  }

  /** Listens, joins in, and takes what is free by and by. @throws StoreAway, BusAway */
  async start(): Promise<void> {
    const { bus, name } = this.#options;
    const { mirrors, source } = this.parts;
    const listen = async (channel: string, take: (frame: Frame, payload: Uint8Array) => void) => {
      this.#unsubscribe.push(
        await bus.subscribe(channel, (payload) => {
          const frame = decodeFrame(payload);
          if (frame === undefined) this.stats.malformed += 1;
          else take(frame, payload);
        }),
      );
    };
    bus.onLoss(() => {
      this.stats.lost += 1;
      this.#options.onConfiguration?.();
    });
    await listen(inboxOf(name, this.#node), (frame) => this.#takeFrame(frame));
    await listen(repliesOf(name, this.#node), (frame) => this.#takeReply(frame));
    this.#unsubscribe.push(
      await bus.subscribe(feedOf(name, this.#node), (payload) => mirrors.receive(payload)),
    );
    await listen(everybodyOf(name), (frame) => this.#takeAnnouncement(frame));
    await this.member.start();
    mirrors.start();
    source.start();
  }

  /** Tells the others that this node has changed what all hold. It may be lost. @param name as the table `configuration` has it. */
  announceConfiguration(name: string): void {
    this.#publishControl(everybodyOf(this.#options.name), CONTROL.configuration, { name });
  }

  /** Bytes that wait in this node's end of the bus. */
  get busQueued(): Bus["queued"] {
    return this.#options.bus.queued;
  }

  /** Other nodes cannot be reached. */
  get busAway(): boolean {
    return this.#options.bus.away;
  }

  /** Takes no new reports and commands from clients; those of other nodes are still decided. */
  close(): void {
    const { router, commands } = this.parts;
    router.close();
    commands.close();
  }

  /** Resolves when all that clients sent is answered. */
  async answered(): Promise<void> {
    const { router, commands } = this.parts;
    while (!(router.idle && commands.idle) && !this.#stopped)
      await new Promise<void>((resolve) => this.#options.clock.schedule(10, resolve));
  }

  /** Hands over all shards. */
  leave(): Promise<void> {
    return this.member.leave();
  }

  /** Stops listening and renewing. The bus and the store are their makers' to close. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.member.stop();
    const parts = this.#made;
    parts?.router.stop();
    parts?.commands.stop();
    parts?.mirrors.stop();
    parts?.source.stop();
    await Promise.all(this.#unsubscribe.splice(0).map((unsubscribe) => unsubscribe().catch(ignoreAway)));
  }

  status(): ClusterStatus {
    const { mirrors } = this.parts;
    const { name } = this.#options;
    return statusOf({ name, member: this.member, routing: this.routing, mirrors, silent: this.#silent });
  }

  /** Once it has its actors. */
  get parts(): ClusterParts {
    if (this.#made === undefined) throw new Error("the cluster has no actors yet");
    return this.#made;
  }

  #others(): string[] {
    return this.member.ledger.members
      .map(({ incarnation }) => incarnation)
      .filter((incarnation) => incarnation !== this.#node);
  }

  /** Shards refused reports for a while, and will take some again under the same epochs: none may overtake one that was refused. */
  #keeping(epochs: ReadonlyMap<number, number>): void {
    const { system, receiver } = this.parts;
    system.router.outdate(new Set(epochs.keys()));
    receiver.keeping(epochs);
  }

  #takeAnnouncement({ is, type, sender, body }: Frame): void {
    if (is === "control" && type === CONTROL.announcement)
      this.member.heard(sender, body as unknown as Announcement);
    if (is === "control" && type === CONTROL.configuration && sender !== this.#node) {
      if (typeof body.name === "string") this.#options.onConfiguration?.(body.name);
      else this.stats.malformed += 1;
    }
  }

  #takeReply(frame: Frame): void {
    if (frame.is === "control" && frame.type === CONTROL.commandAnswer)
      this.parts.commands.takeAnswer(frame.body);
    else this.parts.router.takeReply(frame);
  }

  #takeFrame(frame: Frame): void {
    const { receiver, commandReceiver, scatter, source } = this.parts;
    if (frame.is === "binary") {
      receiver.take(frame);
      return;
    }
    switch (frame.type) {
      case CONTROL.query:
        scatter.heard(frame.sender, frame.body as unknown as QueryMessage);
        return;
      case CONTROL.command:
        commandReceiver.take(frame.sender, frame.body);
        return;
      case CONTROL.interest:
        source.interest(frame.sender, frame.body);
        return;
      case CONTROL.resync:
        source.resync(frame.sender, frame.body);
        return;
      default:
        // Of a newer version.
        this.stats.malformed += 1;
    }
  }

  #membersAre(members: readonly MemberState[]): void {
    const others = new Set(members.map(({ incarnation }) => incarnation));
    others.delete(this.#node);
    const { router, receiver, mirrors, source } = this.parts;
    for (const node of this.#known) {
      if (others.has(node)) continue;
      router.gone(node);
      receiver.forget(node);
      source.forget(node);
      this.#silent.delete(node);
    }
    this.#known = others;
    mirrors.nodes([...others]);
    this.#tellStale();
  }

  #known: ReadonlySet<string> = new Set();

  #publishControl(channel: string, type: number, message: object): void {
    const payload = encodeControl(type, this.#node, message);
    // Lost like any other: whoever made it has its own limits, and one that fails must not stop the node.
    if (payload.length > MAX_BUS_MESSAGE_BYTES) {
      this.stats.tooLarge += 1;
      return;
    }
    this.stats.published += 1;
    this.#options.bus.publish(channel, payload).then((listeners) => {
      if (listeners === 0) this.stats.unheard += 1;
    }, ignoreAway);
  }

  #tellStale(): void {
    this.#options.onStale(this.#suspended || this.#silent.size > 0);
  }
}

export interface ClusterParts {
  system: ActorSystem;
  router: ClusterRouter;
  receiver: LinkReceiver;
  commands: CommandRouter;
  commandReceiver: CommandReceiver;
  scatter: Scatter;
  source: MirrorSource;
  mirrors: Mirrors;
}

function ignoreAway(error: unknown): void {
  if (!(error instanceof BusAway)) throw error;
}
