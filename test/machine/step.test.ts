import t from "tap";
import { compileMachine, type Machine } from "../../src/actors/machine/compile.ts";
import { parseMachine } from "../../src/actors/machine/definition.ts";
import { MachineLoopError } from "../../src/actors/machine/errors.ts";
import { MAX_MICROSTEPS } from "../../src/actors/machine/limits.ts";
import { fire, type MachineState, restore, start, step } from "../../src/actors/machine/step.ts";
import { entity } from "./entity.ts";

const machineOf = (json: object): Machine => compileMachine(parseMachine({ id: "m", ...json }));
const assign = (assignment: object) => ({ type: "assign", params: { assignment } });
const emit = (type: string, data: object = {}) => ({ type: "emit", params: { event: { type, data } } });
const raise = (type: string) => ({ type: "raise", params: { event: { type } } });

function nameOf(machine: Machine, state: MachineState | undefined): string | undefined {
  return state && machine.states[state.state];
}

t.test("[M9] `undefined` if nothing changed and nothing was emitted", async (t) => {
  const machine = machineOf({
    initial: "a",
    context: { n: 1, deep: { list: [1, { x: null }] } },
    states: {
      a: {
        on: {
          forbidden: {},
          guarded: { target: "b", guard: "false" },
          self: "a",
          same: { actions: assign({ n: "1", deep: "{'list': [1, {'x': null}]}" }) },
          other: { actions: assign({ n: "2" }) },
          longer: { actions: assign({ deep: "{'list': [1, {'x': null}, 2]}" }) },
          told: { actions: emit("e") },
          around: { actions: [assign({ n: "2" }), assign({ n: "1" })] },
        },
      },
      b: {},
    },
  });
  const { next } = start(machine, entity(), 0);
  for (const type of ["unknown", "forbidden", "guarded", "self", "same", "toString"])
    t.equal(step(machine, next, { type }, entity(), 0), undefined, type);
  for (const type of ["other", "longer", "told", "around"])
    t.ok(step(machine, next, { type }, entity(), 0), type);
});

t.test(
  "[M10] a transition to its own source keeps timers and runs nothing, unless it reenters",
  async (t) => {
    const machine = machineOf({
      initial: "a",
      states: {
        a: {
          entry: emit("in"),
          exit: emit("out"),
          after: { 1000: "b" },
          on: { keep: "a", again: { target: "a", reenter: true } },
        },
        b: {},
      },
    });
    const { next } = start(machine, entity(), 0);
    t.same(next.timers, [{ key: "a#1000", due: 1_000 }]);
    t.equal(step(machine, next, { type: "keep" }, entity(), 400), undefined);
    const again = step(machine, next, { type: "again" }, entity(), 400)!;
    t.same(again.next.timers, [{ key: "a#1000", due: 1_400 }]);
    t.same(
      again.emitted.map((e) => e.type),
      ["out", "in"],
    );
  },
);

t.test("[M11] timers are armed on entry, dropped on exit, and fire once", async (t) => {
  const machine = machineOf({
    initial: "p",
    context: { open: false },
    states: {
      p: {
        initial: "a",
        after: { 500: { target: "end", guard: "context.open" } },
        states: { a: { after: { 100: "b" } }, b: { after: { 100: { actions: emit("rang") } } } },
        on: { open: { actions: assign({ open: "true" }) } },
      },
      end: {},
    },
  });
  const first = start(machine, entity(), 1_000).next;
  t.same(first.timers, [
    { key: "p#500", due: 1_500 },
    { key: "p.a#100", due: 1_100 },
  ]);
  t.equal(
    fire(machine, first, "p.a#100", 1_099, entity(), 2_000),
    undefined,
    "another deadline: an older timer",
  );
  t.equal(fire(machine, first, "p.b#100", 1_100, entity(), 2_000), undefined, "a timer that is not armed");
  const late = fire(machine, first, "p.a#100", 1_100, entity(), 1_130)!.next;
  t.equal(nameOf(machine, late), "p.b");
  t.same(
    late.timers,
    [
      { key: "p#500", due: 1_500 },
      { key: "p.b#100", due: 1_230 },
    ],
    "the next one counts from now, not from when this was due",
  );
  const rang = fire(machine, late, "p.b#100", 1_230, entity(), 1_230)!;
  t.same(
    [nameOf(machine, rang.next), rang.emitted, rang.next.timers.length],
    ["p.b", [{ type: "rang", data: {} }], 1],
  );
  t.equal(fire(machine, rang.next, "p.b#100", 1_230, entity(), 1_230), undefined, "once");
  const refused = fire(machine, late, "p#500", 1_500, entity(), 1_500)!;
  t.same(
    refused.next.timers.map((timer) => timer.key),
    ["p.b#100"],
    "used up, though its guard did not hold",
  );
});

