/** The playback views of connections: opened, updated, ended; and their turn in a base tick. */
import assert from "node:assert/strict";
import { type Authority, permittedNow } from "../../access/permitted-now.ts";
import type { Permitted } from "../../access/ports.ts";
import type { Clock } from "../../clock.ts";
import {
  DEFAULT_VIEW_ENTITIES,
  MAX_PLAYBACK_AHEAD_MS,
  MAX_PLAYBACKS,
  MAX_PLAYBACKS_PER_CONNECTION,
  PLAYBACK_TURN_MS,
  SNAPSHOT_PART_RECORDS,
} from "../../limits.ts";
import type { FilterTime } from "../../picture/filter-time.ts";
import { type Filter, type Lens, permittedLens } from "../../picture/lens.ts";
import type { TickTime } from "../../picture/tick.ts";
import type { History } from "../../tracks/history.ts";
import { parseTime } from "../ingest/parse-time.ts";
import { BoxView } from "./box-view.ts";
import type { FeedLog } from "./broadcast.ts";
import { type Expulsion, FORBIDDEN } from "./homeless.ts";
import { Past } from "./past.ts";
import { Playback } from "./playback.ts";
import { PlaybackReads } from "./playback-reads.ts";
import { PlayedLabels } from "./played-labels.ts";
import type { Subscribe, Update } from "./protocol.ts";
import type { Session } from "./session.ts";
import type { View } from "./view.ts";
import { isSame, lensFor, takesView } from "./view-checks.ts";

export interface PlaybacksOptions extends Authority {
  /** Absent = this node keeps none. */
  history?: History;
  clock: Clock;
  log: FeedLog;
  /** What filters are measured with. */
  filterTime: FilterTime;
  /** Records in one part of a snapshot, about. Default SNAPSHOT_PART_RECORDS. */
  partRecords?: number;
}

interface Opened {
  playback: Playback;
  past: Past;
  filter: Filter;
  /** What its client may see, as it was looked at last. */
  permitted: Permitted;
  /** It is left out before this base tick, since it took the time of others. */
  dueTick: number;
}

export class Playbacks {
  readonly #options: PlaybacksOptions;
  /** The one whose turn was longest ago first. */
  readonly #opened = new Map<View, Opened>();
  readonly #reads: PlaybackReads;
  readonly #labels: PlayedLabels | undefined;

  constructor(options: PlaybacksOptions) {
    this.#options = options;
    const { history, clock } = options;
    this.#reads = new PlaybackReads((playback, error) => this.#fail(playback, error));
    this.#labels = history && new PlayedLabels(history, clock);
  }

  get count(): number {
    return this.#opened.size;
  }

  subscribe(session: Session, message: Subscribe): void {
    const { view: name, kinds, where, bbox, ids } = message;
    const { history, partRecords = SNAPSHOT_PART_RECORDS } = this.#options;
    if (!takesView(session, name)) return;
    const permitted = this.#permitted(session);
    if (permitted.length === 0) {
      session.refuse({ ...FORBIDDEN, view: name });
      return;
    }
    if (history === undefined) {
      session.refuse({ type: "unavailable", detail: "this node keeps no history", view: name });
      return;
    }
    const own = [...session.views.values()].filter((view) => this.#opened.has(view));
    if (own.length >= MAX_PLAYBACKS_PER_CONNECTION || this.#opened.size >= MAX_PLAYBACKS) {
      const detail = `at most ${MAX_PLAYBACKS_PER_CONNECTION} on one connection, and ${MAX_PLAYBACKS} on a node`;
      session.refuse({ type: "too-many-playbacks", detail, view: name });
      return;
    }
    const at = this.#time(session, name, message.at!);
    const past = new Past();
    const filter = { kinds, where };
    const lens = at === undefined ? undefined : this.#lens(session, name, { past, filter, permitted });
    if (at === undefined || lens === undefined) return;
    const { rate = 10, max = DEFAULT_VIEW_ENTITIES, speed = 1 } = message;
    const { clock, log } = this.#options;
    const playback = new Playback(session, {
      ...{ name, past, lens, permitted, bbox, ids, rate, max, partRecords, at, speed, history, clock, log },
    });
    session.views.set(name, playback.view);
    this.#opened.set(playback.view, { playback, past, filter, permitted, dueTick: 0 });
    this.#reads.add(playback);
  }

  /** Has the views of a connection show what its principal may see now, be it nothing. */
  permit(session: Session): void {
    const permitted = this.#permitted(session);
    for (const view of session.views.values()) {
      const opened = this.#opened.get(view);
      if (opened === undefined || isSame(opened.permitted, permitted)) continue;
      opened.permitted = permitted;
      const lens = permitted.length === 0 ? undefined : this.#lens(session, view.name, opened);
      assert.ok(lens !== undefined || permitted.length === 0, "its filter was taken before");
      opened.playback.permit(permitted, lens);
    }
  }

  #permitted({ principal }: Session): Permitted {
    return permittedNow(this.#options, principal, "entity", "read");
  }

  #lens(
    session: Session,
    view: string,
    { past, filter, permitted }: Pick<Opened, "past" | "filter" | "permitted">,
  ): Lens | undefined {
    const { filterTime } = this.#options;
    const { picture } = past;
    const may = permittedLens(picture, permitted, filterTime);
    return lensFor(session, picture, view, filter, filterTime, may);
  }

