/**
 * What an entity does with a report, and with silence: the ingest guard, then fences, then its machine. Synchronous and without I/O; every decision
 * is a fact, given to `FactSink` and applied at once.
 */
import { CatchUp } from "./catch-up.ts";
import { Commands } from "./commands.ts";
import { Deletions } from "./deletions.ts";
import { reportHash } from "./duplicate-memory.ts";
import { EntityFences } from "./entity-fences.ts";
import { EntityMachines } from "./entity-machines.ts";
import { type EntityTable, hasPlace, UNKNOWN_KIND } from "./entity-table.ts";
import { emptyReported } from "./fact-codec.ts";
import type { Fact } from "./facts.ts";
import type { FenceCatalogue } from "./fences/catalogue.ts";
import type { MachineCatalogue } from "./machine/catalogue.ts";
import type { MachineEvent, MachineState } from "./machine/step.ts";
import {
  type EventFact,
  EXPIRED,
  LIVE,
  LIVENESS,
  LOST,
  MOVED,
  type Refusal,
  type Report,
  STALE,
} from "./messages.ts";
import { Patches } from "./patches.ts";
import { isImplausible } from "./plausibility.ts";
import { refuse, refuseAge, refuseSkew, takesKind } from "./refuse.ts";
import type { Shard } from "./shard.ts";
import { shardOf } from "./shard-hash.ts";
import type { TimingWheel } from "./timing-wheel.ts";

export interface ReceiveOptions {
  /** A report further in the future is refused, ms. */
  maxClockSkew: number;
  /** An older report is refused, ms. */
  maxReportAge: number;
  /** Silence after which an entity is stale, lost, expired, ms; ascending. */
  staleAfter: number;
  lostAfter: number;
  expiredAfter: number;
}

/** Where decisions go: the open batch of the group commit. */
export interface FactSink {
  record(shard: Shard, fact: Fact): void;
  emit(shard: Shard, number: number, event: EventFact): void;
}

/** Taken before: acknowledged after its original is committed, and ignored. */
export const DUPLICATE = "duplicate";

const REPORT_EVENT: MachineEvent = { type: "report" };
const SILENCE_EVENTS: readonly MachineEvent[] = [
  REPORT_EVENT,
  { type: "stale" },
  { type: "lost" },
  { type: "expired" },
];
/** For `receive`: whatever the shard's epoch is. */
export const ANY_EPOCH = -1;
/** Under which no shard ever is. */
export const NO_EPOCH = 0;
/** Timers of one entity worked off in one go: each may arm another that is due at once. */
const MAX_FIRINGS = 32;
/** A deadline that comes before all of its shard are awake is looked at again so much later. */
const LOADING_MS = 100;

export class Actors {
  readonly table: EntityTable;
  readonly commands: Commands;
  readonly deletions: Deletions;
  readonly patches: Patches;
  readonly catchUp: CatchUp;
  readonly #options: ReceiveOptions;
  readonly #sink: FactSink;
  readonly #wheel: TimingWheel;
  readonly #machines: EntityMachines;
  readonly #fences: EntityFences;
  readonly #fact = emptyReported();

  constructor(
    table: EntityTable,
    options: ReceiveOptions,
    sink: FactSink,
    wheel: TimingWheel,
    machines: MachineCatalogue,
    fences: FenceCatalogue,
  ) {
    this.table = table;
    this.#options = options;
    this.#sink = sink;
    this.#wheel = wheel;
    this.#machines = new EntityMachines(table, sink, machines);
    this.#fences = new EntityFences(table, sink, fences, (shard, slot, event, now) =>
      this.#machines.step(shard, slot, event, now),
    );
    const follow = (shard: Shard, slot: number, now: number) => {
      if (this.#follow(shard, slot, now)) this.#arm(slot);
    };
    this.catchUp = new CatchUp(table, follow);
    this.commands = new Commands(table, this.#machines, sink, follow, (slot) => this.#arm(slot));
    this.patches = new Patches(table, sink);
    this.deletions = new Deletions(table, sink, this.#fences, follow, (slot) => {
      wheel.grow(table.picture.columns.capacity);
      wheel.disarm(slot);
    });
  }

