/** The op `report`: check, hand in, and acknowledge after the commit. */
import type { Ingest, Refusal, Report } from "../../actors/messages.ts";
import { MAX_PENDING_ACKS_PER_CONNECTION, MAX_REFUSALS_LISTED } from "../../limits.ts";
import type { Ack, ReportMessage } from "./protocol.ts";
import type { Session } from "./session.ts";

/** Checks one report as `POST /v1/reports` does. A `Refusal` has a `detail`, a report has not. */
export type DecodeReport = (value: unknown) => Report | Refusal;

/** A report, or why it is none. */
export type Decoded = Report | Refusal;

/** Resolves when the message has been answered; rejects if `ingest` fails, which it must not. @param ingest absent = reports are forbidden */
export function takeReports(
  session: Session,
  { n, reports }: ReportMessage,
  decodeReport: DecodeReport,
  ingest: Ingest | undefined,
): Promise<void> {
  return submitDecoded(session, n, reports.length, (i) => decodeReport(reports[i]), ingest);
}

/** As `takeReports`. @param decode called for 0 … `count` − 1, if the message is taken at all */
export async function submitDecoded(
  session: Session,
  n: number,
  count: number,
  decode: (index: number) => Decoded,
  ingest: Ingest | undefined,
): Promise<void> {
  if (ingest === undefined) {
    session.refuse({ type: "forbidden", detail: "no role allows reports", n });
    return;
  }
  if (session.pendingAcks >= MAX_PENDING_ACKS_PER_CONNECTION) {
    const detail = `at most ${MAX_PENDING_ACKS_PER_CONNECTION} messages with reports may wait for their ack`;
    session.refuse({ type: "too-many-reports", detail, n });
    return;
  }
  const refused: Ack["refused"] = [];
  const taken: Report[] = [];
  /** Place in the message, by place in `taken`. */
  const places: number[] = [];
  for (let index = 0; index < count; index++) {
    const decoded = decode(index);
    if ("detail" in decoded) refused.push({ index, type: decoded.type, detail: decoded.detail });
    else {
      taken.push(decoded);
      places.push(index);
    }
  }
  let accepted = 0;
  if (taken.length > 0) {
    session.pendingAcks++;
    try {
      const result = await ingest.submit(taken);
      accepted = result.accepted;
      for (const { index, type, detail } of result.refused)
        refused.push({ index: places[index], type, detail });
    } finally {
      session.pendingAcks--;
    }
    refused.sort((a, b) => a.index - b.index);
  }
  session.sendMessage({ op: "ack", n, accepted, refused: refused.slice(0, MAX_REFUSALS_LISTED) });
}
