import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setImmediate as turn } from "node:timers/promises";
import { gzipSync } from "node:zlib";
import t from "tap";
import type { RefusalType } from "../src/actors/messages.ts";
import type { Clock } from "../src/clock.ts";
import { type RecordedReport, type ReplayOptions, type ReplayProgress, replay } from "../src/replay.ts";
import { ManualClock } from "./client/scripted.ts";

const START = Date.parse("2030-01-01T00:00:00.000Z");

/** A replay on a manual clock: `batches` are [ms after the start, reports]. */
function play(options: Omit<ReplayOptions, "clock" | "send"> & Partial<Pick<ReplayOptions, "send">>) {
  const manual = new ManualClock();
  const clock: Clock = {
    now: () => START + manual.time,
    monotonic: () => manual.time,
    schedule: (delay, fire) => manual.schedule(delay, fire),
    yield: (run) => run(),
  };
  const batches: [number, RecordedReport[]][] = [];
  const send = async (reports: RecordedReport[]) => {
    batches.push([manual.time, reports]);
    return options.send?.(reports) ?? { accepted: reports.length, refused: [] };
  };
  const result = replay({ ...options, clock, send });
  result.catch(() => {});
  const advance = async (ms: number) => {
    for (let i = 0; i < 5; i++) await turn();
    for (let passed = 0; passed < ms; passed += 50) {
      manual.advance(50);
      await turn();
    }
  };
  return { batches, result, advance, clock: manual };
}
const at = (second: number) => new Date(Date.parse("2014-08-15T19:00:00Z") + second * 1_000).toISOString();
const line = (id: string, second: number, more: object = {}) =>
  JSON.stringify({ id, t: at(second), ...more });
const times = (batches: [number, RecordedReport[]][]) =>
  batches.flatMap(([ms, reports]) => reports.map(({ id, t }) => [ms, id, Date.parse(t) - START]));

t.test("[R1] reports are sent when due, sorted, with times that start now", async (t) => {
  const { batches, result, advance } = play({ lines: [line("b", 2), "", line("a", 0), line("c", 2.03)] });
  await advance(2_500);
  t.strictSame(times(batches), [
    [0, "a", 0],
    [2_000, "b", 2_000],
    [2_100, "c", 2_030],
  ]);
  const { rows, refused } = await result;
  t.strictSame({ rows, refused }, { rows: 3, refused: 0 });
});

t.test("[R2] speed compresses; two moments of one entity never become one", async (t) => {
  const lines = [line("a", 0), line("a", 0.01), line("a", 0.02), line("b", 0.02), line("a", 10)];
  const { batches, result, advance } = play({ lines, speed: 100 });
  await advance(300);
  t.strictSame(times(batches), [
    [0, "a", 0],
    [100, "a", 1],
    [100, "a", 2],
    [100, "b", 0],
    [100, "a", 100],
  ]);
  await result;
});

t.test("[R3] keepTime sends what was recorded; otherwise the source's seq is left out", async (t) => {
  const lines = [line("a", 0, { seq: 7, lon: 1, lat: 2 })];
  const kept = play({ lines, keepTime: true });
  await kept.result;
  t.strictSame(kept.batches[0][1], [{ id: "a", t: at(0), seq: 7, lon: 1, lat: 2 }]);
  const shifted = play({ lines });
  await shifted.result;
  t.strictSame(shifted.batches[0][1], [{ id: "a", t: "2030-01-01T00:00:00.000Z", lon: 1, lat: 2 }]);
});

t.test("[R4] a loop goes on a second after the last report, until the signal", async (t) => {
  const stop = new AbortController();
  const { batches, result, advance, clock } = play({
    lines: [line("a", 0), line("a", 2)],
    loop: true,
    signal: stop.signal,
  });
  await advance(5_500);
  t.strictSame(
    times(batches).map(([, , t]) => t),
    [0, 2_000, 3_000, 5_000],
  );
  stop.abort();
  t.equal((await result).rows, 4);
  t.equal(clock.pending, 0, "no timer is left");
});

