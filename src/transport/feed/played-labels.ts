/** Labels that entities have now, for playbacks whose clients may see by labels: what was read of history is shown for up to a minute. */
import type { Permitted } from "../../access/ports.ts";
import type { Clock } from "../../clock.ts";
import { MAX_LABEL_IDS, PLAYBACK_REREAD_SHORTEST_MS } from "../../limits.ts";
import { PermittedMemo, permittedTest } from "../../picture/permitted.ts";
import type { History } from "../../tracks/history.ts";
import { permittedPast } from "../../tracks/permitted-past.ts";
import type { Way } from "../../tracks/way.ts";
import type { Playback } from "./playback.ts";

export type LabelsNow = ReadonlyMap<string, readonly string[]>;

/** Whether a way may be told of an entity that has these labels now. @param moments of what is played of it, Unix ms; the same each time */
export type LabelTest = (
  id: string,
  way: Way,
  moments: Iterable<number>,
  labels: readonly string[],
) => boolean;

const tests = new PermittedMemo(permittedTest);

/** @returns `undefined`: labels do not matter */
export function labelTest(permitted: Permitted): LabelTest | undefined {
  if (permitted === "all" || !tests.of(permitted).readsLabels) return undefined;
  const past = permittedPast({ permitted })!;
  /** What was found last: a way may have many moments, and is asked about each second. */
  const found = new WeakMap<Way, { now: string; passes: boolean }>();
  return (id, way, moments, labels) => {
    const { description, recorded, hold } = way;
    const now = JSON.stringify(labels);
    // It passed as it was then.
    if (JSON.stringify(description.labels) === now) return true;
    const known = found.get(way);
    if (known?.now === now) return known.passes;
    const tells = (t: number, of: readonly string[]) =>
      past.tells({ ...description, id, labels: of, recorded, hold, points: [way.at(t)] }, () => undefined);
    const passes = passesAsNow(
      moments,
      (t) => tells(t, labels),
      (t) => tells(t, description.labels),
    );
    found.set(way, { now, passes });
    return passes;
  };
}

/**
 * Rounds begin once a second. In each base tick of one `MAX_LABEL_IDS` entities are asked about at most, of all playbacks together: a round takes
 * longer where they hold more.
 */
export class PlayedLabels {
  readonly #history: History;
  readonly #clock: Clock;
  #round: Iterator<[Playback, string]> | undefined;
  #roundAt = -Infinity;
  #isAsking = false;

  constructor(history: History, clock: Clock) {
    this.#history = history;
    this.#clock = clock;
  }

  /** Asks, if it is time to. @param take is given what each playback that was asked for has to be told */
  async ask(
    playbacks: Iterable<Playback>,
    take: (playback: Playback, labels: LabelsNow) => void,
  ): Promise<void> {
    if (this.#isAsking) return;
    const now = this.#clock.monotonic();
    if (this.#round === undefined) {
      if (now - this.#roundAt < PLAYBACK_REREAD_SHORTEST_MS) return;
      this.#roundAt = now;
      this.#round = heldBy([...playbacks]);
    }
    const ids = new Set<string>();
    const asking = new Set<Playback>();
    while (ids.size < MAX_LABEL_IDS) {
      const { value, done } = this.#round.next();
      if (done) {
        this.#round = undefined;
        break;
      }
      asking.add(value[0]);
      ids.add(value[1]);
    }
    if (ids.size === 0) return;
    this.#isAsking = true;
    try {
      const { labels } = await this.#history.labels([...ids]);
      for (const playback of asking) take(playback, labels);
    } finally {
      this.#isAsking = false;
    }
  }
}

/** Where the first moment does not pass, others count if labels took none away: moments that did not pass then are not shown. */
function passesAsNow(
  moments: Iterable<number>,
  now: (t: number) => boolean,
  then: (t: number) => boolean,
): boolean {
  let isFirst = true;
  let passes = false;
  for (const t of moments) {
    if (now(t)) passes = true;
    else if (then(t)) return false;
    if (isFirst && passes) return true;
    isFirst = false;
  }
  return passes;
}

function* heldBy(playbacks: readonly Playback[]): Generator<[Playback, string], void> {
  for (const playback of playbacks) for (const id of playback.labelled) yield [playback, id];
}