  /**
   * Decides about one report.
   * @param now Unix ms.
   * @param epoch that its shard must have, or `ANY_EPOCH`.
   * @param known slot that its entity may have: to look there is cheaper.
   * @returns nothing if it was taken, `DUPLICATE`, `MOVED` (only if an epoch was given), or why not.
   */
  receive(
    report: Report,
    now: number,
    epoch = ANY_EPOCH,
    known = -1,
  ): Refusal | typeof DUPLICATE | typeof MOVED | undefined {
    const { table } = this;
    const { columns } = table.picture;
    let slot = table.picture.find(report.id, known);
    const shard = table.shards[slot >= 0 ? columns.shard.of(slot) : shardOf(report.id)];
    if (epoch !== ANY_EPOCH && (shard.epoch !== epoch || shard.status !== "open")) return MOVED;
    if (shard.status !== "open") return { type: "retry", detail: "the entity's shard is being loaded" };
    if (report.t - now > this.#options.maxClockSkew) return refuseSkew(report, now);
    if (now - report.t > this.#options.maxReportAge) return refuseAge(report, now);

    const refusal = refuse(table, shard, report, slot);
    if (refusal !== undefined) return refusal;
    const attributes = report.attributes === undefined ? "" : JSON.stringify(report.attributes);
    const hash = reportHash(report, attributes);
    const source = report.source ?? "";
    const sourceSeq = report.seq ?? -1;
    const t = Math.min(report.t, now);
    const isNew = slot < 0;
    if (!isNew) {
      const newest = columns.t.of(slot);
      // Only the numbers of a source are remembered by source.
      const number = sourceSeq < 0 ? 0 : columns.sources.find(source);
      if (table.duplicates.has(slot, report.t, hash, number, sourceSeq, t > newest)) return DUPLICATE;
      if (t < newest && this.#isOnTrack(shard, slot, report)) return DUPLICATE;
    } else slot = this.#introduce(shard, report, now);
    if (report.hint !== undefined && report.hint.slot !== slot) report.hint.slot = slot;
    // By the fix of before, which is about to be replaced.
    const isFollowed = shard.isBehind && this.#follow(shard, slot, now);
    if (report.kind !== undefined) this.#nameKind(shard, slot, report.kind, now, t);

    const fact = this.#fact;
    fact.number = table.number.of(slot);
    fact.seq = columns.seq.of(slot) + 1;
    fact.t = report.t;
    fact.received = now;
    fact.hash = hash;
    fact.late = t < columns.t.of(slot);
    fact.lon = report.lon ?? NaN;
    fact.lat = report.lat ?? NaN;
    fact.alt = report.alt ?? NaN;
    fact.speed = report.speed ?? NaN;
    fact.course = report.course ?? NaN;
    fact.heading = report.heading ?? NaN;
    fact.accuracy = report.accuracy ?? NaN;
    fact.source = source;
    fact.sourceSeq = sourceSeq;
    fact.attributes = attributes;
    fact.implausible = report.lon !== undefined && !fact.late && this.#jumps(slot, fact.lon, fact.lat, t);
    const before = columns.liveness.of(slot);
    this.#sink.record(shard, fact);
    table.applyReported(shard, slot, fact);
    if (before !== LIVE) this.#emitLiveness(shard, slot, before, LIVE, now);
    const isMoved = report.lon !== undefined && !fact.late && this.#fences.moved(shard, slot, now);
    const isStepped = (!fact.late || before !== LIVE) && this.#machines.step(shard, slot, REPORT_EVENT, now);
    // The deadline of a live entity is only put off: when the armed one comes, it looks again at what the entity waits for.
    if (isNew || isFollowed || isMoved || isStepped || before !== LIVE) this.#arm(slot);
    return undefined;
  }

  /** Whether a late report says what the track says already: a copy that was under way for long. */
  #isOnTrack(shard: Shard, slot: number, report: Report): boolean {
    const { t, lon, lat, alt = NaN, speed = NaN, course = NaN } = report;
    if (lon === undefined || lat === undefined) return false;
    const { tracks, number } = this.table;
    return tracks.isKnown(shard.index, number.of(slot), { t, lon, lat, alt, speed, course });
  }

  /** A deadline of an entity came. `now` is when it is handled, Unix ms. */
  deadline(slot: number, now: number): void {
    const { columns } = this.table.picture;
    const shard = this.table.shards[columns.shard.of(slot)];
    if (columns.id[slot] === undefined) return;
    if (shard.status !== "open") {
      this.#wheel.arm(slot, now + LOADING_MS);
      return;
    }
    if (shard.isBehind) this.#follow(shard, slot, now);
    for (let firings = 0; firings < MAX_FIRINGS; firings++) {
      const timer = earliest(this.table.memory.get(slot).timers);
      const silence = this.#silenceDue(slot);
      const dwell = this.#fences.due(slot);
      const first = Math.min(silence, dwell, timer?.due ?? Infinity);
      if (first > now) break;
      if (dwell === first) this.#fences.fire(shard, slot, now);
      // Silence before a timer of the same time: who stops and goes silent has the two at once where both are 5 minutes, and was never idle.
      else if (timer !== undefined && timer.due < silence) this.#machines.fire(shard, slot, timer, now);
      else {
        const before = columns.liveness.of(slot);
        const { number } = this.table;
        const liveness = before + 1;
        this.#decide(shard, {
          is: "liveness",
          number: number.of(slot),
          seq: columns.seq.of(slot) + 1,
          liveness,
        });
        this.#emitLiveness(shard, slot, before, liveness, now);
        this.#machines.step(shard, slot, SILENCE_EVENTS[liveness], now);
      }
    }
    this.#arm(slot);
  }

