import t from "tap";
import { CHUNK_BYTES, RecordLog } from "../../src/tracks/record-log.ts";
import { type Mutant, tryMutant } from "../support/mutant.ts";
import { fc } from "../support/seeded.ts";

/** A record: its length u32, then bytes that follow from its number. */
function bytesOf(number: number, length: number): Buffer {
  const bytes = Buffer.alloc(4 + length, number & 0xff);
  bytes.writeUInt32LE(length);
  return bytes;
}

/** Mostly as points are, some that no chunk has room for. */
const lengths = fc.oneof(
  { weight: 20, arbitrary: fc.integer({ min: 20, max: 60 }) },
  { weight: 3, arbitrary: fc.integer({ min: 400, max: 70_000 }) },
  { weight: 1, arbitrary: fc.constant(CHUNK_BYTES + 5_000) },
);
const steps = fc.oneof(
  { weight: 10, arbitrary: fc.record({ is: fc.constant("write" as const), lengths: fc.array(lengths) }) },
  { weight: 3, arbitrary: fc.record({ is: fc.constant("append" as const), lengths: fc.array(lengths) }) },
  {
    weight: 3,
    arbitrary: fc.record({
      is: fc.constant("drop" as const),
      share: fc.double({ min: 0, max: 1, noNaN: true }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ is: fc.constant("many" as const), count: fc.integer({ min: 1, max: 9_000 }) }),
  },
  { weight: 1, arbitrary: fc.record({ is: fc.constant("discard" as const) }) },
);

t.test(
  "[TR35] the records of a log are at their places, whatever chunks they lie in, and none is in two",
  async (t) => {
    let chunks = 0;
    fc.assert(
      fc.property(fc.array(steps, { maxLength: 12, size: "max" }), (plan) => {
        const log = new RecordLog();
        let written: Buffer[] = [];
        let number = 0;
        const write = (length: number) => {
          const bytes = bytesOf(number++, length);
          log.writer().raw(bytes);
          written.push(bytes);
        };
        for (const step of plan) {
          if (step.is === "write") for (const length of step.lengths) write(length);
          else if (step.is === "many") for (let i = 0; i < step.count; i++) write(40);
          else if (step.is === "append") {
            const more = step.lengths.map((length) => bytesOf(number++, length));
            log.append(Buffer.concat(more));
            written.push(...more);
          } else if (step.is === "discard") {
            log.discard();
            written = [];
          } else {
            const dropped = written.splice(0, Math.floor(step.share * (written.length + 1)));
            log.dropFront(dropped.reduce((sum, { length }) => sum + length, 0));
          }
          if (!isAsWritten(log, written)) return false;
        }
        chunks = Math.max(chunks, log.length / CHUNK_BYTES);
        return true;
      }),
      { numRuns: 200 },
    );
    t.ok(chunks > 3, `there were logs of ${chunks.toFixed(1)} chunks`);
  },
);

function isAsWritten(log: RecordLog, written: readonly Buffer[]): boolean {
  const all = Buffer.concat(written);
  if (log.length !== all.length || !all.equals(log.since(0))) return false;
  const places: number[] = [];
  for (let place = 0, i = 0; i < written.length; place += written[i++].length) places.push(place);
  // Back to front, as an entity's points are read.
  return (
    places.reverse().every((place) => {
      const input = log.at(place);
      return all
        .subarray(place, log.length)
        .subarray(0, 4 + input.u32())
        .subarray(4)
        .equals(input.raw(all.readUInt32LE(place)));
    }) &&
    (places.length === 0 || all.subarray(places[0]).equals(log.since(places[0])))
  );
}

t.test("[TR35] what was taken of a log stays as it is while it grows", async (t) => {
  const log = new RecordLog();
  log.writer().raw(bytesOf(1, 40));
  const taken = log.since(0);
  const before = Buffer.from(taken);
  for (let i = 0; i < 20_000; i++) log.writer().raw(bytesOf(i, 40));
  t.ok(before.equals(taken), "of the first chunk, which takes larger memory as it grows");
  const later = log.since(log.length - 44);
  const copy = Buffer.from(later);
  for (let i = 0; i < 20_000; i++) log.writer().raw(bytesOf(i, 40));
  t.ok(copy.equals(later));
});

t.test("[TR35] a log does not read a chunk that it dropped, and another has begun with", async (t) => {
  const fill = (log: RecordLog, number: number, bytes: number) => {
    while (log.length < bytes) log.writer().raw(bytesOf(number, 4_092));
  };
  const one = new RecordLog();
  fill(one, 1, 0.6 * CHUNK_BYTES);
  const dropped = one.length;
  // The first chunk has room left, which whoever has it next will fill.
  one.append(Buffer.concat(Array.from({ length: 50 }, () => bytesOf(2, 4_092))));
  t.equal(one.at(0).u32(), 4_092, "it read its first chunk last");
  one.dropFront(dropped);
  fill(new RecordLog(), 3, 3 * CHUNK_BYTES);
  const input = one.at(0);
  t.equal(input.u32(), 4_092);
  t.equal(input.u8(), 2, "its own record, and not the other's");
});

t.test(
  "[TR35] a log takes little more memory than its records, also when the first of them are dropped again and again",
  async (t) => {
    const log = new RecordLog();
    const spare = () => log.capacity - log.length;
    for (let i = 0; i < 100; i++) log.writer().raw(bytesOf(i, 60));
    t.ok(spare() < log.length, `${spare()} bytes beside ${log.length}`);
    let most = 0;
    for (let turn = 0; turn < 60; turn++) {
      for (let i = 0; i < 8_000; i++) log.writer().raw(bytesOf(i, 60));
      most = Math.max(most, spare());
      if (turn >= 10) log.dropFront(8_000 * 64);
      most = Math.max(most, spare());
    }
    t.ok(most <= 2 * CHUNK_BYTES, `${most} bytes`);
  },
);

t.test("[TR35] tracks are what was reported, also where each log has hundreds of chunks", async (t) => {
  const file = "src/tracks/record-log.ts";
  const from = "CHUNK_BYTES = 256 * 1_024";
  const small: Mutant = { name: "small chunks", file, from, to: "CHUNK_BYTES = 1_024" };
  const verdict = await tryMutant(small, "test/tracks/log-property.ts");
  t.equal(verdict.is, "survived", "what was reported", verdict);
});
