import assert from "node:assert/strict";
import t from "tap";
import { ByteWriter } from "../../src/actors/bytes.ts";
import { EntityTable } from "../../src/actors/entity-table.ts";
import { shardOf } from "../../src/actors/shard-hash.ts";
import { InterestMap } from "../../src/cluster/interest.ts";
import {
  COMPLETE_RECORD,
  type FrameHead,
  FrameReader,
  writeFull,
  writeHead,
  writeMotion,
} from "../../src/cluster/mirror-codec.ts";
import { MirrorQueue } from "../../src/cluster/mirror-queue.ts";
import { MirrorSource } from "../../src/cluster/mirror-source.ts";
import { MirrorTable } from "../../src/cluster/mirror-table.ts";
import { Mirrors } from "../../src/cluster/mirrors.ts";
import { MAX_KINDS, MAX_SOURCES } from "../../src/picture/columns.ts";
import { EVERYWHERE, NOTHING } from "../../src/picture/cover.ts";
import { FULL, MOTION, Picture } from "../../src/picture/picture.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { numbersOf } from "../support/numbers-of.ts";
import { fc } from "../support/seeded.ts";
import { A, B } from "./mirror-pair.ts";

/** A viewer by itself, and frames by hand. */
function alone(maxEntities?: number) {
  const clock = new FakeClock();
  const picture = new Picture();
  const interest = new InterestMap();
  const told: [string, string, object][] = [];
  const silences: [string, boolean][] = [];
  const mirrors = new Mirrors({
    picture,
    clock,
    interest,
    tell: (node, type, message) => told.push([node, type, message]),
    onSilent: (node, silent) => silences.push([node, silent]),
    maxEntities,
  });
  interest.moved(NOTHING, EVERYWHERE);
  mirrors.nodes(["o"]);
  const source = new Picture();
  const frame = (head: Partial<FrameHead>, write: (out: ByteWriter) => void = () => {}) => {
    const out = new ByteWriter(1_000);
    writeHead(out, { owner: "o", stream: 1, n: 1, k: 1, t: clock.now() - 7, ...head });
    write(out);
    return out.copy();
  };
  const entity = (id: string, epoch: number, seq: number) => {
    let slot = source.find(id);
    if (slot < 0) slot = source.add(id, shardOf(id));
    source.columns.t.set(slot, 0);
    source.place(slot, seq, epoch);
    source.columns.epoch.set(slot, epoch);
    source.columns.seq.set(slot, seq);
    return slot;
  };
  const full = (id: string, number: number, epoch: number, seq: number) => (out: ByteWriter) =>
    writeFull(out, source.columns, entity(id, epoch, seq), number);
  const motion = (id: string, number: number, epoch: number, seq: number) => (out: ByteWriter) =>
    writeMotion(out, source.columns, entity(id, epoch, seq), number);
  const shown = (id: string) => {
    const slot = picture.find(id);
    return slot < 0 ? undefined : [picture.columns.epoch.of(slot), picture.columns.seq.of(slot)];
  };
  return { clock, source, picture, mirrors, told, silences, frame, full, motion, shown, interest };
}

t.test("[U7] motion of what this stream has not told asks for a new stream", async (t) => {
  const { mirrors, told, frame, full, motion, shown } = alone();
  mirrors.receive(frame({ n: 1 }, full(A, 4, 1, 10)));
  mirrors.receive(frame({ n: 2 }, motion(A, 4, 1, 11)));
  t.same(shown(A), [1, 11]);
  told.length = 0;
  mirrors.receive(frame({ n: 3 }, motion(A, 5, 1, 12)));
  t.same(told, [["o", "resync", { stream: 1 }]]);
  mirrors.receive(frame({ n: 4 }, motion(A, 4, 1, 13)));
  t.same(shown(A), [1, 11], "until then nothing is believed");
  mirrors.receive(frame({ stream: 2, n: 1 }, full(A, 4, 1, 13)));
  mirrors.receive(frame({ stream: 1, n: 5 }, full(A, 4, 1, 14)));
  t.same(shown(A), [1, 13], "nor of the one before");
  mirrors.receive(frame({ stream: 3, n: 1 }, motion(A, 4, 1, 15)));
  t.same(shown(A), [1, 13], "told by an earlier stream only");
  mirrors.receive(frame({ stream: 4, n: 1 }, full(B, 4, 2, 1)));
  t.equal(shown(A), undefined, "its number was given again, so it was never durable");
  t.same(shown(B), [2, 1]);
  mirrors.receive(frame({ stream: 4, n: 2 }, motion(B, 4, 1, 99)));
  t.same(shown(B), [2, 1]);
});

