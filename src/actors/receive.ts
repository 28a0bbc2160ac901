/**
 * What an entity does with a report, and with silence: the ingest guard, then its machine. Synchronous and without I/O; every decision
 * is a fact, given to `FactSink` and applied at once. An exception in one entity's machine becomes an event, and the entity goes on.
 */
import { ENTITY_BYTES, MAX_ATTRIBUTES_BYTES, MAX_ENTITIES, MAX_SHARD_BYTES } from "../limits.ts";
import { EntityScopeCursor } from "../picture/entity-scope.ts";
import type { Interner } from "../picture/interner.ts";
import { reportHash } from "./duplicate-memory.ts";
import { type EntityTable, hasPlace, UNKNOWN_KIND } from "./entity-table.ts";
import { emptyReported } from "./fact-codec.ts";
import type { Fact } from "./facts.ts";
import type { Machine } from "./machine/compile.ts";
import {
  fire,
  type MachineEvent,
  type MachineState,
  restore,
  start,
  step,
  type Transition,
} from "./machine/step.ts";
import {
  type EventFact,
  EXPIRED,
  LIVE,
  LIVENESS,
  LOST,
  type Refusal,
  type Report,
  STALE,
} from "./messages.ts";
import { isImplausible } from "./plausibility.ts";
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

const NO_CONTEXT = Object.freeze({});
const NO_TIMERS = Object.freeze([]) as unknown as MachineState["timers"];
const REPORT_EVENT: MachineEvent = { type: "report" };
const SILENCE_EVENTS: readonly MachineEvent[] = [
  REPORT_EVENT,
  { type: "stale" },
  { type: "lost" },
  { type: "expired" },
];
/** The entity's shard is not this node's under the epoch that the report came with. */
export const MOVED = "moved";
/** For `receive`: whatever the shard's epoch is. */
export const ANY_EPOCH = -1;
/** Timers of one entity worked off in one go: each may arm another that is due at once. */
const MAX_FIRINGS = 32;
/** A deadline that comes before all of its shard are awake is looked at again so much later. */
const LOADING_MS = 100;

export class Actors {
  readonly table: EntityTable;
  readonly #options: ReceiveOptions;
  readonly #sink: FactSink;
  readonly #wheel: TimingWheel;
  readonly #machine: Machine;
  /** By interned state: the machine's leaf, +1; 0 = not known yet. */
  readonly #leafOf: number[] = [];
  readonly #fact = emptyReported();
  readonly #scope: EntityScopeCursor;
  readonly #current: MachineState = { state: 0, context: NO_CONTEXT, timers: NO_TIMERS };

  constructor(
    table: EntityTable,
    options: ReceiveOptions,
    sink: FactSink,
    wheel: TimingWheel,
    machine: Machine,
  ) {
    this.table = table;
    this.#options = options;
    this.#sink = sink;
    this.#wheel = wheel;
    this.#machine = machine;
    this.#scope = new EntityScopeCursor(table.picture);
  }

