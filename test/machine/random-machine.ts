/** Random machines for the oracle: the same chart as a definition of Muster and as a config of XState, CEL beside the function it means. */

import { assign, createMachine, emit, raise } from "xstate";
import type { Json, JsonObject } from "../../src/actors/messages.ts";
import { fc } from "../support/seeded.ts";

type Args = { context: Record<string, number>; event: { type: string; n?: number } };
type Pair = readonly [cel: string, js: (args: Args) => unknown];

const GUARDS: readonly Pair[] = [
  ["context.a < 3", ({ context }) => context.a < 3],
  ["context.a % 2 == 0", ({ context }) => context.a % 2 === 0],
  ["context.a >= context.b", ({ context }) => context.a >= context.b],
  ["context.a + 1 < context.b * 2.0", ({ context }) => context.a + 1 < context.b * 2],
  // Without `n` the expression fails, and does not hold; a comparison with undefined is false too.
  ["event.n > 2", ({ event }) => event.n! > 2],
  ["has(event.n) && event.n <= 2", ({ event }) => event.n !== undefined && event.n <= 2],
  ["event.type == 'e1'", ({ event }) => event.type === "e1"],
  ["!event.type.startsWith('xstate')", ({ event }) => !event.type.startsWith("xstate")],
  ["context.missing == 1", () => false],
];
const VALUES: readonly Pair[] = [
  ["(context.a + 1) % 7", ({ context }) => (context.a + 1) % 7],
  ["(context.a + context.b) % 5", ({ context }) => (context.a + context.b) % 5],
  ["event.?n.orValue(0)", ({ event }) => event.n ?? 0],
  ["context.b", ({ context }) => context.b],
  ["has(event.n) ? event.n * 2 : 1.0", ({ event }) => (event.n === undefined ? 1 : event.n * 2)],
  ["4", () => 4],
];
const JS = new Map([...GUARDS, ...VALUES]);

export const EVENTS = ["e0", "e1", "e2", "e2.sub", "e3"];
const DESCRIPTORS = ["e0", "e1", "e2", "e2.*", "e3", "*"];
const DELAYS = [0, 100, 250];

interface ChartTransition {
  target: number | null;
  relative: boolean;
  guard: number | null;
  actions: JsonObject[];
  reenter: boolean;
}
interface Chart {
  children: Chart[];
  initial: number;
  final: boolean;
  on: [string, ChartTransition[]][];
  after: [number, ChartTransition[]][];
  always: ChartTransition[];
  onDone: ChartTransition[];
  entry: JsonObject[];
  exit: JsonObject[];
}

const index = (list: readonly unknown[]) => fc.nat(list.length - 1);
const cel = index(VALUES).map((i) => VALUES[i][0]);
const key = fc.constantFrom("a", "b");
const action: fc.Arbitrary<JsonObject> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.dictionary(key, cel, { minKeys: 1 }).map((assignment) => act("assign", { assignment })),
  },
  { weight: 6, arbitrary: fc.tuple(fc.nat(9), cel).map(([n, value]) => emitted(n, value)) },
  { weight: 1, arbitrary: fc.constantFrom(...EVENTS).map((type) => act("raise", { event: { type } })) },
);
const actions = fc.array(action, { maxLength: 2, size: "max" });
const rarely = <T>(arbitrary: fc.Arbitrary<T[]>, one: number) =>
  fc.oneof({ weight: one - 1, arbitrary: fc.constant<T[]>([]) }, arbitrary);

function act(type: string, params: JsonObject): JsonObject {
  return { type, params };
}
function emitted(n: number, value: string): JsonObject {
  return act("emit", { event: { type: `fact${n}`, data: { value, a: "context.a" } } });
}

const transition: fc.Arbitrary<ChartTransition> = fc.record({
  target: fc.option(fc.nat(40), { freq: 5 }),
  relative: fc.boolean(),
  guard: fc.option(index(GUARDS), { freq: 2 }),
  actions,
  reenter: fc.boolean(),
});
const transitions = fc.array(transition, { minLength: 1, maxLength: 2 });
const guarded = transition.chain((t) => index(GUARDS).map((guard) => ({ ...t, guard })));

