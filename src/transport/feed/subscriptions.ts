/** The views of connections: opened, moved, filtered anew, ended. */
import assert from "node:assert/strict";
import { type Authority, permittedNow } from "../../access/permitted-now.ts";
import type { Permitted } from "../../access/ports.ts";
import type { Clock } from "../../clock.ts";
import { DEFAULT_VIEW_ENTITIES, SNAPSHOT_PART_RECORDS } from "../../limits.ts";
import type { ChannelSpec } from "../../picture/channels.ts";
import { NOTHING } from "../../picture/cover.ts";
import { FilterCostly, type FilterTime } from "../../picture/filter-time.ts";
import { everything, type Filter, type Lens, permittedLens } from "../../picture/lens.ts";
import type { Picture } from "../../picture/picture.ts";
import { BoxView } from "./box-view.ts";
import type { Broadcast } from "./broadcast.ts";
import { FOLLOW_WAIT_MS, Follow, findPermitted } from "./follow.ts";
import { FORBIDDEN, type Homeless, NO_CHANNEL, tooCostly } from "./homeless.ts";
import { IdsView } from "./ids-view.ts";
import { type Subscribe, TOLERANCES, type Unsubscribe, type Update } from "./protocol.ts";
import type { Session } from "./session.ts";
import type { InterestSink, View } from "./view.ts";
import { isSame, lensFor, takesView } from "./view-checks.ts";

const NO_IDS = "the views of this node name as many entities, or as long ids, as it can ask other nodes for";
const NO_TARGET = "there is nothing to follow";

/** What a view was opened with, as far as an update may change or needs it. */
interface Opened {
  view: View;
  filter: Filter;
  /** What its client may see, as it was looked at last. */
  permitted: Permitted;
  spec: ChannelSpec;
  follow: Follow | undefined;
}

export interface SubscriptionsOptions extends Authority {
  picture: Picture;
  clock: Clock;
  /** What filters are measured with. */
  filterTime: FilterTime;
  /** Records in one part of a snapshot, about. Default SNAPSHOT_PART_RECORDS. */
  partRecords?: number;
  /** Their bytes, about. Default SNAPSHOT_PART_BYTES. */
  partBytes?: number;
  /** Of a delta's records, bytes. Default MAX_DELTA_BYTES. */
  maxDeltaBytes?: number;
  /** Is told what views look at: in a cluster. */
  interest?: InterestSink;
}

export class Subscriptions {
  readonly #options: SubscriptionsOptions;
  readonly #broadcast: Broadcast;
  readonly #opened = new Map<View, Opened>();
  readonly #following = new Map<BoxView, Session>();
  /** By what is permitted: many come at once with the same. None is kept for long, since one may be stopped. */
  readonly #permittedLenses = new Map<string, Lens>();

  constructor(options: SubscriptionsOptions, broadcast: Broadcast) {
    this.#options = options;
    this.#broadcast = broadcast;
  }

  /** Aims the views that follow something. Once a base tick, before they are served. @param now monotonic ms */
  follow(now: number): void {
    for (const [view, session] of this.#following)
      if (!session.isHeld) this.#broadcast.guardView(view, session, () => this.#aim(view, session, now));
  }

  /** A connection has ended. */
  forgetAll(session: Session): void {
    for (const view of session.views.values()) this.#forget(view);
  }

  subscribe(session: Session, message: Subscribe): void {
    const { view: name, kinds, where, rate = 10 } = message;
    if (!takesView(session, name)) return;
    const filter = { kinds, where };
    const permitted = this.#permitted(session);
    if (permitted.length === 0) {
      session.refuse({ ...FORBIDDEN, view: name });
      return;
    }
    const lens = this.#lens(session, name, filter, permitted);
    if (lens === undefined) return;
    const { tolerance } = message;
    const spec = { lens, rate, tolerance: tolerance && { name: tolerance, ...TOLERANCES[tolerance] } };
    const made = this.#view(session, message, lens);
    if (made === undefined) return;
    const { interest } = this.#options;
    const ids = idsOf(made);
    if (interest?.wanted(ids) === false) {
      session.refuse({ type: "unavailable", detail: NO_IDS, view: name });
      return;
    }
    if (!this.#broadcast.join(made.view, session, spec)) {
      interest?.unwanted(ids);
      session.refuse({ ...NO_CHANNEL, view: name });
      return;
    }
    session.views.set(name, made.view);
    this.#opened.set(made.view, { ...made, filter, permitted, spec });
    if (made.follow !== undefined) this.#following.set(made.view as BoxView, session);
  }

  #permitted({ principal }: Session): Permitted {
    return permittedNow(this.#options, principal, "entity", "read");
  }

  #lens(session: Session, view: string, filter: Filter, permitted: Permitted): Lens | undefined {
    const { picture, filterTime } = this.#options;
    return lensFor(session, picture, view, filter, filterTime, this.#permittedLens(permitted));
  }

  #permittedLens(permitted: Permitted): Lens {
    if (permitted === "all") return everything;
    const key = JSON.stringify(permitted);
    const { picture, filterTime } = this.#options;
    const lens = this.#permittedLenses.get(key) ?? permittedLens(picture, permitted, filterTime);
    this.#permittedLenses.set(key, lens);
    return lens;
  }

  /** Forgets what was made for those who come at once. Now and then. */
  forgetLenses(): void {
    this.#permittedLenses.clear();
  }

