import assert from "node:assert/strict";
import t from "tap";
import { type IdHash, IdIndex, KeyedHash, MAX_FIND } from "../../src/picture/id-index.ts";
import { Picture } from "../../src/picture/picture.ts";
import { fc, runs } from "../support/seeded.ts";

/** Ids and steps so few that many are added again, and hashes so few that most fall together. */
const id = fc.nat(400).map((number) => `id-${number}`);
const steps = fc.array(fc.record({ id, adds: fc.boolean(), times: fc.integer({ min: 1, max: 8 }) }), {
  minLength: 200,
  maxLength: 800,
});
const few = hashBy((hash) => (hash % 7) * 0x2000_0001);
const last = hashBy((hash) => 0xffff_ffff - (hash % 3));

function hashBy(change: (hash: number) => number): IdHash {
  const hash = new KeyedHash(Uint32Array.of(1, 2));
  return {
    of: (text) => change(hash.of(text)),
    ofBytes: (bytes, from, to) => change(hash.ofBytes(bytes, from, to)),
  };
}

for (const [name, hash] of Object.entries({ keyed: undefined, few, last }))
  t.test(`[P22] an id that was added is in its slot until it is taken out, hash: ${name}`, async () => {
    fc.assert(
      fc.property(steps, (list) => {
        const ids: (string | undefined)[] = [];
        const index = new IdIndex(ids, hash);
        const slotOf = new Map<string, number>();
        for (const step of list) {
          const number = Number(step.id.slice(3));
          for (let i = 0; i < step.times; i++) {
            const one = `id-${(number + i) % 401}`;
            const slot = slotOf.get(one);
            if (step.adds && slot === undefined) {
              slotOf.set(one, ids.push(one) - 1);
              index.add(ids.length - 1);
            } else if (!step.adds && slot !== undefined) {
              index.remove(slot);
              ids[slot] = undefined;
              slotOf.delete(one);
            }
          }
        }
        assert.equal(index.size, slotOf.size);
        const all = Array.from({ length: 401 }, (_, i) => `id-${i}`);
        const found = new Int32Array(MAX_FIND);
        const bytes = Buffer.from(all.join(" "));
        const spans = all.flatMap((one) => [bytes.indexOf(one), bytes.indexOf(one) + one.length]);
        const written = { bytes, spans };
        for (let from = 0; from < all.length; from += MAX_FIND) {
          const batch = all.slice(from, from + MAX_FIND);
          found.fill(-1);
          index.findAll(batch, batch.length, found);
          for (const [i, one] of batch.entries()) {
            assert.equal(index.find(one), slotOf.get(one) ?? -1, one);
            assert.equal(found[i], slotOf.get(one) ?? -1, `${one} in a batch`);
          }
          index.findWritten(written, from, batch.length, found);
          for (const [i, one] of batch.entries())
            assert.equal(found[i], slotOf.get(one) ?? -1, `${one} as bytes`);
        }
      }),
      { numRuns: runs(60) },
    );
  });

t.test("[P22] hints are taken where they are right, and only there", async (t) => {
  const picture = new Picture();
  const slots = ["a", "b", "c", "d"].map((id) => picture.add(id, 0));
  picture.remove(slots[3], "deleted");
  const again = picture.add("d", 0);
  const asked = Int32Array.of(slots[0], slots[0], -1, slots[3], -1, 9_999);
  picture.findAll(["a", "b", "c", "d", "e", "a"], 6, asked);
  t.same([...asked], [slots[0], slots[1], slots[2], again, -1, slots[0]]);
  t.not(again, slots[3]);
});

t.test("[P22] it grows", async (t) => {
  const ids = Array.from({ length: 20_000 }, (_, i) => `vessel-${i}`);
  const index = new IdIndex(ids);
  for (let slot = 0; slot < ids.length; slot++) index.add(slot);
  t.equal(index.size, ids.length);
  t.ok(ids.every((one, slot) => index.find(one) === slot));
  t.equal(index.find("vessel-20000"), -1);
});

t.test("[P23] which ids fall together depends on a key", async (t) => {
  const texts = Array.from({ length: 30_000 }, (_, i) => `ship-${i}`);
  const low = (hash: KeyedHash) =>
    Map.groupBy(texts, (text) => hash.of(text) & 0xff_ffff).size / texts.length;
  // Of so many thrown at random into 2^24 places 99.9 % are alone, or first.
  const hashes = [new KeyedHash(), new KeyedHash(), new KeyedHash(Uint32Array.of(0, 0))] as const;
  for (const hash of hashes) t.ok(low(hash) > 0.997, `${low(hash)}`);
  const [a, b] = hashes;
  t.ok(texts.filter((text) => a.of(text) === b.of(text)).length < 3, "another key, other hashes");
});

t.test("[P23] the hash is HalfSipHash-1-3, to the last unit of a text", async (t) => {
  const hash = new KeyedHash(Uint32Array.of(0x03020100, 0x07060504));
  for (const text of ["", "a", "ab", "abc", "vessel-0000017", "ſhip-\u{1f6a2}", "x".repeat(300)])
    t.equal(hash.of(text), halfSipHash13(Buffer.from(text, "utf16le"), 0x03020100n, 0x07060504n), text);
  for (const text of ["", "a", "ab", "abc", "vessel-0000017", "x".repeat(300)])
    t.equal(hash.ofBytes(Buffer.from(`<${text}>`), 1, 1 + text.length), hash.of(text), `${text}, of bytes`);
});

/** As it is described: byte by byte, in whole numbers without a sign. */
function halfSipHash13(bytes: Buffer, k0: bigint, k1: bigint): number {
  const rotl = (x: bigint, by: number) => BigInt.asUintN(32, (x << BigInt(by)) | (x >> BigInt(32 - by)));
  const add = (x: bigint, y: bigint) => BigInt.asUintN(32, x + y);
  let [v0, v1, v2, v3] = [k0, k1, 0x6c796765n ^ k0, 0x74656462n ^ k1];
  const round = () => {
    v0 = add(v0, v1);
    v1 = rotl(v1, 5) ^ v0;
    v0 = rotl(v0, 16);
    v2 = add(v2, v3);
    v3 = rotl(v3, 8) ^ v2;
    v0 = add(v0, v3);
    v3 = rotl(v3, 7) ^ v0;
    v2 = add(v2, v1);
    v1 = rotl(v1, 13) ^ v2;
    v2 = rotl(v2, 16);
  };
  const whole = Buffer.alloc(Math.floor(bytes.length / 4) * 4 + 4);
  bytes.copy(whole);
  whole[whole.length - 1] = bytes.length & 0xff;
  for (let at = 0; at < whole.length; at += 4) {
    const word = BigInt(whole.readUInt32LE(at));
    v3 ^= word;
    round();
    v0 ^= word;
  }
  v2 ^= 0xffn;
  for (let i = 0; i < 3; i++) round();
  return Number(v1 ^ v3);
}
