/**
 * Runs the machine of each entity: gives it events, and makes facts and events of what comes of them. An exception in one entity's machine becomes
 * an event, and the entity goes on.
 */
import { EntityScopeCursor } from "../picture/entity-scope.ts";
import type { EntityTable } from "./entity-table.ts";
import type { Fact } from "./facts.ts";
import type { Machine } from "./machine/compile.ts";
import {
  fire,
  type MachineEvent,
  type MachineState,
  request,
  restore,
  start,
  step,
  type Transition,
} from "./machine/step.ts";
import type { EventFact } from "./messages.ts";
import type { FactSink } from "./receive.ts";
import type { Shard } from "./shard.ts";

const NO_CONTEXT = Object.freeze({});
export const NO_TIMERS = Object.freeze([]) as unknown as MachineState["timers"];

/** What a machine makes of a request. Nothing of it has happened yet. */
export type Reaction =
  /** `transition` is absent if nothing changes by it. */
  | { is: "accepted"; state: string; transition: Transition | undefined }
  | { is: "refused" }
  | { is: "failed"; error: unknown };

export class EntityMachines {
  readonly #table: EntityTable;
  readonly #sink: FactSink;
  readonly #machine: Machine;
  /** By interned state: the machine's leaf, +1; 0 = not known yet. */
  readonly #leafOf: number[] = [];
  readonly #scope: EntityScopeCursor;
  readonly #current: MachineState = { state: 0, context: NO_CONTEXT, timers: NO_TIMERS };

  constructor(table: EntityTable, sink: FactSink, machine: Machine) {
    this.#table = table;
    this.#sink = sink;
    this.#machine = machine;
    this.#scope = new EntityScopeCursor(table.picture);
  }

  /** Enters the initial state. */
  start(shard: Shard, slot: number, now: number): void {
    this.#run(shard, slot, now, (_, scope) => start(this.#machine, scope, now));
  }

  /** A timer came due. */
  fire(shard: Shard, slot: number, timer: MachineState["timers"][number], now: number): void {
    this.#run(shard, slot, now, (current, scope) =>
      fire(this.#machine, current, timer.key, timer.due, scope, now),
    );
  }

  /** Brings a recovered entity to a state that its machine has, with the timers that this has. */
  restore(shard: Shard, slot: number, now: number): void {
    const { context, picture, timers } = this.#table;
    const { columns } = picture;
    const armed = timers.get(slot) ?? NO_TIMERS;
    const state = columns.states.name(columns.state[slot]);
    const restored = restore(this.#machine, state, context.get(slot) ?? NO_CONTEXT, armed);
    if (restored === undefined) this.start(shard, slot, now);
    else if (restored.timers.length < armed.length) this.#keepTimers(shard, slot, restored.timers);
  }

  /** @returns whether anything came of it. */
  step(shard: Shard, slot: number, event: MachineEvent, now: number): boolean {
    // As `#run`, without a closure: nearly every report comes here and changes nothing.
    const current = this.#enter(slot);
    let transition: Transition | undefined;
    try {
      transition = step(this.#machine, current, event, this.#scope, now);
    } catch (error) {
      this.fail(shard, slot, now, error);
      return true;
    }
    if (transition === undefined) return false;
    this.become(shard, slot, now, transition);
    return true;
  }

  /** What would come of an event that may be refused. Followed by `become` or `fail`, if by anything. */
  ask(slot: number, event: MachineEvent, now: number): Reaction {
    const current = this.#enter(slot);
    try {
      const taken = request(this.#machine, current, event, this.#scope, now);
      if (taken === undefined) return { is: "refused" };
      const state = this.#machine.states[taken.transition?.next.state ?? current.state];
      return { is: "accepted", state, transition: taken.transition };
    } catch (error) {
      return { is: "failed", error };
    }
  }

  fail(shard: Shard, slot: number, now: number, error: unknown): void {
    this.#emit(shard, slot, "machine.failed", now, {
      error: error instanceof Error ? error.message : String(error),
    });
    this.#dropDueTimers(shard, slot, now);
  }

  become(shard: Shard, slot: number, now: number, transition: Transition): void {
    const { number, picture } = this.#table;
    const { columns } = picture;
    const from = columns.states.name(columns.state[slot]);
    const state = this.#machine.states[transition.next.state];
    this.#decide(shard, {
      is: "transitioned",
      number: number[slot],
      seq: columns.seq[slot] + 1,
      state,
      context: transition.next.context,
      timers: transition.next.timers,
    });
    if (from !== state && from !== "") this.#emit(shard, slot, "state.changed", now, { from, to: state });
    for (const emitted of transition.emitted) this.#emit(shard, slot, emitted.type, now, emitted.data);
  }

  #run(
    shard: Shard,
    slot: number,
    now: number,
    decide: (current: MachineState, scope: EntityScopeCursor) => Transition | undefined,
  ): void {
    const current = this.#enter(slot);
    let transition: Transition | undefined;
    try {
      transition = decide(current, this.#scope);
    } catch (error) {
      this.fail(shard, slot, now, error);
      return;
    }
    if (transition !== undefined) this.become(shard, slot, now, transition);
  }

  /** Points the scope at an entity. @returns its state, valid until the next call. */
  #enter(slot: number): MachineState {
    const table = this.#table;
    this.#scope.slot = slot;
    const current = this.#current;
    current.state = this.#leaf(table.picture.columns.state[slot]);
    current.context = table.context.get(slot) ?? NO_CONTEXT;
    current.timers = table.timers.get(slot) ?? NO_TIMERS;
    return current;
  }

  #leaf(state: number): number {
    let leaf = this.#leafOf[state] ?? 0;
    if (leaf === 0) {
      leaf = this.#machine.states.indexOf(this.#table.picture.columns.states.name(state)) + 1;
      this.#leafOf[state] = leaf;
    }
    return Math.max(0, leaf - 1);
  }

  /** A timer whose action throws would be due for ever. */
  #dropDueTimers(shard: Shard, slot: number, now: number): void {
    const armed = this.#table.timers.get(slot) ?? NO_TIMERS;
    const timers = armed.filter((timer) => timer.due > now);
    if (timers.length < armed.length) this.#keepTimers(shard, slot, timers);
  }

  /** Stays in its state with fewer timers. */
  #keepTimers(shard: Shard, slot: number, timers: MachineState["timers"]): void {
    const { context, number, picture } = this.#table;
    const { columns } = picture;
    this.#decide(shard, {
      is: "transitioned",
      number: number[slot],
      seq: columns.seq[slot] + 1,
      state: columns.states.name(columns.state[slot]),
      context: context.get(slot) ?? NO_CONTEXT,
      timers,
    });
  }

  #decide(shard: Shard, fact: Fact): void {
    this.#sink.record(shard, fact);
    this.#table.apply(shard, fact);
  }

  #emit(shard: Shard, slot: number, type: string, time: number, data: EventFact["data"]): void {
    const subject = this.#table.picture.columns.id[slot]!;
    this.#sink.emit(shard, this.#table.number[slot], { type, subject, time, data });
  }
}
