/** Plays a recording of reports as if it happened now. */
import assert from "node:assert/strict";
import { createReadStream } from "node:fs";
import { createInterface } from "node:readline";
import { createGunzip } from "node:zlib";
import { REFUSALS, type RefusalType } from "./actors/messages.ts";
import type { Clock } from "./clock.ts";
import { MAX_LINE_BYTES, MAX_REFUSALS_LISTED } from "./limits.ts";

/** A recording is sorted and looped in memory; a million reports take about 400 MB. */
const MAX_ROWS = 2_000_000;
/** Reports are sent when due, looked at so often: the feed ticks at the same rate. */
const STEP_MS = 100;
/** An answer spells out so many refusals; what is to be sent again must be among them. */
const MAX_BATCH_ROWS = MAX_REFUSALS_LISTED;
/** Batches sent and not answered. A server that is slower than the recording makes the replay late, never lossy. */
const MAX_BATCHES_IN_FLIGHT = 4;
/** Wait before reports that were refused for now are sent again. */
const RETRY_MS = 1_000;
const PROGRESS_MS = 1_000;
/** From the last report of a loop to the first of the next, so that even a recording of one moment does not spin. */
const LOOP_GAP_MS = 1_000;
/** Beyond this the replay is not in time any more. */
const LATE_MS = 1_000;

/** A report as on the wire; `t` is RFC 3339. */
export interface RecordedReport {
  id: string;
  t: string;
  [member: string]: unknown;
}

export interface ReplayOptions {
  /** NDJSON, one report a line; `.gz` is unpacked. Either this or `lines`. */
  file?: string;
  lines?: Iterable<string>;
  /** Must answer after the commit, in order or not. Its rejection ends the replay. */
  send(
    reports: RecordedReport[],
  ): Promise<{ accepted: number; refused: { index: number; type: RefusalType }[] }>;
  /** How many times faster than recorded, > 0; default 1. `Infinity` (as fast as the server takes it) wants `keepTime`. */
  speed?: number;
  /** Begins again at the end, until `signal`. Not with `keepTime`: the server would drop the repetition as duplicates. */
  loop?: boolean;
  /** Sends the recorded times. Otherwise the recording starts now, and `t` is when a report is due. */
  keepTime?: boolean;
  clock: Clock;
  /** Ends the replay; it then resolves with what was answered so far. */
  signal?: AbortSignal;
  /** Called about once a second, and at the end. */
  onProgress?(progress: ReplayProgress): void;
}

export interface ReplayResult {
  /** Reports answered. */
  rows: number;
  /** Of them refused for good. */
  refused: number;
  seconds: number;
}

export interface ReplayProgress extends ReplayResult {
  /** Reports in one loop. */
  total: number;
  /** From 1. */
  loop: number;
  /** How far the replay is behind the recording, because the server does not take reports faster; 0 if it is in time. */
  behindMs: number;
}

/** A line that is not a report. The message names the file and the line. */
export class BadRecording extends Error {
  override readonly name = "BadRecording";
}

interface Row {
  /** Unix ms, as recorded. */
  t: number;
  report: RecordedReport;
}

/**
 * Reads a recording whole, checks it, and sends its reports when they are due, sorted by time.
 *
 * @throws {BadRecording} before anything is sent
 * @throws {RangeError} if the options do not fit together
 */
export async function replay(options: ReplayOptions): Promise<ReplayResult> {
  const { speed = 1, loop = false, keepTime = false } = options;
  if (!(speed > 0)) throw new RangeError(`speed must be greater than 0, not ${speed}`);
  if (speed === Number.POSITIVE_INFINITY && !keepTime) {
    throw new RangeError("an infinite speed needs the recorded times: set keepTime");
  }
  if (loop && keepTime) throw new RangeError("a loop with the recorded times would repeat what is known");
  const rows = await readRecording(options);
  return new Replay(rows, options, speed, loop, keepTime).run();
}

