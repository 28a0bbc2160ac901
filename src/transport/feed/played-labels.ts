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

/** Whether a way may be told of an entity that has these labels now. @param t Unix ms, at which the way tells where it is */
export type LabelTest = (id: string, way: Way, t: number, labels: readonly string[]) => boolean;

const tests = new PermittedMemo(permittedTest);

/** @returns `undefined`: labels do not matter */
export function labelTest(permitted: Permitted): LabelTest | undefined {
  if (permitted === "all" || !tests.of(permitted).readsLabels) return undefined;
  const past = permittedPast({ permitted })!;
  return (id, way, t, labels) => {
    const { description, recorded, hold } = way;
    // It passed as it was then.
    if (JSON.stringify(description.labels) === JSON.stringify(labels)) return true;
    const asNow = { ...description, id, labels, recorded, hold, points: [way.at(t)] };
    return past.tells(asNow, () => undefined);
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

function* heldBy(playbacks: readonly Playback[]): Generator<[Playback, string], void> {
  for (const playback of playbacks) for (const id of playback.labelled) yield [playback, id];
}
