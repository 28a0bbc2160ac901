/** Rules of the feed that are kept inside of methods, each broken: mutants that the model test has to notice. */
import { type FeedMutant, VIEW_MUTANTS } from "./view-mutants.ts";

const CHANNEL = "src/picture/channel.ts";
const HOLD = "src/picture/hold.ts";
const BOX_VIEW = "src/transport/feed/box-view.ts";
const BROADCAST = "src/transport/feed/broadcast.ts";

/** The place where a channel decides what becomes of a change; a line before it may hold back too much. */
const IS_MOTION = "    const isMotion = stays &&";
const holdBackIf = (condition: string) => `    if (${condition} && this.#hold?.isGoodEnough(slot, now)) {
      this.#dirty[this.#dirtyCount++] = slot;
      return;
    }
${IS_MOTION}`;

const tolerance: FeedMutant[] = [
  {
    name: "a change that was held back is forgotten",
    file: CHANNEL,
    from: "      this.#dirty[this.#dirtyCount++] = slot;\n      return;",
    to: "      this.#flags[slot] &= ~DIRTY;\n      return;",
  },
  {
    name: "another cell does not break a hold",
    file: CHANNEL,
    from: IS_MOTION,
    to: holdBackIf("isMember && (flags & (DIRTY_FULL | WITHHELD)) === 0"),
  },
  {
    name: "that the filter hides an entity does not break a hold",
    seed: 4,
    file: CHANNEL,
    from: "const was = this.#publishedKey[slot];\n    if (!this.passes(slot)) {",
    to: `const was = this.#publishedKey[slot];
    const hides = !this.passes(slot);
    if (hides && isMember && (flags & (DIRTY_FULL | WITHHELD)) === 0 && this.#hold?.isGoodEnough(slot, now)) {
      this.#dirty[this.#dirtyCount++] = slot;
      return;
    }
    if (hides) {`,
  },
  {
    name: "another state does not break a hold",
    file: CHANNEL,
    from: IS_MOTION,
    // LIVE
    to: holdBackIf("stays && (flags & WITHHELD) === 0 && this.#picture.columns.liveness.of(slot) === 0"),
  },
  {
    name: "another liveness does not break a hold",
    file: CHANNEL,
    from: IS_MOTION,
    to: holdBackIf("stays && (flags & WITHHELD) === 0 && this.#picture.columns.liveness.of(slot) !== 0"),
  },
  {
    name: "a hold has no greatest age",
    file: HOLD,
    from: "age >= 0 && age < maxAgeMs",
    to: "age >= 0 && age < Number.POSITIVE_INFINITY",
  },
  {
    name: "a tolerance is twice what it says",
    seed: 2,
    file: HOLD,
    from: "<= metres;",
    to: "<= 2 * metres;",
  },
  {
    name: "it is forgotten that clients extrapolate",
    seed: 4,
    file: HOLD,
    from: "reckon(fix, now, maxAgeMs, shown);",
    to: "reckon(fix, fix.t, maxAgeMs, shown);",
  },
  {
    name: "a report without a place counts as one of where it was",
    seed: 14,
    file: HOLD,
    from: "fix.t = columns.placedAt.of(slot);",
    to: "fix.t = columns.t.of(slot);",
  },
  {
    name: "it is forgotten that clients were told when a place was",
    seed: 23,
    file: HOLD,
    from: "this.#placedAt[slot] = columns.placedAt.of(slot);",
    to: "this.#placedAt[slot] = columns.t.of(slot);",
  },
  {
    name: "it is forgotten that one view alone was given something newer",
    seed: 11,
    file: CHANNEL,
    from: "if (this.#flags[slot] & DIRTY) this.#hold?.spoil(slot);",
    to: "",
  },
];

