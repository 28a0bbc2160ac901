import assert from "node:assert/strict";
import t from "tap";
import { ByteReader, ByteWriter } from "../../src/actors/bytes.ts";
import { OUTCOME } from "../../src/actors/command-memory.ts";
import { readFacts, SECTION_VERSION, writeFact } from "../../src/actors/fact-codec.ts";
import type { Fact } from "../../src/actors/facts.ts";
import { mergePatch } from "../../src/actors/merge-patch.ts";
import { isImplausible } from "../../src/actors/plausibility.ts";
import { shardOf } from "../../src/actors/shard-hash.ts";
import { fc } from "../support/seeded.ts";

const u32 = fc.integer({ min: 0, max: 0xffffffff });
const number = fc.oneof(fc.constant(NaN), fc.double({ noNaN: true, noDefaultInfinity: true }));
const degrees = fc.oneof(
  number,
  fc.integer({ min: -1_800_000_000, max: 1_800_000_000 }).map((units) => units / 1e7),
);
const ms = fc.oneof(fc.integer(), fc.double({ noNaN: true }), fc.integer({ min: 0, max: 2 ** 48 }));
const float = fc.oneof(fc.constant(NaN), fc.float({ noNaN: true, noDefaultInfinity: true }));
const text = fc
  .tuple(fc.constantFrom("", "\ufeff"), fc.string({ unit: "grapheme", maxLength: 300 }))
  .map(([mark, rest]) => mark + rest);
const base = { number: u32, seq: u32 };
const plain = { noNullPrototype: true };
const time = fc.double({ noNaN: true });
const stay = { fence: text, version: u32, episode: fc.record({ id: text, enteredAt: time }, plain) };
const pending = fc.record({ since: time, wanted: u32, due: time }, plain);
/** What was journaled before facts said so has none. */
const since = fc.oneof(
  fc.constant({}),
  time.map((since) => ({ since })),
);
const occupied = fc.oneof(
  fc.record({ phase: fc.constant("pending_in" as const), fence: text, version: u32, pending }, plain),
  fc.record({ phase: fc.constant("in" as const), ...stay }, plain),
  fc.record({ phase: fc.constant("pending_out" as const), ...stay, pending }, plain),
);
const fact: fc.Arbitrary<Fact> = fc.oneof(
  fc
    .tuple(
      fc.record(
        { ...base, is: fc.constant("occupied" as const), occupied: fc.array(occupied, { maxLength: 4 }) },
        plain,
      ),
      since,
    )
    .map(([one, since]) => ({ ...one, ...since })),
  fc.record({ ...base, is: fc.constant("introduced" as const), id: text, kind: text }, plain),
  fc
    .tuple(fc.record({ ...base, is: fc.constant("kind" as const), kind: text }, plain), since)
    .map(([one, since]) => ({ ...one, ...since })),
  fc.record({ ...base, is: fc.constant("machine" as const), machine: text }, plain),
  fc.record(
    {
      ...{ ...base, is: fc.constant("commanded" as const), id: text, state: text, at: fc.integer() },
      outcome: fc.constantFrom(...Object.values(OUTCOME)),
    },
    plain,
  ),
  fc.record(
    {
      ...{ ...base, is: fc.constant("deleted" as const), command: text, id: text, at: fc.integer() },
      erase: fc.boolean(),
    },
    plain,
  ),
  fc.record({ ...base, is: fc.constant("removed" as const) }, plain),
  fc.record(
    {
      ...{ ...base, is: fc.constant("patched" as const), key: text, at: fc.integer() },
      ...{ labels: fc.array(text, { maxLength: 4 }), attributes: text },
    },
    { ...plain, requiredKeys: ["is", "number", "seq", "key", "at", "attributes"] },
  ),
  fc.record(
    { ...base, is: fc.constant("liveness" as const), liveness: fc.integer({ min: 0, max: 3 }) },
    plain,
  ),
  fc
    .tuple(
      fc.record(
        {
          ...base,
          is: fc.constant("transitioned" as const),
          state: text,
          context: fc.dictionary(text, fc.integer(), { noNullPrototype: true }) as fc.Arbitrary<{
            [key: string]: number;
          }>,
          timers: fc.array(fc.record({ key: text, due: fc.integer() }, plain), { maxLength: 5 }),
        },
        plain,
      ),
      since,
    )
    .map(([one, since]) => ({ ...one, ...since })),
  fc.record(
    {
      ...base,
      is: fc.constant("reported" as const),
      t: ms,
      received: ms,
      hash: u32,
      late: fc.boolean(),
      implausible: fc.boolean(),
      lon: degrees,
      lat: degrees,
      alt: float,
      speed: float,
      course: float,
      heading: float,
      accuracy: float,
      source: text,
      sourceSeq: fc.oneof(fc.constant(-1), fc.maxSafeNat()),
      attributes: text,
    },
    plain,
  ),
);