const { chart } = fc.letrec<{ chart: Chart }>((tie) => ({
  chart: fc.record({
    children: fc.oneof(
      { maxDepth: 3, depthSize: "small" },
      fc.constant<Chart[]>([]),
      fc.array(tie("chart"), { minLength: 1, maxLength: 3 }),
    ),
    initial: fc.nat(5),
    final: fc.nat(5).map((n) => n === 0),
    on: fc.uniqueArray(fc.tuple(fc.constantFrom(...DESCRIPTORS), transitions), {
      maxLength: 4,
      selector: ([d]) => d,
    }),
    after: rarely(
      fc.uniqueArray(fc.tuple(fc.constantFrom(...DELAYS), transitions), {
        minLength: 1,
        maxLength: 2,
        selector: ([d]) => d,
      }),
      2,
    ),
    // More of them, and half of all machines go round in circles at once.
    always: rarely(fc.array(guarded, { minLength: 1, maxLength: 2 }), 8),
    onDone: rarely(transitions, 4),
    entry: actions,
    exit: actions,
  }),
}));

/** Definitions, as JSON. */
export const randomDefinition: fc.Arbitrary<JsonObject> = fc
  .tuple(chart, fc.array(chart, { minLength: 1, maxLength: 3 }))
  .map(([root, children]) => {
    const machine = { ...root, children, final: false };
    const paths = pathsOf(machine, []);
    return { id: "m", context: { a: 0, b: 1 }, ...stateJson(machine, [], paths) };
  });

function pathsOf(state: Chart, path: string[]): string[][] {
  return [path, ...state.children.flatMap((child, i) => pathsOf(child, [...path, `s${i}`]))];
}

function stateJson(state: Chart, path: string[], paths: string[][]): JsonObject {
  const json: JsonObject = { entry: state.entry, exit: state.exit };
  const toJson = (t: ChartTransition) => transitionJson(t, path, paths);
  if (state.children.length > 0) {
    json.initial = `s${state.initial % state.children.length}`;
    json.states = Object.fromEntries(
      state.children.map((child, i) => [`s${i}`, stateJson(child, [...path, `s${i}`], paths)]),
    );
    json.onDone = state.onDone.map(toJson);
  } else if (state.final) return { ...json, type: "final" };
  json.on = Object.fromEntries(state.on.map(([descriptor, list]) => [descriptor, list.map(toJson)]));
  json.after = Object.fromEntries(state.after.map(([delay, list]) => [String(delay), list.map(toJson)]));
  json.always = state.always.map(toJson);
  return json;
}

function transitionJson(t: ChartTransition, source: string[], paths: string[][]): Json {
  const json: JsonObject = { actions: t.actions, reenter: t.reenter };
  if (t.guard !== null) json.guard = GUARDS[t.guard][0];
  if (t.target !== null) json.target = targetText(paths[t.target % paths.length], source, t.relative);
  return json;
}

/** The target absolute, or relative where that is possible. */
function targetText(target: string[], source: string[], relative: boolean): string {
  const isBelow = (base: string[]) =>
    target.length > base.length && base.every((name, i) => target[i] === name);
  if (relative && isBelow(source)) return `.${target.slice(source.length).join(".")}`;
  const parent = source.slice(0, -1);
  if (relative && source.length > 0 && isBelow(parent)) return target.slice(parent.length).join(".");
  return ["#m", ...target].join(".");
}

/** The same definition for XState, limited to the same number of microsteps. */
export function toXState(definition: JsonObject, maxIterations: number) {
  return createMachine({ ...(toConfig(definition) as object), options: { maxIterations } } as never);
}

function toConfig(json: Json): unknown {
  if (Array.isArray(json)) return json.map(toConfig);
  if (typeof json !== "object" || json === null) return json;
  if (typeof json.type === "string" && json.params !== undefined)
    return toAction(json.type, json.params as JsonObject);
  return Object.fromEntries(
    Object.entries(json).map(([name, value]) => [
      name,
      name === "guard" ? JS.get(value as string)! : toConfig(value),
    ]),
  );
}

function toAction(type: string, params: JsonObject): unknown {
  const event = params.event as { type: string; data: Record<string, string> };
  if (type === "raise") return raise({ type: event.type });
  if (type === "emit")
    return emit(((args: Args) => ({
      type: event.type,
      data: { value: JS.get(event.data.value)!(args), a: args.context.a },
    })) as never);
  const assignment = params.assignment as Record<string, string>;
  return assign(
    Object.fromEntries(Object.entries(assignment).map(([name, source]) => [name, JS.get(source)!])) as never,
  );
}
