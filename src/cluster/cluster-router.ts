/**
 * Takes batches of reports to the owners of their shards, wherever those are. For each shard reports are decided in the order in which they
 * came here, and whatever is acknowledged is durable, however often and whenever the shard moves meanwhile.
 *
 * Reports go to a place (0 = this node, others = a link), or wait. When a shard moves, those under way on a link are withdrawn: what comes
 * of them later is ignored, because they are sent again under the new epoch and recognised there if they were decided before. An entity
 * remembers only so much: of which more may have been decided (`recognised.ts`) is refused `retry`, and whether to send it again is for the
 * client to say, who is told of duplicates. Those under way in this node cannot be withdrawn, so their answers are waited for. `ShardLanes`
 * says when reports may go on.
 */
import type { Ingest, IngestResult, LocalIngest, Report } from "../actors/messages.ts";
import { shardOf } from "../actors/shard-hash.ts";
import {
  CLUSTER_DOUBT_MS,
  CLUSTER_SWEEP_MS,
  CLUSTER_WAIT_MS,
  MAX_QUEUED_REPORTS,
  SHARDS,
} from "../limits.ts";
import { Batch, Consignment, type Item } from "./consignment.ts";
import { divide } from "./divide.ts";
import { expire } from "./expire.ts";
import { FRAME, type Frame } from "./frames.ts";
import type { Refused } from "./link-frames.ts";
import type { LinkOptions, LinkSender } from "./link-sender.ts";
import { HERE, type Place, Places } from "./places.ts";
import { unrecognised } from "./recognised.ts";
import { Release } from "./release.ts";
import type { Routing } from "./routing.ts";
import { NOWHERE, ShardLanes } from "./shard-lanes.ts";

export interface ClusterRouterOptions extends LinkOptions {
  routing: Routing;
  local: LocalIngest;
  /** Owners did not want reports of these shards under the epoch that this node takes for the newest: it should ask the authority. */
  misplaced?(shards: ReadonlySet<number>): void;
}

const OVERLOADED = "more work waits than the node may hold; try again later";
const CLOSED = "the node is shutting down";
const WINDOW_FULL = "more work waits for the owner of its shard than may; try again later";
const DOUBTFUL = "the owner of its shard is gone or another one now, it may have been stored: send it again";
const LATE = "the owner of its shard did not answer in time, it may have been stored: send it again";

export class ClusterRouter implements Ingest {
  readonly #options: ClusterRouterOptions;
  readonly #lanes = new ShardLanes();
  readonly #places: Places;
  readonly #release: Release;
  #order = 0;
  #unanswered = 0;
  #cancelSweep: (() => void) | undefined;
  #closed = false;
  #stopped = false;
  readonly stats = { forwarded: 0, moved: 0, withdrawn: 0, doubtful: 0, late: 0, overloaded: 0, dropped: 0 };