  /** @returns false if the message is of no playback view. */
  update(session: Session, message: Update): boolean {
    const opened = this.#find(session, message.view);
    if (opened === undefined) return false;
    if (!this.#take(session, opened, message)) opened.playback.answer(message);
    return true;
  }

  /** @returns false if the update is refused, and then nothing has changed */
  #take(session: Session, opened: Opened, message: Update): boolean {
    const { view: name, bbox, kinds, where } = message;
    const { playback } = opened;
    if (bbox !== undefined && !(playback.view instanceof BoxView)) {
      session.refuse({ type: "bad-request", detail: "a view of `ids` has no bbox", view: name });
      return false;
    }
    const at = message.at === undefined ? undefined : this.#time(session, name, message.at);
    if (at === undefined && message.at !== undefined) return false;
    if (kinds !== undefined || where !== undefined) {
      const filter = { ...opened.filter };
      if (kinds !== undefined) filter.kinds = kinds ?? undefined;
      if (where !== undefined) filter.where = where ?? undefined;
      const lens = this.#lens(session, name, { ...opened, filter });
      if (lens === undefined) return false;
      opened.filter = filter;
      playback.refilter(lens);
    }
    playback.update(message, at);
    return true;
  }

  /** @returns false if there is no playback view with this name. */
  unsubscribe(session: Session, name: string): boolean {
    const opened = this.#find(session, name);
    if (opened === undefined) return false;
    session.views.delete(name);
    this.#forget(opened);
    return true;
  }

  /** A connection has ended. */
  forgetAll(session: Session): void {
    for (const name of [...session.views.keys()]) this.unsubscribe(session, name);
  }

  /** Holds and shows nothing of an entity any more, as it is erased. */
  forget(id: string): void {
    for (const { playback } of [...this.#opened.values()]) this.#guard(playback, () => playback.forget(id));
  }

  /** Serves those for which there is time, the others next time; then those that have to read begin to. */
  tick(time: Omit<TickTime, "t">): void {
    const { clock } = this.#options;
    const end = clock.monotonic() + PLAYBACK_TURN_MS;
    for (const [view, opened] of [...this.#opened]) {
      const began = clock.monotonic();
      if (began > end) break;
      // The session of one before may have ended, with all that it had.
      if (opened.dueTick > time.tick || !this.#opened.has(view)) continue;
      this.#opened.delete(view);
      this.#opened.set(view, opened);
      const { playback } = opened;
      this.#guard(playback, () => {
        const over = playback.tick(time, end);
        if (over !== undefined) this.#expel(opened, over);
      });
      opened.dueTick = time.tick + 1 + Math.floor((clock.monotonic() - began) / PLAYBACK_TURN_MS);
    }
    this.#reads.begin();
    void this.#relabel();
  }

  async #relabel(): Promise<void> {
    const playbacks = [...this.#opened.values()].map(({ playback }) => playback);
    try {
      await this.#labels?.ask(playbacks, (playback, labels) =>
        this.#guard(playback, () => playback.relabel(labels)),
      );
    } catch (error) {
      this.#options.log.error({ err: error }, "labels for playbacks cannot be asked for");
    }
  }

  /** Unix ms, not after now; `undefined` if it is too far in the future, which the client is told. */
  #time(session: Session, view: string, at: string): number | undefined {
    const t = parseTime(at);
    const now = Math.floor(this.#options.clock.now());
    if (t <= now + MAX_PLAYBACK_AHEAD_MS) return Math.min(t, now);
    session.refuse({ type: "bad-request", detail: "`at` must not be in the future", view, at });
    return undefined;
  }

  #find(session: Session, name: string): Opened | undefined {
    const view = session.views.get(name);
    return view && this.#opened.get(view);
  }

  #expel(opened: Opened, { type, detail }: Expulsion): void {
    const { session, name } = opened.playback;
    session.views.delete(name);
    this.#forget(opened);
    session.refuse({ type, detail, view: name, ended: true });
  }

  #forget({ playback }: Opened): void {
    this.#opened.delete(playback.view);
    this.#reads.drop(playback);
    playback.close();
  }

  /** A failure within one session is its own. */
  #guard(playback: Playback, run: () => void): void {
    try {
      run();
    } catch (error) {
      this.#fail(playback, error);
    }
  }

  #fail({ session }: Playback, error: unknown): void {
    this.#options.log.error({ err: error }, "a playback failed");
    session.close("internal_error");
  }
}
