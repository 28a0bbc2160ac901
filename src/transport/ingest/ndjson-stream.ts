/** Works off a stream of NDJSON reports as it comes. */
import { isUtf8 } from "node:buffer";
import type { Ingest, Report } from "../../actors/messages.ts";
import type { Clock } from "../../clock.ts";
import { MAX_LINE_BYTES, MAX_NDJSON_BODY_BYTES, SLICE_MS } from "../../limits.ts";
import type { ProblemType } from "../http/problem.ts";
import type { BodyReader } from "../server/server.ts";
import { jsonFault } from "./json-fault.ts";
import { LineSplitter } from "./ndjson.ts";
import { decodeReport } from "./report.ts";
import type { Batch, Tally } from "./tally.ts";

/** Batches handed in and not answered. More than one, so that reading goes on while a flush is on its way; few, so that TCP holds the sender back. */
const MAX_BATCHES_IN_FLIGHT = 8;

/** The clock is looked at after so many lines: a line that is not JSON takes 5 µs. */
const LINES_PER_LOOK = 64;

/** How the body ended. Whatever it was: what had been handed in is in the tally. */
export type StreamEnd = "complete" | "too-large" | "broken";

/**
 * Reads reports line by line, hands in a batch for each chunk of the body, and waits while too many batches are not committed.
 * Of a long chunk it works off a slice, and then lets others have their turn: 64 KiB may be 32,768 lines of junk, 150 ms.
 * Of a body that breaks off, the half line at its end is dropped and the lines before it are kept.
 * Rejects if `ingest` does; then batches before may have been taken.
 */
export async function ingestNdjson(
  reader: BodyReader,
  ingest: Ingest,
  tally: Tally,
  clock: Clock,
): Promise<StreamEnd> {
  let batch: Batch = { reports: [], indexes: [] };
  const splitter = new LineSplitter({
    line(bytes, index) {
      const report = decodeLine(index === 0 ? withoutMark(bytes) : bytes);
      if ("detail" in report) tally.refuse(index, report.type, report.detail);
      else {
        batch.reports.push(report);
        batch.indexes.push(index);
      }
    },
    tooLong: (index) =>
      tally.refuse(index, "invalid-report", `the line is longer than ${MAX_LINE_BYTES} bytes`),
  });
  const inFlight: Promise<void>[] = [];
  const handIn = async () => {
    if (batch.reports.length === 0) return;
    const taken = batch;
    batch = { reports: [], indexes: [] };
    const done = ingest.submit(taken.reports).then((result) => tally.add(taken, result));
    // It is awaited later; a rejection must not count as unhandled until then.
    done.catch(() => {});
    inFlight.push(done);
    if (inFlight.length >= MAX_BATCHES_IN_FLIGHT) await inFlight.shift();
  };

  let sliceEnd = clock.monotonic() + SLICE_MS;
  const workOff = async (chunk: Uint8Array) => {
    for (let at = 0; at < chunk.length; ) {
      at = splitter.push(chunk, at, LINES_PER_LOOK);
      if (clock.monotonic() < sliceEnd) continue;
      await new Promise<void>((resolve) => clock.yield(resolve));
      sliceEnd = clock.monotonic() + SLICE_MS;
    }
  };

  let end: StreamEnd | undefined;
  let bytes = 0;
  while (end === undefined) {
    const part = await reader.read().catch(() => "broken" as const);
    if (part === "broken") end = "broken";
    else if (part.done) {
      splitter.finish();
      end = "complete";
    } else {
      bytes += part.value.byteLength;
      if (bytes <= MAX_NDJSON_BODY_BYTES) await workOff(part.value);
      else {
        end = "too-large";
        await reader.cancel();
      }
    }
    await handIn();
  }
  await Promise.all(inFlight);
  return end;
}

function decodeLine(bytes: Uint8Array): Report | { type: ProblemType; detail: string | (() => string) } {
  if (!isUtf8(bytes)) return { type: "malformed-json", detail: "The line is not UTF-8." };
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("utf8");
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return { type: "malformed-json", detail: () => jsonFault(text) };
  }
  return decodeReport(value);
}

/** A byte order mark, which some systems put in front of UTF-8, is not JSON. */
function withoutMark(bytes: Uint8Array): Uint8Array {
  return bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? bytes.subarray(3) : bytes;
}
