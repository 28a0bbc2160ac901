/** XState itself says what a machine must do: random machines and random events must give the same in both. */
import assert from "node:assert/strict";
import t from "tap";
import { initialTransition, transition } from "xstate";
import { compileMachine } from "../../src/actors/machine/compile.ts";
import { parseMachine } from "../../src/actors/machine/definition.ts";
import { MachineLoopError } from "../../src/actors/machine/errors.ts";
import { MAX_MICROSTEPS } from "../../src/actors/machine/limits.ts";
import { fire, type MachineState, start, step, type Transition } from "../../src/actors/machine/step.ts";
import type { JsonObject } from "../../src/actors/messages.ts";
import { fc, runs } from "../support/seeded.ts";
import { entity } from "./entity.ts";
import { EVENTS, randomDefinition, toXState } from "./random-machine.ts";

/** What both are reduced to after each event. */
interface Seen {
  state: string;
  context: unknown;
  emitted: unknown[];
  /** Event type of the delay → due. */
  timers: Record<string, number>;
  done: boolean;
}
type Action = { type: string; params?: { event?: { type: string }; delay?: number; sendId?: string } };
type Snapshot = { value: unknown; context: unknown; status: string };

/** XState's pure functions, with its delayed events kept by hand. `undefined` = the machine loops. */
class Oracle {
  readonly #machine;
  #snapshot: Snapshot | undefined;
  timers = new Map<string, number>();

  constructor(definition: JsonObject) {
    this.#machine = toXState(definition, MAX_MICROSTEPS);
  }

  start(now: number): Seen | undefined {
    return this.#see(() => initialTransition(this.#machine) as never, now);
  }

  send(event: { type: string }, now: number): Seen | undefined {
    return this.#see(() => transition(this.#machine, this.#snapshot as never, event) as never, now);
  }

  #see(run: () => [Snapshot, Action[]], now: number): Seen | undefined {
    let actions: Action[];
    try {
      [this.#snapshot, actions] = run();
    } catch (error) {
      assert.match((error as Error).message, /Infinite loop/);
      return undefined;
    }
    if (this.#snapshot.status === "error") return undefined;
    const emitted: unknown[] = [];
    for (const { type, params } of actions) {
      if (type === "xstate.emit") emitted.push(params!.event);
      else if (type === "xstate.cancel") this.timers.delete(params!.sendId!);
      else if (type === "xstate.raise" && params!.delay !== undefined)
        this.timers.set(params!.event!.type, now + params!.delay);
    }
    const { value, context, status } = this.#snapshot;
    const timers = Object.fromEntries(this.timers);
    return { state: pathOf(value), context, emitted, timers, done: status === "done" };
  }
}

function pathOf(value: unknown): string {
  if (typeof value === "string") return value;
  const [[name, below]] = Object.entries(value as object);
  return `${name}.${pathOf(below)}`;
}

const operation = fc.oneof(
  { weight: 5, arbitrary: fc.record({ event: fc.constantFrom(...EVENTS), n: fc.option(fc.nat(5)) }) },
  { weight: 2, arbitrary: fc.record({ timer: fc.nat(9) }) },
);

t.test("[M1] random machines do what XState does", async (t) => {
  const count = { runs: 0, events: 0, changes: 0, loops: 0, fired: 0, done: 0 };
  const property = fc.property(
    randomDefinition,
    fc.array(operation, { maxLength: 25, size: "max" }),
    (json, operations) => {
      count.runs++;
      const machine = compileMachine(parseMachine(json));
      const oracle = new Oracle(json);
      let now = 1_000;
      let current: MachineState;
      const see = (result: Transition): Seen => ({
        state: machine.states[result.next.state],
        context: result.next.context,
        emitted: result.emitted,
        timers: Object.fromEntries(result.next.timers.map(({ key, due }) => [eventTypeOf(key), due])),
        done:
          machine.leaves[result.next.state].node.final && !machine.states[result.next.state].includes("."),
      });
      const compare = (expected: Seen | undefined, run: () => Transition | undefined): boolean => {
        if (expected === undefined) {
          count.loops++;
          // A loop that emits may meet the limit of emitted events first.
          assert.throws(
            run,
            (error: Error) => error instanceof MachineLoopError || /may emit at most/.test(error.message),
          );
          return false;
        }
        const result = run();
        if (result !== undefined) count.changes++;
        const seen = see(result ?? { next: current, emitted: [] });
        assert.deepEqual(seen, expected);
        if (result !== undefined) current = result.next;
        if (seen.done) count.done++;
        return !seen.done;
      };

      let goes = compare(oracle.start(now), () => start(machine, entity(), now));
      for (const operation of operations) {
        if (!goes) break;
        count.events++;
        if ("timer" in operation) {
          if (current!.timers.length === 0) continue;
          const { key, due } = current!.timers[operation.timer % current!.timers.length];
          now = Math.max(now, due) + 3;
          count.fired++;
          oracle.timers.delete(eventTypeOf(key));
          goes = compare(oracle.send({ type: eventTypeOf(key) }, now), () =>
            fire(machine, current, key, due, entity(), now),
          );
        } else {
          now += 7;
          const event = { type: operation.event, ...(operation.n === null ? {} : { n: operation.n }) };
          goes = compare(oracle.send(event, now), () => step(machine, current, event, entity(), now));
        }
      }
    },
  );
  fc.assert(property, { numRuns: runs(600) });
  t.comment(JSON.stringify(count));
  t.ok(count.changes > count.runs * 2, "machines did something");
  t.ok(count.fired > 20 && count.loops > 5 && count.done > 5, "timers, loops and ends were among them");
});

/** `a.b#100` → `xstate.after.100.m.a.b`. */
function eventTypeOf(key: string): string {
  const [path, delay] = key.split("#");
  return `xstate.after.${delay}.${path === "" ? "m" : `m.${path}`}`;
}
