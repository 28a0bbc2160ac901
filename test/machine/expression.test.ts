import t from "tap";
import { compileMachine, type Machine } from "../../src/actors/machine/compile.ts";
import { parseMachine } from "../../src/actors/machine/definition.ts";
import { MachineActionError } from "../../src/actors/machine/errors.ts";
import { MAX_CONTEXT_BYTES, MAX_EMITTED } from "../../src/actors/machine/limits.ts";
import { type MachineState, start, step } from "../../src/actors/machine/step.ts";
import type { JsonObject } from "../../src/actors/messages.ts";
import { celValue } from "../../src/picture/cel-value.ts";
import { entity } from "./entity.ts";

const machineOf = (json: object): Machine => compileMachine(parseMachine({ id: "m", ...json }));
const assign = (assignment: object) => ({ type: "assign", params: { assignment } });
const emit = (type: string, data: object = {}) => ({ type: "emit", params: { event: { type, data } } });
const raise = (type: string) => ({ type: "raise", params: { event: { type } } });

/** A machine that on `go` computes `k` with an expression. */
function computing(source: string, context: JsonObject = {}): Machine {
  return machineOf({
    initial: "a",
    context,
    states: { a: { on: { go: { actions: assign({ k: source }) } } } },
  });
}
/** Whether a guard holds. */
function holds(guard: string, event: JsonObject = {}, known = {}, context: JsonObject = {}): boolean {
  const machine = machineOf({
    initial: "a",
    context,
    states: { a: { on: { go: { target: "b", guard } } }, b: {} },
  });
  const { next } = start(machine, entity(known), 0);
  return step(machine, next, { type: "go", ...event }, entity(known), 5_000)?.next.state === 1;
}
function nameOf(machine: Machine, state: MachineState | undefined): string | undefined {
  return state && machine.states[state.state];
}

t.test("[M6] numbers with and without a point may be compared and calculated with", async (t) => {
  const speed = { speed: 0.7 };
  for (const guard of ["entity.speed < 1", "entity.speed < 1.0", "entity.speed >= 0.7", "1 > entity.speed"])
    t.ok(holds(guard, {}, speed), guard);
  for (const guard of [
    "event.n == 2",
    "event.n == 2.0",
    "event.n in [1, 2]",
    "now == 5000",
    "now - 1 == 4999",
  ])
    t.ok(holds(guard, { n: 2 }), guard);
  const results = {
    "context.n + 1": 8,
    "1 + context.n": 8,
    "context.n - 1.5": 5.5,
    "2 * context.n": 14,
    "context.n / 2": 3.5,
    "context.n % 4": 3,
    "-context.n": -7,
    "5 / 2": 2,
    "size('abc')": 3,
    "uint(7)": 7,
    "int(7.9) + 1": 8,
    "event.?missing.orValue(3)": 3,
    "[1, 2.5, 'x', null, true]": [1, 2.5, "x", null, true],
    "{'a': {'b': context.n}}": { a: { b: 7 } },
    "context.list.map(x, x * 2)": [2, 4],
  };
  for (const [source, expected] of Object.entries(results)) {
    const machine = computing(source, { n: 7, list: [1, 2] });
    const result = step(machine, start(machine, entity(), 0).next, { type: "go" }, entity(), 0);
    t.same(result!.next.context.k, expected, source);
  }
});

t.test("[F57] in a guard has() is false for what is unknown of the entity", async (t) => {
  t.ok(holds("has(entity.alt)", {}, { alt: 1 }));
  t.ok(holds("!has(entity.alt) && has(entity.kind) && entity.alt == null"));
  t.notOk(holds("has(entity.received)"), "what no entity has is false, as there are machines that ask it");
  t.ok(holds("event.list.exists(entity, has(entity.alt))", { list: [{ alt: null }] }), "another variable");
});

