import { FRAME_CLUSTERS, type FrameHead, LayoutError } from "../src/transport/feed/layout.ts";
import type {
  Bbox,
  ClusterCell,
  DepartureReason,
  ErrorMessage,
  Playback,
  PlaybackState,
  Update,
  ViewFrame,
  ViewReply,
} from "../src/transport/feed/protocol.ts";
import { contains, isBox } from "./bbox.ts";
import { BinaryFrames } from "./binary-frames.ts";
import { Emitter } from "./emitter.ts";
import { ConnectionClosed, ProblemError, UNAVAILABLE, ViewEnded } from "./errors.ts";
import { type FilterChange, FilterChanges } from "./filter-changes.ts";
import { FRESH_MS, Freshness } from "./freshness.ts";
import { readJsonFrame } from "./json-frames.ts";
import { Reckoner } from "./reckoner.ts";
import { type Change, type Entity, type Frame, Gap, Replica } from "./replica.ts";
import type { ViewLink } from "./view-link.ts";
import { type Filter, subscribeMessage, type ViewOptions } from "./view-options.ts";

/** A view that loses frames, or is refused, again and again subscribes again at most so often. */
const RESUBSCRIBE_MS = 1_000;

/**
 * `loading`: the snapshot has not come or is not complete. `live`: the replica is what the server shows.
 * `stale`: the connection or a frame is lost, or the server has no room for it just now: the replica is what it showed then. `failed`: the server refused
 * the view, or cannot go on with it. `ended`: what it followed has gone, `endReason` says how. `closed`: by `close()`, or with the connection.
 */
export type ViewState = "loading" | "live" | "stale" | "failed" | "ended" | "closed";

export interface ViewEvents {
  /** Once a frame, after the replica has changed. If only clusters did, its lists are empty. */
  change: Change;
  state: ViewState;
  /** Only of a `PlaybackView`: it does something else, or at another speed. */
  playback: PlaybackState;
  /** The server refused something about this view, or frames did not fit. */
  problem: Error;
}

/**
 * One window on the picture, with a local replica of what is in it. It outlives connections: after each reconnect it
 * subscribes again by itself. Each subscription has a name of its own, so that late frames of the one before are told
 * apart and dropped.
 */
export class View extends Emitter<ViewEvents> {
  /** Resolves when the first snapshot is complete; rejects if the view is refused, ends or is closed before. */
  readonly ready: Promise<void>;
  readonly #replica = new Replica();
  readonly #link: ViewLink;
  readonly #options: ViewOptions;
  readonly #filters: FilterChanges;
  readonly #freshness = new Freshness();
  readonly #reckoner: Reckoner;
  #binary = new BinaryFrames();
  #bbox: Bbox | undefined;
  #cover: Bbox[] = [];
  /** Whether the server has answered the present subscription, be it by a frame. */
  #answered = false;
  #state: ViewState = "loading";
  #wasLive = false;
  #endReason: DepartureReason | undefined;
  #name = "";
  /** To be asked when the server has answered, by what it changes: so a problem before is of the subscription. */
  readonly #early = new Map<string, Omit<Update, "op" | "view">>();
  #subscribedAt = Number.NEGATIVE_INFINITY;
  #cancelResubscribe: (() => void) | undefined;
  #resolveReady!: () => void;
  #rejectReady!: (error: Error) => void;

