/**
 * The feed: connections, their messages, and the base tick that serves their views.
 */
import { Buffer } from "node:buffer";
import { type EntityPasses, permittedCommands } from "../../access/permitted-commands.ts";
import { permittedIngest } from "../../access/permitted-ingest.ts";
import { type Authority, permittedNow } from "../../access/permitted-now.ts";
import { ADMIN } from "../../access/ports.ts";
import type { CommandHandler, Ingest } from "../../actors/messages.ts";
import type { EventAccess } from "../../events/access.ts";
import { BASE_TICK_MS, HEARTBEAT_MS } from "../../limits.ts";
import type { FilterTime } from "../../picture/filter-time.ts";
import { isoTime } from "../../picture/record.ts";
import type { History } from "../../tracks/history.ts";
import { entityPasses, type WhereEntitiesAre } from "../entity-passes.ts";
import type { Socket, SocketHandlers } from "../server/server.ts";
import { AccessWatch } from "./access-watch.ts";
import { batchNumber } from "./batch-layout.ts";
import { BinaryFormat } from "./binary-format.ts";
import { Broadcast, type BroadcastOptions } from "./broadcast.ts";
import { decodeMessage } from "./decode.ts";
import { EventSubscriptions } from "./event-subscriptions.ts";
import type { Format } from "./format.ts";
import { JsonFormat } from "./json-format.ts";
import { LayoutError } from "./layout.ts";
import { Playbacks } from "./playbacks.ts";
import { BATCH_REASONS, type ClientMessage, PROTOCOL_BINARY } from "./protocol.ts";
import { type Sent, Session } from "./session.ts";
import { Subscriptions } from "./subscriptions.ts";
import { TooManyHandles, takeBatch } from "./take-batch.ts";
import { takeCommand } from "./take-command.ts";
import { type DecodeReport, takeReports } from "./take-reports.ts";
import type { InterestSink } from "./view.ts";

export interface FeedOptions extends BroadcastOptions, Authority {
  /** Asks all nodes of a cluster; absent = this node has every entity … */
  cluster?: WhereEntitiesAre["cluster"];
  /** … but those of these shards, which it is loading (again). Absent = nothing ever. */
  closedShards?: WhereEntitiesAre["closedShards"];
  ingest: Ingest;
  commands: CommandHandler;
  /** Makes ids for commands that have none. */
  newId(): string;
  decodeReport: DecodeReport;
  /** What filters of views are measured with. */
  filterTime: FilterTime;
  /** Records in one part of a snapshot, about. Default SNAPSHOT_PART_RECORDS. */
  partRecords?: number;
  /** Their bytes, about. Default SNAPSHOT_PART_BYTES. */
  partBytes?: number;
  /** Of a delta's records, bytes. Default MAX_DELTA_BYTES. */
  maxDeltaBytes?: number;
  /** Is told what views look at: in a cluster. */
  interest?: InterestSink;
  /** The log of events; absent = there is none. */
  events?: EventAccess;
  /** What playback views show; absent = there is none. */
  history?: History;
}

export interface FeedStats extends Sent {
  connections: number;
  views: number;
  /** Distinct filters, rates and tolerances that have views. */
  channels: number;
  /** Of the views those of the past. */
  playbacks: number;
  /** Subscriptions to the log of events. */
  events: number;
  /** Turns of views left out because their socket was slow. */
  skipped: number;
  /** Base ticks left out because one before took too long. */
  skippedTicks: number;
  /** From the last base tick being due to its being done, ms; 0 if it was done early. */
  lagMs: number;
  /** Number of the last base tick. */
  tick: number;
}

export class Feed {
  readonly handlers: SocketHandlers;
  /** Whether the database is away, so that nothing new is durable. Set by the node, told in heartbeats. */
  stale = false;
  readonly #options: FeedOptions;
  readonly #broadcast: Broadcast;
  readonly #json: Format;
  readonly #binary: Format;
  readonly #sessions = new Map<Socket, Session>();
  readonly #access: AccessWatch;
  readonly #subscriptions: Subscriptions;
  readonly #playbacks: Playbacks;
  readonly #events: EventSubscriptions;
  readonly #passes: EntityPasses;
  readonly #sent: Sent = { frames: 0, bytes: 0, updates: 0 };
  #tick = 0;
  #skippedTicks = 0;
  #lagMs = 0;
  #leaving = false;
  #cancel: (() => void) | undefined;

