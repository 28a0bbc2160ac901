/**
 * Runs the machine of each entity: gives it events, and makes facts and events of what comes of them. An exception in one entity's machine becomes
 * an event, and the entity goes on.
 */
import assert from "node:assert/strict";
import { MAX_SHARD_BYTES } from "../limits.ts";
import { EntityScopeCursor } from "../picture/entity-scope.ts";
import type { EntityTable } from "./entity-table.ts";
import type { Fact } from "./facts.ts";
import type { MachineCatalogue, Running } from "./machine/catalogue.ts";
import { MachineActionError } from "./machine/errors.ts";
import { keep, startBare } from "./machine/migrate.ts";
import { nameOf, versionOf } from "./machine/reference.ts";
import { sameTimers } from "./machine/run.ts";
import {
  type ArmedTimer,
  fire,
  type MachineEvent,
  type MachineState,
  request,
  restore,
  start,
  step,
  type Transition,
} from "./machine/step.ts";
import { NOTHING_REMEMBERED } from "./machine-memory.ts";
import type { EventFact, JsonObject } from "./messages.ts";
import type { FactSink } from "./receive.ts";
import type { Shard } from "./shard.ts";

/** What a machine makes of a request. Nothing of it has happened yet. */
export type Reaction =
  /** `transition` is absent if nothing changes by it. */
  | { is: "accepted"; state: string; transition: Transition | undefined }
  | { is: "refused" }
  | { is: "failed"; error: unknown };

export class EntityMachines {
  readonly #table: EntityTable;
  readonly #sink: FactSink;
  readonly #catalogue: MachineCatalogue;
  readonly #scope: EntityScopeCursor;
  readonly #current: MachineState = { state: 0, ...NOTHING_REMEMBERED };

  constructor(table: EntityTable, sink: FactSink, catalogue: MachineCatalogue) {
    this.#table = table;
    this.#sink = sink;
    this.#catalogue = catalogue;
    this.#scope = new EntityScopeCursor(table.picture);
  }

  /** A new entity enters the initial state of its kind's machine. */
  start(shard: Shard, slot: number, now: number): void {
    const running = this.#runs(slot);
    if (running.number !== 0) this.#runFromNowOn(shard, slot, running);
    this.become(shard, slot, now, this.#initial(shard, slot, running, now));
  }

  /**
   * Brings an entity to the machine that its kind runs now. In the same machine it keeps its state if that is still there; else it enters the
   * initial state and says so.
   * @param since from when on it is in another state then, Unix ms.
   * @returns whether it was another machine, or version.
   */
  follow(shard: Shard, slot: number, now: number, since = this.#table.sinceOf(slot, now)): boolean {
    const { machine, machines, memory, picture } = this.#table;
    const { columns } = picture;
    const running = this.#runs(slot);
    if (machine.of(slot) === running.number) return false;
    const before = machines.name(machine.of(slot));
    this.#runFromNowOn(shard, slot, running);
    const state = columns.states.name(columns.state.of(slot));
    const had = { version: versionOf(before), state, ...memory.get(slot) };
    const isSame = nameOf(before) === nameOf(running.reference);
    // Definitions are read after a shard is claimed, so they are not older than what decided about its entities.
    assert.ok(!isSame || had.version < running.version, "an entity's machine does not become older");
    const kept = isSame ? keep(running, had, now) : undefined;
    if (kept === undefined || !this.#fits(shard, slot, kept))
      this.#enterInitial(shard, slot, running, now, since);
    else if (kept.context !== had.context || !sameTimers(kept.timers, had.timers))
      this.#keepState(shard, slot, kept.context, kept.timers);
    return true;
  }

  /** A timer came due. */
  fire(shard: Shard, slot: number, timer: ArmedTimer, now: number): void {
    const running = this.#runs(slot);
    const current = this.#enter(slot, running);
    let transition: Transition | undefined;
    try {
      transition = fire(running.machine, current, timer.key, timer.due, this.#scope, now);
      this.#weigh(shard, slot, transition);
    } catch (error) {
      this.fail(shard, slot, now, error);
      this.#drop(shard, slot, timer);
      return;
    }
    if (transition !== undefined) this.become(shard, slot, now, transition);
  }

  /** Brings a recovered entity to a state that its machine has, with the timers that this has. */
  restore(shard: Shard, slot: number, now: number): void {
    if (this.follow(shard, slot, now)) return;
    const running = this.#runs(slot);
    const { memory, picture } = this.#table;
    const { columns } = picture;
    const { context, timers: armed } = memory.get(slot);
    const state = columns.states.name(columns.state.of(slot));
    const restored = restore(running.machine, state, context, armed);
    if (restored === undefined) this.#enterInitial(shard, slot, running, now, this.#table.sinceOf(slot, now));
    else if (restored.timers.length < armed.length) this.#keepTimers(shard, slot, restored.timers);
  }

  /** @returns whether anything came of it. */
  step(shard: Shard, slot: number, event: MachineEvent, now: number): boolean {
    // Nearly every report comes here and changes nothing.
    const running = this.#runs(slot);
    const current = this.#enter(slot, running);
    let transition: Transition | undefined;
    try {
      transition = step(running.machine, current, event, this.#scope, now);
      this.#weigh(shard, slot, transition);
    } catch (error) {
      this.fail(shard, slot, now, error);
      return true;
    }
    if (transition === undefined) return false;
    this.become(shard, slot, now, transition);
    return true;
  }

  /** What would come of an event that may be refused. Followed by `become` or `fail`, if by anything. */
  ask(shard: Shard, slot: number, event: MachineEvent, now: number): Reaction {
    const running = this.#runs(slot);
    const { machine } = running;
    const current = this.#enter(slot, running);
    try {
      const taken = request(machine, current, event, this.#scope, now);
      if (taken === undefined) return { is: "refused" };
      this.#weigh(shard, slot, taken.transition);
      const state = machine.states[taken.transition?.next.state ?? current.state];
      return { is: "accepted", state, transition: taken.transition };
    } catch (error) {
      return { is: "failed", error };
    }
  }

  fail(shard: Shard, slot: number, now: number, error: unknown): void {
    this.#emit(shard, slot, "machine.failed", now, {
      error: error instanceof Error ? error.message : String(error),
    });
  }

  /** @param since as in `follow` */
  become(
    shard: Shard,
    slot: number,
    now: number,
    transition: Transition,
    since = this.#table.sinceOf(slot, now),
  ): void {
    const { number, picture } = this.#table;
    const { columns } = picture;
    const from = columns.states.name(columns.state.of(slot));
    const state = this.#runs(slot).machine.states[transition.next.state];
    this.#decide(shard, {
      is: "transitioned",
      number: number.of(slot),
      seq: columns.seq.of(slot) + 1,
      state,
      context: transition.next.context,
      timers: transition.next.timers,
      since,
    });
    if (from !== state && from !== "") this.#emit(shard, slot, "state.changed", now, { from, to: state });
    for (const emitted of transition.emitted) this.#emit(shard, slot, emitted.type, now, emitted.data);
  }

  /** Points the scope at an entity. @returns its state, valid until the next call. */
  #enter(slot: number, running: Running): MachineState {
    const table = this.#table;
    this.#scope.slot = slot;
    const current = this.#current;
    current.state = this.#leaf(running, table.picture.columns.state.of(slot));
    const { context, timers } = table.memory.get(slot);
    current.context = context;
    current.timers = timers;
    return current;
  }

