/** The newest version of every fence. It only becomes newer. */
import { parseFence } from "./parse.ts";
import type { FenceVersion } from "./ports.ts";

export class FenceCatalogue {
  /** By name; removed ones are left out. */
  readonly #newest = new Map<string, FenceVersion>();
  /** Of the newest change. */
  revision = 0;

  /** In the order of their names, without those that were removed. */
  get versions(): FenceVersion[] {
    return [...this.#newest.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** @returns `undefined` if there is none, or it was removed. */
  find(name: string): FenceVersion | undefined {
    return this.#newest.get(name);
  }

  /**
   * Takes what the store has newer; what is known already is left out.
   * @throws FenceError if this program does not take a definition that another one did; nothing is taken then.
   */
  take(versions: readonly FenceVersion[]): void {
    const known = this.revision;
    const newer = versions.filter(({ revision }) => revision > known);
    for (const { definition } of newer) if (definition !== undefined) parseFence(definition);
    for (const version of newer) {
      if (version.definition === undefined) this.#newest.delete(version.name);
      else this.#newest.set(version.name, version);
      this.revision = Math.max(this.revision, version.revision);
    }
  }
}
