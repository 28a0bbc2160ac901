/** The fences that are there: the newest version of each, made ready for tests of places. It only becomes newer. */
import { type Cell, FenceCells } from "./cells.ts";
import type { FenceRules } from "./definition.ts";
import { type Outline, outlineOf } from "./outline.ts";
import { parseFence } from "./parse.ts";
import type { FenceVersion } from "./ports.ts";

/** A fence that is there now. */
export interface Standing {
  readonly name: string;
  readonly version: number;
  readonly outline: Outline;
  readonly rules: FenceRules;
  /** Absent = all. */
  readonly kinds: ReadonlySet<string> | undefined;
  /** Nothing but the place says who is inside. */
  readonly isPlain: boolean;
}

export class FenceCatalogue {
  readonly #changed: () => void;
  /** By name; `standing` is absent of what was removed. */
  readonly #newest = new Map<string, { version: FenceVersion; standing: Standing | undefined }>();
  /** Made when a place is asked about: a start takes fences in many pages. */
  #cells: FenceCells | undefined;
  /** Of the newest change. */
  revision = 0;
  /** How many fences there are. */
  size = 0;

  /** @param changed is told when there are other fences. */
  constructor(changed: () => void) {
    this.#changed = changed;
  }

  /** The newest versions, in the order of their names, without those that were removed. */
  get versions(): FenceVersion[] {
    const there = [...this.#newest.values()].flatMap(({ version, standing }) =>
      standing === undefined ? [] : [version],
    );
    return there.sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** @returns `undefined` if there is none, or it was removed. */
  find(name: string): FenceVersion | undefined {
    const found = this.#newest.get(name);
    return found?.standing && found.version;
  }

  /** As `find`, made ready. */
  standing(name: string): Standing | undefined {
    return this.#newest.get(name)?.standing;
  }

  /** What may hold a place. */
  cell(lon: number, lat: number): Cell {
    this.#cells ??= new FenceCells([...this.#newest.values()].flatMap(({ standing }) => standing ?? []));
    return this.#cells.at(lon, lat);
  }

  /**
   * Takes what the store has newer; what is known already is left out.
   * @throws FenceError if this program does not take a definition that another one did; nothing is taken then.
   */
  take(versions: readonly FenceVersion[]): void {
    const known = this.revision;
    const newer = versions
      .filter(({ revision }) => revision > known)
      .map((version) => ({ version, standing: standingOf(version) }));
    if (newer.length === 0) return;
    for (const one of newer) {
      this.size += Number(one.standing !== undefined) - Number(this.find(one.version.name) !== undefined);
      this.#newest.set(one.version.name, one);
      this.revision = Math.max(this.revision, one.version.revision);
    }
    this.#cells = undefined;
    this.#changed();
  }
}

function standingOf({ name, version, definition }: FenceVersion): Standing | undefined {
  if (definition === undefined) return undefined;
  const { shape, rules } = parseFence(definition);
  const kinds = rules.kinds && new Set(rules.kinds);
  const { maxAccuracy, floor, ceiling } = rules;
  const isPlain = (kinds ?? maxAccuracy ?? floor ?? ceiling) === undefined;
  return { name, version, outline: outlineOf(shape), rules, kinds, isPlain };
}
