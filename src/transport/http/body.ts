/** Reads whole bodies within a limit each, and within one for all of them. */
import { Buffer } from "node:buffer";
import type { BodyReader } from "../server/server.ts";

/** Bytes of all bodies that are read or worked on now. */
export class BodyBudget {
  readonly #maxBytes: number;
  #bytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** A share of the budget for one body; give it back with `Symbol.dispose` when its answer is made. */
  share(): BodyShare {
    let mine = 0;
    return {
      take: (bytes) => {
        if (this.#bytes + bytes > this.#maxBytes) return false;
        this.#bytes += bytes;
        mine += bytes;
        return true;
      },
      [Symbol.dispose]: () => {
        this.#bytes -= mine;
        mine = 0;
      },
    };
  }
}

export interface BodyShare extends Disposable {
  /** @returns false if there is no room for so many bytes. */
  take(bytes: number): boolean;
}

/** The body of a fetch request. */
export function bodyOf(request: Request): BodyReader {
  return request.body?.getReader() ?? EMPTY;
}

const EMPTY: BodyReader = {
  read: async () => ({ done: true }),
  cancel: async () => {},
};

/**
 * @param length what the header `Content-Length` says.
 * @returns the bytes, or why there are none: more than `maxBytes` (the rest is not read), no room in the budget, or a connection that
 * broke off.
 */
export async function readBody(
  reader: BodyReader,
  length: string | null,
  maxBytes: number,
  share: BodyShare,
): Promise<Uint8Array | "too-large" | "no-room" | "broken"> {
  if (Number(length ?? 0) > maxBytes) return "too-large";
  const parts: Uint8Array[] = [];
  let bytes = 0;
  for (;;) {
    const part = await reader.read().catch(() => "broken" as const);
    if (part === "broken") return "broken";
    if (part.done) return parts.length === 1 ? parts[0] : Buffer.concat(parts);
    bytes += part.value.byteLength;
    const why = bytes > maxBytes ? "too-large" : share.take(part.value.byteLength) ? undefined : "no-room";
    if (why !== undefined) {
      await reader.cancel();
      return why;
    }
    parts.push(part.value);
  }
}