  /** What an entity's kind runs now. */
  #runs(slot: number): Running {
    return this.#catalogue.of(this.#table.picture.columns.kind.of(slot));
  }

  #leaf({ machine, leafOf }: Running, state: number): number {
    let leaf = leafOf[state] ?? 0;
    if (leaf === 0) {
      leaf = machine.states.indexOf(this.#table.picture.columns.states.name(state)) + 1;
      leafOf[state] = leaf;
    }
    return Math.max(0, leaf - 1);
  }

  /** A timer whose action throws would be due for ever. */
  #drop(shard: Shard, slot: number, timer: ArmedTimer): void {
    const armed = this.#table.memory.get(slot).timers;
    this.#keepTimers(
      shard,
      slot,
      armed.filter(({ key }) => key !== timer.key),
    );
  }

  #runFromNowOn(shard: Shard, slot: number, { reference }: Running): void {
    const { number, picture } = this.#table;
    const seq = picture.columns.seq.of(slot) + 1;
    this.#decide(shard, { is: "machine", number: number.of(slot), seq, machine: reference });
  }

  /** An entity that was in another machine, or in a state that is gone. */
  #enterInitial(shard: Shard, slot: number, running: Running, now: number, since: number): void {
    const { columns } = this.#table.picture;
    const from = columns.states.name(columns.state.of(slot));
    const transition = this.#initial(shard, slot, running, now);
    const { machine, version } = running;
    const to = machine.states[transition.next.state];
    this.#emit(shard, slot, "machine.changed", now, { machine: machine.id, version, from, to });
    this.become(shard, slot, now, transition, since);
  }

  #initial(shard: Shard, slot: number, { machine }: Running, now: number): Transition {
    this.#scope.slot = slot;
    try {
      const transition = start(machine, this.#scope, now);
      this.#weigh(shard, slot, transition);
      return transition;
    } catch (error) {
      this.fail(shard, slot, now, error);
      const bare = startBare(machine, now);
      return this.#fits(shard, slot, bare.next)
        ? bare
        : { ...bare, next: { ...bare.next, ...NOTHING_REMEMBERED } };
    }
  }

  /** @throws MachineActionError if there is no room for what the entity would remember. */
  #weigh(shard: Shard, slot: number, transition: Transition | undefined): void {
    if (transition === undefined || this.#fits(shard, slot, transition.next)) return;
    const detail = `there is no room for the context and the timers: the entity's shard holds ${MAX_SHARD_BYTES} bytes at most`;
    throw new MachineActionError("", detail);
  }

  /** Whether the shard can still be checkpointed then. What makes it no larger may always be. */
  #fits(shard: Shard, slot: number, next: MachineState): boolean {
    const growth = this.#table.memory.growth(slot, next);
    return growth <= 0 || shard.bytes + growth <= MAX_SHARD_BYTES;
  }

  /** Stays in its state with fewer timers. */
  #keepTimers(shard: Shard, slot: number, timers: MachineState["timers"]): void {
    this.#keepState(shard, slot, this.#table.memory.get(slot).context, timers);
  }

  #keepState(shard: Shard, slot: number, context: JsonObject, timers: MachineState["timers"]): void {
    const { number, picture } = this.#table;
    const { columns } = picture;
    this.#decide(shard, {
      is: "transitioned",
      number: number.of(slot),
      seq: columns.seq.of(slot) + 1,
      state: columns.states.name(columns.state.of(slot)),
      context,
      timers,
    });
  }

  #decide(shard: Shard, fact: Fact): void {
    this.#sink.record(shard, fact);
    this.#table.apply(shard, fact);
  }

  #emit(shard: Shard, slot: number, type: string, time: number, data: EventFact["data"]): void {
    const subject = this.#table.picture.columns.id[slot]!;
    this.#sink.emit(shard, this.#table.number.of(slot), { type, subject, time, data });
  }
}
