import assert from "node:assert/strict";
import t, { type Test } from "tap";
import { FULL } from "../../src/picture/picture.ts";
import {
  type Bbox,
  PROTOCOL_BINARY,
  PROTOCOL_JSON,
  type Snapshot,
  type Subscribe,
} from "../../src/transport/feed/protocol.ts";
import { type Asked, add, harness, type Replica, TestClient } from "./harness.ts";

const BOX: Bbox = [10, 50, 11, 50.1];
const COUNT = 40;
const LIMIT = 4_000;
/** Six of the records, which are all alike, are more than a delta may have; a tick has four or five of a snapshot. */
const ATTRIBUTES = JSON.stringify({ text: "x".repeat(500) });
const RECORD = 1_000;
/** A cell is narrower. */
const CELL = 0.006;

const LOOKS: Record<string, Asked> = {
  "a box": { bbox: BOX },
  "a box with a filter of its own": { bbox: BOX, where: "entity.kind == 'ship'" },
  "a box with a filter that reads motion": { bbox: BOX, where: "entity.lat > 0.0 && entity.kind == 'ship'" },
  "what is around an entity": { follow: { id: "e0", radius: 150_000 } },
};

/** Entities in a row, and a client that looks at them all and holds them. */
function crowd(protocol: string, asked: Asked & { max?: number }) {
  const limits = { partRecords: 2, maxDeltaBytes: LIMIT, snapshotBytesPerTick: LIMIT };
  const { feed, picture, errors } = harness(limits);
  const frames: { op: string; size: number }[] = [];
  const client = new TestClient(feed, ({ op }, size) => frames.push({ op, size }), protocol);
  let steps = 0;
  const place = (i: number) => {
    const slot = picture.find(`e${i}`);
    if (slot !== -1) picture.place(slot, 10.1 + i * 0.02 + (steps % 2) * CELL, 50.05);
  };
  const enter = (i: number) => {
    const slot = add(picture, `e${i}`);
    picture.columns.attributes.set(slot, ATTRIBUTES);
    place(i);
    return slot;
  };
  /** All go to another cell. */
  const cross = () => {
    steps++;
    for (let i = 0; i < COUNT; i++) place(i);
  };
  const tick = (times = 1) => {
    for (let i = 0; i < times; i++) feed.tick();
    assert.deepEqual(errors, []);
  };
  for (let i = 0; i < COUNT; i++) enter(i);
  const replica = client.open("v", asked as Asked & Partial<Subscribe>);
  tick(20);
  assert.equal(replica.entities.size, COUNT);
  frames.length = 0;
  client.received.length = 0;
  const largest = () => Math.max(0, ...frames.map(({ size }) => size));
  const snapshots = () => client.received.filter((one): one is Snapshot => one.op === "snapshot");
  const check = (t: Test, who: string, what: Replica) => {
    t.equal(what.state, "complete", who);
    t.same(Object.fromEntries(what.entities), Object.fromEntries(what.expected(picture)), who);
    t.ok(largest() <= LIMIT + RECORD, `${who}: the largest frame has ${largest()} bytes`);
  };
  return { client, picture, replica, enter, cross, tick, largest, snapshots, check };
}

for (const [name, asked] of Object.entries(LOOKS))
  for (const protocol of [PROTOCOL_JSON, PROTOCOL_BINARY]) {
    const who = `${name}, ${protocol}`;

    t.test(`[F56] who would be told too much at once gets a snapshot in parts: ${who}`, async (t) => {
      const { client, replica, cross, tick, snapshots, check } = crowd(protocol, asked);
      cross();
      tick(20);
      t.equal(client.last("delta"), undefined, "what changed fits no delta");
      t.equal(snapshots().filter(({ first }) => first).length, 1, "one beginning");
      check(t, who, replica);
      cross();
      for (let i = 0; i < 60; i++) {
        tick();
        if (i === 3) cross();
      }
      check(t, `${who}, again while it fills`, replica);
    });

    // In each tick all change, which never fits. The first snapshot ends where what was sent is too much for a delta. The next one is filled
    // quietly: what changes where it was sent is not told, so it cannot be too much, and each tick adds a part, until all is sent.
    t.test(`[F56] while in each tick too much changes snapshots are completed: ${who}`, async (t) => {
      const { replica, cross, tick, snapshots, check } = crowd(protocol, asked);
      let done = 0;
      for (let i = 0; i < 100; i++) {
        cross();
        tick();
        const completed = snapshots().filter(({ last }) => last).length;
        if (completed > done) t.equal(replica.entities.size, COUNT, "it has all");
        done = completed;
      }
      t.ok(done >= 4, `${done} snapshots were completed in 100 ticks`);
      tick(60);
      check(t, who, replica);
    });

    t.test(`[F56] who departs is told while nothing else is: ${who}`, async (t) => {
      const { client, picture, replica, enter, cross, tick, snapshots, check } = crowd(protocol, asked);
      // Only a snapshot that is filled quietly gets so far.
      const isQuiet = () => replica.entities.size > COUNT / 4 && replica.state === "filling";
      for (let i = 0; i < 10 && !isQuiet(); i++) {
        cross();
        tick();
      }
      t.ok(isQuiet());
      const held = new Set(replica.entities.keys());
      const [gone, hidden, far] = [...replica.entities.keys()].filter((id) => id !== "e0");
      client.received.length = 0;
      cross();
      picture.remove(picture.find(gone), "deleted");
      if (asked.where !== undefined) {
        const slot = picture.find(hidden);
        picture.columns.kind.set(slot, picture.columns.kinds.number("truck"));
        picture.touch(slot, FULL);
      }
      picture.place(picture.find(far), 10.99, 50.09);
      tick();
      const departures = [[gone, "deleted"], ...(asked.where === undefined ? [] : [[hidden, "filter"]])];
      const delta = client.last("delta")!;
      // Others may cross to where nothing was sent yet, or come from there.
      const told = delta.departures.filter(([id, reason]) => reason !== "left" || id === far);
      t.same(told.toSorted(), [...departures, [far, "left"]].toSorted());
      t.same(
        delta.updates.filter(({ id }) => held.has(id)),
        [],
      );
      // They get the slot that is free.
      for (let i = 0; i < 2; i++) {
        enter(COUNT + i);
        tick();
      }
      // More than fits come to where it was sent what is there, each to a cell of its own.
      for (let i = 2; i < 12; i++) picture.place(enter(COUNT + i), 10.1 - i * CELL, 50.05);
      tick();
      t.same(
        snapshots().filter(({ first }) => first),
        [],
        "it is the same snapshot",
      );
      tick(60);
      check(t, who, replica);
    });
  }

t.test("[F56, F32] a crowd that comes at once is not sent", async (t) => {
  const { client, replica, enter, cross, tick } = crowd(PROTOCOL_BINARY, { bbox: BOX, max: COUNT + 5 });
  cross();
  for (let i = 0; i < 10; i++) enter(COUNT + i);
  tick();
  t.same(
    client.received.map(({ op }) => op),
    ["clusters"],
  );
  t.equal(replica.state, "clusters");
});