t.test("[M7] a guard that fails does not hold", async (t) => {
  for (const guard of [
    "event.missing == 1",
    "entity.speed < 1",
    "entity.attributes.a.b == 1",
    "entity.labels[3] == 'x'",
    "event.text < 1",
    "event.text",
    "context.missing > 0 || false",
    "1 / 0 == 1",
    "string(dyn('a')).split('').join('') == event.nope",
  ])
    t.notOk(holds(guard, { text: "x" }), guard);
  t.ok(
    holds("event.missing == 1 || event.text == 'x'", { text: "x" }),
    "a failure beside what is true does not matter",
  );
  t.ok(holds("entity.speed == null"), "unknown is null");
  t.ok(holds("!has(event.missing) && has(event.text)", { text: "x" }));
});

t.test("[M7] an error that is not the expression's own is not taken for false", async (t) => {
  const broken = {
    ...entity(),
    get speed(): number {
      throw new Error("getter");
    },
  };
  const machine = machineOf({
    initial: "a",
    states: { a: { on: { go: { target: "a", guard: "entity.speed < 1" } } } },
  });
  t.throws(() => step(machine, start(machine, entity(), 0).next, { type: "go" }, broken, 0), /getter/);
});

t.test("[M8] an action that fails, or gives what cannot be stored, throws and names the place", async (t) => {
  const path = "/states/a/on/go/actions/params/assignment/k";
  for (const source of [
    "event.missing",
    "entity.speed + 1.0",
    "1.0 / 0.0",
    "9007199254740993",
    "timestamp('2020-01-01T00:00:00Z')",
    "b'abc'",
    "type(1)",
    "entity",
    "'a\\u0000'",
    "[1, b'x']",
    "{'a': b'x'}",
    "{1: 'x', 'a\\u0000': 'y'}",
  ]) {
    const machine = computing(source);
    const { next } = start(machine, entity(), 0);
    t.throws(
      () => step(machine, next, { type: "go" }, entity(), 0),
      { name: "MachineActionError", path },
      source,
    );
    t.same(next.context, {}, "nothing changed");
  }
});

t.test("[M8] context and emitted data have limits", async (t) => {
  const grow = computing("context.k + context.k", { k: "x".repeat(3_000) });
  const first = step(grow, start(grow, entity(), 0).next, { type: "go" }, entity(), 0)!.next;
  t.equal((first.context.k as string).length, 6_000);
  t.throws(() => step(grow, first, { type: "go" }, entity(), 0), MachineActionError);

  const big = { k: "x".repeat(MAX_CONTEXT_BYTES - 100) };
  const emitting = machineOf({
    initial: "a",
    context: big,
    states: { a: { on: { go: { actions: emit("e", { k: "context.k + context.k" }) } } } },
  });
  t.throws(() => step(emitting, start(emitting, entity(), 0).next, { type: "go" }, entity(), 0), {
    name: "MachineActionError",
    path: "/states/a/on/go/actions",
  });
  const half = Array(MAX_EMITTED / 2).fill(emit("e"));
  const many = machineOf({
    initial: "a",
    states: {
      a: {
        on: {
          half: { actions: half },
          go: { actions: [raise("half"), raise("half")] },
          more: { actions: [raise("go"), emit("e")] },
        },
      },
    },
  });
  const { next } = start(many, entity(), 0);
  t.equal(step(many, next, { type: "go" }, entity(), 0)!.emitted.length, MAX_EMITTED);
  t.throws(() => step(many, next, { type: "more" }, entity(), 0), MachineActionError);
});

t.test("[M16] expressions see the event, the entity, the context and the time", async (t) => {
  const known = {
    id: "i",
    kind: "ship",
    state: "s",
    t: 7,
    lon: 1,
    lat: 2,
    alt: 3,
    speed: 4,
    course: 5,
    heading: 6,
    accuracy: 8,
    attributes: { fuel: { left: 9 } },
    labels: ["red"],
    fences: ["harbour", "quay"],
    liveness: "stale" as const,
  };
  for (const guard of [
    "entity.id == 'i' && entity.kind == 'ship' && entity.state == 's' && entity.t == 7",
    "entity.lon == 1 && entity.lat == 2 && entity.alt == 3 && entity.speed == 4 && entity.course == 5",
    "entity.heading == 6 && entity.accuracy == 8 && entity.liveness == 'stale'",
    "entity.attributes.fuel.left < 10 && 'red' in entity.labels && !('blue' in entity.labels)",
    "'quay' in entity.fences && !('red' in entity.fences) && entity.fences.size() == 2",
    "event.type == 'go' && event.nested.list[1] == 'b' && context.c && now == 5000",
  ])
    t.ok(holds(guard, { nested: { list: ["a", "b"] } }, known, { c: true }), guard);
});

