/**
 * `history`: where everything in a box was, and the way of one entity in a day, over the reports of a fleet in a day; and the bytes that a report takes, beside
 * a row for each report. Rows are made and written as a node does, but in bulk.
 */
import assert from "node:assert/strict";
import { cp, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "../src/clock.ts";
import { MAX_SEGMENT_POINTS } from "../src/limits.ts";
import { openStore, type Store } from "../src/store/store.ts";
import { History } from "../src/tracks/history.ts";
import { PackedSegments } from "../src/tracks/packed-segments.ts";
import type { TrackTails } from "../src/tracks/ports.ts";
import { Fleet, workloadHash } from "./fleet.ts";
import { bytesOfRowPerReport, bytesOfTracks } from "./history/storage.ts";
import { type Traffic, trafficOf } from "./history/traffic.ts";
import { Random } from "./random.ts";
import { percentile } from "./report-client.ts";
import type { Measured, Options } from "./result.ts";

const SEED = 20_261;
/** The day that the reports are of: the partition of yesterday. */
const DAY_MS = 86_400_000;
/** Half of a box's height, degrees: some dozens to thousands of a full fleet are in one. */
const HALF_BOX = 0.25;
const PAGE = 10_000;

interface Size {
  entities: number;
  /** Between two reports of an entity. */
  everyS: number;
  /** Of the day. */
  hours: number;
  queries: number;
  tracks: number;
  /** Reports that are written as a row each, to see what those take. */
  plain: number;
}

const SIZES: Record<Options["size"], Size> = {
  full: { entities: 12_000, everyS: 10, hours: 23.5, queries: 500, tracks: 200, plain: 1_000_000 },
  small: { entities: 200, everyS: 10, hours: 1, queries: 20, tracks: 10, plain: 5_000 },
};

/** Nothing is in memory. */
const NO_TAILS: TrackTails = {
  at: async () => ({ pages: [], missing: [] }),
  of: async () => ({ segments: [], missing: [] }),
  during: async () => ({ pages: [], missing: [] }),
  labels: async () => ({ labels: new Map(), missing: [] }),
};

export async function history(options: Options): Promise<Measured> {
  const size = SIZES[options.size];
  const fleet = new Fleet({ entities: size.entities, seed: SEED });
  const workload_hash = workloadHash({ scenario: "history", seed: SEED, ...size }, fleet.lon, fleet.lat);
  const from = (Math.floor(Date.now() / DAY_MS) - 1) * DAY_MS;
  const to = from + size.hours * 3_600_000;
  // From when all have begun until the first ends.
  const asked = { from: from + 60_000, to: to - MAX_SEGMENT_POINTS * size.everyS * 1_000 };
  const traffic = trafficOf(fleet, from, to, size.everyS * 1_000);
  const folder = await mkdtemp(join(tmpdir(), "muster-bench-"));
  if (options.dataDir !== undefined) await cp(options.dataDir, folder, { recursive: true });
  const log = { info() {}, warn: console.error, error: console.error };
  const { databaseUrl } = options;
  const store = await openStore({
    databaseUrl,
    dataDir: folder,
    url: "http://bench",
    clock: systemClock,
    log,
  });
  try {
    const began = performance.now();
    const reports = await load(store, traffic);
    const loadS = (performance.now() - began) / 1_000;
    await store.context.pool.query("ANALYZE track");
    const { bytes, rows } = await bytesOfTracks(store.context.pool);
    const plain = await bytesOfRowPerReport(store, fleet, from, size.everyS * 1_000, size.plain);
    const history = new History(store.history, NO_TAILS);
    const boxes = await boxesAtTimes(history, fleet, asked, size.queries);
    const tracks = await days(history, fleet, from, size.tracks);
    const figures = {
      reports,
      track_rows_per_s: rows / loadS,
      loaded_reports_per_s: reports / loadS,
      box_at_time_p50_ms: percentile(boxes.ms, 0.5),
      box_at_time_p95_ms: percentile(boxes.ms, 0.95),
      box_at_time_mean_entities: boxes.found / size.queries,
      entity_day_p50_ms: percentile(tracks.ms, 0.5),
      entity_day_p95_ms: percentile(tracks.ms, 0.95),
      entity_day_mean_reports: tracks.points / size.tracks,
      stored_bytes_of_1000_reports: (1_000 * bytes) / reports,
      row_per_report_bytes_of_1000_reports: 1_000 * plain,
      storage_ratio: bytes / reports / plain,
    };
    return { workload_hash, figures };
  } finally {
    await store.close();
    await rm(folder, { recursive: true, force: true });
  }
}

/** Writes all of it. @returns how many reports it was. */
async function load(store: Store, traffic: Traffic): Promise<number> {
  let reports = 0;
  let written = 0;
  let made = 0;
  const done = Promise.withResolvers<void>();
  store.tracks.start({
    holdMs: 300_000,
    segments(limit) {
      const segments = traffic(limit);
      if (segments.length === 0) {
        if (written === made) done.resolve();
        return undefined;
      }
      made += 1;
      // A segment begins with the last point of the one before.
      for (const { points } of segments) reports += points.length - 1;
      return { segments: PackedSegments.of(segments), written: () => (written += 1) };
    },
    late: () => [],
  });
  await done.promise;
  return reports;
}

async function boxesAtTimes(
  history: History,
  fleet: Fleet,
  { from, to }: { from: number; to: number },
  count: number,
) {
  const random = new Random(SEED);
  const ms: number[] = [];
  let found = 0;
  for (let i = 0; i < count; i++) {
    const t = from + Math.floor(random.next() * (to - from));
    const entity = random.below(fleet.size);
    const [lon, lat] = [fleet.lonAt(entity, 0), fleet.latAt(entity, 0)];
    const bbox: [number, number, number, number] = [
      lon - 2 * HALF_BOX,
      lat - HALF_BOX,
      lon + 2 * HALF_BOX,
      lat + HALF_BOX,
    ];
    const began = performance.now();
    const { records, next } = await history.at({ t, bbox, limit: PAGE });
    ms.push(performance.now() - began);
    assert.equal(next, undefined);
    assert.ok(
      records.some(({ id }) => id === fleet.id(entity)),
      "who the box is around is in it",
    );
    found += records.length;
  }
  return { ms: ms.sort((a, b) => a - b), found };
}

async function days(history: History, fleet: Fleet, from: number, count: number) {
  const random = new Random(SEED);
  const ms: number[] = [];
  let points = 0;
  for (let i = 0; i < count; i++) {
    const id = fleet.id(random.below(fleet.size));
    const began = performance.now();
    const { segments } = await history.of({ id, from, to: from + DAY_MS });
    for await (const segment of segments) points += segment.points.length - 1;
    ms.push(performance.now() - began);
  }
  return { ms: ms.sort((a, b) => a - b), points };
}