t.test("[U2, U7] what is told again changes nothing", async (t) => {
  const { picture, mirrors, frame, full, shown, told } = alone();
  const first = frame({ n: 1 }, full(A, 4, 1, 10));
  mirrors.receive(first);
  picture.clearChanges();
  mirrors.receive(first);
  mirrors.receive(frame({ stream: 2, n: 1 }, full(A, 4, 1, 10)));
  mirrors.receive(frame({ stream: 3, n: 1 }, full(A, 4, 1, 9)));
  t.equal(picture.changes().count, 0);
  t.same(shown(A), [1, 10]);
  mirrors.receive(frame({ owner: "stranger" }, full(B, 5, 1, 1)));
  t.equal(shown(B), undefined, "of no node of the cluster");
  t.same(
    told.map(([, type]) => type),
    ["interest"],
  );
});

t.test("[U7] bytes that are no frame do no harm", async (t) => {
  const { mirrors, frame, full, motion, told } = alone();
  const good = frame({ n: 1 }, (out) => {
    full(A, 4, 1, 10)(out);
    motion(A, 4, 1, 11)(out);
    full(B, 5, 1, 1)(out);
  });
  let stream = 1;
  const head = (stream: number) => frame({ stream });
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(good.length - 1), fc.nat(255))),
      fc.nat(good.length),
      (spoils, end) => {
        const spoiled = good.slice(0, end);
        for (const [at, byte] of spoils) if (at < end) spoiled[at] = byte;
        mirrors.receive(spoiled);
        const body = spoiled.subarray(head(1).length);
        const next = new ByteWriter(2_000);
        next.raw(head(++stream));
        next.raw(body);
        mirrors.receive(next.copy());
      },
    ),
    { numRuns: 2_000 },
  );
  t.ok(mirrors.stats.malformed > 100);
  t.ok(told.some(([, type]) => type === "resync"));
});

t.test("[U7] an entity that this node has and not as a mirror breaks the stream, and no more", async (t) => {
  const { picture, mirrors, frame, full, told, shown } = alone();
  picture.add(A, shardOf(A));
  told.length = 0;
  mirrors.receive(
    frame({ n: 1 }, (out) => {
      full(A, 4, 1, 10)(out);
      full(B, 5, 1, 1)(out);
    }),
  );
  t.same(told, [["o", "resync", { stream: 1 }]]);
  t.same(shown(A), [0, 0], "it is as it was");
  t.equal(shown(B), undefined);
  mirrors.receive(frame({ stream: 2, n: 1 }, full(B, 5, 1, 1)));
  t.same(shown(B), [1, 1], "another stream is as good as ever");
});

t.test("[U12] a frame that went nowhere ends the stream until the node is heard", async (t) => {
  const clock = new FakeClock();
  const picture = new Picture();
  let answer = () => Promise.resolve(1);
  const frames: Uint8Array[] = [];
  const source = new MirrorSource({
    node: "o",
    table: new EntityTable(picture),
    clock,
    publish: (_node, payload) => {
      frames.push(payload.slice());
      return answer();
    },
  });
  source.opened(1, 1);
  source.interest("v", { k: 1, cover: [0, 2 ** 32 - 1], ids: [] });
  for (const failure of [() => Promise.resolve(0), () => Promise.reject(new Error("away"))]) {
    answer = failure;
    clock.pass(500);
    source.round();
    await clock.settle();
    const { length } = frames;
    for (let i = 0; i < 30; i++) {
      clock.pass(20);
      source.round();
    }
    t.equal(frames.length, length, "nothing more");
    answer = () => Promise.resolve(1);
    source.interest("v", { k: 1 });
    source.round();
    t.equal(frames.length, length + 1);
    const again = new FrameReader(frames.at(-1)!);
    t.equal(again.head.n, 1);
    t.equal(again.next(), COMPLETE_RECORD);
    t.same(again.shards, [{ shard: 1, epoch: 1 }]);
  }
  t.equal(source.stats.streams, 3);
  t.equal(source.subscribers, 1);
  clock.pass(5_001);
  source.round();
  t.equal(source.subscribers, 0, "forgotten");
  source.interest("v", { k: 1 });
  t.equal(source.subscribers, 0, "until it says what it wants");
});

