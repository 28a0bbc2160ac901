import t from "tap";
import { compileMachine } from "../../src/actors/machine/compile.ts";
import { parseMachine } from "../../src/actors/machine/definition.ts";
import { MACHINE_ERRORS, MachineError, type MachineErrorCode } from "../../src/actors/machine/errors.ts";
import {
  MAX_CONTEXT_BYTES,
  MAX_MACHINE_ACTIONS,
  MAX_MACHINE_DEPTH,
  MAX_MACHINE_TRANSITIONS,
} from "../../src/actors/machine/limits.ts";
import { start, step } from "../../src/actors/machine/step.ts";
import type { JsonObject } from "../../src/actors/messages.ts";
import { entity } from "./entity.ts";

/** A machine whose state `a` has the given members. */
const withA = (a: object, more: object = {}) => ({ id: "m", initial: "a", states: { a, b: {} }, ...more });
const onGo = (transition: unknown) => withA({ on: { go: transition } });
const guard = (source: string) => onGo({ target: "b", guard: source });
const action = (entry: unknown) => withA({ entry });
const assign = (source: unknown) => action({ type: "assign", params: { assignment: { k: source } } });
const nested = (depth: number): object =>
  depth === 0 ? {} : { initial: "s", states: { s: nested(depth - 1) } };
const many = (n: number): object => Object.fromEntries(Array.from({ length: n }, (_, i) => [`s${i}`, {}]));

