/** The cell of fences that each entity was in last: most reports are from the same one, or from where there is no fence. Nothing is kept while there are no fences. */
import type { Columns } from "../../picture/columns.ts";
import type { FenceCatalogue } from "./catalogue.ts";
import { type Cell, KEY_LEVEL } from "./cells.ts";

/** No place within a cell that is kept has it; the one cell that does is looked up each time. */
const NO_KEY = 0xffffffff;

export class SlotCells {
  readonly #columns: Columns;
  readonly #catalogue: FenceCatalogue;
  /** By slot: the picture's key of the place. */
  #keys = new Uint32Array(0);
  /** By slot: the cell with that key, or one around it; absent = without any fence. */
  #cells: (Cell | undefined)[] = [];
  /** Of the fences that the cells are of. */
  #revision = 0;

  constructor(columns: Columns, catalogue: FenceCatalogue) {
    this.#columns = columns;
    this.#catalogue = catalogue;
  }

  /** The cell of the place of an entity, which has one; absent = no fence is there. */
  at(slot: number): Cell | undefined {
    const { capacity, key, lon, lat } = this.#columns;
    if (this.#catalogue.size === 0) return undefined;
    if (this.#revision !== this.#catalogue.revision || this.#keys.length < capacity) this.#begin(capacity);
    if (this.#keys[slot] === key.of(slot) && key.of(slot) !== NO_KEY) return this.#cells[slot];
    const found = this.#catalogue.cell(lon.of(slot), lat.of(slot));
    const cell = found.isEmpty ? undefined : found;
    const isWhole = found.level <= KEY_LEVEL;
    this.#keys[slot] = isWhole ? key.of(slot) : NO_KEY;
    this.#cells[slot] = isWhole ? cell : undefined;
    return cell;
  }

  #begin(capacity: number): void {
    this.#keys = new Uint32Array(capacity).fill(NO_KEY);
    this.#cells = new Array(capacity);
    this.#revision = this.#catalogue.revision;
  }
}
