/**
 * What of the past may be told: what passes as it was then, and also with the labels that its entity has now. So who lost an entity loses its past, and who was given one
 * does not see where it was before. What is gone has no labels of now.
 */
import { shardOf } from "../actors/shard-hash.ts";
import { MAX_LABEL_IDS } from "../limits.ts";
import { PermittedMemo, type PermittedTest, PlainEntity, permittedTest } from "../picture/permitted.ts";
import { heldAlt, roundAlt, roundDegrees, roundDirection, roundMotion } from "../picture/record.ts";
import type { Permitting, ThenRecord, TrackTails } from "./ports.ts";
import { type Segment, wrapLongitude } from "./segment.ts";

/** Absent = all of it may be told. @throws ExpressionError */
export function permittedPast({ permitted }: Permitting): PermittedPast | undefined {
  return permitted && new PermittedPast(permitted);
}

const tests = new PermittedMemo(permittedTest);

export class PermittedPast {
  readonly #test: PermittedTest;

  /** @throws ExpressionError */
  constructor(permitted: readonly string[]) {
    this.#test = tests.of(permitted);
  }

  /** The place at which a segment begins matters. */
  get readsMotion(): boolean {
    return this.#test.readsMotion;
  }

  /** @param now the labels that the entity has; called if they matter. `undefined` = it is gone */
  tells(item: ThenRecord | Segment, now: () => readonly string[] | undefined): boolean {
    const entity = entityOf(item);
    return this.#test.passes(entity) && this.#passesNow(entity, now);
  }

  /** What may be told of some. @param missing shards that nobody answers for: nothing of them is told, and those that are found are added */
  async of<T extends ThenRecord | Segment>(
    items: readonly T[],
    tails: TrackTails,
    missing: Set<number>,
  ): Promise<T[]> {
    const test = this.#test;
    const passed = items.filter((item) => test.passes(entityOf(item)));
    if (!test.readsLabels) return passed;
    const isReached = ({ id }: T) => !missing.has(shardOf(id));
    const labels = await labelsOf([...new Set(passed.filter(isReached).map(({ id }) => id))], tails, missing);
    return passed.filter(
      (item) => isReached(item) && this.#passesNow(entityOf(item), () => labels.get(item.id)),
    );
  }

  /** As `of`, for what comes one after the other of one entity, whose labels are asked for at once. */
  async ofOne(
    id: string,
    tails: TrackTails,
    missing: Set<number>,
  ): Promise<(item: ThenRecord | Segment) => boolean> {
    if (!this.#test.readsLabels) return (item) => this.#test.passes(entityOf(item));
    const labels = await labelsOf([id], tails, missing);
    if (missing.has(shardOf(id))) return () => false;
    return (item) => this.tells(item, () => labels.get(id));
  }

  #passesNow(entity: PlainEntity, now: () => readonly string[] | undefined): boolean {
    if (!this.#test.readsLabels) return true;
    const labels = now();
    if (labels === undefined) return true;
    entity.labels = labels;
    return this.#test.passes(entity);
  }
}

async function labelsOf(ids: readonly string[], tails: TrackTails, missing: Set<number>) {
  const labels = new Map<string, readonly string[]>();
  for (let i = 0; i < ids.length; i += MAX_LABEL_IDS) {
    const found = await tails.labels(ids.slice(i, i + MAX_LABEL_IDS));
    for (const [id, of] of found.labels) labels.set(id, of);
    for (const shard of found.missing) missing.add(shard);
  }
  return labels;
}

/** What a record says, or a segment at its first point: numbers as they are told. */
function entityOf(item: ThenRecord | Segment): PlainEntity {
  const { id, kind, state, attributes, labels, fences } = item;
  const description = { id, kind, state, attributes, labels, fences };
  const rest = { heading: null, accuracy: null, liveness: "live" } as const;
  if ("points" in item) {
    const { t, lon, lat, alt, speed, course } = item.points[0];
    return new PlainEntity({
      ...description,
      ...rest,
      t,
      lon: roundDegrees(wrapLongitude(lon)),
      lat: roundDegrees(lat),
      alt: known(alt, (metres) => roundAlt(heldAlt(metres))),
      speed: known(speed, roundMotion),
      course: known(course, roundDirection),
    });
  }
  const { t, lon = null, lat = null, alt = null, speed = null, course = null } = item;
  return new PlainEntity({ ...description, ...rest, t: Date.parse(t), lon, lat, alt, speed, course });
}

function known(value: number, asTold: (value: number) => number): number | null {
  return Number.isNaN(value) ? null : asTold(value);
}
