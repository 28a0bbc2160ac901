/**
 * What nodes send each other: a frame is version u8, type u8, the sender's incarnation as a string, and a body. The bodies of links are
 * binary (`link-frames.ts`), those of all other types are JSON objects.
 */
import { Buffer } from "node:buffer";
import { ByteReader, ByteWriter } from "../actors/bytes.ts";

export const FRAME_VERSION = 1;

/** Types with a binary body, below `FIRST_CONTROL`. */
export const FRAME = { reports: 1, probe: 2, reply: 3 } as const;
/** Types from here on have a JSON body. */
export const FIRST_CONTROL = 64;

const MAX_INCARNATION_BYTES = 64;

export type Frame =
  | { is: "binary"; type: number; sender: string; body: Uint8Array }
  | { is: "control"; type: number; sender: string; body: Record<string, unknown> };

/** Reports, commands and queries for one node. */
export const inboxOf = (cluster: string, incarnation: string) => `${cluster}:${incarnation}:in`;
/** Replies to one node. */
export const repliesOf = (cluster: string, incarnation: string) => `${cluster}:${incarnation}:reply`;
/** Slices of the feed for one node. */
export const feedOf = (cluster: string, incarnation: string) => `${cluster}:${incarnation}:feed`;
/** Announcements to all nodes. */
export const everybodyOf = (cluster: string) => `${cluster}:all`;

/** Opens a frame; its body follows in `out`. */
export function writeEnvelope(type: number, sender: string, out: ByteWriter): void {
  out.reserve(2);
  out.u8(FRAME_VERSION);
  out.u8(type);
  out.string(sender);
}

/** A frame with a JSON body. @param type from `FIRST_CONTROL` on. */
export function encodeControl(type: number, sender: string, body: object): Uint8Array<ArrayBuffer> {
  const out = new ByteWriter(256);
  writeEnvelope(type, sender, out);
  out.raw(Buffer.from(JSON.stringify(body)));
  return out.copy();
}

/** @returns `undefined` if these bytes are no frame of this version. The body is a view of `payload`. */
export function decodeFrame(payload: Uint8Array): Frame | undefined {
  return unlessMalformed(() => {
    const input = new ByteReader(payload);
    if (input.u8() !== FRAME_VERSION) return undefined;
    const type = input.u8();
    const sender = input.string();
    if (sender === "" || sender.length > MAX_INCARNATION_BYTES) return undefined;
    const body = payload.subarray(input.at);
    if (type < FIRST_CONTROL) return { is: "binary", type, sender, body };
    const value: unknown = JSON.parse(Buffer.from(body.buffer, body.byteOffset, body.length).toString());
    if (typeof value !== "object" || value === null || Array.isArray(value)) return undefined;
    return { is: "control", type, sender, body: value as Record<string, unknown> };
  });
}

/** What `decode` makes of bytes from outside; `undefined` where it throws, whatever: readers throw at bytes that are not theirs. */
export function unlessMalformed<T>(decode: () => T | undefined): T | undefined {
  try {
    return decode();
  } catch {
    return undefined;
  }
}
