/**
 * A batch of reports in `muster.v1.bin` (client → server), shared by the server and the SDK: 24 bytes, then its parts in this order.
 *
 *     0 u8 version   1 u8 type   2 u16 0   4 u32 n   8 f64 base time, Unix ms   16 u32 moves   20 u32 bytes of introductions
 *    24 introductions (u32 bytes of id, kind, source, then these), moves × 24 bytes as in `layout.ts`
 *
 * Handles belong to a connection. The receiver numbers them in the order in which they are introduced, from 0, so an introduction does not
 * name its own; those of a batch that is refused whole count too, because later ones are on their way. Attributes and `seq` have no place
 * here: such reports go as JSON.
 */
import { LayoutError, MOVE_BYTES, type Move, putMove, TextReader, VERSION } from "./layout.ts";

export const BATCH_REPORTS = 16;
export const BATCH_BYTES = 24;
/** An introduction of a handle without its strings. */
export const INTRODUCTION_BYTES = 12;

const encoder = new TextEncoder();

/** What a handle of a connection stands for. */
export interface Introduction {
  id: string;
  /** Empty = not said. */
  kind: string;
  source: string;
}

/** The head of a batch of reports. */
export interface BatchHead {
  n: number;
  /** Unix ms; moves are older by up to 4.6 hours. */
  t: number;
  moves: number;
  introductionBytes: number;
}

/** A batch as one frame. The moves must fit (`fitsMove`). */
export function encodeBatch(
  n: number,
  t: number,
  introductions: readonly Introduction[],
  moves: readonly Move[],
): Uint8Array<ArrayBuffer> {
  const texts = introductions.map(({ id, kind, source }) =>
    [id, kind, source].map((text) => encoder.encode(text)),
  );
  const introductionBytes = texts
    .flat()
    .reduce((sum, { length }) => sum + length, introductions.length * INTRODUCTION_BYTES);
  const bytes = new Uint8Array(BATCH_BYTES + introductionBytes + moves.length * MOVE_BYTES);
  const view = new DataView(bytes.buffer);
  view.setUint8(0, VERSION);
  view.setUint8(1, BATCH_REPORTS);
  view.setUint32(4, n, true);
  view.setFloat64(8, t, true);
  view.setUint32(16, moves.length, true);
  view.setUint32(20, introductionBytes, true);
  let at = BATCH_BYTES;
  for (const [id, kind, source] of texts) {
    view.setUint32(at, id.length, true);
    view.setUint32(at + 4, kind.length, true);
    view.setUint32(at + 8, source.length, true);
    at += INTRODUCTION_BYTES;
    for (const text of [id, kind, source]) {
      bytes.set(text, at);
      at += text.length;
    }
  }
  for (const move of moves) {
    putMove(view, at, move, t);
    at += MOVE_BYTES;
  }
  return bytes;
}

/** Reads and checks the head of a batch. @throws LayoutError */
export function readBatchHead(view: DataView): BatchHead {
  if (view.byteLength < 2) throw new LayoutError("a batch is cut off");
  if (view.getUint8(0) !== VERSION) throw new LayoutError(`version ${view.getUint8(0)} is not known`);
  if (view.getUint8(1) !== BATCH_REPORTS)
    throw new LayoutError(`messages of type ${view.getUint8(1)} are not known`);
  if (view.byteLength < BATCH_BYTES) throw new LayoutError("a batch is cut off");
  if (view.getUint16(2, true) !== 0) throw new LayoutError("reserved bytes of a batch are not 0");
  const head: BatchHead = {
    n: view.getUint32(4, true),
    t: view.getFloat64(8, true),
    moves: view.getUint32(16, true),
    introductionBytes: view.getUint32(20, true),
  };
  if (!Number.isFinite(head.t)) throw new LayoutError("the base time is not a number");
  if (BATCH_BYTES + head.introductionBytes + head.moves * MOVE_BYTES !== view.byteLength)
    throw new LayoutError("the parts of a batch do not make up its length");
  return head;
}

/** The number of a batch, also of one with a mistake; undefined if that does not tell either. */
export function batchNumber(bytes: Uint8Array): number | undefined {
  const isBatch = bytes.byteLength >= 8 && bytes[0] === VERSION && bytes[1] === BATCH_REPORTS;
  return isBatch ? new DataView(bytes.buffer, bytes.byteOffset).getUint32(4, true) : undefined;
}

/** The introductions of a batch, in order. @throws LayoutError */
export function readIntroductions(view: DataView, head: BatchHead): Introduction[] {
  const end = BATCH_BYTES + head.introductionBytes;
  const found: Introduction[] = [];
  for (let at = BATCH_BYTES; at < end; ) {
    if (at + INTRODUCTION_BYTES > end) throw new LayoutError("an introduction is cut off");
    const lengths = [0, 4, 8].map((offset) => view.getUint32(at + offset, true));
    const texts = new TextReader(view, at + INTRODUCTION_BYTES);
    at = lengths.reduce((sum, length) => sum + length, at + INTRODUCTION_BYTES);
    if (at > end) throw new LayoutError("an introduction is cut off");
    const [id, kind, source] = lengths.map((length) => texts.next(length));
    found.push({ id, kind, source });
  }
  return found;
}
