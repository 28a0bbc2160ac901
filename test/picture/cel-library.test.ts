import t from "tap";
import { eventTest } from "../../src/events/filter.ts";
import { MAX_EXPRESSION_FAILURES, MAX_JOINED_LENGTH } from "../../src/limits.ts";
import { lensOf } from "../../src/picture/lens.ts";
import { Picture } from "../../src/picture/picture.ts";

/** Asks filters about one entity. */
function entityWith(attributes: object) {
  const picture = new Picture();
  const slot = picture.add("a", 0);
  picture.place(slot, 10, 50);
  picture.columns.attributes.set(slot, JSON.stringify(attributes));
  return (where: string) => lensOf(picture, { where }).test(slot);
}

t.test("[F59] a duration has at most 32 characters, whoever gives them", async (t) => {
  const digits = "1".repeat(400);
  const passes = entityWith({ eta: "1h2m3.5s", digits, unit: `${digits}s`, long: "1s".repeat(17) });
  for (const holds of [
    "duration(entity.attributes.eta) == duration('3723500ms')",
    "duration('-1.5h') + duration('+90m') == duration('0s')",
    "duration('1m1ms') == duration('60001000us')",
    "duration('.5s') == duration('500000000ns')",
    "duration('5.µs') == duration('5000ns')",
    `duration('${"1s".repeat(16)}') == duration('16s')`,
  ])
    t.ok(passes(holds), holds);
  for (const text of ["digits", "unit", "long"]) {
    const duration = `duration(entity.attributes.${text})`;
    t.notOk(passes(`${duration} > duration('1s') || ${duration} <= duration('1s')`), text);
  }
  for (const none of ["", "-", "1", "1x", "1s ", "x1s", "msms!", "1.2.3s", "1s1"])
    t.notOk(passes(`duration('${none}') == duration('${none}')`), none);
  t.throws(() => passes("duration(1) == duration('1s')"), { message: /overload for 'duration\(int\)'/ });
});

t.test(
  "[F59] what `+` makes has at most 16,384 characters or elements, with more the expression fails",
  async (t) => {
    const half = MAX_JOINED_LENGTH / 2;
    const passes = entityWith({ l: Array(half / 2).fill(1), s: "a".repeat(half) });
    const { s, l } = { s: "entity.attributes.s", l: "entity.attributes.l" };
    t.ok(passes(`size(${s} + ${s}) == ${MAX_JOINED_LENGTH}`));
    t.ok(
      passes(`size(${l} + ${l} + ${l} + ${l}) == ${MAX_JOINED_LENGTH} && (${l} + ['x'])[${half / 2}] == 'x'`),
    );
    t.ok(passes(`bytes(${s}) + bytes(${s}) != b''`));
    for (const [join, then] of [
      [`${s} + ${s} + 'a'`, "contains('a')"],
      [`${l} + ${l} + ${l} + ${l} + [1]`, "size() > 0"],
      [`bytes(${s}) + bytes(${s}) + b'a'`, "size() > 0"],
    ])
      t.notOk(passes(`(${join}).${then} || !((${join}).${then})`), join);
    t.ok(
      passes(`${Array(100).fill("1").join(" + ")} == 100 && entity.lon + 1 == 11 && entity.id + 'b' == 'ab'`),
    );
  },
);

t.test("[F76] where more than 256 parts fail in one evaluation, it has failed", async (t) => {
  const failing = (count: number) => Array(count).fill({ b: 1 });
  const most = MAX_EXPRESSION_FAILURES;
  const asked = (count: number) => entityWith({ l: [...failing(count), { a: 1 }], none: failing(count) });
  const l = "entity.attributes.l";
  t.ok(asked(most)(`${l}.exists(x, x.a == 1)`), "the last is looked at");
  t.notOk(asked(most + 1)(`${l}.exists(x, x.a == 1)`), "not after so many");
  t.notOk(asked(most + 1)(`!${l}.exists(x, x.a == 1)`), "which is no answer");
  t.notOk(asked(most + 1)(`${l}.exists(x, x.a == 1) || true`), "nor passed over itself");
  t.notOk(asked(most + 1)(`${l}.exists(x, x.a == 1) ? true : true`));
  t.ok(asked(most - 1)(`!${l}.all(x, x.a == 2)`));
  t.notOk(asked(most + 1)(`!${l}.all(x, x.a == 2)`));
  t.ok(asked(most / 2)(`${l}.exists(x, x.a == 1 || x.b == 2)`), "all of them count together");
  t.notOk(asked(most / 2 + 1)(`${l}.exists(x, x.a == 1 || x.b == 2)`));
  const passes = asked(most);
  for (let i = 0; i < 3; i++) t.ok(passes(`${l}.exists(x, x.a == 1)`), "each evaluation counts anew");
  const test = eventTest({ where: "event.data.l.exists(x, x.a == 1)" });
  const event = (count: number) => ({
    ...{ cursor: { era: 1, xid: 1, id: 1 }, type: "x", subject: "a", time: 1 },
    data: { l: [...failing(count), { a: 1 }] },
  });
  t.ok(test(event(most)));
  t.notOk(test(event(most + 1)));
});

t.test("[F76] what fails is no fault with a stack of ours, and other faults keep theirs", async (t) => {
  const { stackTraceLimit } = Error;
  entityWith({})("entity.attributes.a == 1 || entity.attributes.b == 2");
  t.equal(Error.stackTraceLimit, stackTraceLimit);
  t.match(new Error("a fault").stack, /cel-library/);
});

/** A value nested in one of 65,536 ways, as JSON, which CEL reads too. */
function nested(way: number): string {
  let value = ["1", '"s"', "true", "null"][way & 3]!;
  for (let bits = way >> 2, depth = 0; depth < 14; depth++, bits >>= 1)
    value = bits & 1 ? `[${value}]` : `{"k": ${value}}`;
  return value;
}

/** How many types, and pairs of them, the library keeps of what runs. */
function typesKept(run: () => void): number {
  const { set } = Map.prototype;
  let kept = 0;
  Map.prototype.set = function (key: unknown, value) {
    if (/^(dyn|list|map|optional)</.test(String(key))) kept++;
    return set.call(this, key, value);
  };
  try {
    run();
  } finally {
    Map.prototype.set = set;
  }
  return kept;
}

t.test("[F62] ways to nest attributes and to write filters leave nothing behind", async (t) => {
  const ask = (ways: readonly number[]) => {
    for (const way of ways) {
      const a = nested(way);
      const passes = entityWith({ a: JSON.parse(a) });
      t.ok(passes("entity.attributes.a != 'x' && !(entity.attributes.a == 1 && false)"));
      t.ok(passes(`entity.attributes.a == ${a} && [${a}] == [${a}] && optional.of(${a}).hasValue()`));
      const data = { a: JSON.parse(a) };
      const event = { cursor: { era: 1, xid: 1, id: 1 }, type: "x", subject: "a", time: 1, data };
      t.ok(eventTest({ where: `event.data.a == ${a} && event.data.?a.orValue(1) != 1` })(event));
    }
  };
  // Each way has at least one type that no other has.
  const ways = Array.from({ length: 200 }, (_, i) => i * 317);
  const kept = typesKept(() => ask(ways));
  t.ok(kept < ways.length, `${kept} kept`);
});