t.test("[M12] a circle of microsteps throws, and nothing has changed", async (t) => {
  const circles = {
    always: { a: { always: "b" }, b: { always: "a" } },
    raise: { a: { on: { go: { actions: raise("go") } } }, b: {} },
    assign: { a: { always: { guard: "true", actions: assign({ n: "context.n + 1" }) } }, b: {} },
  };
  for (const [what, states] of Object.entries(circles)) {
    const machine = machineOf({
      initial: "idle",
      context: { n: 0 },
      states: { idle: { on: { go: "a" } }, ...states },
    });
    const { next } = start(machine, entity(), 0);
    const run = () => {
      const inA = step(machine, next, { type: "go" }, entity(), 0)!.next;
      step(machine, inA, { type: "go" }, entity(), 0);
    };
    t.throws(run, MachineLoopError, what);
    t.same(next, { state: 0, context: { n: 0 }, timers: [] });
  }
  const counting = (n: number) =>
    machineOf({
      initial: "a",
      context: { n: 0 },
      states: { a: { always: { guard: `context.n < ${n}`, actions: assign({ n: "context.n + 1" }) } } },
    });
  t.equal(
    start(counting(MAX_MICROSTEPS - 1), entity(), 0).next.context.n,
    MAX_MICROSTEPS - 1,
    "long is allowed",
  );
  t.throws(() => start(counting(MAX_MICROSTEPS), entity(), 0), MachineLoopError);
});

t.test("[M13] a final state of the machine ends it: exits run, timers go, events are ignored", async (t) => {
  const machine = machineOf({
    initial: "a",
    after: { 1000: ".a" },
    exit: emit("machine.left"),
    on: { go: ".a" },
    states: {
      a: { on: { end: "z" } },
      z: { type: "final", entry: [emit("in"), raise("go")], exit: emit("out") },
    },
  });
  const { next } = start(machine, entity(), 0);
  const ended = step(machine, next, { type: "end" }, entity(), 0)!;
  t.same(
    ended.emitted.map((e) => e.type),
    ["in", "out", "machine.left"],
  );
  t.same([nameOf(machine, ended.next), ended.next.timers], ["z", []]);
  t.equal(step(machine, ended.next, { type: "go" }, entity(), 0), undefined);
});

t.test("[M13] a final state below another makes that one done", async (t) => {
  const machine = machineOf({
    initial: "work",
    states: {
      work: {
        initial: "a",
        states: { a: { on: { end: "z" } }, z: { type: "final" } },
        onDone: { target: "rest", actions: emit("done") },
      },
      rest: {},
    },
  });
  const result = step(machine, start(machine, entity(), 0).next, { type: "end" }, entity(), 0)!;
  t.same([nameOf(machine, result.next), result.emitted.length], ["rest", 1]);
});

t.test("[M14] a stored state is restored by its path; a state that is gone is not", async (t) => {
  const before = machineOf({ initial: "x", states: { x: {}, a: { after: { 10: "x", 20: "x" } } } });
  const after = machineOf({ initial: "y", states: { y: {}, z: {}, a: { after: { 20: "y" } } } });
  const timers = [
    { key: "a#10", due: 110 },
    { key: "a#20", due: 120 },
  ];
  t.same(restore(before, "a", { n: 1 }, timers), { state: 1, context: { n: 1 }, timers });
  t.same(restore(after, "a", { n: 1 }, timers), { state: 2, context: { n: 1 }, timers: [timers[1]] });
  t.equal(restore(after, "x", {}, []), undefined);
  const deeper = machineOf({ initial: "a", states: { a: { initial: "b", states: { b: {} } } } });
  t.equal(restore(deeper, "a", {}, []), undefined, "no leaf any more");
});

t.test(
  "[M15] exits run from the leaf up, then actions, then entries from the top down; raised events come after `always`",
  async (t) => {
    const told = (name: string) => ({
      entry: emit(`in ${name}`, { n: "context.n" }),
      exit: emit(`out ${name}`, { n: "context.n" }),
    });
    const machine = machineOf({
      initial: "a",
      context: { n: 0 },
      states: {
        a: {
          ...told("a"),
          initial: "b",
          states: { b: told("b") },
          on: { go: { target: "#m.c.d", actions: [raise("later"), assign({ n: "1" })] } },
        },
        c: {
          ...told("c"),
          initial: "x",
          states: {
            x: {},
            d: { ...told("d"), always: "e" },
            e: { ...told("e"), on: { later: { actions: emit("later", { by: "event.type" }) } } },
          },
        },
      },
    });
    const { next, emitted } = start(machine, entity(), 0);
    t.same(
      emitted.map((e) => e.type),
      ["in a", "in b"],
    );
    const result = step(machine, next, { type: "go" }, entity(), 0)!;
    t.same(
      result.emitted.map((e) => [e.type, e.data.n ?? e.data.by]),
      [
        ["out b", 0],
        ["out a", 0],
        ["in c", 1],
        ["in d", 1],
        ["out d", 1],
        ["in e", 1],
        ["later", "later"],
      ],
    );
  },
);

t.test("[M15] all expressions of one `assign` see the context before it", async (t) => {
  const machine = machineOf({
    initial: "a",
    context: { x: 1, y: 2 },
    states: {
      a: {
        on: { swap: { actions: [assign({ x: "context.y", y: "context.x" }), assign({ z: "context.x" })] } },
      },
    },
  });
  const result = step(machine, start(machine, entity(), 0).next, { type: "swap" }, entity(), 0)!;
  t.same(result.next.context, { x: 2, y: 1, z: 2 });
});