  constructor(options: FeedOptions) {
    const { picture } = options;
    this.#options = options;
    this.#access = new AccessWatch(options, options.clock);
    this.#broadcast = new Broadcast(options);
    this.#subscriptions = new Subscriptions(options, this.#broadcast);
    this.#playbacks = new Playbacks(options);
    this.#passes = entityPasses(options);
    this.#events = new EventSubscriptions(options.events, options, (session, error) => {
      options.log.error({ err: error }, "the events of a feed session failed");
      session.close("internal_error");
    });
    this.#json = new JsonFormat(picture);
    this.#binary = new BinaryFormat(picture);
    this.handlers = {
      open: (socket) => this.#open(socket),
      message: (socket, data, binary) => this.#message(socket, data, binary),
      // A socket that has drained is noticed at the next base tick.
      drain: () => {},
      close: (socket) => this.#close(socket),
    };
  }

  get stats(): FeedStats {
    return {
      connections: this.#sessions.size,
      views: this.#broadcast.views + this.#playbacks.count,
      playbacks: this.#playbacks.count,
      channels: this.#broadcast.channels,
      events: this.#events.count,
      ...this.#sent,
      skipped: this.#broadcast.skipped,
      skippedTicks: this.#skippedTicks,
      lagMs: this.#lagMs,
      tick: this.#tick,
    };
  }

  /** Starts the base tick: each BASE_TICK_MS from now, without drift. One that comes late is left out, not made up for. */
  start(): void {
    const { clock } = this.#options;
    const origin = clock.monotonic() - this.#tick * BASE_TICK_MS;
    const plan = (due: number): void => {
      const delay = Math.max(0, origin + due * BASE_TICK_MS - clock.monotonic());
      this.#cancel = clock.schedule(delay, () => {
        const current = Math.max(due, Math.floor((clock.monotonic() - origin) / BASE_TICK_MS));
        this.#skippedTicks += current - due;
        this.#tick = current - 1;
        this.tick(clock.monotonic() - (origin + current * BASE_TICK_MS));
        // Timers fire up to 1 ms early.
        this.#lagMs = Math.max(0, clock.monotonic() - (origin + due * BASE_TICK_MS));
        plan(current + 1);
      });
    };
    plan(this.#tick + 1);
  }

  /** Shows nothing of what an entity was any more, as it is erased. */
  forget(id: string): void {
    this.#playbacks.forget(id);
  }

  /**
   * From now on no message with reports, no command and no deletion is taken, nor answered: a client sends them again elsewhere. Each feed is closed
   * when what was taken of it is answered.
   */
  leave(): void {
    this.#leaving = true;
    for (const session of this.#sessions.values()) this.#closeIfAnswered(session);
  }

  #closeIfAnswered(session: Session): void {
    if (this.#leaving && session.pendingAcks + session.pendingCommands === 0) session.close("going_away");
  }

  /** Ends the base tick and closes all feeds. */
  stop(): void {
    this.#cancel?.();
    this.#cancel = undefined;
    for (const session of this.#sessions.values()) session.close("going_away");
  }

  /** One base tick. `start` calls it, and so do tests. @param late ms from it being due */
  tick(late = 0): void {
    const { clock } = this.#options;
    const tick = ++this.#tick;
    const now = clock.monotonic();
    for (const session of this.#sessions.values()) this.#broadcast.guard(session, () => session.look(now));
    const hasLooked = this.#access.tick(tick, this.#sessions.values(), (session) => this.#permit(session));
    if (hasLooked) this.#subscriptions.forgetLenses();
    this.#subscriptions.follow(now);
    const time = { tick, t: Math.floor(clock.now()), lag: Math.max(0, Math.round(late)) };
    for (const homeless of this.#broadcast.tick(time))
      this.#broadcast.guard(homeless.session, () => this.#subscriptions.expel(homeless));
    this.#playbacks.tick(time);
    this.#events.tick(tick);
    this.#heartbeat(tick);
  }

  /** What a session's principal may do is not what it was. */
  #permit(session: Session): void {
    this.#broadcast.guard(session, () => {
      this.#subscriptions.permit(session);
      this.#playbacks.permit(session);
    });
  }

  #heartbeat(tick: number): void {
    const t = isoTime(this.#options.clock.now());
    const lag = Math.round(this.#lagMs);
    for (const session of this.#sessions.values()) {
      if ((tick - session.heartbeatTick) * BASE_TICK_MS < HEARTBEAT_MS || session.state !== "open") continue;
      session.heartbeatTick = tick;
      this.#broadcast.guard(session, () =>
        session.sendMessage({ op: "heartbeat", t, tick, lag, stale: this.stale }),
      );
    }
  }

  #open(socket: Socket): void {
    const now = this.#options.clock.monotonic();
    const format = socket.protocol === PROTOCOL_BINARY ? this.#binary : this.#json;
    const session = new Session(socket, format, this.#sent, this.#tick, now);
    this.#sessions.set(socket, session);
    this.#closeIfAnswered(session);
  }

  #close(socket: Socket): void {
    const session = this.#sessions.get(socket);
    if (session === undefined) return;
    session.ended();
    this.#playbacks.forgetAll(session);
    this.#subscriptions.forgetAll(session);
    this.#events.forgetAll(session);
    this.#sessions.delete(socket);
  }

  #message(socket: Socket, data: Uint8Array, binary: boolean): void {
    const session = this.#sessions.get(socket);
    if (session === undefined || session.state === "closed") return;
    this.#broadcast.guard(session, () => {
      if (binary) {
        this.#batch(session, data);
        return;
      }
      const text = Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString("utf8");
      const decoded = decodeMessage(text);
      if (decoded.is === "problem") session.refuse(decoded.problem);
      else this.#dispatch(session, decoded.message);
    });
  }

  #dispatch(session: Session, message: ClientMessage): void {
    // Those that have a number are answered when they are committed.
    if (this.#leaving && "n" in message) return;
    switch (message.op) {
      case "subscribe":
        if ("events" in message) this.#events.subscribe(session, message);
        else if (message.at !== undefined) this.#playbacks.subscribe(session, message);
        else this.#subscriptions.subscribe(session, message);
        break;
      case "update":
        if (!this.#playbacks.update(session, message)) this.#subscriptions.update(session, message);
        break;
      case "unsubscribe":
        if ("events" in message) this.#events.unsubscribe(session, message);
        else if (!this.#playbacks.unsubscribe(session, message.view))
          this.#subscriptions.unsubscribe(session, message);
        break;
      case "report": {
        const taken = takeReports(session, message, this.#options.decodeReport, this.#ingestOf(session));
        this.#watch(session, taken);
        break;
      }
      case "command": {
        const { id: entity, command: id = this.#options.newId(), name, data } = message;
        const request = { id, entity, name, data };
        this.#watch(session, takeCommand(session, message.n, request, this.#commandsOf(session)));
        break;
      }
      case "delete": {
        const { id: entity, command: id = this.#options.newId(), erase = false } = message;
        const request = { id, entity, erase };
        this.#watch(session, takeCommand(session, message.n, request, this.#commandsOf(session)));
        break;
      }
      default:
        message satisfies never;
    }
  }

  /** What takes a session's reports; `undefined` = none are permitted. */
  #ingestOf({ principal }: Session): Ingest | undefined {
    const { ingest } = this.#options;
    if (principal === ADMIN) return ingest;
    const permitted = permittedNow(this.#options, principal, "report", "create");
    return permitted.length === 0 ? undefined : permittedIngest(ingest, permitted);
  }

  #commandsOf({ principal }: Session): CommandHandler {
    return permittedCommands(this.#options.commands, principal, this.#options, this.#passes);
  }

  #batch(session: Session, data: Uint8Array): void {
    if (!session.format.isBinary) {
      session.close("not_this_protocol");
      return;
    }
    if (this.#leaving) return;
    session.handles ??= { known: [], text: 0 };
    try {
      this.#watch(session, takeBatch(session, session.handles, data, this.#ingestOf(session)));
    } catch (error) {
      if (!(error instanceof LayoutError)) throw error;
      // Both ends count handles: after a batch that cannot be read they may mean other things to each.
      const why = error instanceof TooManyHandles ? "too_many_handles" : "not_a_batch";
      const problem = { type: "bad-request", detail: error.message, n: batchNumber(data) } as const;
      session.closeAfter(problem, BATCH_REASONS[why]);
    }
  }

  #watch(session: Session, taken: Promise<void>): void {
    taken.then(
      () => this.#closeIfAnswered(session),
      (error: unknown) => {
        this.#options.log.error({ err: error }, "reports or a command of a feed session failed");
        session.close("internal_error");
      },
    );
  }
}
