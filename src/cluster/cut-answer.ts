/** What is too long for a message between nodes is cut, and says so. */
import { Buffer } from "node:buffer";
import { shorten, shortenStretches } from "../actors/local-tails.ts";
import type { Picture } from "../picture/picture.ts";
import { type EntityRecord, fullRecord } from "../picture/record.ts";
import type { StretchPage, TailPage } from "../tracks/ports.ts";
import type { Segment } from "../tracks/segment.ts";
import type { TailBounds } from "./query-message.ts";

/** Of what is told in one answer, as JSON in UTF-8. */
const MAX_ANSWER_BYTES = 2 * 2 ** 20;

/** As many records as an answer holds. */
export function cutRecords(
  picture: Picture,
  slots: readonly number[],
  more: boolean,
): { records: EntityRecord[]; more: boolean } {
  const records: EntityRecord[] = [];
  let bytes = 0;
  for (const slot of slots) {
    const record = fullRecord(picture, slot);
    // Once more than needed, 1 µs for a usual record: an estimate would have to take each character for six bytes.
    bytes += Buffer.byteLength(JSON.stringify(record)) + 1;
    if (bytes > MAX_ANSWER_BYTES && records.length > 0) return { records, more: true };
    records.push(record);
  }
  return { records, more };
}

/** As many stretches as a message holds. */
export function cutStretches(page: StretchPage): StretchPage {
  const end = endOfMessage(page.stretches, 0);
  if (end >= 0) shortenStretches(page, Math.max(1, end));
  return page;
}

/** As many records as a message holds. */
export function cutTail(page: TailPage): TailPage {
  const end = endOfMessage(
    page.records,
    page.elsewhere.reduce((sum, id) => sum + 3 * id.length + 3, 0),
  );
  if (end >= 0) shorten(page, Math.max(1, end));
  return page;
}

/** Of a way what is asked for, and as much of it as a message holds: the newest, and all that begins at the same time. */
export function cutWay(
  way: readonly Segment[],
  { from = -Infinity, to = Infinity, after = -Infinity, before = Infinity }: TailBounds,
): { segments: Segment[]; more: boolean } {
  const isAsked = ({ points }: Segment) =>
    points[0].t <= to && points[0].t > after && points.at(-1)!.t >= from;
  const segments = way
    .filter(({ points }) => points[0].t < before)
    .map((segment) => (isAsked(segment) ? segment : outline(segment)));
  const end = endOfMessage(segments.toReversed(), 0);
  if (end < 0) return { segments, more: false };
  let begin = segments.length - Math.max(1, end);
  while (begin > 0 && segments[begin - 1].points[0].t === segments[begin].points[0].t) begin -= 1;
  return { segments: segments.slice(begin), more: begin > 0 };
}

/** Of a segment when and where it begins and ends. */
function outline(segment: Segment): Segment {
  const { points } = segment;
  const ends = points.length > 2 ? [points[0], points.at(-1)!] : points;
  return { ...segment, attributes: "", labels: [], fences: [], points: ends };
}

/** The first item that a message has no room for, −1 if it has for all. @param bytes what else is in it */
function endOfMessage(items: readonly object[], bytes: number): number {
  let sum = bytes;
  return items.findIndex((item) => {
    sum += Buffer.byteLength(JSON.stringify(item)) + 1;
    return sum > MAX_ANSWER_BYTES;
  });
}
