import t from "tap";
import { type Filter, lensOf } from "../../src/picture/lens.ts";
import { Picture } from "../../src/picture/picture.ts";

t.test("[P17] what a filter reads is known from its text", async (t) => {
  const picture = new Picture();
  const reads = (filter: Filter) => lensOf(picture, filter).reads;
  t.equal(reads({}), "nothing");
  t.equal(reads({ kinds: ["a"] }), "state");
  const table: [where: string, reads: string][] = [
    ["true", "nothing"],
    ["entity.kind == 'a' && entity.labels.exists(label, label == 'x')", "state"],
    ["entity.attributes.a.b == 1 || entity.id == 'x' || entity.liveness == 'live'", "state"],
    ["has(entity.attributes.a)", "state"],
    ["'harbour' in entity.fences || entity.fences.size() == 0", "state"],
    ["entity.speed > 1", "motion"],
    ["entity.kind == 'a' && !(entity.kind == 'b' ? entity.lon > 0.0 : false)", "motion"],
    ["[entity.kind, entity.state].exists(name, name == 'a') && entity.alt == null", "motion"],
    ["[entity].size() > 0", "motion"],
  ];
  for (const [where, expected] of table) t.equal(reads({ where }), expected, where);
  t.equal(reads({ kinds: ["a"], where: "entity.t > 0.0" }), "motion");
  t.equal(reads({ kinds: ["a"], where: "true" }), "state");
  t.equal(reads({ kinds: ["a"], where: "entity.state == 'a'" }), "state");
});

t.test(
  "[P5] filters with different meanings have different keys, however alike their texts are",
  async (t) => {
    const picture = new Picture();
    const key = (where: string) => lensOf(picture, { where }).key;
    const groups = [
      ["entity.speed - (10.0 - 5.0) > 0.0", " entity.speed-(10.0-5.0)>0.0"],
      ["entity.speed - 10.0 - 5.0 > 0.0", "(entity.speed - 10.0) - 5.0 > 0.0"],
      ["entity.speed > 1", "((entity.speed) > (1))"],
      ["entity.speed > 1.0"],
      ["entity.kind == '1'", 'entity.kind == "1"'],
      ["entity.kind == 'true'"],
      ["entity.attributes.a == true"],
      ["entity.attributes.a == 'true'"],
      ["entity.attributes.a == null"],
      ["entity.attributes.a == 1"],
      ["!(entity.kind == 'a' && entity.kind == 'b')"],
      ["!(entity.kind == 'a') && entity.kind == 'b'"],
      ["entity.kind in ['a', 'b']"],
      ["entity.kind in ['a,b']"],
      ["entity.attributes.a in {'a': 1}"],
    ];
    const keys = groups.map((wheres) => {
      t.equal(new Set(wheres.map(key)).size, 1, wheres[0]);
      return key(wheres[0]);
    });
    t.equal(new Set(keys).size, keys.length);
  },
);

t.test("[P17] and it is asked again only when that changed", async (t) => {
  const { Channels } = await import("../../src/picture/channels.ts");
  const { Publication } = await import("../../src/picture/tick.ts");
  const { FULL, MOTION } = await import("../../src/picture/picture.ts");
  for (const [reads, askedOnMotion] of [
    ["nothing", 0],
    ["state", 0],
    ["motion", 1],
  ] as const) {
    const picture = new Picture();
    const channels = new Channels(picture);
    const slot = picture.add("a", 0);
    picture.place(slot, 1, 1);
    channels.merge();
    let asked = 0;
    const test = () => {
      asked++;
      return false;
    };
    const channel = channels.open(
      { lens: { key: reads, reads, test }, rate: 10, tolerance: undefined },
      0,
      0,
    );
    const askedAfter = (what?: typeof FULL | typeof MOTION) => {
      asked = 0;
      if (what !== undefined) picture.touch(slot, what);
      channels.merge();
      channel.publish(1, 0, new Publication());
      return asked;
    };
    t.equal(askedAfter(FULL), 1);
    t.equal(askedAfter(MOTION), askedOnMotion);
    t.equal(askedAfter(), 0);
  }
});

