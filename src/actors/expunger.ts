/** Takes an entity out of sections of the journal. */
import { ByteWriter } from "./bytes.ts";
import { readFacts, SECTION_VERSION, writeFact } from "./fact-codec.ts";
import type { SectionChange } from "./ports.ts";

export class Expunger implements SectionChange {
  readonly #id: string;
  /** Its own, and those that had its id before it. */
  readonly #numbers: Set<number>;

  constructor(id: string, number: number) {
    this.#id = id;
    this.#numbers = new Set([number]);
  }

  look(section: Uint8Array): void {
    readFacts(section, (fact) => {
      if ((fact.is === "introduced" || fact.is === "deleted") && fact.id === this.#id)
        this.#numbers.add(fact.number);
    });
  }

  /** That it was deleted stays, without a name: older checkpoints may still have it. */
  changed(section: Uint8Array): Uint8Array | undefined {
    const out = new ByteWriter(section.length);
    out.u8(SECTION_VERSION);
    let isChanged = false;
    readFacts(section, (fact, start, end) => {
      const isOfIt = this.#numbers.has(fact.number);
      if (!isOfIt || (fact.is === "deleted" && fact.id === "")) {
        out.raw(section.subarray(start, end));
        return;
      }
      isChanged = true;
      if (fact.is === "deleted") writeFact({ ...fact, id: "" }, out);
    });
    return isChanged ? out.bytes.subarray(0, out.length) : undefined;
  }
}
