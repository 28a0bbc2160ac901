/** Cuts the reports of a call into messages, in order. */
import { MAX_AGE_MS } from "../src/transport/feed/layout.ts";
import { type CompactReport, compact, jsonOf } from "./compact-report.ts";
import { ReportNotSendable } from "./errors.ts";

/** Reports in one message: an ack names at most so many refusals, and whoever sends those again must see them all. */
const MESSAGE_REPORTS = 1_000;
/** JSON text in one message, in UTF-16 units: three bytes each at worst, so that it stays below the server's 1 MiB. */
const MESSAGE_LENGTH = 300_000;
/** The server takes a line of 64 KiB; this only keeps a single report from being larger than a message. */
const REPORT_LENGTH = 65_536;
/** JSON of a compact report without its strings, at most. */
const COMPACT_LENGTH = 200;
/** Fewer in a row than this, among others that must be JSON, are not worth a message of their own. */
const MIN_BATCH = 16;

/** What a message carries: reports that fit into a batch, or each as JSON. Which of a batch's two forms it takes is decided when it is sent. */
export type Content = { is: "compact"; reports: CompactReport[] } | { is: "json"; texts: string[] };

/** @throws {ReportNotSendable} if one of them is not JSON or too large */
export function cutMessages(reports: readonly object[]): Content[] {
  const forms = reports.map((report, index) => compact(report) ?? serialise(report, index));
  const messages: Content[] = [];
  for (const [start, end] of stretches(forms)) {
    const stretch = forms.slice(start, end);
    if (stretch.every((form) => typeof form !== "string")) cutCompact(stretch, messages);
    else
      cutTexts(
        stretch.map((form) => (typeof form === "string" ? form : jsonOf(form))),
        messages,
      );
  }
  return messages;
}

/** Stretches of one form, as start and end. Short ones of compact reports between others count to those. */
function stretches(forms: readonly (CompactReport | string)[]): [start: number, end: number][] {
  const found: { start: number; end: number; json: boolean }[] = [];
  for (let start = 0; start < forms.length; ) {
    let end = start + 1;
    while (end < forms.length && typeof forms[end] === typeof forms[start]) end++;
    const whole = end - start === forms.length;
    const json = typeof forms[start] === "string" || (end - start < MIN_BATCH && !whole);
    const before = found.at(-1);
    if (json && before?.json) before.end = end;
    else found.push({ start, end, json });
    start = end;
  }
  return found.map(({ start, end }) => [start, end]);
}

function cutTexts(texts: readonly string[], into: Content[]): void {
  for (let start = 0; start < texts.length; ) {
    let length = 0;
    let end = start;
    while (end < texts.length && end - start < MESSAGE_REPORTS) {
      length += texts[end].length + 1;
      if (length > MESSAGE_LENGTH && end > start) break;
      end++;
    }
    into.push({ is: "json", texts: texts.slice(start, end) });
    start = end;
  }
}

/** All times of a batch are within the age of a move from its newest. */
function cutCompact(reports: readonly CompactReport[], into: Content[]): void {
  for (let start = 0; start < reports.length; ) {
    let length = 0;
    let [oldest, newest] = [reports[start].t, reports[start].t];
    let end = start;
    while (end < reports.length && end - start < MESSAGE_REPORTS) {
      const { id, kind, source, t } = reports[end];
      length += COMPACT_LENGTH + id.length + kind.length + source.length;
      oldest = Math.min(oldest, t);
      newest = Math.max(newest, t);
      if (length > MESSAGE_LENGTH || newest - oldest > MAX_AGE_MS) break;
      end++;
    }
    into.push({ is: "compact", reports: reports.slice(start, end) });
    start = end;
  }
}

function serialise(report: object, index: number): string {
  let text: string | undefined;
  try {
    text = JSON.stringify(report);
  } catch (error) {
    throw new ReportNotSendable(index, `is not JSON: ${error instanceof Error ? error.message : error}`);
  }
  if (text === undefined) throw new ReportNotSendable(index, "is not JSON");
  if (text.length > REPORT_LENGTH) {
    throw new ReportNotSendable(
      index,
      `has ${text.length} characters of JSON, the limit is ${REPORT_LENGTH}`,
    );
  }
  return text;
}
