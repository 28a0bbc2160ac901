import { EvaluationError } from "@marcbachmann/cel-js";
import t from "tap";
import { type EntityScope, EntityView } from "../../src/actors/machine/scope.ts";
import { tracked } from "../../src/actors/machine/tracked.ts";
import { LIVENESS } from "../../src/actors/messages.ts";
import { celEnvironment, parseBounded } from "../../src/picture/cel.ts";
import { conditionOf, FAILED, type Verdict } from "../../src/picture/cel-condition.ts";
import { lensOf } from "../../src/picture/lens.ts";
import { Picture } from "../../src/picture/picture.ts";
import { entity } from "../machine/entity.ts";
import { fc } from "../support/seeded.ts";

const environment = celEnvironment(EntityView).registerVariable("entity", "Entity");

const view = new EntityView();
function libraryVerdict(run: (variables: object) => unknown, scope: EntityScope): Verdict {
  view.source = scope;
  try {
    return run({ entity: view }) as boolean;
  } catch (error) {
    if (error instanceof EvaluationError) return FAILED;
    throw error;
  }
}

// Few values, so that members and literals often meet.
const TEXTS = ["", "a", "b", "live", "stale", "Ω"];
const NUMBERS = [-170, -1, -0, 0, 0.5, 1, 1.5, 2 ** 53 - 1, 2 ** 53, 1e300];
const text = fc.constantFrom(...TEXTS);
const number = fc.option(fc.constantFrom(...NUMBERS));

const entities: fc.Arbitrary<EntityScope> = fc
  .record({
    id: text,
    kind: text,
    state: text,
    liveness: fc.constantFrom(...LIVENESS),
    t: number,
    lon: number,
    lat: number,
    alt: number,
    speed: number,
    course: number,
    heading: number,
    accuracy: number,
    labels: fc.array(text, { maxLength: 3 }),
    fences: fc.array(text, { maxLength: 3 }),
  })
  .map(entity);

const textMember = fc.constantFrom("id", "kind", "state", "liveness").map((name) => `entity.${name}`);
const numberMember = fc
  .constantFrom("t", "lon", "lat", "alt", "speed", "course", "heading", "accuracy")
  .map((name) => `entity.${name}`);
const textLiteral = text.map((value) => `'${value}'`);
const numberLiteral = fc.constantFrom(
  ...["-170", "-170.0", "-1", "0", "-0", "0.0", "-0.0", "0.5", "1", "1.0", "1.5", "-1.5", "2", "1e300"],
  ...["9007199254740991", "-9007199254740991", "9007199254740992.0"],
);
const sameness = fc.constantFrom("==", "!=");
const operator = fc.constantFrom("==", "!=", "<", "<=", ">", ">=");

/** A comparison with the literal on either side. */
function comparison(
  member: fc.Arbitrary<string>,
  how: fc.Arbitrary<string>,
  literal: fc.Arbitrary<string>,
): fc.Arbitrary<string> {
  return fc
    .tuple(member, how, literal, fc.boolean())
    .map(([left, op, right, turned]) => (turned ? `${right} ${op} ${left}` : `${left} ${op} ${right}`));
}

const simple: fc.Arbitrary<string> = fc.letrec<{ condition: string; comparison: string }>((tie) => ({
  comparison: fc.oneof(
    { arbitrary: comparison(numberMember, operator, numberLiteral), weight: 4 },
    { arbitrary: comparison(textMember, operator, textLiteral), weight: 2 },
    comparison(numberMember, sameness, fc.oneof(fc.constantFrom("null", "true", "false"), textLiteral)),
    fc
      .tuple(textMember, fc.array(textLiteral, { maxLength: 4 }))
      .map(([member, list]) => `${member} in [${list.join(", ")}]`),
    fc
      .tuple(textLiteral, fc.constantFrom("labels", "fences"))
      .map(([item, list]) => `${item} in entity.${list}`),
    fc.constantFrom("true", "false"),
  ),
  condition: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    tie("comparison"),
    fc
      .tuple(tie("condition"), fc.constantFrom("&&", "||"), tie("condition"))
      .map(([left, op, right]) => `(${left}) ${op} (${right})`),
    // Without parentheses, as one writes it.
    fc
      .tuple(tie("comparison"), fc.constantFrom("&&", "||"), tie("comparison"))
      .map((parts) => parts.join(" ")),
    tie("condition").map((condition) => `!(${condition})`),
  ),
})).condition;

t.test("[P20] a simple condition gives what the CEL library gives, for every entity", async (t) => {
  const seen = { true: 0, false: 0, undefined: 0 };
  fc.assert(
    fc.property(simple, fc.array(entities, { minLength: 8, maxLength: 8 }), (source, scopes) => {
      const { ast, run } = parseBounded(environment, source);
      const condition = conditionOf(ast);
      if (condition === undefined) return false;
      return scopes.every((scope) => {
        const verdict = libraryVerdict(run, scope);
        seen[`${verdict}`] += 1;
        return condition(scope) === verdict;
      });
    }),
    { numRuns: 3_000 },
  );
  for (const [verdict, count] of Object.entries(seen)) t.ok(count > 1_000, `${verdict} ${count} times`);
});