t.test("[V5] facts read back as they were written", async () => {
  fc.assert(
    fc.property(fc.array(fact, { maxLength: 20 }), (facts) => {
      const out = new ByteWriter(8);
      out.u8(SECTION_VERSION);
      // A place is both numbers or none.
      const whole = facts.map((one) =>
        one.is === "reported" && (Number.isNaN(one.lon) || Number.isNaN(one.lat))
          ? { ...one, lon: NaN, lat: NaN }
          : one,
      );
      for (const one of whole) writeFact(one, out);
      const back: Fact[] = [];
      const bytes = out.copy();
      let expected = 1;
      readFacts(bytes, (one, start, end) => {
        assert.equal(start, expected);
        expected = end;
        back.push({ ...one });
      });
      assert.deepEqual(back, whole);
      assert.equal(expected, bytes.length);
    }),
  );
});

t.test("[V5] a section of another version, an unknown fact or a cut one is not read", async (t) => {
  const found = () => t.fail("nothing is found");
  t.throws(() => readFacts(Uint8Array.of(SECTION_VERSION + 1), found), /version 10/);
  t.throws(() => readFacts(Uint8Array.of(SECTION_VERSION, 99, 0, 0), found), /unknown fact 99/);
  const before = new ByteWriter(64);
  before.u8(1);
  writeFact({ is: "kind", number: 1, seq: 2, kind: "vessel" }, before);
  const kinds: string[] = [];
  readFacts(before.copy(), (fact) => kinds.push(fact.is));
  t.same(kinds, ["kind"], "one from before there were commands is");
  const out = new ByteWriter(64);
  out.u8(SECTION_VERSION);
  writeFact({ is: "introduced", number: 1, seq: 1, id: "abc", kind: "vessel" }, out);
  t.throws(() => readFacts(out.copy().subarray(0, out.length - 1), found), RangeError);
});

t.test("[V5] numbers of every width and strings of every length read back", async () => {
  fc.assert(
    fc.property(u32, fc.string({ unit: "binary", maxLength: 400 }), (value, name) => {
      const wellFormed = name.toWellFormed();
      const out = new ByteWriter(0);
      out.reserve(5);
      out.varint(value);
      out.string(wellFormed);
      const input = new ByteReader(out.copy());
      assert.equal(input.varint(), value);
      assert.equal(input.string(), wellFormed);
      assert.ok(input.done);
    }),
  );
});

t.test("[E7] merge patch: the examples of RFC 7386, appendix A, between objects", async (t) => {
  const cases: [target: string, patch: string, result: string][] = [
    ['{"a":"b"}', '{"a":"c"}', '{"a":"c"}'],
    ['{"a":"b"}', '{"b":"c"}', '{"a":"b","b":"c"}'],
    ['{"a":"b"}', '{"a":null}', "{}"],
    ['{"a":"b","b":"c"}', '{"a":null}', '{"b":"c"}'],
    ['{"a":["b"]}', '{"a":"c"}', '{"a":"c"}'],
    ['{"a":"c"}', '{"a":["b"]}', '{"a":["b"]}'],
    ['{"a":{"b":"c"}}', '{"a":{"b":"d","c":null}}', '{"a":{"b":"d"}}'],
    ['{"a":[{"b":"c"}]}', '{"a":[1]}', '{"a":[1]}'],
    ['{"e":null}', '{"a":1}', '{"e":null,"a":1}'],
    ["{}", '{"a":{"bb":{"ccc":null}}}', '{"a":{"bb":{}}}'],
  ];
  for (const [target, patch, result] of cases) {
    t.equal(
      JSON.stringify(mergePatch(JSON.parse(target), JSON.parse(patch))),
      result,
      `${target} + ${patch}`,
    );
  }
  const own = mergePatch({}, JSON.parse('{"__proto__":{"polluted":true}}'));
  t.equal(({} as { polluted?: boolean }).polluted, undefined, "no prototype is touched");
  t.ok(Object.hasOwn(own, "__proto__"));
});

t.test("[E9] what is implausible depends on the kind", async (t) => {
  t.notOk(isImplausible("vessel", 24, 60, 24.004, 60, 0), "two receivers may differ by a few hundred metres");
  t.ok(isImplausible("vessel", 24, 60, 24.1, 60, 10));
  t.notOk(isImplausible("aircraft", 24, 60, 24.1, 60, 10));
  t.notOk(isImplausible("vessel", 179.999, 0, -179.999, 0, 10), "across 180°");
});

t.test("[V5] the shard of an id is FNV-1a of its UTF-8 bytes, modulo 256", async (t) => {
  // Published vectors of FNV-1a 32: "" 811c9dc5, "a" e40c292c, "foobar" bf9cf968.
  t.equal(shardOf(""), 0xc5);
  t.equal(shardOf("a"), 0x2c);
  t.equal(shardOf("foobar"), 0x68);
  const reference = (id: string) => {
    let hash = 0x811c9dc5n;
    for (const byte of Buffer.from(id)) hash = ((hash ^ BigInt(byte)) * 0x01000193n) & 0xffffffffn;
    return Number(hash % 256n);
  };
  fc.assert(fc.property(fc.string({ unit: "grapheme" }), (id) => assert.equal(shardOf(id), reference(id))));
});