  /**
   * Decides about one report.
   * @param now Unix ms.
   * @param epoch that its shard must have, or `ANY_EPOCH`.
   * @returns nothing if it was taken, `DUPLICATE`, `MOVED` (only if an epoch was given), or why not.
   */
  receive(
    report: Report,
    now: number,
    epoch = ANY_EPOCH,
  ): Refusal | typeof DUPLICATE | typeof MOVED | undefined {
    const { table } = this;
    const { columns } = table.picture;
    let slot = table.picture.find(report.id, report.hint?.slot);
    const shard = table.shards[slot >= 0 ? columns.shard[slot] : shardOf(report.id)];
    if (epoch !== ANY_EPOCH && (shard.epoch !== epoch || shard.status !== "open")) return MOVED;
    if (shard.status !== "open") return { type: "retry", detail: "the entity's shard is being loaded" };
    if (report.t - now > this.#options.maxClockSkew) return refuseSkew(report, now);
    if (now - report.t > this.#options.maxReportAge) return refuseAge(report, now);

    const refusal = this.#refuse(shard, report, slot);
    if (refusal !== undefined) return refusal;
    const attributes = report.attributes === undefined ? "" : JSON.stringify(report.attributes);
    const hash = reportHash(report, attributes);
    const source = report.source ?? "";
    const sourceSeq = report.seq ?? -1;
    const t = Math.min(report.t, now);
    if (slot >= 0) {
      const newest = columns.t[slot];
      const number = source === "" ? 0 : columns.sources.find(source);
      if (table.duplicates.has(slot, report.t, hash, number, sourceSeq, t > newest)) return DUPLICATE;
    } else slot = this.#introduce(shard, report, now);
    if (report.hint !== undefined) report.hint.slot = slot;
    if (report.kind !== undefined) this.#nameKind(shard, slot, report.kind);

    const fact = this.#fact;
    fact.number = table.number[slot];
    fact.seq = columns.seq[slot] + 1;
    fact.t = report.t;
    fact.received = now;
    fact.hash = hash;
    fact.late = t < columns.t[slot];
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
    const before = columns.liveness[slot];
    this.#decide(shard, fact);
    if (before !== LIVE) this.#emitLiveness(shard, slot, before, LIVE, now);
    if (!fact.late || before !== LIVE) this.#step(shard, slot, REPORT_EVENT, now);
    this.#arm(slot);
    return undefined;
  }

  /** A deadline of an entity came. `now` is when it is handled, Unix ms. */
  deadline(slot: number, now: number): void {
    const { columns } = this.table.picture;
    const shard = this.table.shards[columns.shard[slot]];
    if (columns.id[slot] === undefined) return;
    if (shard.status !== "open") {
      this.#wheel.arm(slot, now + LOADING_MS);
      return;
    }
    for (let firings = 0; firings < MAX_FIRINGS; firings++) {
      const timer = earliest(this.table.timers.get(slot));
      const silence = this.#silenceDue(slot);
      if (Math.min(silence, timer?.due ?? Infinity) > now) break;
      if (timer !== undefined && timer.due <= silence) {
        this.#run(shard, slot, now, (current, scope) =>
          fire(this.#machine, current, timer.key, timer.due, scope, now),
        );
      } else {
        const before = columns.liveness[slot];
        const { number } = this.table;
        const liveness = before + 1;
        this.#decide(shard, { is: "liveness", number: number[slot], seq: columns.seq[slot] + 1, liveness });
        this.#emitLiveness(shard, slot, before, liveness, now);
        this.#step(shard, slot, SILENCE_EVENTS[liveness], now);
      }
    }
    this.#arm(slot);
  }

  /** Arms what a recovered entity waits for; one whose state is not in the machine any more enters the initial one. */
  wake(slot: number, now: number): void {
    const { columns } = this.table.picture;
    this.#wheel.grow(columns.capacity);
    const shard = this.table.shards[columns.shard[slot]];
    const armed = this.table.timers.get(slot) ?? NO_TIMERS;
    const state = columns.states.name(columns.state[slot]);
    const restored = restore(this.#machine, state, this.table.context.get(slot) ?? NO_CONTEXT, armed);
    if (restored === undefined) this.#run(shard, slot, now, (_, scope) => start(this.#machine, scope, now));
    else if (restored.timers.length < armed.length) this.#keepTimers(shard, slot, restored.timers);
    this.#arm(slot);
  }

  #refuse(shard: Shard, report: Report, slot: number): Refusal | undefined {
    const { table } = this;
    const { columns } = table.picture;
    if (slot < 0 && table.picture.size >= MAX_ENTITIES) {
      return {
        type: "too-many-entities",
        detail: `this node holds ${MAX_ENTITIES} entities and takes no more`,
      };
    }
    const kind = report.kind ?? UNKNOWN_KIND;
    if (isFull(columns.kinds, kind) && this.#takesKind(slot)) {
      return { type: "too-many-kinds", detail: `there are ${columns.kinds.limit} kinds already` };
    }
    if (report.source !== undefined && isFull(columns.sources, report.source)) {
      return { type: "too-many-kinds", detail: `there are ${columns.sources.limit} sources already` };
    }
    let growth = slot < 0 ? ENTITY_BYTES + Buffer.byteLength(report.id) : 0;
    if (report.attributes !== undefined) {
      const bytes = Buffer.byteLength(table.mergedAttributes(slot, report.attributes));
      if (bytes > MAX_ATTRIBUTES_BYTES) {
        const detail = `the entity's attributes would take ${bytes} bytes, ${MAX_ATTRIBUTES_BYTES} are allowed`;
        return { type: "invalid-report", detail };
      }
      growth += slot < 0 ? bytes : bytes - table.attributeBytes(slot);
    }
    if (growth > 0 && shard.bytes + growth > MAX_SHARD_BYTES) {
      const detail = `the entity's shard, one of ${table.shards.length}, holds ${MAX_SHARD_BYTES} bytes and takes no more`;
      return { type: "too-many-entities", detail };
    }
    return undefined;
  }

  #introduce(shard: Shard, report: Report, now: number): number {
    const fact = { is: "introduced", number: shard.nextNumber, seq: 1, id: report.id } as const;
    const slot = this.#decide(shard, { ...fact, kind: report.kind ?? UNKNOWN_KIND });
    this.#wheel.grow(this.table.picture.columns.capacity);
    this.#run(shard, slot, now, (_, scope) => start(this.#machine, scope, now));
    return slot;
  }

  #nameKind(shard: Shard, slot: number, kind: string): void {
    const { columns } = this.table.picture;
    if (kind === UNKNOWN_KIND || !this.#takesKind(slot)) return;
    this.#decide(shard, { is: "kind", number: this.table.number[slot], seq: columns.seq[slot] + 1, kind });
  }

  /** Whether a kind that is named for the entity in this slot, −1 = a new one, would be set. */
  #takesKind(slot: number): boolean {
    const { kinds, kind } = this.table.picture.columns;
    return slot < 0 || kinds.name(kind[slot]) === UNKNOWN_KIND;
  }

