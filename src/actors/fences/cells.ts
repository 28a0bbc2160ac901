/**
 * Which fences a place may be in: a quadtree over the plane of degrees, of which only what places fell into is made. A cell knows the fences that contain it whole,
 * so that nothing has to be tested, and those that take a part of it; where none takes a part the tree ends. Fences never change in it: another set of fences is another tree.
 */
import { EARTH_RADIUS } from "../../picture/sphere.ts";
import type { Standing } from "./catalogue.ts";
import { ClippedAreas } from "./clipped-areas.ts";
import { planeLon } from "./crossings.ts";
import { MAX_FENCE_CELL_ENTRIES, MAX_FENCE_CELLS } from "./limits.ts";
import type { CellBox } from "./outline.ts";

/** Cells of this level are those of the picture's Morton keys, 611 m wide at the equator. */
export const KEY_LEVEL = 16;
/** A cell of that level or below is parted only if more fences take a part of it than are quickly tested. */
const MANY = 8;
/** 2.4 m at the equator. */
const DEEPEST_LEVEL = 24;
const COLUMNS = 2 ** DEEPEST_LEVEL;
const RADIANS = Math.PI / 180;

const NONE: readonly Standing[] = Object.freeze([]);

export class Cell {
  readonly level: number;
  readonly whole: readonly Standing[];
  readonly part: readonly Standing[];
  /** Those of `part` that are areas, and the others. Absent of a cell that is parted. */
  readonly areas: ClippedAreas | undefined;
  readonly others: readonly Standing[];
  /** Absent of a cell that is not parted, which most are. */
  readonly children: (Cell | undefined)[] | undefined;

  constructor(level: number, whole: readonly Standing[], part: readonly Standing[], box?: CellBox) {
    this.level = level;
    this.whole = whole;
    this.part = part;
    this.others = NONE;
    const isParted = level < KEY_LEVEL ? part.length > 0 : part.length > MANY && level < DEEPEST_LEVEL;
    this.children = isParted ? [undefined, undefined, undefined, undefined] : undefined;
    if (isParted || part.length === 0 || box === undefined) return;
    this.others = part.filter(({ outline }) => outline.polygons === undefined);
    if (this.others.length === part.length) return;
    const areas = part.map(({ outline }, number) => [number, outline.polygons ?? []] as const);
    this.areas = new ClippedAreas(areas, box);
  }

  /** The fences that hold a place of this cell, which is not parted. @param scratch is written over, and may be the answer. */
  holding(lon: number, lat: number, scratch: Standing[]): readonly Standing[] {
    if (this.part.length === 0) return this.whole;
    scratch.length = 0;
    for (const one of this.whole) scratch.push(one);
    this.areas?.holding(lon, lat, this.part, scratch);
    for (const one of this.others) if (one.outline.contains(lon, lat)) scratch.push(one);
    return scratch;
  }

  get isEmpty(): boolean {
    return this.whole.length === 0 && this.part.length === 0;
  }
}

export class FenceCells {
  readonly #fences: readonly Standing[];
  #root: Cell;
  /** Cells that it holds, beside the root. */
  size = 0;
  /** How often it was full. */
  madeAnew = 0;
  /** Of the lists of its cells, and numbers of their edges. */
  #entries = 0;

  constructor(fences: readonly Standing[]) {
    this.#fences = fences;
    this.#root = new Cell(0, [], fences);
  }

  /** The cell of a place that is not parted. */
  at(lon: number, lat: number): Cell {
    const x = Math.min(Math.floor(((planeLon(lon) + 180) / 360) * COLUMNS), COLUMNS - 1);
    const y = Math.min(Math.floor(((lat + 90) / 180) * COLUMNS), COLUMNS - 1);
    let cell = this.#root;
    while (cell.children !== undefined) {
      const bit = DEEPEST_LEVEL - 1 - cell.level;
      const quarter = ((x >> bit) & 1) | (((y >> bit) & 1) << 1);
      cell = cell.children[quarter] ?? this.#make(cell, quarter, x >> bit, y >> bit);
    }
    return cell;
  }

  #make(parent: Cell, quarter: number, column: number, row: number): Cell {
    const box = boxOf(parent.level + 1, column, row);
    const whole: Standing[] = [];
    const taken: Standing[] = [];
    for (const fence of parent.part) {
      const share = fence.outline.share(box);
      if (share === "all") whole.push(fence);
      else if (share === "some") taken.push(fence);
    }
    const all = whole.length === 0 ? parent.whole : [...parent.whole, ...whole];
    const part = taken.length === 0 ? NONE : taken;
    const cell = new Cell(parent.level + 1, all, part, box);
    this.size += 1;
    this.#entries += part.length + (whole.length === 0 ? 0 : all.length);
    this.#entries += cell.areas?.length ?? 0;
    if (this.size > MAX_FENCE_CELLS || this.#entries > MAX_FENCE_CELL_ENTRIES) this.#forget();
    else parent.children![quarter] = cell;
    return cell;
  }

  /** What is wanted still is made again. */
  #forget(): void {
    this.#root = new Cell(0, [], this.#fences);
    this.size = this.#entries = 0;
    this.madeAnew += 1;
  }
}

function boxOf(level: number, column: number, row: number): CellBox {
  const size = 2 ** -level;
  const west = column * size * 360 - 180;
  const south = row * size * 180 - 90;
  const [width, height] = [size * 360, size * 180];
  const lowest = south <= 0 && south + height >= 0 ? 0 : Math.min(Math.abs(south), Math.abs(south + height));
  // To the latitude of a place, and then along it: no shorter than the great circle.
  const reach = (height / 2 + (width / 2) * Math.cos(lowest * RADIANS)) * RADIANS * EARTH_RADIUS;
  return {
    west,
    south,
    east: west + width,
    north: south + height,
    lon: west + width / 2,
    lat: south + height / 2,
    reach,
  };
}