t.test("[P20] each comparison and each pair of verdicts, by name", async (t) => {
  const known = entity({ speed: 1, kind: "b", fences: ["harbour", "quay"] });
  const table: [source: string, verdict: Verdict][] = [
    ["entity.speed < 1", false],
    ["entity.speed <= 1", true],
    ["entity.speed > 1", false],
    ["entity.speed >= 1", true],
    ["0.5 < entity.speed", true],
    ["1 >= entity.speed", true],
    ["entity.speed == 1", true],
    ["entity.speed != 1.0", false],
    ["entity.speed == '1'", false],
    ["entity.speed != null", true],
    ["entity.kind < 'c'", true],
    ["'b' < entity.kind", false],
    ["entity.kind in ['a', 'b']", true],
    ["entity.kind in []", false],
    ["'quay' in entity.fences", true],
    ["'quay' in entity.labels", false],
    ["entity.alt < 1", FAILED],
    ["!(entity.alt < 1)", FAILED],
    ["entity.alt == null", true],
  ];
  const sides = [
    ["true", true],
    ["false", false],
    ["entity.alt < 1", FAILED],
  ] as const;
  for (const [left, first] of sides)
    for (const [right, second] of sides) {
      const both = first === false || second === false ? false : first && second;
      table.push([`${left} && ${right}`, both]);
      const either = first === true || second === true ? true : first === false ? second : FAILED;
      table.push([`${left} || ${right}`, either]);
    }
  for (const [source, verdict] of table) {
    const { ast, run } = parseBounded(environment, source);
    t.equal(conditionOf(ast)!(known), verdict, source);
    t.equal(libraryVerdict(run, known), verdict, `${source}, the library`);
  }
});

t.test("[P20] what is not surely simple is left to the library", async (t) => {
  for (const source of [
    "entity.speed < entity.course",
    "entity.speed < 'x'",
    "entity.speed < true",
    "entity.speed == 9007199254740993",
    "entity.speed < 9007199254740992",
    "entity.speed == 1u",
    "entity.speed + 1.0 < 2.0",
    "-entity.speed < 1.0",
    "entity.speed < - -1.0",
    "entity.speed in [1, 2]",
    "entity.kind in ['a', 1]",
    "entity.kind in ['a', entity.state]",
    "entity.kind in entity.labels",
    "entity.kind in {'a': 1}",
    "'a' in entity.attributes",
    "entity.id in entity.fences",
    "entity['kind'] == 'a'",
    "entity.?kind.orValue('b') == 'a'",
    "entity.attributes.a == 1",
    "entity.attributes.speed < 1",
    "has(entity.attributes.a)",
    "entity.kind.startsWith('a')",
    "size(entity.kind) > 1",
    "entity.speed < 1 ? true : false",
    "(entity.speed < 1) == true",
    "1 < 2",
    "entity.speed && true",
    "!entity.speed",
    "entity.kind == 'a' && entity.labels.exists(label, label == 'x')",
    "entity.labels.exists(label, label == 'x') || entity.kind == 'a'",
    "['a'].exists(entity, entity == 'a')",
  ])
    t.equal(conditionOf(parseBounded(environment, source).ast), undefined, source);
  const other = celEnvironment(EntityView).registerVariable("event", "map").registerVariable("now", "dyn");
  for (const source of ["event.kind == 'a'", "event.speed < 1", "now > 5"])
    t.equal(conditionOf(parseBounded(other, source).ast), undefined, source);
});

t.test("[P20] the guards of tracked and usual filters are simple", async (t) => {
  const guards = tracked.leaves.flatMap((leaf) => leaf.always.map(({ guard }) => guard!));
  t.equal(guards.length, 3);
  for (const guard of guards) t.ok(guard.condition, guard.source);
  for (const source of [
    "entity.kind == 'vessel'",
    "entity.kind in ['vessel', 'aircraft'] && entity.speed > 5",
    "entity.liveness != 'expired' && !(entity.state == 'offline')",
    "'harbour' in entity.fences && entity.kind == 'vessel'",
    "entity.lat >= -10.5 && entity.lat <= 10 && entity.lon > 170.0",
    "entity.speed != null && 1 < entity.speed || entity.alt > 3000",
  ])
    t.ok(conditionOf(parseBounded(environment, source).ast), source);
});

t.test("[P20] a filter hides the entities for which it fails, simple or not", async (t) => {
  const picture = new Picture();
  const unknown = picture.add("unknown", 0);
  const slow = picture.add("slow", 0);
  const fast = picture.add("fast", 0);
  picture.columns.speed.set(slow, 1);
  picture.columns.speed.set(fast, 9);
  for (const where of ["entity.speed > 5", "entity.speed > 2.0 + 3.0"]) {
    const lens = lensOf(picture, { where });
    t.same(
      [unknown, slow, fast].map((slot) => lens.test(slot)),
      [false, false, true],
      where,
    );
  }
});
