import assert from "node:assert/strict";
import t from "tap";
import { Rows } from "../../src/picture/rows.ts";
import { fc, runs } from "../support/seeded.ts";

/** Columns of a table, each by the type of its values and how many of them a row has. */
const kinds = fc.constantFrom("float64", "float32", "uint32", "uint16", "uint8");
const columns = fc.array(fc.record({ kind: kinds, length: fc.integer({ min: 1, max: 9 }) }), {
  minLength: 1,
  maxLength: 12,
});
const steps = fc.array(
  fc.record({ column: fc.nat(), slot: fc.nat(), i: fc.nat(), value: fc.nat(255), grow: fc.nat(9) }),
  { minLength: 50, maxLength: 300 },
);

t.test(
  "[P24] a value stays what it was set to, whatever else is set, and while the table grows",
  async () => {
    fc.assert(
      fc.property(columns, steps, (shape, list) => {
        const rows = new Rows();
        const made = shape.map(({ kind, length }) => {
          if (kind === "float64") return { length, column: rows.float64(length) };
          if (kind === "uint32") return { length, column: rows.uint32(length) };
          return { length: 1, column: rows[kind]() };
        });
        const expected = new Map<string, number>();
        rows.grow(1);
        for (const step of list) {
          if (step.grow === 0 && rows.capacity < 50) rows.grow(rows.capacity + (step.slot % 20));
          const at = step.column % made.length;
          const { column, length } = made[at]!;
          const slot = step.slot % rows.capacity;
          const i = step.i % length;
          column.set(slot, step.value, i);
          expected.set(`${at} ${slot} ${i}`, step.value);
        }
        for (const [at, { column, length }] of made.entries())
          for (let slot = 0; slot < rows.capacity; slot++)
            for (let i = 0; i < length; i++)
              assert.equal(column.of(slot, i), expected.get(`${at} ${slot} ${i}`) ?? 0);
      }),
      { numRuns: runs(60) },
    );
  },
);

t.test("[P24] values of each type are kept whole", async (t) => {
  const rows = new Rows();
  const [u8, f64, u16, f32, u32] = [
    rows.uint8(),
    rows.float64(2),
    rows.uint16(),
    rows.float32(),
    rows.uint32(),
  ];
  rows.grow(3);
  f64.set(1, -Number.MAX_VALUE, 0);
  f64.set(1, Number.NaN, 1);
  for (const [column, value] of [
    [u8, 255],
    [u16, 65_535],
    [u32, 4_294_967_295],
    [f32, Math.fround(0.1)],
  ] as const) {
    column.set(1, value);
    t.equal(column.of(1), value);
    t.equal(column.of(0) + column.of(2), 0, "its neighbours have none of it");
  }
  t.equal(f64.of(1, 0), -Number.MAX_VALUE);
  t.ok(Number.isNaN(f64.of(1, 1)));
});

t.test("[P24] a row that is read ahead is read from its first value to its last", async (t) => {
  const rows = new Rows();
  const first = rows.float64();
  const last = rows.uint32(40);
  rows.grow(2);
  t.equal(rows.touch(0), 0);
  first.set(1, 0.1);
  t.not(rows.touch(1), 0);
  first.set(1, 0);
  last.set(1, 7, 39);
  t.equal(rows.touch(1), 7);
  t.equal(rows.touch(0), 0);
  t.throws(() => rows.uint8(), "a column comes before the rows");
});