  constructor(options: ClusterRouterOptions) {
    this.#options = options;
    this.#places = new Places(options, {
      settle: (cargo, from, to, refused, moved) => this.#settle(cargo, from, to, refused, moved),
      room: () => this.#release.soon(),
    });
    this.#release = new Release(this.#lanes, options.clock, (place, cargo) =>
      this.#dispatch(this.#places.get(place), cargo),
    );
    options.routing.onChange((shards) => this.#changed(shards));
    for (let shard = 0; shard < SHARDS; shard++) this.#reconsider(shard);
  }

  get overloaded(): boolean {
    return this.#closed || this.#options.local.overloaded || this.#lanes.waiting >= MAX_QUEUED_REPORTS;
  }

  submit(reports: readonly Report[]): Promise<IngestResult> {
    if (this.overloaded) {
      const detail = this.#closed ? CLOSED : OVERLOADED;
      this.stats.overloaded += reports.length;
      return Promise.resolve({
        accepted: 0,
        refused: reports.map((_, index) => ({ index, type: "overloaded", detail })),
      });
    }
    if (reports.length === 0) return Promise.resolve({ accepted: 0, refused: [] });
    return new Promise((resolve) => {
      this.#unanswered += 1;
      this.#distribute(reports, (result) => {
        this.#unanswered -= 1;
        resolve(result);
      });
    });
  }

  /** Takes no new batches; those taken are still worked off. */
  close(): void {
    this.#closed = true;
  }

  /** Every batch is answered. */
  get idle(): boolean {
    return this.#unanswered === 0;
  }

  /** Reports that wait for an owner. */
  get waiting(): number {
    return this.#lanes.waiting;
  }

  /** This incarnation is down: what is under way to it waits for the next owner. */
  gone(incarnation: string): void {
    const place = this.#places.close(incarnation);
    if (place === undefined) return;
    const shards: number[] = [];
    for (let shard = 0; shard < SHARDS; shard++) {
      if (this.#lanes.at[shard] !== place.number) continue;
      this.#lanes.block(shard);
      shards.push(shard);
    }
    this.#withdraw(place, new Set(shards));
    for (const shard of shards) {
      this.#lanes.at[shard] = NOWHERE;
      this.#reconsider(shard);
    }
  }

  /** A frame on this node's reply channel. */
  takeReply(frame: Frame): void {
    const link = this.#places.linkTo(frame.sender);
    if (frame.is === "binary" && frame.type === FRAME.reply && link !== undefined) link.take(frame.body);
    else this.stats.dropped += 1;
  }

  /** All links, to be measured. */
  get links(): LinkSender[] {
    return Array.from(this.#places.links(), ({ link }) => link);
  }

  /** Stops at once: what waits or is on a link is refused, what is in this node is still answered. */
  stop(): void {
    this.#closed = true;
    this.#stopped = true;
    this.#cancelSweep?.();
    this.#expire(Infinity);
    this.#places.closeAll();
  }

  #distribute(reports: readonly Report[], resolve: (result: IngestResult) => void): void {
    const count = reports.length;
    const shards = new Uint8Array(count);
    const { to } = this.#lanes;
    let first = NOWHERE;
    let together = true;
    for (let i = 0; i < count; i++) {
      const shard = shardOf(reports[i].id);
      shards[i] = shard;
      if (i === 0) first = to[shard];
      else if (to[shard] !== first) together = false;
    }
    const deadline = this.#options.clock.monotonic() + CLUSTER_WAIT_MS;
    const batch = new Batch(reports, shards, this.#order++, deadline, resolve);
    if (together && first !== NOWHERE) {
      this.#send(this.#places.get(first), Consignment.of(batch));
      return;
    }
    divide(shards, to, this.#places.count, (place, indices) => {
      if (place !== NOWHERE) this.#send(this.#places.get(place), Consignment.of(batch, indices));
      else for (const index of indices) this.#wait(batch, index);
    });
  }

  #wait(batch: Batch, index: number): void {
    if (this.#lanes.waiting < MAX_QUEUED_REPORTS) {
      this.#lanes.wait(batch.shards[index], { batch, index });
      this.#sweepSoon();
    } else {
      this.stats.overloaded += 1;
      batch.refuse(index, "overloaded", OVERLOADED);
    }
  }

  /** Sends reports that came in just now; those which do not fit are refused. */
  #send(place: Place, cargo: Consignment): void {
    const { count } = cargo;
    const taken = this.#dispatch(place, cargo);
    for (let position = taken; position < count; position++) {
      this.stats.overloaded += 1;
      cargo.batchOf(position).refuse(cargo.indexOf(position), "overloaded", WINDOW_FULL);
    }
  }

  /** @returns how many were sent, from the first on. */
  #dispatch(place: Place, cargo: Consignment): number {
    const { underWay, epoch } = this.#lanes;
    const { link } = place;
    if (link === undefined) {
      const epochs = new Uint32Array(cargo.count);
      for (let position = 0; position < cargo.count; position++) {
        const shard = cargo.shardOf(position);
        epochs[position] = epoch[shard];
        underWay[shard] += 1;
      }
      void this.#options.local.submitPlaced(cargo.reports(), epochs).then(({ refused, moved }) => {
        this.#settle(cargo, 0, cargo.count, refused, moved);
      });
      return cargo.count;
    }
    const taken = link.send(cargo, epoch);
    cargo.cut(taken);
    for (let position = 0; position < taken; position++) underWay[cargo.shardOf(position)] += 1;
    this.stats.forwarded += taken;
    if (taken > 0) {
      place.cargo.add(cargo);
      this.#sweepSoon();
    }
    return taken;
  }

  /** What became of positions [from, to) of a consignment. */
  #settle(
    cargo: Consignment,
    from: number,
    to: number,
    refused: readonly Refused[],
    moved: readonly number[],
  ): void {
    const lanes = this.#lanes;
    let misplaced: Set<number> | undefined;
    let nextRefused = 0;
    let nextMoved = 0;
    let live = 0;
    for (let position = from; position < to; position++) {
      const refusal = refused[nextRefused]?.index === position ? refused[nextRefused++] : undefined;
      const hasMoved = moved[nextMoved] === position;
      if (hasMoved) nextMoved++;
      if (!cargo.has(position)) continue;
      live += 1;
      const batch = cargo.batchOf(position);
      const index = cargo.indexOf(position);
      const shard = batch.shards[index];
      lanes.underWay[shard] -= 1;
      if (hasMoved) {
        this.stats.moved += 1;
        if (this.#isNewest(shard)) {
          misplaced ??= new Set();
          misplaced.add(shard);
          lanes.doubtUntil[shard] = this.#options.clock.monotonic() + CLUSTER_DOUBT_MS;
        }
        lanes.block(shard);
        this.#again(batch, index);
      } else if (refusal !== undefined) batch.refuse(index, refusal.type, refusal.detail);
      else batch.accept();
    }
    cargo.settled(from, to, live);
    if (lanes.blocked > 0) {
      for (let position = from; position < to; position++) this.#reconsider(cargo.shardOf(position));
    }
    if (misplaced !== undefined) this.#options.misplaced?.(misplaced);
  }

  /** Whether this node knows nothing newer than what it sent the shard's reports to. */
  #isNewest(shard: number): boolean {
    return this.#options.routing.place(shard).epoch <= this.#lanes.epoch[shard];
  }

  /** A report that came back waits for the next owner, while there is time. */
  #again(batch: Batch, index: number): void {
    if (batch.deadline > this.#options.clock.monotonic() && !this.#stopped) {
      this.#lanes.wait(batch.shards[index], { batch, index });
      this.#sweepSoon();
    } else this.#refuseLate(batch, index);
  }

  /** The places of these shards are others now. */
  #changed(shards: readonly number[]): void {
    const lanes = this.#lanes;
    const leaving = new Map<Place, Set<number>>();
    for (const shard of shards) {
      lanes.block(shard);
      const from = lanes.at[shard];
      if (from === NOWHERE || from === HERE || lanes.underWay[shard] === 0) continue;
      const place = this.#places.get(from);
      const left = leaving.get(place);
      if (left === undefined) leaving.set(place, new Set([shard]));
      else left.add(shard);
    }
    for (const [place, left] of leaving) this.#withdraw(place, left);
    for (const shard of shards) this.#reconsider(shard);
  }

  /** What becomes of it there is unknown: it waits for the next owner, except what that one might take twice. */
  #withdraw(place: Place, shards: ReadonlySet<number>): void {
    const withdrawn: Item[] = [];
    for (const cargo of place.cargo) {
      for (let position = 0; position < cargo.count; position++) {
        if (!cargo.has(position)) continue;
        const shard = cargo.shardOf(position);
        if (!shards.has(shard)) continue;
        cargo.remove(position);
        this.#lanes.underWay[shard] -= 1;
        withdrawn.push({ batch: cargo.batchOf(position), index: cargo.indexOf(position) });
      }
      if (cargo.left === 0) place.cargo.delete(cargo);
    }
    this.stats.withdrawn += withdrawn.length;
    const doubtful = unrecognised(withdrawn.map(({ batch, index }) => batch.reports[index]));
    for (const [i, { batch, index }] of withdrawn.entries()) {
      if (doubtful.has(i)) {
        this.stats.doubtful += 1;
        batch.refuse(index, "retry", DOUBTFUL);
      } else this.#again(batch, index);
    }
  }

  /** Opens a blocked shard if it may be. */
  #reconsider(shard: number): void {
    if (!this.#lanes.isBlocked(shard)) return;
    const known = this.#options.routing.place(shard);
    if (known.is === "nowhere") return;
    const isHere = known.is === "here";
    if (!this.#lanes.mayOpen(shard, known.epoch, isHere, this.#options.clock.monotonic())) return;
    const number = isHere ? HERE : this.#places.numberOf(known.node);
    if (number === undefined) return;
    this.#lanes.open(shard, number, known.epoch);
    if (this.#lanes.isWaiting(shard)) this.#release.add(shard);
  }

  #sweepSoon(): void {
    if (this.#stopped) return;
    this.#cancelSweep ??= this.#options.clock.schedule(CLUSTER_SWEEP_MS, () => {
      this.#cancelSweep = undefined;
      const now = this.#options.clock.monotonic();
      this.#expire(now);
      for (let shard = 0; shard < SHARDS; shard++)
        if (this.#lanes.doubtUntil[shard] <= now) this.#reconsider(shard);
      if (this.#lanes.waiting > 0 || this.#places.busy) this.#sweepSoon();
    });
  }

  /** Refuses what waits or is on a link, and should have been answered by `now`. */
  #expire(now: number): void {
    const touched = expire(now, this.#lanes, this.#places, (batch, index) => this.#refuseLate(batch, index));
    for (const shard of touched) {
      this.#lanes.released(shard);
      this.#reconsider(shard);
    }
  }

  #refuseLate(batch: Batch, index: number): void {
    this.stats.late += 1;
    batch.refuse(index, "retry", LATE);
  }
}
