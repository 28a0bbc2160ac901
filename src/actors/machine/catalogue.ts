/**
 * Which machine the entities of each kind run: the newest version of every machine, compiled, and the built-in one for kinds that none names.
 * It only becomes newer.
 */
import type { Interner } from "../../picture/interner.ts";
import { compileMachine, type Machine } from "./compile.ts";
import { parseMachine } from "./definition.ts";
import type { MachineVersion } from "./ports.ts";
import { BUILT_IN, referenceTo } from "./reference.ts";

/** A machine that entities run now. */
export interface Running {
  readonly machine: Machine;
  /** The number of its reference in `EntityTable.machines`. */
  readonly number: number;
  readonly reference: string;
  readonly version: number;
  readonly timersSince: Readonly<Record<string, number>>;
  /** By interned state: its leaf, +1; absent = not known yet. */
  readonly leafOf: number[];
}

export class MachineCatalogue {
  readonly #kinds: Interner;
  readonly #references: Interner;
  readonly #builtIn: Running;
  readonly #changed: () => void;
  /** By name; what was removed runs nothing. */
  readonly #newest = new Map<string, { version: MachineVersion; running: Running | undefined }>();
  readonly #byKindName = new Map<string, Running>();
  /** By interned kind; absent = not looked for yet. */
  #byKind: Running[] = [];
  /** Of the newest change. */
  revision = 0;

  /** @param references numbers for references. @param changed is told when kinds may have other machines. */
  constructor(builtIn: Machine, kinds: Interner, references: Interner, changed: () => void) {
    this.#kinds = kinds;
    this.#references = references;
    this.#changed = changed;
    this.#builtIn = this.#running(builtIn, BUILT_IN, 0, {});
  }

  /** What entities of a kind, by its number, run. */
  of(kind: number): Running {
    return this.#byKind[kind] ?? this.#find(kind);
  }

  /** The newest versions, in the order of their names, without those that were removed. */
  get versions(): MachineVersion[] {
    const there = [...this.#newest.values()].flatMap(({ version, running }) =>
      running === undefined ? [] : [version],
    );
    return there.sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** @returns `undefined` if there is none, or it was removed. */
  find(name: string): MachineVersion | undefined {
    const found = this.#newest.get(name);
    return found?.running && found.version;
  }

  /**
   * Takes what the store has newer; what is known already is left out.
   * @throws MachineError if this program does not take a definition that another one did; nothing is taken then.
   */
  take(versions: readonly MachineVersion[]): void {
    const known = this.revision;
    const newer = versions
      .filter(({ revision }) => revision > known)
      .map((version) => ({ version, running: this.#compiled(version) }));
    if (newer.length === 0) return;
    for (const one of newer) {
      this.#newest.set(one.version.name, one);
      this.revision = Math.max(this.revision, one.version.revision);
    }
    this.#byKind = [];
    this.#byKindName.clear();
    for (const { version, running } of this.#newest.values())
      if (running !== undefined) for (const kind of version.kinds) this.#byKindName.set(kind, running);
    this.#changed();
  }

  #compiled({ name, version, definition, timersSince }: MachineVersion): Running | undefined {
    if (definition === undefined) return undefined;
    const machine = compileMachine(parseMachine(definition));
    return this.#running(machine, referenceTo(name, version), version, timersSince);
  }

  #running(
    machine: Machine,
    reference: string,
    version: number,
    timersSince: Running["timersSince"],
  ): Running {
    const number = this.#references.number(reference);
    return { machine, number, reference, version, timersSince, leafOf: [] };
  }

  #find(kind: number): Running {
    const running = this.#byKindName.get(this.#kinds.name(kind)) ?? this.#builtIn;
    this.#byKind[kind] = running;
    return running;
  }
}
