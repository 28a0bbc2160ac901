import assert from "node:assert/strict";
import t from "tap";
import { ByteWriter } from "../../src/actors/bytes.ts";
import { shardOf } from "../../src/actors/shard-hash.ts";
import {
  COMPLETE_RECORD,
  FrameReader,
  FULL_RECORD,
  GONE_RECORD,
  MOTION_RECORD,
  writeComplete,
  writeFull,
  writeGone,
  writeHead,
  writeMotion,
} from "../../src/cluster/mirror-codec.ts";
import { IMPLAUSIBLE, MIRROR } from "../../src/picture/columns.ts";
import { Picture } from "../../src/picture/picture.ts";
import { fc } from "../support/seeded.ts";

const HEAD = { owner: "node-ü", stream: 3, n: 2 ** 32 - 1, k: 2 ** 40, t: 1.5 };

function frame(write: (out: ByteWriter) => void): Uint8Array {
  const out = new ByteWriter(1);
  writeHead(out, HEAD);
  write(out);
  return out.copy();
}

const f32 = fc.oneof(fc.float({ noDefaultInfinity: true }), fc.constant(NaN));
const entities = fc.record({
  id: fc.string({ minLength: 1, unit: "grapheme" }),
  hasPlace: fc.boolean(),
  lon: fc.double({ min: -180, max: 180, noNaN: true }),
  lat: fc.double({ min: -90, max: 90, noNaN: true }),
  t: fc.oneof(fc.double({ noNaN: true }), fc.constant(-Infinity)),
  placedAt: fc.option(fc.double({ noNaN: true }), { nil: undefined }),
  implausible: fc.boolean(),
  number: fc.nat(2 ** 32 - 1),
  epoch: fc.nat(2 ** 32 - 1),
  seq: fc.nat(2 ** 32 - 1),
  liveness: fc.nat(3),
  motion: fc.tuple(f32, f32, f32, f32, f32),
  kind: fc.string(),
  attributes: fc.constantFrom("", '{"a":"ü"}', `{"a":"${"x".repeat(5_000)}"}`),
  labels: fc.array(fc.string()),
  fences: fc.array(fc.string()),
});

t.test("[U5] a frame gives back exactly what was written", async () => {
  const picture = new Picture();
  const { columns } = picture;
  fc.assert(
    fc.property(entities, (entity) => {
      const shard = shardOf(entity.id);
      const slot = picture.add(entity.id, shard);
      columns.t.set(slot, entity.t);
      if (entity.hasPlace) picture.place(slot, entity.lon, entity.lat);
      if (entity.hasPlace) columns.placedAt.set(slot, entity.placedAt ?? entity.t);
      columns.flags.set(slot, columns.flags.of(slot) | MIRROR | (entity.implausible ? IMPLAUSIBLE : 0));
      columns.received.set(slot, 5);
      columns.epoch.set(slot, entity.epoch);
      columns.seq.set(slot, entity.seq);
      columns.liveness.set(slot, entity.liveness);
      const [alt, speed, course, heading, accuracy] = entity.motion;
      columns.alt.set(slot, alt);
      columns.speed.set(slot, speed);
      columns.course.set(slot, course);
      columns.heading.set(slot, heading);
      columns.accuracy.set(slot, accuracy);
      columns.kind.set(slot, columns.kinds.number(entity.kind));
      columns.source.set(slot, columns.sources.number("ais"));
      columns.state.set(slot, columns.states.number("moving.fast"));
      if (entity.attributes !== "") columns.attributes.set(slot, entity.attributes);
      if (entity.labels.length > 0) columns.labels.set(slot, entity.labels);
      if (entity.fences.length > 0) columns.fences.set(slot, entity.fences);
      const reader = new FrameReader(
        frame((out) => {
          writeFull(out, columns, slot, entity.number);
          writeMotion(out, columns, slot, entity.number);
          writeGone(out, shard, entity.number, 9, "deleted");
          writeComplete(
            out,
            Array.from({ length: 256 }, (_, shard) => ({ shard, epoch: shard * 1_000 })),
          );
        }),
      );
      assert.deepEqual(reader.head, HEAD);
      const motion = {
        shard,
        number: entity.number,
        epoch: entity.epoch,
        seq: entity.seq,
        flags: (entity.hasPlace ? 1 : 0) | (entity.implausible ? IMPLAUSIBLE : 0),
        t: entity.t,
        placedAt: (entity.hasPlace ? entity.placedAt : undefined) ?? entity.t,
        received: 5,
        lon: entity.hasPlace ? entity.lon : NaN,
        lat: entity.hasPlace ? entity.lat : NaN,
        alt,
        speed,
        course,
        heading,
      };
      const is = (expected: object) => {
        for (const [name, value] of Object.entries(expected))
          assert.deepEqual((reader as unknown as Record<string, unknown>)[name], value, name);
      };
      assert.equal(reader.next(), FULL_RECORD);
      const { id, kind, liveness, attributes, labels, fences } = entity;
      is({
        ...motion,
        id,
        kind,
        liveness,
        attributes,
        labels,
        fences,
        accuracy,
        source: "ais",
        state: "moving.fast",
      });
      assert.equal(reader.next(), MOTION_RECORD);
      is(motion);
      assert.equal(reader.next(), GONE_RECORD);
      is({ shard, number: entity.number, epoch: 9, reason: "deleted" });
      assert.equal(reader.next(), COMPLETE_RECORD);
      assert.equal(reader.shards.length, 256);
      assert.deepEqual(reader.shards[255], { shard: 255, epoch: 255_000 });
      assert.equal(reader.next(), 0);
      picture.remove(slot, "left");
      picture.clearChanges();
      picture.releaseRemoved(() => true);
    }),
    { numRuns: 200 },
  );
});

t.test("[U7] what is no record is noticed", async (t) => {
  const picture = new Picture();
  const { columns } = picture;
  const slot = picture.add("a", shardOf("a"));
  columns.t.set(slot, 0);
  picture.place(slot, 1, 2);
  const whole = (spoil: () => void) => {
    spoil();
    const reader = new FrameReader(frame((out) => writeFull(out, columns, slot, 1)));
    return () => reader.next();
  };
  t.equal(whole(() => {})(), FULL_RECORD);
  t.throws(whole(() => columns.lon.set(slot, 181)));
  t.throws(whole(() => columns.lon.set(slot, NaN)));
  columns.lon.set(slot, 1);
  t.throws(whole(() => columns.liveness.set(slot, 4)));
  columns.liveness.set(slot, 0);
  t.throws(whole(() => columns.t.set(slot, NaN)));
  columns.t.set(slot, 0);
  t.throws(whole(() => columns.placedAt.set(slot, NaN)));
  columns.placedAt.set(slot, 0);
  t.throws(
    whole(() => columns.shard.set(slot, columns.shard.of(slot) ^ 1)),
    "an id of another shard",
  );
  for (const write of [
    (out: ByteWriter) => out.u8(9),
    (out: ByteWriter) => out.u8(GONE_RECORD),
    (out: ByteWriter) => writeGone(out, 1, 1, 1, "expired" as never),
  ]) {
    const reader = new FrameReader(frame(write));
    t.throws(() => reader.next());
  }
  t.throws(() => new FrameReader(new Uint8Array(0)));
  t.throws(() => new FrameReader(Uint8Array.of(2, 0)), "another version");
});
