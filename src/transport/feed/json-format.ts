/** Frames of `muster.v1.json`: the records of a tick, copied into one buffer, because one write costs more than the copy. */
import { Buffer } from "node:buffer";
import { MAX_CLUSTER_CELLS } from "../../limits.ts";
import { isoTime } from "../../picture/record.ts";
import type { TickTime } from "../../picture/tick.ts";
import type { EachCell, Format, FrameName } from "./format.ts";
import { type Part, type Parts, room } from "./frame-parts.ts";
import { JsonEncoder } from "./json-encoder.ts";

const UPDATES = Buffer.from('],"updates":[');
const END = Buffer.from("]}");
/** All numbers and times of a head, with their names. */
const HEAD_ROOM = 256;
/** The longest cell: `[-179.1234,-89.1234,4000000],`. */
const CELL_ROOM = 40;

export class JsonFormat extends JsonEncoder implements Format {
  readonly isBinary = false;
  /** Of `t`: all frames of a tick have the same. */
  #iso = "";
  #t = NaN;

  delta(name: FrameName, n: number, time: TickTime, { departures, moves, fulls }: Parts): Uint8Array {
    const size = departures.size + moves.size + fulls.size;
    const frame = room.take(name.json.length * 3 + HEAD_ROOM + size);
    let at = this.#head(frame, "delta", name, n, time, "");
    at += frame.write(',"departures":[', at, "latin1");
    at = putList(frame, at, departures);
    at += UPDATES.copy(frame, at);
    at = putList(frame, at, fulls, moves);
    return frame.subarray(0, at + END.copy(frame, at));
  }

  snapshot(
    name: FrameName,
    n: number,
    time: TickTime,
    { fulls }: Parts,
    first: boolean,
    last: boolean,
  ): Uint8Array {
    const frame = room.take(name.json.length * 3 + HEAD_ROOM + fulls.size);
    const marks = `${first ? ',"first":true' : ""}${last ? ',"last":true' : ""}`;
    let at = this.#head(frame, "snapshot", name, n, time, marks);
    at += frame.write(',"entities":[', at, "latin1");
    at = putList(frame, at, fulls);
    return frame.subarray(0, at + END.copy(frame, at));
  }

  clusters(name: FrameName, n: number, time: TickTime, cells: EachCell): Uint8Array {
    const frame = room.take(name.json.length * 3 + HEAD_ROOM + MAX_CLUSTER_CELLS * CELL_ROOM);
    let at = this.#head(frame, "clusters", name, n, time, "");
    at += frame.write(',"cells":[', at, "latin1");
    const start = at;
    cells((lon, lat, count) => {
      at += frame.write(`[${lon},${lat},${count}],`, at, "latin1");
    });
    if (at > start) at--; // the last comma
    return frame.subarray(0, at + END.copy(frame, at));
  }

  #head(
    frame: Buffer,
    op: string,
    name: FrameName,
    n: number,
    { tick, t, lag }: TickTime,
    marks: string,
  ): number {
    if (t !== this.#t) {
      this.#iso = isoTime(t);
      this.#t = t;
    }
    return frame.write(
      `{"op":"${op}","view":${name.json},"n":${n}${marks},"tick":${tick},"t":"${this.#iso}","lag":${lag}`,
      0,
      "utf8",
    );
  }
}

/** Each record ends with a comma; the last one's is dropped. */
function putList(frame: Buffer, start: number, ...lists: Part[]): number {
  let at = start;
  for (const list of lists) at = list.copy(frame, at);
  return at > start ? at - 1 : at;
}
