import { isUtf8 } from "node:buffer";
import { jsonFault } from "../ingest/json-fault.ts";
import type { BodyReader, DirectAnswer } from "../server/server.ts";
import { type BodyShare, readBody } from "./body.ts";
import { problemAnswer } from "./problem-response.ts";

/** What a client that was refused for want of room should wait, in seconds: some flushes. */
export const RETRY_AFTER = { "retry-after": "1" };

/**
 * Reads a whole body as JSON.
 * @param length what the header `Content-Length` says. @param tooLarge what to say of a body of more than `maxBytes`.
 * @param ifEmpty what an empty body is read as. Default: it is refused.
 */
export async function readJson(
  reader: BodyReader,
  length: string | null,
  maxBytes: number,
  share: BodyShare,
  tooLarge: string,
  ifEmpty?: string,
): Promise<{ value: unknown } | { refusal: DirectAnswer }> {
  const read = await readWhole(reader, length, maxBytes, share, tooLarge);
  return "refusal" in read ? read : parseBody(read.body, ifEmpty);
}

/** Reads a whole body, as `readJson` does. */
export async function readWhole(
  reader: BodyReader,
  length: string | null,
  maxBytes: number,
  share: BodyShare,
  tooLarge: string,
): Promise<{ body: Uint8Array } | { refusal: DirectAnswer }> {
  const body = await readBody(reader, length, maxBytes, share);
  if (body === "too-large") return { refusal: problemAnswer("body-too-large", tooLarge) };
  if (body === "no-room")
    return {
      refusal: problemAnswer("overloaded", "Too many bodies are being worked on. Send it again later.", {
        headers: RETRY_AFTER,
      }),
    };
  if (body === "broken")
    return { refusal: problemAnswer("bad-request", "The body ended before its length.") };
  return { body };
}

/** @param ifEmpty as of `readJson`. */
export function parseBody(body: Uint8Array, ifEmpty = ""): { value: unknown } | { refusal: DirectAnswer } {
  if (!isUtf8(body)) return { refusal: problemAnswer("malformed-json", "The body is not UTF-8.") };
  const sent = new TextDecoder().decode(body);
  const text = sent.trim() === "" ? ifEmpty : sent;
  try {
    return { value: JSON.parse(text) };
  } catch {
    return { refusal: problemAnswer("malformed-json", jsonFault(text)) };
  }
}