  /** Has the views of a connection show what its principal may see now, be it nothing. */
  permit(session: Session): void {
    const permitted = this.#permitted(session);
    for (const view of session.views.values()) {
      const opened = this.#opened.get(view);
      if (opened === undefined || isSame(opened.permitted, permitted)) continue;
      opened.permitted = permitted;
      if (permitted.length === 0) this.#broadcast.permit(view, undefined);
      else {
        const lens = this.#lens(session, view.name, opened.filter, permitted);
        assert.ok(lens, "its filter was taken before");
        opened.spec = { ...opened.spec, lens };
        this.#broadcast.permit(view, opened.spec);
      }
    }
  }

  /** The view that a message asks for, in no channel yet. */
  #view(
    session: Session,
    { view: name, bbox, ids, follow, max = DEFAULT_VIEW_ENTITIES }: Subscribe,
    lens: Lens,
  ): { view: View; follow: Follow | undefined } | undefined {
    const { picture, clock, partRecords = SNAPSHOT_PART_RECORDS, partBytes } = this.#options;
    const { maxDeltaBytes, interest } = this.#options;
    const number = session.nextViewNumber();
    const part = { partRecords, partBytes };
    if (ids !== undefined)
      return { view: new IdsView(session, picture, { name, number, ids, ...part }), follow: undefined };
    const view = new BoxView(session, { name, number, bbox, max, ...part, maxDeltaBytes, interest });
    if (bbox !== undefined) return { view, follow: undefined };
    const waitMs = interest === undefined ? 0 : FOLLOW_WAIT_MS;
    const slot = this.#target(session, name, follow!.id, lens);
    if (slot === undefined) return undefined;
    if (waitMs === 0 && slot === -1) {
      session.refuse({ type: "entity-not-found", detail: NO_TARGET, view: name });
      return undefined;
    }
    return { view, follow: new Follow(picture, { ...follow!, waitMs, now: clock.monotonic(), slot }) };
  }

  /** Where what is to be followed is; `undefined` = that takes too much time to say. */
  #target(session: Session, view: string, id: string, lens: Lens): number | undefined {
    try {
      return findPermitted(this.#options.picture, id, lens);
    } catch (error) {
      if (!(error instanceof FilterCostly)) throw error;
      session.refuse({ ...tooCostly(error), view });
      return undefined;
    }
  }

  update(session: Session, { view: name, bbox, kinds, where, at, speed }: Update): void {
    const view = session.views.get(name);
    if (view === undefined) {
      session.refuse(unknownView(name));
      return;
    }
    if (at !== undefined || speed !== undefined) {
      session.refuse({ type: "bad-request", detail: "a live view has neither `at` nor `speed`", view: name });
      return;
    }
    if (bbox !== undefined && (!(view instanceof BoxView) || this.#following.has(view))) {
      const detail = "a view of `ids` or `follow` has no bbox of its own";
      session.refuse({ type: "bad-request", detail, view: name });
      return;
    }
    if (kinds !== undefined || where !== undefined) {
      if (!this.#refilter(session, view, kinds, where)) return;
    }
    if (bbox !== undefined) (view as BoxView).move(bbox);
  }

  /** Gives a view another filter. False if it is none, and then nothing has changed. */
  #refilter(session: Session, view: View, kinds: Update["kinds"], where: Update["where"]): boolean {
    const opened = this.#opened.get(view)!;
    const filter = { ...opened.filter };
    if (kinds !== undefined) filter.kinds = kinds ?? undefined;
    if (where !== undefined) filter.where = where ?? undefined;
    const lens = this.#lens(session, view.name, filter, opened.permitted);
    if (lens === undefined) return false;
    const spec = { ...opened.spec, lens };
    if (!this.#broadcast.refilter(view, spec)) {
      session.refuse({ ...NO_CHANNEL, view: view.name });
      return false;
    }
    opened.filter = filter;
    opened.spec = spec;
    return true;
  }

  /** Ends a view that had to leave. */
  expel({ view, session, type, detail }: Homeless): void {
    session.views.delete(view.name);
    this.#forget(view);
    session.refuse({ type, detail, view: view.name, ended: true });
  }

  unsubscribe(session: Session, { view: name }: Unsubscribe): void {
    const view = session.views.get(name);
    if (view === undefined) {
      session.refuse(unknownView(name));
      return;
    }
    session.views.delete(name);
    this.#forget(view);
  }

  /** Has a view follow its target, or ends it. */
  #aim(view: BoxView, session: Session, now: number): void {
    const { follow, spec, permitted } = this.#opened.get(view)!;
    // It ends with this tick.
    if (permitted.length === 0) return;
    const reason = follow!.aim(view, spec.lens, now);
    if (reason === undefined) return;
    const { name } = view;
    session.views.delete(name);
    this.#forget(view);
    if (reason !== "not-found") session.sendMessage({ op: "ended", view: name, reason });
    else session.refuse({ type: "entity-not-found", detail: NO_TARGET, view: name, ended: true });
  }

  #forget(view: View): void {
    this.#broadcast.leave(view);
    const { interest } = this.#options;
    interest?.unwanted(idsOf(this.#opened.get(view)!));
    if (view instanceof BoxView) interest?.moved(view.cover, NOTHING);
    this.#opened.delete(view);
    if (view instanceof BoxView) this.#following.delete(view);
  }
}

/** What a view looks at wherever it is. */
function idsOf({ view, follow }: Pick<Opened, "view" | "follow">): readonly string[] {
  return view instanceof IdsView ? view.ids : follow === undefined ? [] : [follow.id];
}

function unknownView(view: string) {
  return { type: "unknown-view", detail: "no view of this connection has this name", view } as const;
}