const REFUSED: [what: string, json: unknown, code: MachineErrorCode, path: string][] = [
  ["no object", [], "wrong-type", ""],
  ["null", null, "wrong-type", ""],
  ["no id", { initial: "a", states: { a: {} } }, "wrong-type", "/id"],
  ["an empty id", { id: "", initial: "a", states: { a: {} } }, "bad-name", "/id"],
  ["an id with a dot", { id: "a.b", initial: "a", states: { a: {} } }, "bad-name", "/id"],
  ["no states", { id: "m" }, "no-initial", "/states"],
  ["empty states", { id: "m", states: {} }, "no-initial", "/states"],
  ["states as a list", { id: "m", initial: "a", states: [] }, "wrong-type", "/states"],
  ["no initial", { id: "m", states: { a: {} } }, "no-initial", ""],
  ["no initial below", withA({ states: { c: {} } }), "no-initial", "/states/a"],
  [
    "an initial that is not there",
    { id: "m", initial: "x", states: { a: {} } },
    "unknown-target",
    "/initial",
  ],
  [
    "an initial from the prototype",
    { id: "m", initial: "toString", states: { a: {} } },
    "unknown-target",
    "/initial",
  ],
  ["an initial of a leaf", withA({ initial: "c" }), "unknown-target", "/states/a/initial"],
  ["an initial with actions", withA({}, { initial: { target: "a" } }), "not-supported", "/initial"],
  ["a state that is null", withA({}, { states: { a: null } }), "wrong-type", "/states/a"],
  ["a state named with a dot", withA({}, { states: { a: {}, "b.c": {} } }), "bad-name", "/states/b.c"],
  [
    "a state named with a slash and a space",
    withA({}, { states: { "a/b c": {} } }),
    "bad-name",
    "/states/a~1b c",
  ],
  [
    "a state named __proto__",
    JSON.parse('{"id":"m","initial":"a","states":{"__proto__":{}}}'),
    "bad-name",
    "/states/__proto__",
  ],
  ["a misspelt member", withA({ enrty: [] }), "unknown-member", "/states/a/enrty"],
  ["context below the machine", withA({ context: {} }), "unknown-member", "/states/a/context"],
  [
    "two states of one id",
    withA({ id: "x", initial: "c", states: { c: { id: "x" } } }),
    "duplicate-id",
    "/states/a/states/c/id",
  ],
  ["a state with the machine's id", withA({ id: "m" }), "duplicate-id", "/states/a/id"],
  ["a type that is none", withA({ type: "loop" }), "wrong-type", "/states/a/type"],
  [
    "a final state with states",
    withA({ type: "final", initial: "c", states: { c: {} } }),
    "wrong-type",
    "/states/a/type",
  ],
  ["a final machine", withA({}, { type: "final" }), "wrong-type", "/type"],
  [
    "a final state with transitions",
    withA({ type: "final", on: { go: "b" } }),
    "unknown-member",
    "/states/a",
  ],
  ["onDone of a leaf", withA({ onDone: "b" }), "unknown-member", "/states/a/onDone"],

  ["parallel states", withA({ type: "parallel", states: { c: {} } }), "not-supported", "/states/a/type"],
  ["a parallel machine", withA({}, { type: "parallel" }), "not-supported", "/type"],
  ["history", withA({ type: "history" }), "not-supported", "/states/a/type"],
  ["deep history", withA({ history: "deep" }), "not-supported", "/states/a/history"],
  ["invoke", withA({ invoke: { src: "x" } }), "not-supported", "/states/a/invoke"],
  ["output", withA({}, { output: {} }), "not-supported", "/output"],
  ["several targets", onGo({ target: ["a", "b"] }), "not-supported", "/states/a/on/go/target"],
  ["send", action({ type: "send", params: {} }), "not-supported", "/states/a/entry/type"],
  ["sendTo", action([{ type: "xstate.sendTo" }]), "not-supported", "/states/a/entry/0/type"],
  ["cancel", onGo({ actions: [{ type: "cancel" }] }), "not-supported", "/states/a/on/go/actions/0/type"],
  [
    "a delayed raise",
    action({ type: "raise", params: { event: { type: "e" }, delay: 5 } }),
    "not-supported",
    "/states/a/entry/params/delay",
  ],
  ["xstate's own events", withA({ on: { "xstate.init": "b" } }), "not-supported", "/states/a/on/xstate.init"],
  [
    "guards with params",
    onGo({ guard: { type: "true", params: {} } }),
    "not-supported",
    "/states/a/on/go/guard/params",
  ],

  ["a target that is not there", onGo("x"), "unknown-target", "/states/a/on/go"],
  ["a child that is not there", onGo({ target: ".x" }), "unknown-target", "/states/a/on/go/target"],
  [
    "an id that is not there",
    withA({ always: [{ target: "#x" }] }),
    "unknown-target",
    "/states/a/always/0/target",
  ],
  ["a path that is not there", withA({ after: { 5: "#m.b.c" } }), "unknown-target", "/states/a/after/5"],
  ["a sibling of the machine", withA({}, { on: { go: "a" } }), "unknown-target", "/on/go"],
  ["a target that is a number", onGo({ target: 5 }), "wrong-type", "/states/a/on/go/target"],
  ["a transition that is a number", onGo(5), "wrong-type", "/states/a/on/go"],
  ["a transition that is null", onGo(null), "wrong-type", "/states/a/on/go"],
  ["a list in a list", onGo([["b"]]), "wrong-type", "/states/a/on/go/0"],
  ["`cond` of XState v4", onGo({ target: "b", cond: "true" }), "unknown-member", "/states/a/on/go/cond"],
  ["reenter as text", onGo({ target: "b", reenter: "yes" }), "wrong-type", "/states/a/on/go/reenter"],
  ["`on` as a list", withA({ on: [] }), "wrong-type", "/states/a/on"],
  ["a wildcard within", withA({ on: { "a.*.b": "b" } }), "bad-name", "/states/a/on/a.*.b"],
  ["a wildcard behind a letter", withA({ on: { "a*": "b" } }), "bad-name", "/states/a/on/a*"],
  ["an empty event", withA({ on: { "": "b" } }), "bad-name", "/states/a/on/"],
  ["a delay in words", withA({ after: { soon: "b" } }), "bad-delay", "/states/a/after/soon"],
  ["a delay with a fraction", withA({ after: { "1.5": "b" } }), "bad-delay", "/states/a/after/1.5"],
  ["a negative delay", withA({ after: { "-1": "b" } }), "bad-delay", "/states/a/after/-1"],
  ["a delay written otherwise", withA({ after: { "010": "b" } }), "bad-delay", "/states/a/after/010"],
  [
    "a delay of two years",
    withA({ after: { "63072000000": "b" } }),
    "bad-delay",
    "/states/a/after/63072000000",
  ],

  ["a guard that does not parse", guard("entity.speed <"), "bad-expression", "/states/a/on/go/guard"],
  ["an empty guard", guard(""), "bad-expression", "/states/a/on/go/guard"],
  ["a guard that gives no bool", guard("1 + 1"), "bad-expression", "/states/a/on/go/guard"],
  ["an unknown variable", guard("enttiy.speed < 1"), "bad-expression", "/states/a/on/go/guard"],
  ["an unknown field", guard("entity.sped < 1"), "bad-expression", "/states/a/on/go/guard"],
  ["types that do not fit", guard("entity.kind == 3"), "bad-expression", "/states/a/on/go/guard"],
  [
    "a guard of 1,025 characters",
    guard(`true${" ".repeat(1_021)}`),
    "bad-expression",
    "/states/a/on/go/guard",
  ],
  [
    "a deep guard",
    guard(`${"(".repeat(100)}true${")".repeat(100)}`),
    "bad-expression",
    "/states/a/on/go/guard",
  ],
  ["a regular expression", guard("entity.id.matches('(a+)+b')"), "bad-expression", "/states/a/on/go/guard"],
  ["cel.bind", guard("cel.bind(x, 'a', x == x)"), "bad-expression", "/states/a/on/go/guard"],
  ["a loop in a loop", guard("[1].all(x, [1].exists(y, y == x))"), "bad-expression", "/states/a/on/go/guard"],
  [
    "a loop in a loop, hidden",
    guard("[1].all(x, {'k': [[1].map(y, y)]} != {})"),
    "bad-expression",
    "/states/a/on/go/guard",
  ],
  ["a guard that is a number", onGo({ guard: 1 }), "wrong-type", "/states/a/on/go/guard"],
  [
    "a guard object that is bad",
    onGo({ guard: { type: "1 +" } }),
    "bad-expression",
    "/states/a/on/go/guard/type",
  ],

  ["an action as text", action("beep"), "wrong-type", "/states/a/entry"],
  ["an unknown action", action({ type: "beep" }), "unknown-member", "/states/a/entry/type"],
  ["an action without type", action([{ params: {} }]), "unknown-member", "/states/a/entry/0/type"],
  ["params that are a list", action({ type: "assign", params: [] }), "wrong-type", "/states/a/entry/params"],
  [
    "assign of nothing",
    action({ type: "assign", params: {} }),
    "wrong-type",
    "/states/a/entry/params/assignment",
  ],
  ["assign of a number", assign(5), "wrong-type", "/states/a/entry/params/assignment/k"],
  ["assign that does not parse", assign("'"), "bad-expression", "/states/a/entry/params/assignment/k"],
  [
    "assign to __proto__",
    action(JSON.parse('{"type":"assign","params":{"assignment":{"__proto__":"1"}}}')),
    "bad-name",
    "/states/a/entry/params/assignment/__proto__",
  ],
  ["emit of nothing", action({ type: "emit", params: {} }), "wrong-type", "/states/a/entry/params/event"],
  [
    "emit of an internal event",
    action({ type: "emit", event: { type: "xstate.x" } }),
    "bad-name",
    "/states/a/entry/event/type",
  ],
  [
    "raise of a wildcard",
    action({ type: "raise", event: { type: "a.*" } }),
    "bad-name",
    "/states/a/entry/event/type",
  ],
  [
    "raise with data",
    action({ type: "raise", event: { type: "a", data: {} } }),
    "unknown-member",
    "/states/a/entry/event/data",
  ],
  [
    "emit with a misspelt member",
    action({ type: "emit", event: { type: "a", dta: {} } }),
    "unknown-member",
    "/states/a/entry/event/dta",
  ],

  ["a context that is a list", withA({}, { context: [] }), "wrong-type", "/context"],
  ["a context with NUL", withA({}, { context: { k: "a\0" } }), "bad-context", "/context"],
  ["a context with half a character", withA({}, { context: { k: "\ud800" } }), "bad-context", "/context"],
  [
    "a context of 8 KB and one",
    withA({}, { context: { k: "x".repeat(MAX_CONTEXT_BYTES - 7) } }),
    "bad-context",
    "/context",
  ],
  ["257 states", { id: "m", initial: "s0", states: many(257) }, "too-many-states", "/states/s256"],
  [
    "9 levels",
    { id: "m", ...nested(MAX_MACHINE_DEPTH + 1) },
    "too-deep",
    `${"/states/s".repeat(MAX_MACHINE_DEPTH + 1)}`,
  ],
  [
    "1,025 transitions",
    onGo(Array(MAX_MACHINE_TRANSITIONS + 1).fill("b")),
    "too-many-transitions",
    "/states/a/on/go/1024",
  ],
  [
    "1,025 actions",
    action(Array(MAX_MACHINE_ACTIONS + 1).fill({ type: "raise", event: { type: "a" } })),
    "too-many-actions",
    "/states/a/entry/1024",
  ],
];