t.test("[M16] the entity may be one object that points elsewhere at each call", async (t) => {
  const machine = machineOf({
    initial: "a",
    states: { a: { on: { go: { target: "b", guard: "entity.speed > 5" } } }, b: {} },
  });
  const speeds = [9, 1];
  let slot = 0;
  const flyweight = {
    ...entity(),
    get speed() {
      return speeds[slot];
    },
  };
  Object.defineProperty(flyweight, "speed", { get: () => speeds[slot] });
  const { next } = start(machine, flyweight, 0);
  t.equal(nameOf(machine, step(machine, next, { type: "go" }, flyweight, 0)?.next), "b");
  slot = 1;
  t.equal(step(machine, next, { type: "go" }, flyweight, 0), undefined);
});

t.test("[M30] a member named `constructor` is read and kept as any other", async (t) => {
  const data = { flag: "FI", constructor: "X", below: { n: 1, constructor: { n: 2 } } };
  for (const guard of [
    "event.data.flag == 'FI' && event.data.constructor == 'X'",
    "event.data.below.n == 1 && has(event.data.below.constructor)",
    "event.constructor == 'Y' && event.type == 'go'",
    "entity.attributes.flag == 'FI' && context.kept.below.constructor.n == 2",
  ])
    t.ok(holds(guard, { data, constructor: "Y" }, { attributes: celValue(data) }, { kept: data }), guard);
  const machine = computing("event.data", { constructor: "Z" });
  const first = step(machine, start(machine, entity(), 0).next, { type: "go", data }, entity(), 0)!.next;
  // As text: tap too knows objects by that member.
  t.equal(JSON.stringify(first.context), JSON.stringify({ constructor: "Z", k: data }));
  const again = computing("context");
  const { next } = start(again, entity(), 0);
  const copied = step(again, { ...next, context: data }, { type: "go" }, entity(), 0)!.next;
  t.equal(JSON.stringify(copied.context), JSON.stringify({ ...data, k: data }));
});

t.test("[M31] what costs too much fails: a guard does not hold, an action throws", async (t) => {
  const digits = `${"1".repeat(40)}s`;
  t.ok(holds("duration(event.eta) > duration('1s')", { eta: "1m" }));
  t.notOk(holds("duration(event.eta) > duration('1s')", { eta: digits }));
  t.notOk(holds("size(event.s + event.s + event.s) > 0", { s: "a".repeat(6_000) }));
  const late = (count: number) => ({ l: [...Array(count).fill({}), { a: 1 }] });
  t.ok(holds("event.l.exists(x, x.a == 1)", late(256)));
  t.notOk(holds("event.l.exists(x, x.a == 1)", late(257)));
  const searching = computing("event.l.exists(x, x.a == 1) ? 1 : 2");
  t.throws(
    () => step(searching, start(searching, entity(), 0).next, { type: "go", ...late(257) }, entity(), 0),
    { message: /failed: more than 256 parts of the expression fail$/ },
  );
  const waiting = computing("[duration(event.eta)].size()");
  // Without the text: it was looked at before the library, which tells it, searched through it.
  t.throws(() => step(waiting, start(waiting, entity(), 0).next, { type: "go", eta: "11" }, entity(), 0), {
    message: /failed: Invalid duration string$/,
  });
  const adding = computing("size(event.l + event.l + event.l)");
  const { next } = start(adding, entity(), 0);
  t.throws(
    () => step(adding, next, { type: "go", l: Array(6_000).fill(1) }, entity(), 0),
    MachineActionError,
  );
  t.throws(() => computing("event.x.value() + 1"), { code: "bad-expression", message: /type is not known/ });
});