t.test("[U4] an interest is told when it changes, and again until it was applied", async (t) => {
  const { mirrors, told, clock, frame, interest } = alone();
  const looks = (ms: number) => {
    told.length = 0;
    for (let passed = 0; passed < ms; passed += 100) {
      clock.pass(100);
      mirrors.look();
    }
    return told.map(([, type, message]) => `${type} ${Object.keys(message)}`);
  };
  const whole = "interest k,cover,ids";
  t.same(looks(100), [whole]);
  t.same(looks(2_000), [whole, whole], "not heard yet");
  mirrors.receive(frame({ k: 1 }));
  t.same(looks(900), [], "not before its time");
  mirrors.receive(frame({ n: 2, k: 1 }));
  t.same(looks(100), ["interest k"], "it has it");
  interest.moved(EVERYWHERE, NOTHING);
  t.same(looks(100), [whole], "at once");
  for (let i = 0; i < 10; i++) interest.moved(NOTHING, NOTHING);
  t.same(looks(500), []);
  mirrors.receive(frame({ n: 3, k: 1 }));
  t.same(looks(500), [whole], "it has the one before");
});

t.test("[U13] without room further mirrors are left out, and tried again", async (t) => {
  const { mirrors, frame, full, motion, shown, told, clock, picture } = alone(1);
  mirrors.receive(
    frame({ n: 1 }, (out) => {
      full(A, 4, 1, 1)(out);
      full(B, 5, 1, 1)(out);
    }),
  );
  t.same([shown(A), shown(B)], [[1, 1], undefined]);
  told.length = 0;
  mirrors.receive(frame({ n: 2 }, motion(B, 5, 1, 2)));
  mirrors.receive(frame({ n: 3 }, motion(A, 4, 1, 2)));
  t.same(shown(A), [1, 2], "the others go on");
  t.same(told, []);
  clock.pass(10_001);
  mirrors.look();
  t.ok(told.some(([, type]) => type === "resync"));
  picture.remove(picture.find(A), "left");
  t.equal(new MirrorTable(picture).size, 0);
});

t.test("[E30] what another node owns is shown, however many kinds and sources this one knows", async (t) => {
  const { mirrors, frame, full, motion, shown, source, picture } = alone();
  const { kinds, sources } = picture.columns;
  while (kinds.size < MAX_KINDS) kinds.number(`kind ${kinds.size}`);
  while (sources.size < MAX_SOURCES) sources.number(`source ${sources.size}`);
  const slot = source.add(A, shardOf(A));
  source.columns.kind.set(slot, source.columns.kinds.number("new"));
  source.columns.source.set(slot, source.columns.sources.number("other"));
  mirrors.receive(frame({ n: 1 }, full(A, 4, 1, 1)));
  mirrors.receive(frame({ n: 2 }, motion(A, 4, 1, 2)));
  t.same(shown(A), [1, 2]);
  t.match(numbersOf(picture.columns, picture.find(A)), { kind: "new", source: "other" });
});

t.test("[U6] the queue gives each slot once, oldest first, however it grows", async (t) => {
  const picture = new Picture();
  const queue = new MirrorQueue(picture);
  picture.watch(queue);
  const slots = Array.from({ length: 3_000 }, (_, i) => {
    const slot = picture.add(`e${i}`, 0);
    picture.place(slot, 0, 0);
    // So that the ring has wrapped before it grows.
    if (i < 700) assert.equal(queue.take(), slot);
    return slot;
  });
  t.equal(queue.size, 2_300);
  const taken: number[] = [];
  while (queue.size > 0) taken.push(queue.take());
  t.same(taken, slots.slice(700));
  picture.place(7, 1, 1);
  picture.touch(7, MOTION);
  t.same([queue.size, queue.take(), queue.what], [1, 7, MOTION]);
  picture.remove(7, "left");
  picture.clearChanges();
  picture.releaseRemoved(() => true);
  t.equal(picture.removedCount, 1, "its number is not used again before the queue has given it");
  t.same([queue.take(), queue.what], [7, FULL]);
  picture.releaseRemoved(() => true);
  t.equal(picture.removedCount, 0);
});
t.test("[U11] how far a node's frames are behind is known", async (t) => {
  const { mirrors, frame } = alone();
  mirrors.receive(frame({}));
  t.equal(mirrors.lagMs, 7);
});