t.test("[M2] a definition with a mistake is refused with a code and the place of the mistake", async (t) => {
  for (const [what, json, code, path] of REFUSED) {
    try {
      parseMachine(json);
      t.fail(`${what}: taken`);
    } catch (error) {
      if (!(error instanceof MachineError)) throw error;
      t.same([error.code, error.path], [code, path], what);
      t.ok(
        error.message.length > 20 && error.message.startsWith(path === "" ? "the definition: " : `${path}: `),
        error.message,
      );
    }
  }
});

t.test("[M2] every code is given for something", async (t) => {
  const given = new Set(REFUSED.map(([, , code]) => code));
  t.same(
    Object.keys(MACHINE_ERRORS).filter((code) => !given.has(code as MachineErrorCode)),
    [],
  );
});

t.test("[M2] the limits themselves are allowed", async (t) => {
  parseMachine({ id: "m", initial: "s0", states: many(256) });
  parseMachine({ id: "m", ...nested(MAX_MACHINE_DEPTH) });
  parseMachine(onGo(Array(MAX_MACHINE_TRANSITIONS).fill("b")));
  parseMachine(withA({}, { context: { k: "x".repeat(MAX_CONTEXT_BYTES - 8) } }));
  parseMachine(guard(`true${" ".repeat(1_020)}`));
  t.pass();
});