t.test("[R5] a slow server makes the replay late, which it tells, and loses nothing", async (t) => {
  const lines = Array.from({ length: 40 }, (_, i) => line("a", i / 10, { i }));
  const answers: (() => void)[] = [];
  const told: ReplayProgress[] = [];
  const { batches, result, advance } = play({
    lines,
    onProgress: (progress) => told.push(progress),
    send: (reports) =>
      new Promise((resolve) => answers.push(() => resolve({ accepted: reports.length, refused: [] }))),
  });
  await advance(6_000);
  t.equal(batches.length, 4, "four batches are in flight");
  while (answers.length > 0) {
    answers.shift()!();
    await advance(100);
  }
  t.strictSame(
    batches.flatMap(([, reports]) => reports.map(({ i }) => i)),
    lines.map((_, i) => i),
  );
  t.equal((await result).rows, 40);
  t.equal(
    told.some(({ behindMs }) => behindMs > 5_000),
    true,
  );
  t.equal(told.at(-1)!.rows, 40);
});

t.test("[R6] refused for now is sent again, refused for good is counted", async (t) => {
  const tries = new Map<string, number>();
  const { batches, result, advance } = play({
    lines: [line("a", 0), line("busy", 0), line("bad", 0)],
    send: async (reports) => {
      const refused: { index: number; type: RefusalType }[] = [];
      for (const [index, { id }] of reports.entries()) {
        tries.set(id, (tries.get(id) ?? 0) + 1);
        if (id === "busy" && tries.get(id)! < 3) refused.push({ index, type: "overloaded" });
        if (id === "bad") refused.push({ index, type: "too-old" });
      }
      return { accepted: reports.length - refused.length, refused };
    },
  });
  await advance(2_500);
  const { rows, refused } = await result;
  t.strictSame({ rows, refused }, { rows: 3, refused: 1 });
  t.strictSame(
    batches.map(([ms, reports]) => [ms, reports.map(({ id }) => id)]),
    [
      [0, ["a", "busy", "bad"]],
      [1_000, ["busy"]],
      [2_000, ["busy"]],
    ],
  );
});

t.test("[R7] a bad line stops it before anything is sent, with file and line", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "muster-replay-"));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const rows: [string, string | Buffer, RegExp][] = [
    ["a.ndjson", `${line("a", 0)}\n{half`, /a\.ndjson, line 2 is not JSON/],
    ["b.ndjson", `${line("a", 0)}\n\n[1]\n`, /b\.ndjson, line 3 is not a JSON object/],
    ["c.ndjson", '{"t":"2014-08-15T19:00:00Z"}', /c\.ndjson, line 1 has no id/],
    ["d.ndjson", '{"id":"a","t":12}', /d\.ndjson, line 1 has no time t/],
    ["e.ndjson", "\n", /e\.ndjson has no reports/],
    ["f.ndjson", `{"id":"${"x".repeat(70_000)}"}`, /f\.ndjson, line 1 is longer than/],
    ["g.ndjson.gz", "not gzip", /g\.ndjson\.gz cannot be read/],
    ["h.ndjson.gz", gzipSync(`${line("a", 0)}\n{`), /h\.ndjson\.gz, line 2 is not JSON/],
  ];
  for (const [name, content, message] of rows) {
    const file = join(folder, name);
    writeFileSync(file, content);
    const { batches, result } = play({ file });
    await t.rejects(result, { name: "BadRecording", message });
    t.strictSame(batches, []);
  }
  await t.rejects(play({ file: join(folder, "none.ndjson.gz") }).result, {
    message: /cannot be read: ENOENT/,
  });
  const file = join(folder, "good.ndjson.gz");
  writeFileSync(file, gzipSync(`${line("a", 0)}\r\n${line("b", 0)}`));
  t.equal((await play({ file }).result).rows, 2);
});

t.test("[R8] options that do not fit together are refused", async (t) => {
  const lines = [line("a", 0)];
  await t.rejects(play({ lines, speed: 0 }).result, RangeError);
  await t.rejects(play({ lines, speed: Number.NaN }).result, RangeError);
  await t.rejects(play({ lines, speed: Number.POSITIVE_INFINITY }).result, RangeError);
  await t.rejects(play({ lines, loop: true, keepTime: true }).result, RangeError);
  const fast = play({
    lines: Array.from({ length: 2_500 }, (_, i) => line("a", i)),
    speed: Number.POSITIVE_INFINITY,
    keepTime: true,
  });
  await fast.advance(0);
  t.strictSame(
    fast.batches.map(([ms, reports]) => [ms, reports.length]),
    [
      [0, 1_000],
      [0, 1_000],
      [0, 500],
    ],
  );
});

t.test("[R9] when sending fails the replay fails with that error", async (t) => {
  const { batches, result, advance } = play({
    lines: [line("a", 0), line("a", 5)],
    send: () => Promise.reject(new Error("the connection is closed")),
  });
  await advance(6_000);
  await t.rejects(result, { message: "the connection is closed" });
  t.equal(batches.length, 1);
});