t.test(
  "[F57] a filter sees the members of a record, null where it has none, and `has` tells that",
  async (t) => {
    const picture = new Picture();
    const { columns } = picture;
    for (const id of ["bare", "full"]) {
      const slot = picture.add(id, 0);
      columns.kind.set(slot, columns.kinds.number("ship"));
      columns.t.set(slot, Date.UTC(2026, 0, 1));
      picture.place(slot, 10, 50);
    }
    columns.attributes.set(0, JSON.stringify({ a: null }));
    for (const name of ["alt", "speed", "course", "heading", "accuracy"] as const) columns[name].set(1, 3);
    const passes = (where: string) => [0, 1].map((slot) => lensOf(picture, { where }).test(slot));
    const bare = [true, false];
    const full = [false, true];
    for (const name of ["alt", "speed", "course", "heading", "accuracy"]) {
      t.strictSame(passes(`has(entity.${name})`), full, name);
      t.strictSame(passes(`!has( entity . ${name} )`), bare, name);
      t.strictSame(passes(`entity.${name} == null`), bare);
      t.strictSame(passes(`entity.${name} > 1`), full);
      t.strictSame(passes(`entity.${name} <= 1`), [false, false]);
    }
    const both = [true, true];
    t.strictSame(passes("has(entity.t) && has(entity.lon) && has(entity.id) && has(entity.labels)"), both);
    t.strictSame(
      passes("has(entity.speed) && 'x' == 'x' || has(entity.alt) ? has(entity.heading) : false"),
      full,
    );
    t.strictSame(passes("has(entity.attributes.a)"), bare, "what an attribute says is told");
    t.strictSame(passes("has(entity.attributes.b)"), [false, false]);
    t.strictSame(passes("entity.t > 1600000000000 && entity.t < 1e15"), both, "Unix ms");
  },
);

t.test("[F57] what is no member is refused, and told what there is", async (t) => {
  const members = /^No such key: received: an entity has id, kind, state, t, lon, .*, liveness$/;
  for (const where of ["entity.received == 1", "has(entity.received)", "entity['received'] == 1"])
    t.throws(() => lensOf(new Picture(), { where }), { message: members, name: "ExpressionError" }, where);
  t.throws(() => lensOf(new Picture(), { where: "has(entity.alt) && has(entity.sped)" }), {
    name: "ExpressionError",
    position: 30,
  });
  const time = "2026-01-01T00:00:00Z";
  for (const where of [
    `entity.t > timestamp('${time}')`,
    `'${time}' <= entity.t`,
    `entity['t'] == '${time}'`,
  ])
    t.throws(() => lensOf(new Picture(), { where }), { message: "entity.t is a number, in Unix ms" }, where);
  t.throws(() => lensOf(new Picture(), { where: "has(entity)" }), { message: /^has\(\) invalid argument/ });
});

t.test("[F61] an attribute named `constructor` hides nothing", async (t) => {
  const picture = new Picture();
  const nested = { a: [{ x: 1, constructor: null }], constructor: { name: "Y" } };
  const attributes = { flag: "FI", constructor: "X", nested };
  picture.columns.attributes.set(picture.add("a", 0), JSON.stringify(attributes));
  for (const where of [
    "entity.attributes.flag == 'FI'",
    "entity.attributes.constructor == 'X' && entity.attributes['constructor'] != 'Y'",
    "has(entity.attributes.flag) && has(entity.attributes.constructor) && !has(entity.attributes.toString)",
    "'flag' in entity.attributes && 'constructor' in entity.attributes && !('x' in entity.attributes)",
    "entity.attributes.?flag.orValue('') == 'FI' && entity.attributes.?none.orValue('') == ''",
    "size(entity.attributes) == 3 && entity.attributes.exists(name, name == 'constructor')",
    "entity.attributes.nested.a[0].x == 1 && entity.attributes.nested.a[0].constructor == null",
    "has(entity.attributes.nested.a) && entity.attributes.nested.constructor == {'name': 'Y'}",
  ])
    t.ok(lensOf(picture, { where }).test(0), where);
});
