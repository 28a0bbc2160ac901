/** The entities of a run and what is reported of them: all of it follows from an entity's number and the report's. */

/** West, south, east, north, in degrees. */
type Box = [number, number, number, number];

const WEST = 5;
const SOUTH = 45;
const DEGREES = 10;
/** How far an entity goes from its place, degrees: it crosses cells and the edges of views. */
const ORBIT = 0.05;
/** Reports between setting off and stopping, and the other way. */
const TURN = 6;

export interface Reported {
  id: string;
  /** RFC 3339. */
  t: string;
  kind: string;
  source: string;
  lon: number;
  lat: number;
  alt: number;
  speed: number;
  course: number;
  /** Only where the way to the node carries it: a binary batch does not. */
  seq?: number;
  attributes?: { number: number };
}

export class Fleet {
  readonly size: number;
  readonly #columns: number;

  constructor(size: number) {
    this.size = size;
    this.#columns = Math.ceil(Math.sqrt(size));
  }

  id(index: number): string {
    return `chaos-${index}`;
  }

  /** The report with this number, for the time of its making. @param whole with what only JSON carries. */
  report(index: number, number: number, t: string, whole: boolean): Reported {
    const [lon, lat] = this.#place(index);
    const angle = ((number * 20 + index * 7) % 360) * (Math.PI / 180);
    const moving = Math.floor(number / TURN) % 2 === 1;
    return {
      ...{ id: this.id(index), t, kind: "truck", source: `source-${index % 8}` },
      lon: rounded(lon + ORBIT * Math.cos(angle)),
      lat: rounded(lat + ORBIT * Math.sin(angle)),
      alt: number,
      speed: moving ? 5 : 0,
      course: (number * 20 + index * 7 + 90) % 360,
      ...(whole && { seq: number, ...(number % 5 === 0 && { attributes: { number } }) }),
    };
  }

  /** A box with about so many entities, the n-th of several that overlap a little. */
  box(n: number, entities: number): Box {
    const side = DEGREES * Math.min(1, Math.sqrt(entities / this.size));
    const offset = ((n * 0.37) % 1) * (DEGREES - side);
    const other = ((n * 0.61) % 1) * (DEGREES - side);
    return [WEST + offset, SOUTH + other, WEST + offset + side, SOUTH + other + side].map(rounded) as Box;
  }

  #place(index: number): [lon: number, lat: number] {
    const step = DEGREES / this.#columns;
    return [
      WEST + step * ((index % this.#columns) + 0.5),
      SOUTH + step * (Math.floor(index / this.#columns) + 0.5),
    ];
  }
}

/** Seven decimals, which a binary batch carries as they are. */
function rounded(degrees: number): number {
  return Math.round(degrees * 1e7) / 1e7;
}