  #jumps(slot: number, lon: number, lat: number, t: number): boolean {
    const { picture } = this.table;
    if (!hasPlace(picture, slot)) return false;
    const { columns } = picture;
    const seconds = (t - columns.t[slot]) / 1_000;
    const kind = columns.kinds.name(columns.kind[slot]);
    return isImplausible(kind, columns.lon[slot], columns.lat[slot], lon, lat, seconds);
  }

  #decide(shard: Shard, fact: Fact): number {
    this.#sink.record(shard, fact);
    return this.table.apply(shard, fact);
  }

  #step(shard: Shard, slot: number, event: MachineEvent, now: number): void {
    this.#run(shard, slot, now, (current, scope) => step(this.#machine, current, event, scope, now));
  }

  #run(
    shard: Shard,
    slot: number,
    now: number,
    decide: (current: MachineState, scope: EntityScopeCursor) => Transition | undefined,
  ): void {
    const { table } = this;
    const { columns } = table.picture;
    let transition: Transition | undefined;
    this.#scope.slot = slot;
    const current = this.#current;
    current.state = this.#leaf(columns.state[slot]);
    current.context = table.context.get(slot) ?? NO_CONTEXT;
    current.timers = table.timers.get(slot) ?? NO_TIMERS;
    try {
      transition = decide(current, this.#scope);
    } catch (error) {
      this.#emit(shard, slot, "machine.failed", now, {
        error: error instanceof Error ? error.message : String(error),
      });
      this.#dropDueTimers(shard, slot, now);
      return;
    }
    if (transition === undefined) return;
    const from = columns.states.name(columns.state[slot]);
    const state = this.#machine.states[transition.next.state];
    this.#decide(shard, {
      is: "transitioned",
      number: table.number[slot],
      seq: columns.seq[slot] + 1,
      state,
      context: transition.next.context,
      timers: transition.next.timers,
    });
    if (from !== state && from !== "") this.#emit(shard, slot, "state.changed", now, { from, to: state });
    for (const emitted of transition.emitted) this.#emit(shard, slot, emitted.type, now, emitted.data);
  }

  /** A timer whose action throws would be due for ever. */
  #dropDueTimers(shard: Shard, slot: number, now: number): void {
    const armed = this.table.timers.get(slot) ?? NO_TIMERS;
    const timers = armed.filter((timer) => timer.due > now);
    if (timers.length < armed.length) this.#keepTimers(shard, slot, timers);
  }

  /** Stays in its state with fewer timers. */
  #keepTimers(shard: Shard, slot: number, timers: MachineState["timers"]): void {
    const { table } = this;
    const { columns } = table.picture;
    this.#decide(shard, {
      is: "transitioned",
      number: table.number[slot],
      seq: columns.seq[slot] + 1,
      state: columns.states.name(columns.state[slot]),
      context: table.context.get(slot) ?? NO_CONTEXT,
      timers,
    });
  }

  #leaf(state: number): number {
    let leaf = this.#leafOf[state] ?? 0;
    if (leaf === 0) {
      leaf = this.#machine.states.indexOf(this.table.picture.columns.states.name(state)) + 1;
      this.#leafOf[state] = leaf;
    }
    return Math.max(0, leaf - 1);
  }

  #emitLiveness(shard: Shard, slot: number, from: number, to: number, now: number): void {
    this.#emit(shard, slot, "liveness.changed", now, { from: LIVENESS[from], to: LIVENESS[to] });
  }

  #emit(shard: Shard, slot: number, type: string, time: number, data: EventFact["data"]): void {
    const subject = this.table.picture.columns.id[slot]!;
    this.#sink.emit(shard, this.table.number[slot], { type, subject, time, data });
  }

  #silenceDue(slot: number): number {
    const { columns } = this.table.picture;
    const received = columns.received[slot];
    switch (columns.liveness[slot]) {
      case LIVE:
        return received + this.#options.staleAfter;
      case STALE:
        return received + this.#options.lostAfter;
      case LOST:
        return received + this.#options.expiredAfter;
      case EXPIRED:
        return Infinity;
      default:
        throw new RangeError(`liveness ${columns.liveness[slot]}`);
    }
  }

  #arm(slot: number): void {
    const timers = this.table.timers.get(slot);
    const silence = this.#silenceDue(slot);
    this.#wheel.arm(
      slot,
      timers === undefined ? silence : Math.min(silence, earliest(timers)?.due ?? Infinity),
    );
  }
}

function earliest(timers: MachineState["timers"] | undefined): MachineState["timers"][number] | undefined {
  let first: MachineState["timers"][number] | undefined;
  for (const timer of timers ?? NO_TIMERS) if (first === undefined || timer.due < first.due) first = timer;
  return first;
}

/** Whether a name is new and there is no room for it. A name gets its number from the fact that holds it, not from a look at a report. */
function isFull(names: Interner, name: string): boolean {
  return names.find(name) < 0 && names.size >= names.limit;
}

function refuseSkew(report: Report, now: number): Refusal {
  const seconds = Math.round((report.t - now) / 1_000);
  return { type: "clock-skew", detail: `t is ${seconds} s in the future: check the source's clock` };
}

function refuseAge(report: Report, now: number): Refusal {
  const days = Math.floor((now - report.t) / 86_400_000);
  return { type: "too-old", detail: `t is ${days} days ago: check the source's clock` };
}
