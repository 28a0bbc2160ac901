/** The work of one event that changes something: leaves and enters states, carries out actions, collects what comes of it. */
import type { JsonObject } from "../messages.ts";
import type { CompiledTransition, Leaf, Machine, StateNode } from "./compile.ts";
import type { ActionDefinition } from "./definition-actions.ts";
import { MachineActionError } from "./errors.ts";
import { type Expression, evaluate } from "./expression.ts";
import { MAX_CONTEXT_BYTES, MAX_EMITTED } from "./limits.ts";
import { bind, type EntityScope, type MachineEvent } from "./scope.ts";
import type { ArmedTimer, Emitted, MachineState, Transition } from "./step.ts";
import { sameJson } from "./values.ts";

/** Starts at a state at rest; `take` moves it; `finish` gives the result. Done = a final child of the machine was entered. */
export class Run {
  readonly #machine: Machine;
  readonly #before: MachineState;
  readonly #entity: EntityScope;
  readonly #now: number;
  readonly #emitted: Emitted[] = [];
  readonly #raised: MachineEvent[] = [];
  #node: StateNode | undefined;
  #context: JsonObject;
  #timers: readonly ArmedTimer[];
  #done = false;
  #assigned = false;

  constructor(machine: Machine, before: MachineState, entity: EntityScope, now: number) {
    this.#machine = machine;
    this.#before = before;
    this.#entity = entity;
    this.#now = now;
    this.#node = machine.leaves[before.state]?.node;
    this.#context = before.context;
    this.#timers = before.timers;
  }

  get isDone(): boolean {
    return this.#done;
  }

  /** Full path of the leaf that is active now. */
  get path(): string {
    return this.leaf.node.path;
  }

  get leaf(): Leaf {
    return this.#machine.leaves[this.#node!.leaf];
  }

  /** Takes the event raised first, if any is left. */
  nextRaised(): MachineEvent | undefined {
    return this.#raised.shift();
  }

  /** Points the variables of expressions at this run. */
  bind(event: MachineEvent): void {
    bind(event, this.#entity, this.#context, this.#now);
  }

  /**
   * One microstep: leaves states from the leaf up, carries out the actions, enters states from the top down.
   * @returns whether the state or the context is another one now (an `assign` counts, whatever it assigned).
   */
  take(transition: CompiledTransition, event: MachineEvent): boolean {
    const from = this.#node;
    this.#assigned = false;
    if (transition.to !== undefined)
      for (let node = from; node !== undefined && node !== transition.domain; node = node.parent)
        this.#leave(node, event);
    this.#execute(transition.actions, event);
    if (transition.to !== undefined) {
      this.#node = transition.to;
      for (const node of transition.enter) this.#enter(node, event);
    }
    if (this.#done)
      for (let node = this.#node; node !== undefined; node = node.parent) this.#leave(node, event);
    return this.#assigned || this.#node !== from;
  }

  disarm(key: string): void {
    if (this.#timers.some((timer) => timer.key === key))
      this.#timers = this.#timers.filter((timer) => timer.key !== key);
  }

  isUnchanged(): boolean {
    return (
      this.#emitted.length === 0 &&
      this.#context === this.#before.context &&
      this.#node!.leaf === this.#before.state &&
      sameTimers(this.#timers, this.#before.timers)
    );
  }

  finish(): Transition {
    if (this.#context !== this.#before.context && jsonBytes(this.#context) > MAX_CONTEXT_BYTES)
      throw new MachineActionError("", `the context would have more than ${MAX_CONTEXT_BYTES} bytes of JSON`);
    const next = { state: this.#node!.leaf, context: this.#context, timers: this.#timers };
    return { next, emitted: this.#emitted };
  }

  #leave(node: StateNode, event: MachineEvent): void {
    this.#execute(node.exit, event);
    for (const { key } of node.delays) this.disarm(key);
  }

  #enter(node: StateNode, event: MachineEvent): void {
    this.#execute(node.entry, event);
    for (const { key, ms } of node.delays) {
      this.disarm(key);
      this.#timers = [...this.#timers, { key, due: this.#now + ms }];
    }
    if (!node.final) return;
    this.#raised.push({ type: node.parent!.doneType });
    this.#done = this.leaf.ends;
  }

  #execute(actions: readonly ActionDefinition[], event: MachineEvent): void {
    for (const action of actions) {
      this.bind(event);
      switch (action.type) {
        case "assign":
          this.#assign(action.assignment);
          break;
        case "emit":
          this.#emit(action.event, action.data, action.path);
          break;
        case "raise":
          this.#raised.push({ type: action.event });
          break;
        default:
          action satisfies never;
      }
    }
  }

  #assign(assignment: readonly [string, Expression][]): void {
    const values = assignment.map(([key, value]) => [key, evaluate(value)] as const);
    this.#assigned = true;
    // Equal values keep the old object, so that an assignment that changes nothing is not journaled.
    if (
      values.every(([key, value]) => Object.hasOwn(this.#context, key) && sameJson(this.#context[key], value))
    )
      return;
    this.#context = { ...this.#context, ...Object.fromEntries(values) };
  }

  #emit(type: string, data: readonly [string, Expression][], path: string): void {
    if (this.#emitted.length >= MAX_EMITTED)
      throw new MachineActionError(path, `one event may emit at most ${MAX_EMITTED} events`);
    const payload = Object.fromEntries(data.map(([key, value]) => [key, evaluate(value)]));
    if (jsonBytes(payload) > MAX_CONTEXT_BYTES)
      throw new MachineActionError(
        path,
        `the data of an event has at most ${MAX_CONTEXT_BYTES} bytes of JSON`,
      );
    this.#emitted.push({ type, data: payload });
  }
}

export function jsonBytes(json: JsonObject): number {
  return Buffer.byteLength(JSON.stringify(json));
}

export function sameTimers(a: readonly ArmedTimer[], b: readonly ArmedTimer[]): boolean {
  return (
    a === b ||
    (a.length === b.length && a.every((timer, i) => timer.key === b[i].key && timer.due === b[i].due))
  );
}
