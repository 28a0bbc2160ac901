/**
 * Finds what a store refuses in a batch: halves it until the entity at fault stands alone, and commits all the rest. A batch of
 * n entities with one at fault takes about 2 log₂ n appends; it is rare, so simple beats fast.
 */
import { readFacts, sectionVersion } from "./fact-codec.ts";
import type { ShardEvent } from "./group-commit.ts";
import type { AppendOutcome, Section } from "./ports.ts";

export interface Bisection {
  /** The highest journal row written, 0 if none. */
  journalId: number;
  /** Shards of which a part was fenced. */
  fenced: Set<number>;
  /** Shard → numbers of the entities at fault. */
  poisoned: Map<number, Set<number>>;
}

interface Part {
  sections: Section[];
  events: ShardEvent[];
}

export type Append = (sections: Section[], events: ShardEvent[]) => Promise<AppendOutcome>;

/** Appends all of `whole` that the store takes, whole if possible. */
export async function bisect(whole: Part, append: Append): Promise<Bisection> {
  const result: Bisection = { journalId: 0, fenced: new Set(), poisoned: new Map() };
  const parts: Part[] = [whole];
  for (let part = parts.pop(); part !== undefined; part = parts.pop()) {
    const outcome = await append(part.sections, part.events);
    if (outcome.status === "committed") result.journalId = Math.max(result.journalId, outcome.journalId);
    else if (outcome.status === "fenced")
      for (const section of part.sections) result.fenced.add(section.shard);
    else {
      const halves = split(part);
      if (halves !== undefined) parts.push(halves[1], halves[0]);
      else {
        const { shard, body } = part.sections[0]!;
        const numbers = result.poisoned.get(shard) ?? new Set();
        for (const number of numbersOf(body)) numbers.add(number);
        result.poisoned.set(shard, numbers);
      }
    }
  }
  return result;
}

/** Two halves that together are the part, or `undefined` if it is of one entity. */
function split(part: Part): [Part, Part] | undefined {
  if (part.sections.length > 1) {
    const middle = part.sections.length >> 1;
    const front = part.sections.slice(0, middle);
    const shards = new Set(front.map((section) => section.shard));
    return [
      { sections: front, events: part.events.filter((entry) => shards.has(entry.shard)) },
      {
        sections: part.sections.slice(middle),
        events: part.events.filter((entry) => !shards.has(entry.shard)),
      },
    ];
  }
  const section = part.sections[0]!;
  const numbers = [...numbersOf(section.body)];
  if (numbers.length < 2) return undefined;
  const front = new Set(numbers.slice(0, numbers.length >> 1));
  return [
    {
      sections: [{ ...section, body: factsOf(section.body, (number) => front.has(number)) }],
      events: part.events.filter((entry) => front.has(entry.number)),
    },
    {
      sections: [{ ...section, body: factsOf(section.body, (number) => !front.has(number)) }],
      events: part.events.filter((entry) => !front.has(entry.number)),
    },
  ];
}

function numbersOf(body: Uint8Array): Set<number> {
  const numbers = new Set<number>();
  readFacts(body, (fact) => numbers.add(fact.number));
  return numbers;
}

/** The section with the facts of some of its entities only. */
function factsOf(body: Uint8Array, wanted: (number: number) => boolean): Uint8Array {
  const records: Uint8Array[] = [];
  let version = 0;
  readFacts(body, (fact, start, end) => {
    if (!wanted(fact.number)) return;
    records.push(body.subarray(start, end));
    version = Math.max(version, sectionVersion(fact));
  });
  return Buffer.concat([Uint8Array.of(version), ...records]);
}