async function readRecording({ file, lines }: ReplayOptions): Promise<Row[]> {
  const name = file ?? "the recording";
  const source = lines ?? (file === undefined ? undefined : openLines(file));
  assert.ok(source !== undefined, "replay needs a file or lines");
  const rows: Row[] = [];
  let number = 0;
  try {
    for await (const line of source) {
      number++;
      if (line.trim() === "") continue;
      if (rows.length === MAX_ROWS) throw new BadRecording(`${name} has more than ${MAX_ROWS} reports`);
      rows.push(parseRow(line, `${name}, line ${number}`));
    }
  } catch (error) {
    if (error instanceof BadRecording) throw error;
    const detail = error instanceof Error ? error.message : String(error);
    throw new BadRecording(`${name} cannot be read: ${detail}`, { cause: error });
  }
  if (rows.length === 0) throw new BadRecording(`${name} has no reports`);
  return rows.sort((a, b) => a.t - b.t);
}

async function* openLines(file: string): AsyncGenerator<string> {
  const input = createReadStream(file);
  const text = file.endsWith(".gz") ? input.pipe(createGunzip()) : input;
  // A pipe does not hand on the error of its source.
  if (text !== input) input.on("error", (error) => text.destroy(error));
  yield* createInterface({ input: text, crlfDelay: Number.POSITIVE_INFINITY });
}

function parseRow(line: string, where: string): Row {
  if (line.length > MAX_LINE_BYTES) throw new BadRecording(`${where} is longer than ${MAX_LINE_BYTES} bytes`);
  let report: RecordedReport;
  try {
    report = JSON.parse(line);
  } catch (error) {
    throw new BadRecording(`${where} is not JSON: ${(error as Error).message}`);
  }
  if (typeof report !== "object" || report === null || Array.isArray(report)) {
    throw new BadRecording(`${where} is not a JSON object`);
  }
  if (typeof report.id !== "string" || report.id === "") throw new BadRecording(`${where} has no id`);
  const t = typeof report.t === "string" ? Date.parse(report.t) : Number.NaN;
  if (Number.isNaN(t)) throw new BadRecording(`${where} has no time t as RFC 3339`);
  return { t, report };
}

/** One run. Its time is the clock's monotonic one: a wall clock that is set must not make a burst. */
class Replay {
  readonly #rows: readonly Row[];
  readonly #options: ReplayOptions;
  readonly #speed: number;
  readonly #loops: boolean;
  readonly #keepTime: boolean;
  readonly #clock: Clock;
  readonly #startedAt: number;
  /** Wall time at the start, Unix ms. */
  readonly #startedAtWall: number;
  readonly #inFlight = new Set<Promise<void>>();
  /** Per id: when its last report was due, in milliseconds after the start, and the time sent for it. */
  readonly #sentTimes = new Map<string, { due: number; sent: number }>();
  #answered = 0;
  #refused = 0;
  #behindMs = 0;
  #loop = 1;
  #reportedAt = 0;
  #failure: unknown;
  #failed = false;

  constructor(
    rows: readonly Row[],
    options: ReplayOptions,
    speed: number,
    loops: boolean,
    keepTime: boolean,
  ) {
    this.#rows = rows;
    this.#options = options;
    this.#speed = speed;
    this.#loops = loops;
    this.#keepTime = keepTime;
    this.#clock = options.clock;
    this.#startedAt = this.#clock.monotonic();
    this.#startedAtWall = this.#clock.now();
  }

