/**
 * What a viewer does with frames of `muster.v1.json`: in deltas it counts the records. Parsing 200 MB of JSON a second would make the
 * viewers the bottleneck; `verify` does it all the same.
 */
import assert from "node:assert/strict";
import { type FrameSink, TEXT_FRAME } from "./frame-reader.ts";
import type { TickCount, ViewCounter } from "./view-counter.ts";

/** Each record of a delta begins so, and nothing else in one does: departures are arrays, and strings cannot hold a bare quote. */
const RECORD = Buffer.from('{"id":');
/** As much of one as may be at the end of a piece. */
const OVERLAP = RECORD.length - 1;
/** A record is longer than this with its shortest id, time and place. */
const SHORTEST_RECORD = 64;
/** The beginning of a frame up to its list of entities, with room for the longest numbers. */
const HEAD_BYTES = 200;

export class JsonCounter implements FrameSink {
  readonly #counter: ViewCounter;
  readonly #verify: boolean;
  #length = 0;
  #left = 0;
  #isText = false;
  readonly #head = Buffer.alloc(HEAD_BYTES);
  #headBytes = 0;
  /** Judged from its head; deltas are counted. */
  #count: TickCount | undefined;
  #judged = false;
  /** The last bytes of what was looked at, in which a record may have begun. */
  readonly #seam = Buffer.alloc(2 * OVERLAP);
  #seamBytes = 0;
  #whole: Buffer[] = [];
  #frameRecords = 0;

  constructor(counter: ViewCounter, verify: boolean) {
    this.#counter = counter;
    this.#verify = verify;
  }

  begin(kind: number, length: number): void {
    this.#isText = kind === TEXT_FRAME;
    this.#length = this.#left = length;
    this.#headBytes = this.#seamBytes = this.#frameRecords = 0;
    this.#judged = false;
    this.#count = undefined;
    this.#whole = [];
  }

  payload(part: Buffer): void {
    this.#left -= part.length;
    if (!this.#isText) return;
    if (this.#verify) this.#whole.push(Buffer.from(part));
    if (!this.#judged) {
      this.#headBytes += part.copy(this.#head, this.#headBytes);
      if (this.#headBytes === HEAD_BYTES || this.#left === 0) this.#judge();
    }
    if (!this.#judged || this.#count !== undefined) this.#records(part);
  }

  #judge(): void {
    this.#judged = true;
    const head = this.#head.toString("latin1", 0, this.#headBytes);
    if (head.startsWith('{"op":"error"')) throw new Error(`the server answered ${head}`);
    const frame = /^\{"op":"(delta|snapshot|clusters)","view":"[^"]*","n":(\d+),(.*?)"tick":(\d+)/.exec(head);
    if (frame === null) return;
    const [, op, n, flags, tick] = frame;
    this.#count = this.#counter.frame(
      op as "delta",
      Number(n),
      Number(tick),
      this.#length,
      flags.includes('"last"'),
    );
  }

  #records(part: Buffer): void {
    const seam = this.#seam;
    let found = 0;
    const known = this.#seamBytes + part.copy(seam, this.#seamBytes, 0, OVERLAP);
    if (this.#seamBytes > 0 && seam.subarray(0, known).includes(RECORD)) found += 1;
    for (let at = part.indexOf(RECORD); at >= 0; at = part.indexOf(RECORD, at + SHORTEST_RECORD)) found += 1;
    this.#frameRecords += found;
    if (part.length >= OVERLAP) this.#seamBytes = part.copy(seam, 0, part.length - OVERLAP);
    else this.#seamBytes = seam.copy(seam, 0, Math.max(0, known - OVERLAP), known);
  }

  end(): void {
    if (this.#count !== undefined) this.#count.records += this.#frameRecords;
    if (!this.#verify || !this.#isText) return;
    const message = JSON.parse(Buffer.concat(this.#whole).toString()) as { op: string; updates?: unknown[] };
    assert.equal(message.op === "delta" || message.op === "clusters", this.#count !== undefined);
    if (message.updates !== undefined)
      assert.equal(message.updates.length, this.#frameRecords, "records counted are those that are there");
  }
}
