/** The fences that are there: the newest version of each, made ready for tests of places. It only becomes newer. */
import { type Cell, FenceCells } from "./cells.ts";
import type { Fence, FenceRules } from "./definition.ts";
import { type Outline, outlineOf } from "./outline.ts";
import { parseFence } from "./parse.ts";
import type { FenceVersion } from "./ports.ts";

/** A fence that is there now. */
export interface Standing {
  readonly name: string;
  readonly version: number;
  /** The version with which it was made, after the last removal. */
  readonly since: number;
  /** The oldest version, of all since, that holds the same places by the same rules. */
  readonly sameSince: number;
  readonly outline: Outline;
  /** Accuracy and heights are as exact as those of entities: what is equal as it was written is equal. */
  readonly rules: FenceRules;
  /** Absent = all. */
  readonly kinds: ReadonlySet<string> | undefined;
  /** Nothing but the place says who is inside. */
  readonly isPlain: boolean;
}

interface Known {
  version: FenceVersion;
  standing: Standing;
}

export class FenceCatalogue {
  readonly #changed: () => void;
  /** By name. What was removed leaves nothing: its stays end, whatever its versions were. */
  readonly #there = new Map<string, Known>();
  /** Made when a place is asked about: a start takes fences in many pages. */
  #cells: FenceCells | undefined;
  /** Of the newest change. */
  revision = 0;

  /** @param changed is told when there are other fences. */
  constructor(changed: () => void) {
    this.#changed = changed;
  }

  /** How many fences there are. */
  get size(): number {
    return this.#there.size;
  }

  /** The newest versions, in the order of their names, without those that were removed. */
  get versions(): FenceVersion[] {
    const versions = [...this.#there.values()].map(({ version }) => version);
    return versions.sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** @returns `undefined` if there is none, or it was removed. */
  find(name: string): FenceVersion | undefined {
    return this.#there.get(name)?.version;
  }

  /** As `find`, made ready. */
  standing(name: string): Standing | undefined {
    return this.#there.get(name)?.standing;
  }

  /** What may hold a place. */
  cell(lon: number, lat: number): Cell {
    this.#cells ??= new FenceCells([...this.#there.values()].map(({ standing }) => standing));
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
      .map((version) => ({ version, standing: standingOf(version, this.#there.get(version.name)) }));
    if (newer.length === 0) return;
    for (const { version, standing } of newer) {
      if (standing === undefined) this.#there.delete(version.name);
      else this.#there.set(version.name, { version, standing });
      this.revision = Math.max(this.revision, version.revision);
    }
    this.#cells = undefined;
    this.#changed();
  }
}

function standingOf(
  { name, version, since, definition }: FenceVersion,
  before?: Known,
): Standing | undefined {
  if (definition === undefined) return undefined;
  const fence = parseFence(definition);
  const { shape, rules } = fence;
  let sameSince = version;
  // Another node may have decided by what was between, if this one has left something out.
  if (before?.standing.version === version - 1 && isSame(parseFence(before.version.definition), fence))
    ({ sameSince } = before.standing);
  const kinds = rules.kinds && new Set(rules.kinds);
  const maxAccuracy = single(rules.maxAccuracy);
  const floor = single(rules.floor);
  const ceiling = single(rules.ceiling);
  const isPlain = (kinds ?? maxAccuracy ?? floor ?? ceiling) === undefined;
  const outline = outlineOf(shape);
  const exact = { ...rules, maxAccuracy, floor, ceiling };
  return { name, version, since, sameSince, outline, rules: exact, kinds, isPlain };
}

/** What is parsed has its members in one order. */
function isSame(a: Fence, b: Fence): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

/** In single precision, as the columns are. */
function single(value: number | undefined): number | undefined {
  return value === undefined ? undefined : Math.fround(value);
}
