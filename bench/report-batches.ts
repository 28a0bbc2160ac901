/**
 * `POST /v1/reports` bodies, encoded before the clock runs. While it runs only their times are overwritten, in place,
 * so that the load costs the machine little and no report is a duplicate.
 */
import type { Fleet } from "./fleet.ts";
import { Random } from "./random.ts";

/** Bodies of one batch of entities, at different places: sent in turn. */
export const VARIANTS = 4;
/** Seconds of movement between two variants. */
const STEP_S = 10;
/** An entity of this share stops and sets off again: a change of state, and an event row, at nearly each of its reports. */
const CHANGING = 0.01;
/** Any time of the right length. */
const NO_TIME = "1970-01-01T00:00:00.000Z";

/** How reports are written. */
export interface Notation {
  readonly begin: string;
  readonly between: string;
  readonly end: string;
  /** What stands before and after the time of a report. */
  report(id: string, motion: ReturnType<typeof motionOf>): [before: string, after: string];
}

const JSON_ARRAY: Notation = {
  ...{ begin: "[", between: ",", end: "]" },
  report: (id, { lon, lat, speed, course }) => [
    `{"id":"${id}","t":"`,
    `","kind":"vessel","lon":${lon},"lat":${lat},"speed":${speed},"course":${course}}`,
  ],
};

interface Body {
  readonly bytes: Buffer;
  /** Where the times of its reports start. */
  readonly times: Uint32Array;
}

export class ReportBatches {
  readonly batchSize: number;
  /** Batches that make one round: each entity once. */
  readonly perRound: number;
  readonly #bodies: Body[][];
  /** By batch of a round: the time of its last reports, Unix ms. */
  readonly #lastTime: Float64Array;
  #sent = 0;

  /** @param batchSize must divide the size of the fleet. */
  constructor(fleet: Fleet, batchSize: number, seed: number, notation = JSON_ARRAY) {
    if (fleet.size % batchSize !== 0) throw new RangeError(`${batchSize} does not divide ${fleet.size}`);
    this.batchSize = batchSize;
    this.perRound = fleet.size / batchSize;
    const order = shuffled(fleet.size, new Random(seed));
    this.#bodies = Array.from({ length: VARIANTS }, (_, variant) =>
      Array.from({ length: this.perRound }, (_, batch) =>
        encode(fleet, order.subarray(batch * batchSize, (batch + 1) * batchSize), variant, notation),
      ),
    );
    this.#lastTime = new Float64Array(this.perRound);
  }

  /** How many bodies there are: fewer than that may be in flight. */
  get bodies(): number {
    return VARIANTS * this.perRound;
  }

  /** All bodies, for the hash of the workload. Only before the first `next`. */
  get generated(): Buffer[] {
    return this.#bodies.flat().map(({ bytes }) => bytes);
  }

  /** The next body, its reports observed now. It must have been sent when its turn comes again. @param now Unix ms. */
  next(now: number): Buffer {
    const batch = this.#sent % this.perRound;
    const round = Math.floor(this.#sent / this.perRound);
    this.#sent += 1;
    const { bytes, times } = this.#bodies[round % VARIANTS][batch];
    const t = Math.max(now, this.#lastTime[batch] + 1);
    this.#lastTime[batch] = t;
    const text = Buffer.from(new Date(t).toISOString(), "latin1");
    for (let i = 0; i < times.length; i++) bytes.set(text, times[i]);
    return bytes;
  }
}

function encode(fleet: Fleet, entities: Uint32Array, variant: number, notation: Notation): Body {
  const times = new Uint32Array(entities.length);
  const parts: string[] = [];
  let length = 0;
  for (const [i, entity] of entities.entries()) {
    const [before, after] = notation.report(fleet.id(entity), motionOf(fleet, entity, variant, STEP_S));
    const head = `${i === 0 ? notation.begin : notation.between}${before}`;
    times[i] = length + head.length;
    const rest = `${NO_TIME}${after}`;
    parts.push(head, rest);
    length += head.length + rest.length;
  }
  parts.push(notation.end);
  return { bytes: Buffer.from(parts.join(""), "latin1"), times };
}

/** Where and how an entity moves in a variant, which is `stepS` seconds from the next. Degrees, metres a second. */
export function motionOf(fleet: Fleet, entity: number, variant: number, stepS: number) {
  const seconds = Math.min(variant, VARIANTS - variant) * stepS;
  const stops = entity % Math.round(1 / CHANGING) === 0 && variant % 2 === 1;
  return {
    lon: Number(fleet.lonAt(entity, seconds).toFixed(6)),
    lat: Number(fleet.latAt(entity, seconds).toFixed(6)),
    speed: stops ? 0 : Number(fleet.speed[entity].toFixed(1)),
    course: Number(fleet.course[entity].toFixed(1)),
  };
}

/** 0 … size − 1 in random order: what comes in together is seldom close together (Fisher and Yates). */
export function shuffled(size: number, random: Random): Uint32Array {
  const order = Uint32Array.from({ length: size }, (_, i) => i);
  for (let i = size - 1; i > 0; i--) {
    const j = random.below(i + 1);
    const swapped = order[i];
    order[i] = order[j];
    order[j] = swapped;
  }
  return order;
}