const ticks: FeedMutant[] = [
  {
    name: "a pan is applied at once",
    file: BOX_VIEW,
    from: "  turn(turn: Turn): void {\n",
    to: `  turn(turn: Turn): void {
    this.move = (bbox) => {
      this.#bbox = bbox;
      this.#moved = true;
      if (this.#state !== "live") return;
      this.#aim(bbox);
      this.#entityTurn({ ...turn, publication: undefined }, true);
    };
`,
  },
  {
    name: "a subscribe is applied at once",
    file: BROADCAST,
    from: "    this.#seats.set(view, seat);\n",
    to: `    this.#seats.set(view, seat);
    const { audience } = seat.next!;
    if (audience.channel !== undefined && session.takesFrame()) {
      const time = { tick: 0, t: Math.floor(this.#clock.now()), lag: 0 };
      this.#letIn(view);
      view.turn(turnOf(audience, audience.channel, undefined, time, CLUSTER_TICKS));
      view.grow(turnOf(audience, audience.channel, undefined, time, CLUSTER_TICKS));
    }
`,
  },
  {
    name: "views take their turn before channels know what changed",
    file: BROADCAST,
    from: `    this.#channels.merge();
    for (const view of this.#repermitted.keys()) this.#repermit(view, time);
    // Who comes is let in before anybody is served: what it is sent in this tick has its new filter.
    for (const audience of this.#audiences.values()) this.#open(audience, time);
    for (const audience of this.#audiences.values()) this.#serve(audience, time, atOnce);
`,
    to: `    for (const audience of this.#audiences.values()) this.#open(audience, time);
    for (const audience of this.#audiences.values()) this.#serve(audience, time, atOnce);
    this.#channels.merge();
    for (const view of this.#repermitted.keys()) this.#repermit(view, time);
`,
  },
  {
    name: "the sorted list lacks what changed since it was made",
    file: CHANNEL,
    from: "UNASKED;\n    }\n    this.#dirtyIsSorted = false;",
    to: "UNASKED;\n    }",
  },
  {
    name: "a channel of 1 Hz misses what changes between its ticks",
    file: CHANNEL,
    from: "    this.#makeRoom();\n    const flags = this.#flags;\n",
    to: `    this.#makeRoom();
    const flags = this.#flags;
    if (this.rate === 1) {
      for (let i = 0; i < this.#dirtyCount; i++) flags[this.#dirty[i]] &= ~DIRTY;
      this.#dirtyCount = 0;
    }
`,
  },
  {
    name: "what is published is not sorted",
    file: "src/picture/tick.ts",
    from: "    this.moves.sort();\n    this.fulls.sort();\n",
    to: "",
  },
  {
    name: "updates come before departures",
    file: "src/transport/feed/json-format.ts",
    from: `    at += frame.write(',"departures":[', at, "latin1");
    at = putList(frame, at, departures);
    at += UPDATES.copy(frame, at);
    at = putList(frame, at, fulls, moves);
`,
    to: `    at += frame.write(',"updates":[', at, "latin1");
    at = putList(frame, at, fulls, moves);
    at += frame.write('],"departures":[', at, "latin1");
    at = putList(frame, at, departures);
`,
  },
];

const records: FeedMutant[] = [
  {
    name: "who stays in a cell is sent a move although more changed",
    file: CHANNEL,
    from: "stays && (flags & (DIRTY_FULL | WITHHELD)) === 0;",
    to: "stays && (flags & WITHHELD) === 0;",
  },
  {
    name: "a move is sent although it does not hold what is known",
    file: CHANNEL,
    from: "isMotion && fitsMove(columns, slot, now)",
    to: "isMotion",
  },
  {
    name: "a place of before is told as one of now",
    file: "src/picture/record.ts",
    from: "    columns.placedAt.of(slot) === t &&\n",
    to: "",
  },
  {
    name: "motion that is gone is not told",
    seed: 8,
    file: CHANNEL,
    from: "publication.addMove(key, slot, flags >>> MOTION_SHIFT);",
    to: "publication.addMove(key, slot, 0);",
  },
  {
    name: "motion that was given to one view alone is not told when it is gone",
    seed: 47,
    file: CHANNEL,
    from: "    this.#flags[slot] |= this.#motion(slot) << MOTION_SHIFT;\n",
    to: "",
  },
  {
    name: "who moves to another cell departs from there",
    file: CHANNEL,
    from: 'publication.addDeparture(was, slot, "left");',
    to: 'publication.addDeparture(key, slot, "left");',
  },
  {
    name: "who is hidden departs from where it is now",
    seed: 2,
    file: CHANNEL,
    from: "publication.addDeparture(was, slot, this.#reason(slot));",
    to: "publication.addDeparture(this.#picture.columns.key.of(slot), slot, this.#reason(slot));",
  },
  {
    name: "a filter that reads motion is not judged again after a move",
    seed: 2,
    file: CHANNEL,
    from: 'this.lens.reads === "motion" ? FULL | MOTION : FULL',
    to: "FULL",
  },
];

export const MUTANTS: readonly FeedMutant[] = [...tolerance, ...ticks, ...records, ...VIEW_MUTANTS];
