/** The fleet as bytes: at each step all entities move and are written as records of 24 bytes, in the order of their tiles. */
import { mortonKey } from "../../src/picture/morton.ts";
import { RecordList } from "../../src/picture/record-list.ts";
import { MOVE_BYTES, putMove } from "../../src/transport/feed/layout.ts";
import type { Fleet } from "../fleet.ts";
import type { Tile } from "./tiles.ts";

export { MOVE_BYTES as RECORD_BYTES };

export class TiledFleet {
  readonly #fleet: Fleet;
  readonly #list = new RecordList();
  #bytes = Buffer.alloc(0);

  constructor(fleet: Fleet) {
    this.#fleet = fleet;
  }

  /** Puts the fleet where it is `seconds` after the start. What was handed out before stays as it was. */
  move(seconds: number): void {
    const fleet = this.#fleet;
    const list = this.#list;
    list.clear();
    for (let i = 0; i < fleet.size; i++)
      list.add(mortonKey(fleet.lonAt(i, seconds), fleet.latAt(i, seconds)), i);
    list.sort();
    // Servers may still hold on to what the last step was.
    this.#bytes = Buffer.allocUnsafeSlow(fleet.size * MOVE_BYTES);
    const view = new DataView(this.#bytes.buffer);
    const t = Date.now();
    const unknown = { alt: NaN, heading: NaN, t };
    for (let place = 0; place < fleet.size; place++) {
      const handle = list.values[place];
      const lon = fleet.lonAt(handle, seconds);
      const lat = fleet.latAt(handle, seconds);
      const [speed, course] = [fleet.speed[handle], fleet.course[handle]];
      putMove(view, place * MOVE_BYTES, { handle, lon, lat, speed, course, ...unknown }, t);
    }
  }

  /** The records of a tile, one after the other. */
  records({ low, high }: Tile): Buffer {
    const from = this.#list.lowerBound(low);
    const to = this.#list.lowerBound(high + 1, from);
    return this.#bytes.subarray(from * MOVE_BYTES, to * MOVE_BYTES);
  }

  /** How many entities a tile holds. */
  count(tile: Tile): number {
    return this.records(tile).length / MOVE_BYTES;
  }

  /** By place in the order of tiles. */
  key(place: number): number {
    return this.#list.keys[place];
  }

  get size(): number {
    return this.#fleet.size;
  }
}
