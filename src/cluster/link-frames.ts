/**
 * The bodies of a link's frames. A link is (incarnation of the sender, incarnation of the owner); it numbers its frames from 1.
 *
 * - reports: owner string, number f64, acked f64 (as of the frame's first report), count u32, bytes of the reports u32, the reports, the ids
 *   that it brings.
 * - probe: owner string, acked f64. The owner repeats what it has beyond `acked`.
 * - reply: sender string, received f64, then results of frames to the end of the body.
 *
 * `received` is the highest frame that was taken in order, `acked` the highest up to which the sender has all results.
 * The result of a frame says what was not accepted: number f64, count of reasons and each (type and detail, both strings; no type = moved),
 * then for each reason its count and the indices of its reports as differences. A frame that was refused whole takes two bytes a report.
 */
import { ByteReader, ByteWriter } from "../actors/bytes.ts";
import { REFUSALS, type RefusalType } from "../actors/messages.ts";
import { MAX_LINK_DETAIL_LENGTH } from "../limits.ts";
import { FRAME, unlessMalformed, writeEnvelope } from "./frames.ts";

/** A report that was not accepted, by its place in the frame. */
export interface Refused {
  index: number;
  type: RefusalType;
  detail: string;
}

export interface FrameResult {
  number: number;
  /** Both ascending. */
  refused: readonly Refused[];
  moved: readonly number[];
}

export interface ReportsBody {
  owner: string;
  number: number;
  acked: number;
  count: number;
  /** To be read with `readReports`, when it is the frame's turn. */
  reports: Uint8Array;
  ids: Uint8Array;
}

export interface Reply {
  sender: string;
  received: number;
  results: FrameResult[];
}

/** What comes before the reports of every frame of one link; the numbers after it are patched in when they are known. */
export function reportsHead(sender: string, owner: string): Uint8Array<ArrayBuffer> {
  const out = new ByteWriter(256);
  writeEnvelope(FRAME.reports, sender, out);
  out.string(owner);
  return out.copy();
}

/** Room for number, acked, count and bytes after `reportsHead`. */
export const REPORTS_NUMBERS_BYTES = 24;

export function patchNumber(frame: Uint8Array, head: number, number: number, acked: number): void {
  const view = new DataView(frame.buffer, frame.byteOffset + head, REPORTS_NUMBERS_BYTES);
  view.setFloat64(0, number, true);
  view.setFloat64(8, acked, true);
}

export function patchCount(frame: Uint8Array, head: number, count: number, reportsBytes: number): void {
  const view = new DataView(frame.buffer, frame.byteOffset + head, REPORTS_NUMBERS_BYTES);
  view.setUint32(16, count, true);
  view.setUint32(20, reportsBytes, true);
}

export function readReportsBody(body: Uint8Array): ReportsBody | undefined {
  return unlessMalformed(() => {
    const input = new ByteReader(body);
    const owner = input.string();
    const number = input.f64();
    const acked = input.f64();
    const count = input.u32();
    const reports = input.raw(input.u32());
    if (!isNumber(number) || number === 0 || !isNumber(acked) || acked >= number) return undefined;
    return { owner, number, acked, count, reports, ids: body.subarray(input.at) };
  });
}

export function encodeProbe(sender: string, owner: string, acked: number): Uint8Array {
  const out = new ByteWriter(256);
  writeEnvelope(FRAME.probe, sender, out);
  out.string(owner);
  out.reserve(8);
  out.f64(acked);
  return out.copy();
}

export function readProbe(body: Uint8Array): { owner: string; acked: number } | undefined {
  return unlessMalformed(() => {
    const input = new ByteReader(body);
    const probe = { owner: input.string(), acked: input.f64() };
    return input.done && isNumber(probe.acked) ? probe : undefined;
  });
}

/** Opens a reply; results follow by `writeResult`. */
export function writeReplyHead(owner: string, sender: string, received: number, out: ByteWriter): void {
  writeEnvelope(FRAME.reply, owner, out);
  out.string(sender);
  out.reserve(8);
  out.f64(received);
}

export function writeResult(result: FrameResult, out: ByteWriter): void {
  const reasons = new Map<string, { type: string; detail: string; indices: number[] }>();
  if (result.moved.length > 0) reasons.set("", { type: "", detail: "", indices: [...result.moved] });
  for (const { index, type, detail } of result.refused) {
    const text = detail.slice(0, MAX_LINK_DETAIL_LENGTH);
    const reason = reasons.get(`${type} ${text}`);
    if (reason === undefined) reasons.set(`${type} ${text}`, { type, detail: text, indices: [index] });
    else reason.indices.push(index);
  }
  out.reserve(16);
  out.f64(result.number);
  out.varint(reasons.size);
  for (const { type, detail, indices } of reasons.values()) {
    out.string(type);
    out.string(detail);
    out.reserve(5 * (indices.length + 1));
    out.varint(indices.length);
    let before = 0;
    for (const index of indices) {
      out.varint(index - before);
      before = index;
    }
  }
}

export function readReply(body: Uint8Array): Reply | undefined {
  return unlessMalformed(() => {
    const input = new ByteReader(body);
    const reply: Reply = { sender: input.string(), received: input.f64(), results: [] };
    if (!isNumber(reply.received)) return undefined;
    while (!input.done) {
      const result = readResult(input);
      if (result === undefined || result.number > reply.received) return undefined;
      reply.results.push(result);
    }
    return reply;
  });
}

function readResult(input: ByteReader): FrameResult | undefined {
  const number = input.f64();
  if (!isNumber(number)) return undefined;
  const refused: Refused[] = [];
  const moved: number[] = [];
  const reasons = input.varint();
  for (let reason = 0; reason < reasons; reason++) {
    const type = input.string();
    const detail = input.string();
    // A newer node may know reasons that this one does not.
    const known = Object.hasOwn(REFUSALS, type) ? (type as RefusalType) : "retry";
    const count = input.varint();
    let index = 0;
    for (let i = 0; i < count; i++) {
      index += input.varint();
      if (type === "") moved.push(index);
      else refused.push({ index, type: known, detail });
    }
  }
  if (reasons > 1) refused.sort((a, b) => a.index - b.index);
  return { number, refused, moved };
}

function isNumber(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0;
}