t.test("[M3] what is called parallel, history, send, cancel is refused as not supported yet", async (t) => {
  for (const json of [
    withA({ type: "parallel" }),
    withA({ type: "history" }),
    action({ type: "send" }),
    action({ type: "cancel" }),
  ])
    t.throws(() => parseMachine(json), { code: "not-supported", message: /not supported yet/ });
});

t.test(
  "[M4] actions may stand in `params` or beside `type`, guards as text or object, lists may be single",
  async (t) => {
    const flat = { type: "assign", assignment: { n: "context.n + 1" } };
    const params = { type: "assign", params: { assignment: { n: "context.n + 1" } } };
    const forms: JsonObject[] = [
      { target: "b", guard: "context.n < 5", actions: flat },
      { target: ["b"], guard: { type: "context.n < 5" }, actions: [params] },
      {
        target: "#m.b",
        guard: "context.n < 5.0",
        actions: [flat],
        description: "as Stately writes",
        meta: {},
      },
    ];
    for (const form of forms) {
      const machine = compileMachine(
        parseMachine(withA({ on: { go: form }, tags: ["x"] }, { context: { n: 1 }, version: "1" })),
      );
      const result = step(machine, start(machine, entity(), 0).next, { type: "go" }, entity(), 0);
      t.same(result?.next, { state: 1, context: { n: 2 }, timers: [] });
    }
  },
);

t.test(
  "[M5] states have numbers in the order of the definition and names that are their full paths",
  async (t) => {
    const json = {
      id: "m",
      initial: "b",
      states: {
        b: { initial: "y", states: { x: {}, y: { initial: "z", states: { z: {} } } } },
        a: { type: "final" },
      },
    };
    const machine = compileMachine(parseMachine(json));
    t.same(machine.states, ["b.x", "b.y.z", "a"]);
    t.equal(start(machine, entity(), 0).next.state, 1);
  },
);

t.test("[M5] targets: sibling, below a sibling, child, absolute, by id", async (t) => {
  const targets = {
    t1: "b",
    t2: "b.c2",
    t3: ".d2",
    t4: "#m.b.c1",
    t5: "#special",
    t6: "#special.e2",
    t7: "#m",
  };
  const machine = compileMachine(
    parseMachine({
      id: "m",
      initial: "a",
      states: {
        a: { on: targets, initial: "d1", states: { d1: {}, d2: {} } },
        b: {
          initial: "c1",
          states: { c1: {}, c2: {}, e: { id: "special", initial: "e1", states: { e1: {}, e2: {} } } },
        },
      },
    }),
  );
  const { next } = start(machine, entity(), 0);
  const reached = Object.keys(targets).map((type) => {
    const result = step(machine, next, { type }, entity(), 0);
    return machine.states[(result?.next ?? next).state];
  });
  t.same(reached, ["b.c1", "b.c2", "a.d2", "b.c1", "b.e.e1", "b.e.e2", "a.d1"]);
});