  /** Views are made by `Connection.view`. */
  constructor(link: ViewLink, options: ViewOptions) {
    super();
    this.#link = link;
    this.#options = options;
    this.#bbox = Array.isArray(options.bbox) ? [...options.bbox] : options.bbox;
    this.#reckoner = new Reckoner(options.tolerance);
    const { kinds, where } = options;
    this.#filters = new FilterChanges({ kinds, where }, ({ kinds, where }) =>
      this.change({ kinds: kinds && [...kinds], where }),
    );
    this.ready = new Promise((resolve, reject) => {
      this.#resolveReady = resolve;
      this.#rejectReady = reject;
    });
    // Who does not wait for `ready` hears of the same failure as `problem` or `state`; it must not end a Node process.
    this.ready.catch(() => {});
  }

  /** Everything in the cover, which is somewhat more than the box. An entity that changed is a new object. Empty while clusters are shown. */
  get entities(): ReadonlyMap<string, Entity> {
    return this.#replica.entities;
  }
  /** How many entities there are where, if they are more than `max`; empty while entities are shown. */
  get clusters(): readonly ClusterCell[] {
    return this.#replica.clusters;
  }
  get state(): ViewState {
    return this.#state;
  }
  get stale(): boolean {
    return this.#state === "stale";
  }
  /** @internal Whether a snapshot has begun and is not complete. */
  get isFilling(): boolean {
    return this.#state === "loading" && this.#replica.hasBegun;
  }
  /** How what the view followed has gone, if it ended. */
  get endReason(): DepartureReason | undefined {
    return this.#endReason;
  }
  /** Of a view that follows, as the server told it last; undefined for a view of ids. */
  get bbox(): Bbox | undefined {
    return this.#bbox;
  }
  /** The boxes that the server promised to keep up to date; together they contain the bbox. Empty before its answer. */
  get cover(): readonly Bbox[] {
    return this.#cover;
  }
  get filter(): Filter {
    return this.#filters.filter;
  }
  /**
   * Up to when the replica is complete, Unix ms by the server's clock: the time of the last frame, or of a heartbeat that
   * came after it and so says that there was nothing to tell. NaN before the first.
   */
  get asOf(): number {
    return this.#freshness.asOf;
  }
  /** By how much the server's last tick was late, ms: high if it has more to do than it can. NaN before the first. */
  get lag(): number {
    return this.#freshness.lag;
  }
  /** How old the replica is, ms. NaN before the first frame. */
  get age(): number {
    return this.#freshness.age(this.#link.serverNow());
  }
  /** Whether the replica is live and at most 7.5 s old. Nothing tells when that ends: look again. */
  get fresh(): boolean {
    return this.#state === "live" && this.age <= FRESH_MS;
  }
  /** The time that it shows, Unix ms: now, by the server's clock. */
  get time(): number {
    return this.#link.serverNow();
  }
  /** False of a `PlaybackView`. */
  get isLive(): boolean {
    return true;
  }
  /** For how long after a fix `placeOf` moves an entity on, ms: as long as the tolerance may hold back a move, 10 s without one. */
  get reckonMs(): number {
    return this.#reckoner.maxAgeMs;
  }

  /** The entities in the box, edges included: what a REST query with the same bbox answers. All of a view of ids. */
  inBox(): Entity[] {
    const bbox = this.#bbox;
    if (bbox === undefined) return [...this.#replica.entities.values()];
    const inside: Entity[] = [];
    for (const entity of this.#replica.entities.values()) {
      if (contains(bbox, entity.lon, entity.lat)) inside.push(entity);
    }
    return inside;
  }

  /**
   * Where an entity probably is: on its way by speed and course since it was at its place (`placedAt`, else `t`). What is not live, or has no
   * speed or course, is where it was.
   *
   * @param at Unix ms, by default now
   * @param into is written and given back; give the same one again where there are many
   */
  placeOf(entity: Entity, at = this.time, into = { lon: 0, lat: 0 }): typeof into {
    this.#reckoner.place(entity, at, into);
    return into;
  }

  /**
   * Moves the view. What is new comes with one of the next frames, what left goes with it.
   *
   * @throws {TypeError} if the view is of ids or follows. @throws {RangeError} if that is no box, and then nothing has changed
   */
  update(bbox: Bbox): void {
    if (this.#options.bbox === undefined) throw new TypeError("only a view with a bbox can be moved");
    if (!isBox(bbox)) throw new RangeError(`a view cannot be moved to ${bbox}: that is no box`);
    if (this.#over) return;
    this.#bbox = [...bbox];
    this.change({ bbox: this.#bbox });
  }

  /** @internal Asks the server for a change of what it has of the view, if it has it, or is to have it. @returns whether that is one message more */
  change(change: Omit<Update, "op" | "view">): boolean {
    if (this.#name === "") return false;
    if (this.#answered) return this.#link.send({ op: "update", view: this.#name, ...change });
    const before = this.#early.size;
    this.#early.set(Object.keys(change).join(), change);
    return this.#early.size > before;
  }

  /**
   * Changes what the view shows of its place. Resolves when it begins to show that, until when it goes on as before; rejects with a `ProblemError` if the server refuses,
   * whose `position` is that of a mistake in `where`, and then the view stays as it was. Changes are made one after the other.
   */
  setFilter(change: FilterChange): Promise<void> {
    if (this.#over) return Promise.reject(new Error(`the view is ${this.#state}`));
    return this.#filters.add(change);
  }

  /** The replica stays readable and does not change any more. */
  close(): void {
    if (this.#state === "closed") return;
    if (this.#name !== "") this.#link.send({ op: "unsubscribe", view: this.#name });
    this.#end("closed", new ConnectionClosed(1000, "the view was closed"));
  }

  /** @internal The connection is open, or the view is new: subscribe. */
  subscribe(): void {
    if (this.#over) return;
    this.#cancelResubscribe?.();
    this.#cancelResubscribe = undefined;
    this.#forgetName();
    this.#replica.restart();
    this.#binary = new BinaryFrames();
    const name = this.#link.name(this);
    this.#name = name;
    const message = subscribeMessage(name, this.#options, this.#bbox, this.#filters.filter, this.moment);
    this.#filters.subscribed();
    if (this.#link.send(message)) this.#subscribedAt = this.#link.clock.now();
    else this.#forgetName();
  }

  /** @internal The connection is lost, another will come. */
  lost(): void {
    this.#cancelResubscribe?.();
    this.#cancelResubscribe = undefined;
    this.#forgetName();
    const shows = this.#replica.entities.size + this.#replica.clusters.length > 0;
    if (this.#state === "live" || shows) this.#setState("stale");
  }

  /** @internal The connection is closed for good. */
  connectionClosed(error: ConnectionClosed): void {
    if (this.#state !== "closed") this.#end("closed", error);
  }

  /** @internal */
  receiveReply({ bbox, cover, filters }: ViewReply): void {
    this.#filters.replied(filters);
    this.#answer();
    this.#cover = cover;
    if (this.#options.follow !== undefined) this.#bbox = bbox;
  }

  /** @internal Of a view of the past: what it is to show. */
  get moment(): { at: string; speed: number } | undefined {
    return undefined;
  }

  /** @internal */
  receivePlayback(_: Playback): void {
    this.#answer();
  }

  /** @internal */
  receiveEnded(reason: DepartureReason): void {
    this.#endReason = reason;
    this.#end("ended", new ViewEnded(reason));
  }

  /** @internal */
  receiveFrame(frame: ViewFrame): void {
    const replacesAll = frame.op === "clusters" || (frame.op === "snapshot" && frame.first === true);
    this.#receive(frame.n, replacesAll, () => readJsonFrame(frame, this.#replica.entities));
  }

  /** @internal */
  receiveBinary(view: DataView, head: FrameHead): void {
    const replacesAll = head.type === FRAME_CLUSTERS || head.first;
    this.#receive(head.n, replacesAll, () => this.#binary.read(view, head, this.#replica.entities));
  }

  /** @internal A heartbeat was made at `t`, after all frames before it. */
  receiveHeartbeat(t: number, lag: number): void {
    if (this.#state !== "live") return;
    const onceASecond = this.#options.rate === 1 || this.#replica.clusters.length > 0;
    this.#freshness.heartbeat(t, lag, onceASecond ? 1_000 : 0);
  }

  /** @internal Bytes came that are not the protocol, or frames that do not fit: what is held is not to be trusted any more. */
  resubscribe(error: Gap | LayoutError): void {
    this.#link.send({ op: "unsubscribe", view: this.#name });
    this.#subscribeIn(Math.max(0, this.#subscribedAt + RESUBSCRIBE_MS - this.#link.clock.now()));
    this.emit("problem", error);
  }

  /** @internal */
  receiveProblem(message: ErrorMessage): void {
    this.refused(new ProblemError(message), this.refuses(message), message.ended);
  }

  /** @internal The server does not do, or cannot be told, what was asked. @param asked it is about what was asked last, if the server has the view, which it has not any more if it `ended` */
  refused(error: Error, asked: boolean, ended = false): void {
    if (this.#answered && !ended) {
      if (asked) this.#filters.refused(error);
    } else if (!ended && this.#filters.subscriptionRefused(error)) this.subscribe();
    else this.#fail(error);
    this.emit("problem", error);
  }

  /** @internal Whether a problem of a view that the server has refuses what it was asked for, and does not only tell how it is. */
  refuses(_: ErrorMessage): boolean {
    return true;
  }

  /** Whether there will never be a frame again. */
  get #over(): boolean {
    return this.#state === "closed" || this.#state === "failed" || this.#state === "ended";
  }

  #receive(n: number, replacesAll: boolean, read: () => Frame): void {
    const { clusters } = this.#replica;
    let frame: Frame;
    let change: Change;
    try {
      this.#replica.expect(n, replacesAll);
      frame = read();
      change = this.#replica.apply(frame);
    } catch (error) {
      if (!(error instanceof Gap || error instanceof LayoutError)) throw error;
      this.resubscribe(error);
      return;
    }
    const completes = frame.op === "clusters" || (frame.op === "snapshot" && frame.last);
    const live = completes || (!replacesAll && this.#state === "live");
    this.#freshness.frame(frame.t, frame.lag, live);
    this.#wasLive ||= live;
    if (live) this.#setState("live");
    else if (replacesAll) this.#setState("loading");
    const { added, updated, removed } = change;
    const changed = clusters !== this.#replica.clusters || added.length + updated.length + removed.length > 0;
    if (changed) this.emit("change", change);
    if (live) this.#resolveReady();
    if (!this.#answered) this.#answer();
    if (replacesAll) this.#filters.replaced();
  }

  #answer(): void {
    this.#answered = true;
    for (const change of this.#early.values()) this.change(change);
    this.#early.clear();
  }

  #forgetName(): void {
    if (this.#name !== "") this.#link.forget(this.#name);
    this.#name = "";
    this.#cover = [];
    this.#answered = false;
    this.#early.clear();
  }

  /** The server has nothing of it any more. What passes for a live view does not end it: all clients of a node that died may come to another at once. */
  #fail(error: Error): void {
    const passes = error instanceof ProblemError && error.type === UNAVAILABLE;
    if (passes && this.#wasLive && this.isLive) {
      this.#subscribeIn(RESUBSCRIBE_MS * (1 + this.#link.random()));
      return;
    }
    // A change that the server never had is not what it refused.
    if (!this.#answered) this.#filters.end(new Error(`the view failed: ${error.message}`, { cause: error }));
    this.#end("failed", error);
  }

  /** @param wait ms */
  #subscribeIn(wait: number): void {
    this.#forgetName();
    this.#setState("stale");
    if (wait === 0) this.subscribe();
    else if (!this.#over) this.#cancelResubscribe = this.#link.clock.schedule(wait, () => this.subscribe());
  }

  #end(state: "failed" | "ended" | "closed", error: Error): void {
    this.#cancelResubscribe?.();
    this.#cancelResubscribe = undefined;
    this.#forgetName();
    this.#filters.end(error);
    this.#rejectReady(error);
    this.#setState(state);
  }

  #setState(state: ViewState): void {
    if (this.#state === state) return;
    this.#state = state;
    this.emit("state", state);
  }
}
