import t from "tap";
import { CHUNK_BYTES, RecordLog } from "../../src/tracks/record-log.ts";
import { MAX_WALK, RecordReader } from "../../src/tracks/record-reader.ts";
import { NOWHERE, POINT, writePoint } from "../../src/tracks/track-records.ts";

t.test("segments are followed side by side, each to its first point", async (t) => {
  const log = new RecordLog();
  const segments = Array.from({ length: MAX_WALK + 3 }, (_, number) => ({
    ...{ number, recorded: 1, until: NaN, begins: false, endBytes: 0, turn: 0 },
    ...{ kind: "truck", state: "driving", attributes: "{}", labels: [], fences: [] },
    ...{ first: -1, last: -1, count: 0 },
  }));
  for (let point = 0; point < 4_000; point++) {
    for (const one of segments) {
      // Some have few points, one has one.
      if (point > one.number * 399) continue;
      const at = log.length;
      const back = one.count === 0 ? 0 : at - one.last;
      writePoint(log.writer(), POINT, one.number, back, point, { ...NOWHERE, lon: 1, lat: 2 }, 0, NaN);
      one.last = at;
      if (one.count === 0) one.first = at;
      one.count += 1;
    }
  }
  t.ok(log.length > CHUNK_BYTES, "in more than one chunk");
  const reader = new RecordReader(log);
  const far = segments.map(({ first, last }) => last - first);
  const sum = (from: number, to: number) => far.slice(from, to).reduce((a, b) => a + b, 0);
  for (const [from, to] of [
    [0, MAX_WALK],
    [MAX_WALK, segments.length],
    [3, 4],
    [0, 1],
  ] as const)
    t.equal(reader.walk(segments, from, to), sum(from, to));
});