  /** Arms what a recovered entity waits for; one whose state is not in the machine any more enters the initial one, and fences that changed meanwhile are entered and left. */
  wake(slot: number, now: number): void {
    const { columns } = this.table.picture;
    this.#wheel.grow(columns.capacity);
    const shard = this.table.shards[columns.shard.of(slot)];
    this.#machines.restore(shard, slot, now);
    this.#fences.follow(shard, slot, now);
    this.#arm(slot);
  }

  /** Brings an entity to the machine and the fences that there are now. @returns whether it may wait for something else then. */
  #follow(shard: Shard, slot: number, now: number): boolean {
    const isOtherMachine = this.#machines.follow(shard, slot, now);
    return this.#fences.follow(shard, slot, now) || isOtherMachine;
  }

  #introduce(shard: Shard, report: Report, now: number): number {
    const fact = { is: "introduced", number: shard.nextNumber, seq: 1, id: report.id } as const;
    const slot = this.#decide(shard, { ...fact, kind: report.kind ?? UNKNOWN_KIND });
    this.#wheel.grow(this.table.picture.columns.capacity);
    this.#machines.start(shard, slot, now);
    return slot;
  }

  /** @param t of the report that names it, Unix ms. */
  #nameKind(shard: Shard, slot: number, kind: string, now: number, t: number): void {
    const { columns } = this.table.picture;
    if (kind === UNKNOWN_KIND || !takesKind(columns, slot)) return;
    const since = t < columns.t.of(slot) ? now : t;
    this.#decide(shard, {
      is: "kind",
      number: this.table.number.of(slot),
      seq: columns.seq.of(slot) + 1,
      kind,
      since,
    });
    if (this.#machines.follow(shard, slot, now, since)) this.#arm(slot);
  }

  #jumps(slot: number, lon: number, lat: number, t: number): boolean {
    const { picture } = this.table;
    if (!hasPlace(picture, slot)) return false;
    const { columns } = picture;
    const seconds = (t - columns.placedAt.of(slot)) / 1_000;
    const kind = columns.kinds.name(columns.kind.of(slot));
    return isImplausible(kind, columns.lon.of(slot), columns.lat.of(slot), lon, lat, seconds);
  }

  #decide(shard: Shard, fact: Fact): number {
    this.#sink.record(shard, fact);
    return this.table.apply(shard, fact);
  }

  #emitLiveness(shard: Shard, slot: number, from: number, to: number, now: number): void {
    this.#emit(shard, slot, "liveness.changed", now, { from: LIVENESS[from], to: LIVENESS[to] });
  }

  #emit(shard: Shard, slot: number, type: string, time: number, data: EventFact["data"]): void {
    const subject = this.table.picture.columns.id[slot]!;
    this.#sink.emit(shard, this.table.number.of(slot), { type, subject, time, data });
  }

  #silenceDue(slot: number): number {
    const { columns } = this.table.picture;
    const received = columns.received.of(slot);
    switch (columns.liveness.of(slot)) {
      case LIVE:
        return received + this.#options.staleAfter;
      case STALE:
        return received + this.#options.lostAfter;
      case LOST:
        return received + this.#options.expiredAfter;
      case EXPIRED:
        return Infinity;
      default:
        throw new RangeError(`liveness ${columns.liveness.of(slot)}`);
    }
  }

  #arm(slot: number): void {
    const timer = earliest(this.table.memory.get(slot).timers);
    const dwell = this.#fences.due(slot);
    this.#wheel.arm(slot, Math.min(this.#silenceDue(slot), dwell, timer?.due ?? Infinity));
  }
}

function earliest(timers: MachineState["timers"]): MachineState["timers"][number] | undefined {
  let first: MachineState["timers"][number] | undefined;
  for (const timer of timers) if (first === undefined || timer.due < first.due) first = timer;
  return first;
}
