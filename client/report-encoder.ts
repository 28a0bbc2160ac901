import { encodeBatch, type Introduction } from "../src/transport/feed/batch-layout.ts";
import type { ReportMessage } from "../src/transport/feed/protocol.ts";
import { type CompactReport, jsonOf } from "./compact-report.ts";
import type { Content } from "./report-messages.ts";

/** The server keeps every handle of a connection; what would need more goes as JSON. */
const MAX_HANDLES = 100_000;
/** Ids, kinds and sources of these, in UTF-16 units: the server closes a connection with more. */
const MAX_HANDLE_TEXT = 8 * 2 ** 20;

/**
 * Writes messages with reports for the connection that is open. Handles are numbered as they are introduced on it, so
 * what is sent again on another one must be written again.
 */
export class ReportEncoder {
  readonly #handles = new Map<string, number>();
  /** UTF-16 units of what they stand for. */
  #text = 0;
  #binary = false;

  /** @param binary whether the new connection takes batches */
  opened(binary: boolean): void {
    this.#binary = binary;
    this.#handles.clear();
    this.#text = 0;
  }

  /** The message as it is to be sent now. */
  encode(n: number, content: Content): string | Uint8Array<ArrayBuffer> {
    if (content.is === "json") return textMessage(n, content.texts);
    return (this.#binary && this.#batch(n, content.reports)) || textMessage(n, content.reports.map(jsonOf));
  }

  #batch(n: number, reports: readonly CompactReport[]): Uint8Array<ArrayBuffer> | undefined {
    const introductions: Introduction[] = [];
    const introduced: string[] = [];
    let newest = 0;
    let text = this.#text;
    for (const report of reports) {
      const { id, kind, source, t } = report;
      const key = `${id}\n${kind}\n${source}`;
      let handle = this.#handles.get(key);
      if (handle === undefined) {
        handle = this.#handles.size;
        this.#handles.set(key, handle);
        introductions.push({ id, kind, source });
        introduced.push(key);
        text += id.length + kind.length + source.length;
      }
      report.handle = handle;
      newest = Math.max(newest, t);
    }
    if (this.#handles.size <= MAX_HANDLES && text <= MAX_HANDLE_TEXT) {
      this.#text = text;
      return encodeBatch(n, newest, introductions, reports);
    }
    // Nobody hears of these.
    for (const key of introduced) this.#handles.delete(key);
    return undefined;
  }
}

function textMessage(n: number, texts: readonly string[]): string {
  const head = { op: "report", n } satisfies Omit<ReportMessage, "reports">;
  return `${JSON.stringify(head).slice(0, -1)},"reports":[${texts.join(",")}]}`;
}
