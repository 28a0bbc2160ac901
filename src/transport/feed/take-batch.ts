/** Binary batches of reports: handles of the connection, moves as reports. Acknowledged like the op `report`. */
import type { Ingest, Refusal, Report } from "../../actors/messages.ts";
import { MAX_BATCH_REPORTS, MAX_HANDLE_TEXT, MAX_HANDLES_PER_CONNECTION } from "../../limits.ts";
import { sourceFault } from "../ingest/report.ts";
import { BATCH_BYTES, type Introduction, readBatchHead, readIntroductions } from "./batch-layout.ts";
import { LayoutError, MOVE_BYTES, type Move, readMove } from "./layout.ts";
import type { Session } from "./session.ts";
import { submitDecoded } from "./take-reports.ts";

/** What the handles of a connection stand for, by number; a `Refusal` is why it stands for nothing. */
export interface Handles {
  readonly known: (Named | Refusal)[];
  /** UTF-16 units of all names. */
  text: number;
}
/** It is the hint of its reports itself: to follow one reference fewer is one wait for memory fewer. */
interface Named extends Introduction {
  slot: number;
}

/** A batch that introduces more than a connection may. */
export class TooManyHandles extends LayoutError {}

/**
 * Takes one binary message. Resolves when it has been answered; rejects if `ingest` fails, which it must not. Without an `ingest` its reports are
 * forbidden, and what it introduces counts all the same: later messages name it.
 * @throws LayoutError if it is no batch: then no handle can be trusted any more, and the connection must end.
 */
export function takeBatch(
  session: Session,
  handles: Handles,
  bytes: Uint8Array,
  ingest: Ingest | undefined,
): Promise<void> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const head = readBatchHead(view);
  if (head.moves > MAX_BATCH_REPORTS)
    throw new LayoutError(`a batch has ${head.moves} reports, at most ${MAX_BATCH_REPORTS} are allowed`);
  introduce(handles, readIntroductions(view, head));
  const move = {} as Move;
  const start = BATCH_BYTES + head.introductionBytes;
  const decode = (index: number) =>
    reportOf(readMove(view, start + index * MOVE_BYTES, head.t, move), handles);
  return submitDecoded(session, head.n, head.moves, decode, ingest);
}

function introduce(handles: Handles, introductions: readonly Introduction[]): void {
  for (const introduction of introductions) {
    share(introduction, handles.known.at(-1));
    const { id, kind, source } = introduction;
    handles.text += id.length + kind.length + source.length;
    if (handles.known.length >= MAX_HANDLES_PER_CONNECTION || handles.text > MAX_HANDLE_TEXT)
      throw new TooManyHandles(
        `a connection has at most ${MAX_HANDLES_PER_CONNECTION} handles, with names of ${MAX_HANDLE_TEXT} characters`,
      );
    const fault = sourceFault(introduction);
    // Not by `...`: V8 keeps a member that comes after those in an object of its own, 40 bytes and one wait more.
    handles.known.push(fault === undefined ? { id, kind, source, slot: -1 } : refused(fault));
  }
}

/** Mostly kind and source are those of the handle before: one text for all is in the processor's cache, and compared without a look at it. */
function share(introduction: Introduction, before: Named | Refusal | undefined): void {
  if (before === undefined || "detail" in before) return;
  if (introduction.kind === before.kind) introduction.kind = before.kind;
  if (introduction.source === before.source) introduction.source = before.source;
}

function refused(detail: string): Refusal {
  return { type: "invalid-report", detail };
}

function reportOf(move: Move, handles: Handles): Report | Refusal {
  const handle = handles.known[move.handle];
  if (handle === undefined) return refused(`handle ${move.handle} was never introduced`);
  if ("detail" in handle) return handle;
  const { lon, lat, course, heading } = move;
  const hasPlace = !Number.isNaN(lon);
  if (hasPlace === Number.isNaN(lat)) return refused("lon and lat come together");
  if (Math.abs(lon) > 180 || Math.abs(lat) > 90) return refused("the place is not on the globe");
  if (course > 360 || heading > 360) return refused("course and heading are 0 to 360");
  return {
    id: handle.id,
    t: move.t,
    kind: handle.kind === "" ? undefined : handle.kind,
    lon: hasPlace ? lon : undefined,
    lat: hasPlace ? lat : undefined,
    alt: known(move.alt),
    speed: known(move.speed),
    course: known(course === 360 ? 0 : course),
    heading: known(heading === 360 ? 0 : heading),
    accuracy: undefined,
    attributes: undefined,
    source: handle.source === "" ? undefined : handle.source,
    seq: undefined,
    hint: handle,
  };
}

function known(value: number): number | undefined {
  return Number.isNaN(value) ? undefined : value;
}