  async run(): Promise<ReplayResult> {
    const first = this.#rows[0].t;
    const duration = (this.#rows[this.#rows.length - 1].t - first) / this.#speed;
    let loopStart = 0;
    do {
      await this.#playOnce((t) => loopStart + (t - first) / this.#speed);
      loopStart += duration + LOOP_GAP_MS;
      if (this.#loops && !this.#over) this.#loop++;
    } while (this.#loops && !this.#over);
    while (this.#inFlight.size > 0 && !this.#over) await this.#pause(this.#inFlight);
    if (this.#failed) throw this.#failure;
    this.#options.onProgress?.(this.#progress());
    return { rows: this.#answered, refused: this.#refused, seconds: this.#elapsed / 1_000 };
  }

  get #over(): boolean {
    return this.#failed || this.#options.signal?.aborted === true;
  }
  get #elapsed(): number {
    return this.#clock.monotonic() - this.#startedAt;
  }

  /** @param dueAt milliseconds after the start at which a report recorded at `t` is due */
  async #playOnce(dueAt: (t: number) => number): Promise<void> {
    let next = 0;
    while (next < this.#rows.length && !this.#over) {
      const now = this.#elapsed;
      this.#behindMs = Math.max(0, now - Math.max(0, dueAt(this.#rows[next].t)));
      if (this.#behindMs < LATE_MS || this.#speed === Number.POSITIVE_INFINITY) this.#behindMs = 0;
      this.#tellProgress(now);
      const batch: RecordedReport[] = [];
      while (next < this.#rows.length && batch.length < MAX_BATCH_ROWS) {
        const row = this.#rows[next];
        const due = dueAt(row.t);
        if (due > now) break;
        batch.push(this.#keepTime ? row.report : this.#shift(row.report, due));
        next++;
      }
      if (batch.length > 0) this.#send(batch);
      while (this.#inFlight.size >= MAX_BATCHES_IN_FLIGHT && !this.#over) await this.#pause(this.#inFlight);
      if (batch.length < MAX_BATCH_ROWS && next < this.#rows.length) await this.#pause([], STEP_MS);
    }
  }

  /** A source's `seq` numbers what was recorded, not what is sent now, and would repeat with each loop. */
  #shift(report: RecordedReport, due: number): RecordedReport {
    const { seq: _, ...rest } = report;
    let sent = Math.round(this.#startedAtWall + due);
    const last = this.#sentTimes.get(report.id);
    // At high speed two moments may round to one millisecond; the later one must stay the newer one.
    if (last !== undefined && sent <= last.sent) sent = due === last.due ? last.sent : last.sent + 1;
    this.#sentTimes.set(report.id, { due, sent });
    return { ...rest, id: report.id, t: new Date(sent).toISOString() };
  }

  #send(batch: RecordedReport[]): void {
    const sending = this.#deliver(batch).then(
      () => void this.#inFlight.delete(sending),
      (error) => {
        this.#inFlight.delete(sending);
        if (!this.#failed) this.#failure = error;
        this.#failed = true;
      },
    );
    this.#inFlight.add(sending);
  }

  /** Reports that are refused for now keep their batch in flight, and so slow the replay down. */
  async #deliver(batch: RecordedReport[]): Promise<void> {
    for (let rest = batch; rest.length > 0; ) {
      const { refused } = await this.#options.send(rest);
      const again = refused.filter(({ type }) => REFUSALS[type].retry);
      this.#answered += rest.length - again.length;
      this.#refused += refused.length - again.length;
      rest = again.map(({ index }) => rest[index]);
      if (rest.length > 0) {
        await this.#pause([], RETRY_MS);
        if (this.#over) return;
      }
    }
  }

  /** Until one of `promises` is settled, `ms` have passed (default: only a progress interval), or the signal. */
  #pause(promises: Iterable<Promise<void>>, ms = PROGRESS_MS): Promise<void> {
    const { signal } = this.#options;
    return new Promise((resolve) => {
      const done = () => {
        cancel();
        signal?.removeEventListener("abort", done);
        resolve();
      };
      const cancel = this.#clock.schedule(ms, done);
      signal?.addEventListener("abort", done);
      for (const promise of promises) promise.then(done);
      if (signal?.aborted === true) done();
    });
  }

  #tellProgress(now: number): void {
    if (now - this.#reportedAt < PROGRESS_MS) return;
    this.#reportedAt = now;
    this.#options.onProgress?.(this.#progress());
  }

  #progress(): ReplayProgress {
    return {
      rows: this.#answered,
      refused: this.#refused,
      seconds: this.#elapsed / 1_000,
      total: this.#rows.length,
      loop: this.#loop,
      behindMs: Math.round(this.#behindMs),
    };
  }
}
