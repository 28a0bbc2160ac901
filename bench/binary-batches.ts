/**
 * Batches of reports in `muster.v1.bin`, as whole WebSocket frames, encoded before the clock runs. While it runs only number and base time
 * are overwritten, in place: the reports of a batch are all observed then.
 */
import { encodeBatch, type Introduction } from "../src/transport/feed/batch-layout.ts";
import type { Fleet } from "./fleet.ts";
import { Random } from "./random.ts";
import { motionOf, shuffled, VARIANTS } from "./report-batches.ts";
import { binaryFrame } from "./web-socket.ts";

/** Seconds of movement between two reports of an entity, at one a second: at more, too many would cross a cell at each. */
const STEP_S = 1;

/** A frame whose payload can be changed. */
interface Frame {
  readonly bytes: Buffer;
  /** Where the payload begins. */
  readonly payload: number;
}

/** What to send next, and where. */
export interface BinaryBatch {
  connection: number;
  /** Its number, which the acknowledgement repeats. */
  n: number;
  bytes: Buffer;
}

export class BinaryBatches {
  readonly batchSize: number;
  /** Batches that make one round: each entity once. */
  readonly perRound: number;
  /** The first of each batch of entities, with the introductions of its handles. */
  readonly #introducing: Frame[];
  readonly #frames: Frame[][];
  readonly #lastTime: Float64Array;
  readonly #connections: number;
  #sent = 0;

  /** @param batchSize must divide the size of the fleet. @param connections each has its share of the batches, and handles of its own. */
  constructor(fleet: Fleet, batchSize: number, seed: number, connections: number) {
    if (fleet.size % batchSize !== 0) throw new RangeError(`${batchSize} does not divide ${fleet.size}`);
    this.batchSize = batchSize;
    this.perRound = fleet.size / batchSize;
    this.#connections = connections;
    const order = shuffled(fleet.size, new Random(seed));
    const encoded = (variant: number, introduces: boolean) =>
      Array.from({ length: this.perRound }, (_, batch) => {
        const entities = order.subarray(batch * batchSize, (batch + 1) * batchSize);
        const firstHandle = Math.floor(batch / connections) * batchSize;
        return encode(fleet, entities, variant, firstHandle, introduces);
      });
    this.#introducing = encoded(0, true);
    this.#frames = Array.from({ length: VARIANTS }, (_, variant) => encoded(variant, false));
    this.#lastTime = new Float64Array(this.perRound);
  }

  /** How many frames there are: fewer than that may be in flight. */
  get bodies(): number {
    return VARIANTS * this.perRound;
  }

  /** All frames, for the hash of the workload. Only before the first `next`. */
  get generated(): Buffer[] {
    return [this.#introducing, ...this.#frames].flat().map(({ bytes }) => bytes);
  }

  /** The next batch, its reports observed now. It must have been sent when its turn comes again. @param now Unix ms. */
  next(now: number): BinaryBatch {
    const batch = this.#sent % this.perRound;
    const round = Math.floor(this.#sent / this.perRound);
    const n = this.#sent++;
    const { bytes, payload } = round === 0 ? this.#introducing[batch] : this.#frames[round % VARIANTS][batch];
    const t = Math.max(now, this.#lastTime[batch] + 1);
    this.#lastTime[batch] = t;
    bytes.writeUInt32LE(n, payload + 4);
    bytes.writeDoubleLE(t, payload + 8);
    return { connection: batch % this.#connections, n, bytes };
  }
}

function encode(
  fleet: Fleet,
  entities: Uint32Array,
  variant: number,
  firstHandle: number,
  introduces: boolean,
): Frame {
  const introductions: Introduction[] = [];
  const moves = Array.from(entities, (entity, i) => {
    if (introduces) introductions.push({ id: fleet.id(entity), kind: "vessel", source: "" });
    const motion = motionOf(fleet, entity, variant, STEP_S);
    return { handle: firstHandle + i, t: 0, alt: NaN, heading: NaN, ...motion };
  });
  const payload = encodeBatch(0, 0, introductions, moves);
  const bytes = binaryFrame(payload);
  return { bytes, payload: bytes.length - payload.length };
}
