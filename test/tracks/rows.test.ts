import { setTimeout as sleep } from "node:timers/promises";
import t, { type Test } from "tap";
import type { SegmentBatch } from "../../src/actors/track-source.ts";
import type { Store } from "../../src/store/store.ts";
import { PackedSegments } from "../../src/tracks/packed-segments.ts";
import type { Segment } from "../../src/tracks/segment.ts";
import { count, KeptLog, open } from "../store/fixture.ts";
import { madeDataDir } from "../support/data-dir.ts";
import { testDatabase } from "../support/postgres.ts";
import { temporaryFolder } from "../support/serve.ts";

t.test("[TR9] rows of tracks: embedded", async (t) => {
  const log = new KeptLog();
  await rows(t, await open({ dataDir: await madeDataDir(t), log }), log);
});

t.test("[TR9] rows of tracks: PostgreSQL", async (t) => {
  const { url } = await testDatabase(t);
  const log = new KeptLog();
  await rows(t, await open({ dataDir: await temporaryFolder(t), databaseUrl: url, log }), log);
});

const START = Date.UTC(2026, 4, 1, 12);
const point = (second: number, more: object = {}) => ({
  ...{
    t: START + second * 1_000 + 123,
    lon: 179.9 + second,
    lat: 60.1234567,
    alt: NaN,
    speed: NaN,
    course: 359.9,
  },
  ...more,
});
const segment = (id: string, more: Partial<Segment> = {}): Segment => ({
  ...{
    id,
    kind: "truck",
    state: "moving",
    attributes: "",
    labels: [],
    fences: [],
    recorded: START + 5,
    hold: false,
  },
  points: [point(0), point(1, { alt: 12.5, speed: 3.4 }), point(2)],
  ...more,
});

async function rows(t: Test, store: Store, log: KeptLog): Promise<void> {
  t.teardown(() => store.close());
  const batches: Segment[][] = [];
  let written = 0;
  store.tracks.start({
    holdMs: 300_000,
    segments(): SegmentBatch | undefined {
      const segments = batches.shift();
      if (segments === undefined) return undefined;
      return { segments: PackedSegments.of(segments), written: () => written++ };
    },
    late: () => [],
  });
  const write = async (...segments: Segment[]) => {
    const before = written;
    batches.push(segments);
    while (written === before) await sleep(20);
  };
  const of = (id: string) =>
    store.history.of({ id, from: -Infinity, to: Infinity, after: -Infinity, limit: 100 });

  const whole = segment("whole", {
    attributes: '{"a": "ü"}',
    labels: ["x", 'y"{,}'],
    fences: ["harbour", "ö"],
    hold: true,
  });
  await write(whole);
  t.same(await of("whole"), [whole], "a row is what was written");
  await write(whole, segment("other"));
  t.equal(await count(store, "track"), 2, "written again it is the same row");

  const odd = segment('a"b\\c,{d} e', {
    kind: "NULL",
    state: "",
    attributes: '{"a\\"": ["\\\\"]}',
    labels: ["\n", "{}"],
    fences: ['a"b\\c', "{d,e}"],
  });
  await write(odd);
  t.same(await of(odd.id), [odd], "whatever its texts are");

  const refused = segment("refused", { attributes: '{"a":"\\u0000"}' });
  await write(...Array.from({ length: 9 }, (_, i) => (i === 4 ? refused : segment(`mixed-${i}`))));
  t.equal(await count(store, "track WHERE entity LIKE 'mixed-%'"), 8);
  t.match(log.messages, ["rows of tracks could not be written"]);

  const newer = segment("whole", { recorded: START + 9_000, state: "stopped" });
  await write(newer);
  t.match(await of("whole"), [{ state: "stopped" }]);
  const known = {
    id: "whole",
    from: -Infinity,
    to: Infinity,
    known: START + 8_999,
    after: -Infinity,
    limit: 9,
  };
  t.match(await store.history.of(known), [{ state: "moving" }], "as it was known");
  const at = { t: START + 500, limit: 100, kinds: ["truck"], states: ["stopped"] };
  t.match(await store.history.at(at), [{ id: "whole" }]);
  t.same(await store.history.at({ ...at, known: START + 8_999 }), []);
  const ids = async (bbox: [number, number, number, number]) =>
    (await store.history.at({ t: START + 500, limit: 100, bbox })).map(({ id }) => id);
  t.equal((await ids([179, 60, -179, 61])).length, 11, "a box across 180°");
  t.equal((await ids([-179, 60, -178, 61])).length, 11, "a way across 180°");
  t.equal((await ids([170, 60, 179, 61])).length, 0);
}
