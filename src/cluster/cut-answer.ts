/** What is too long for a message between nodes is cut, and says so. */
import { Buffer } from "node:buffer";
import { shorten, shortenStretches } from "../actors/local-tails.ts";
import type { Picture } from "../picture/picture.ts";
import { type EntityRecord, fullRecord } from "../picture/record.ts";
import type { StretchPage, TailPage } from "../tracks/ports.ts";

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

/** The first item that a message has no room for, −1 if it has for all. @param bytes what else is in it */
function endOfMessage(items: readonly object[], bytes: number): number {
  let sum = bytes;
  return items.findIndex((item) => {
    sum += Buffer.byteLength(JSON.stringify(item)) + 1;
    return sum > MAX_ANSWER_BYTES;
  });
}
