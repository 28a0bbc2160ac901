/**
 * Records one after the other. The place of one is how many bytes are before it. They lie in chunks, of which each record is whole in one.
 *
 * In one piece of memory, that doubles when it is full and moves to the front when something is dropped, a node with a million entities spent a tenth of its time on memory
 * that it touched for the first time, and had a gigabyte of it that it had left again.
 */
import { ByteReader, ByteWriter } from "../actors/bytes.ts";

export const CHUNK_BYTES = 256 * 1_024;
/** What a first chunk begins with: most logs are small. */
const FIRST_BYTES = 1_024;
/** A chunk with less room than that is full: no record makes it larger, but for the few that are. */
const SPARE_BYTES = 512;
/** Chunks kept for whoever needs one next, of all logs. To wait for the garbage collector would take more memory than the logs do. */
const MOST_KEPT = 128;

interface Chunk {
  /** Place of its first byte: less than 0 if what it begins with was dropped. */
  start: number;
  writer: ByteWriter;
  reader: ByteReader;
}

const kept: ByteWriter[] = [];

/** Of logs without records: a node has hundreds. */
const NOTHING_READ = new ByteReader(new ByteWriter(0).bytes);

export class RecordLog {
  /** By place; one at least. */
  #chunks: Chunk[] = [{ start: 0, writer: new ByteWriter(0), reader: NOTHING_READ }];
  /** Of the last chunk, here too: to follow one reference fewer is one wait for memory fewer. */
  #start = 0;
  #writer = this.#chunks[0].writer;
  /** The one that was read last. */
  #read = this.#chunks[0];

  /** Bytes, and the place of the next record. */
  get length(): number {
    return this.#start + this.#writer.length;
  }

  /** Bytes of memory. */
  get capacity(): number {
    return this.#chunks.reduce((sum, { writer }) => sum + writer.bytes.length, 0);
  }

  /** What the next record is to be written to, at once and whole. */
  writer(): ByteWriter {
    const writer = this.#writer;
    if (writer.length === 0) writer.reserve(FIRST_BYTES);
    return writer.length + SPARE_BYTES <= CHUNK_BYTES ? writer : this.#begin();
  }

  /** Looks where the next record goes. @returns what is there, as `Rows.touch`. */
  touch(): number {
    const { bytes, length } = this.#writer;
    return length < bytes.length ? bytes[length] : 0;
  }

  /** Adds whole records. */
  append(records: Uint8Array): void {
    const writer = this.#writer;
    const isFull = writer.length > 0 && writer.length + records.length > CHUNK_BYTES;
    (isFull ? this.#begin() : writer).raw(records);
  }

  /** Reads the record at a place, and no other: the next may be in another chunk. */
  at(place: number): ByteReader {
    let chunk = this.#read;
    if (place < chunk.start || place >= chunk.start + chunk.writer.length) chunk = this.#find(place);
    if (chunk.reader.bytes !== chunk.writer.bytes) chunk.reader = new ByteReader(chunk.writer.bytes);
    chunk.reader.at = place - chunk.start;
    return chunk.reader;
  }

  /** All from a place on. A view of it, or a copy: it stays as it is until something is dropped. */
  since(place: number): Uint8Array {
    const chunks = this.#chunks.slice(this.#chunks.indexOf(this.#find(place)));
    const parts = chunks.map(({ start, writer: { bytes, length } }) =>
      bytes.subarray(Math.max(0, place - start), length),
    );
    return parts.length === 1 ? parts[0] : Buffer.concat(parts);
  }

  /** Drops the first `bytes`: the place of what is behind them is so much less. */
  dropFront(bytes: number): void {
    for (const chunk of this.#chunks) chunk.start -= bytes;
    this.#start -= bytes;
    const first = this.#chunks.findIndex((chunk) => chunk.writer === this.#writer || end(chunk) > 0);
    for (const { writer } of this.#chunks.splice(0, first)) keep(writer);
    this.#read = this.#chunks[0];
  }

  /** Drops all, for good. */
  discard(): void {
    for (const { writer } of this.#chunks) keep(writer);
    this.#chunks = [];
    this.#start = 0;
    this.#append(new ByteWriter(0));
    this.#read = this.#chunks[0];
  }

  #begin(): ByteWriter {
    this.#start = this.length;
    return this.#append(kept.pop() ?? new ByteWriter(CHUNK_BYTES));
  }

  #append(writer: ByteWriter): ByteWriter {
    this.#writer = writer;
    this.#chunks.push({ start: this.#start, writer, reader: NOTHING_READ });
    return writer;
  }

  #find(place: number): Chunk {
    let low = 0;
    let high = this.#chunks.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if (this.#chunks[middle].start <= place) low = middle;
      else high = middle - 1;
    }
    this.#read = this.#chunks[low];
    return this.#read;
  }
}

function end({ start, writer }: Chunk): number {
  return start + writer.length;
}

function keep(writer: ByteWriter): void {
  if (writer.bytes.length !== CHUNK_BYTES || kept.length === MOST_KEPT) return;
  writer.clear();
  kept.push(writer);
}
