/** Rules of the feed that are kept inside of methods, each broken: mutants that the model test has to notice. */
import type { Mutant } from "../support/mutant.ts";

export interface FeedMutant extends Mutant {
  /** With which the model notices it soon, default 1; any will do in the end. */
  seed?: number;
}

const CHANNEL = "src/picture/channel.ts";
const HOLD = "src/picture/hold.ts";
const BOX_VIEW = "src/transport/feed/box-view.ts";
const IDS_VIEW = "src/transport/feed/ids-view.ts";
const PRIVATE = "src/transport/feed/private-records.ts";
const BROADCAST = "src/transport/feed/broadcast.ts";

/** The place where a channel decides what becomes of a change; a line before it may hold back too much. */
const IS_MOVE = "    const isMove = stays &&";
const holdBackIf = (condition: string) => `    if (${condition} && this.#hold?.isGoodEnough(slot, now)) {
      this.#dirty[this.#dirtyCount++] = slot;
      return;
    }
${IS_MOVE}`;

const tolerance: FeedMutant[] = [
  {
    name: "a change that was held back is forgotten",
    file: CHANNEL,
    from: "        this.#dirty[this.#dirtyCount++] = slot;\n        return;",
    to: "        this.#flags[slot] &= ~DIRTY;\n        return;",
  },
  {
    name: "another cell does not break a hold",
    file: CHANNEL,
    from: IS_MOVE,
    to: holdBackIf("isMember && (flags & (DIRTY_FULL | WITHHELD)) === 0"),
  },
  {
    name: "that the filter hides an entity does not break a hold",
    seed: 6,
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
    from: IS_MOVE,
    // LIVE
    to: holdBackIf("stays && (flags & WITHHELD) === 0 && this.#picture.columns.liveness.of(slot) === 0"),
  },
  {
    name: "another liveness does not break a hold",
    file: CHANNEL,
    from: IS_MOVE,
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
    seed: 13,
    file: HOLD,
    from: "reckon(fix, now, maxAgeMs, shown);",
    to: "reckon(fix, fix.t, maxAgeMs, shown);",
  },
  {
    name: "it is forgotten that one view alone was given something newer",
    seed: 30,
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
    from: "    this.#seats.set(view, { spec, audience });\n",
    to: `    this.#seats.set(view, { spec, audience });
    if (audience.channel !== undefined && session.takesFrame() && !session.views.has(view.name)) {
      const time = { tick: 0, t: Math.floor(this.#clock.now()), lag: 0 };
      view.turn(turnOf(audience, audience.channel, undefined, time, CLUSTER_TICKS));
      view.grow(turnOf(audience, audience.channel, undefined, time, CLUSTER_TICKS));
    }
`,
  },
  {
    name: "views take their turn before channels know what changed",
    file: BROADCAST,
    from: `    this.#channels.merge();
    for (const audience of this.#audiences.values()) {
      if (audience.views.size === 0) this.#forget(audience);
      else this.#serve(audience, time, atOnce);
    }
`,
    to: `    for (const audience of this.#audiences.values()) {
      if (audience.views.size === 0) this.#forget(audience);
      else this.#serve(audience, time, atOnce);
    }
    this.#channels.merge();
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
    from: "(flags & (DIRTY_FULL | WITHHELD)) === 0 && fitsMove",
    to: "(flags & WITHHELD) === 0 && fitsMove",
  },
  {
    name: "a move is sent although it does not hold what is known",
    file: CHANNEL,
    from: " && fitsMove(columns, slot, now);",
    to: ";",
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

const views: FeedMutant[] = [
  {
    name: "between the parts of a snapshot, deltas tell of the whole cover",
    seed: 48,
    file: BOX_VIEW,
    from: "coverIntersection(this.#sent, this.#target) : this.#sent;",
    to: "coverIntersection(this.#sent, this.#target) : this.#target;",
  },
  {
    name: "after a pan, deltas tell of the whole new cover",
    file: BOX_VIEW,
    from: "coverIntersection(this.#sent, this.#target) : this.#sent;",
    to: "this.#target : this.#sent;",
  },
  {
    name: "a pan does not tell what is new",
    file: BOX_VIEW,
    from: "this.#lacking = coverDifference(this.#target, kept);",
    to: "this.#lacking = NOTHING;",
  },
  {
    name: "a view of ids does not take those that come later",
    file: IDS_VIEW,
    from: "      if (!isSeen) continue;",
    to: "      if (!isSeen || heldSlot === undefined) continue;",
  },
  {
    name: "a view of ids takes one that came back for the one that it holds",
    seed: 111,
    file: IDS_VIEW,
    from: "if (heldSlot !== undefined && (heldSlot !== slot || !isSeen)) {",
    to: "if (heldSlot !== undefined && !isSeen) {",
  },
  {
    name: "a view that follows stays where it was first",
    file: "src/transport/feed/follow.ts",
    from: "if (lon === this.#lon && lat === this.#lat) return undefined;",
    to: "if (!Number.isNaN(this.#lon)) return undefined;",
  },
  {
    name: "a view goes on following what has expired",
    seed: 40,
    file: "src/transport/feed/follow.ts",
    from: '    if (columns.liveness.of(slot) === EXPIRED) return "expired";\n',
    to: "",
  },
  {
    name: "a view that gets a channel goes on where it was",
    seed: 296,
    file: BROADCAST,
    from: "    view.filter = undefined;\n    view.restart();\n",
    to: "    view.filter = undefined;\n",
  },
  {
    name: "a filter of one's own calls those left that it hides",
    seed: 33,
    file: PRIVATE,
    from: 'reason === "left" && publication.placeOf(slot) !== undefined && !lens.test(slot)',
    to: "false",
  },
  {
    name: "a filter of one's own is not asked after moves",
    seed: 5,
    file: PRIVATE,
    from: 'const movesDecide = lens.reads === "motion";',
    to: "const movesDecide = false;",
  },
];

const replies: FeedMutant[] = [
  {
    name: "a reply names no cover",
    file: BOX_VIEW,
    from: "cover: coverBoxes(this.#target),",
    to: "cover: [],",
  },
  {
    name: "a reply names less than the box",
    file: BOX_VIEW,
    from: "cover: coverBoxes(this.#target),",
    to: "cover: coverBoxes(this.#target).slice(1),",
  },
  {
    name: "a reply names more than is sent",
    file: BOX_VIEW,
    from: "cover: coverBoxes(this.#target),",
    to: "cover: [[-180, -90, 180, 90]],",
  },
  {
    name: "a reply names the cover that was before",
    file: BOX_VIEW,
    from: "cover: coverBoxes(this.#target),",
    to: "cover: coverBoxes(before),",
  },
];

const handles: FeedMutant[] = [
  {
    name: "a handle is another's as soon as its entity is removed",
    file: "src/picture/picture.ts",
    from: "    this.#removed.set(slot, reason);\n    this.touch(slot, FULL);",
    to: "    this.touch(slot, FULL);\n    this.#slots.give(slot, columns.shard.of(slot));",
  },
  {
    name: "a handle is another's as soon as one channel has told that its entity is gone",
    file: "src/picture/channels.ts",
    from: "if (!channel.hasTold(slot)) return false;\n      return true;",
    to: "if (channel.hasTold(slot)) return true;\n      return false;",
  },
];

const storms: FeedMutant[] = [
  {
    name: "a tick has as many bytes of snapshots as there are",
    file: BROADCAST,
    from: "if (bytes <= 0 || (i > 0",
    to: "if ((i > 0",
  },
  {
    name: "bytes of snapshots are not counted",
    file: BROADCAST,
    from: "bytes -= view.grow(",
    to: "view.grow(",
  },
];

const crowds: FeedMutant[] = [
  {
    name: "a crowd that comes in by and by is not counted",
    seed: 24,
    file: BOX_VIEW,
    from: "      publication.fulls.slice(kept, fulls.ranges);\n      this.#held += publication.entered(fulls.ranges);",
    to: "      publication.fulls.slice(kept, fulls.ranges);",
  },
  {
    name: "who departs counts for a crowd",
    file: BOX_VIEW,
    from: "publication.entered(fulls.ranges) - departures.ranges.count;",
    to: "publication.entered(fulls.ranges);",
  },
  {
    name: "a crowd is sent before it is counted",
    file: BOX_VIEW,
    from: 'return moved || this.#state === "waiting" || (this.#private !== undefined && isTurn);',
    to: "return this.#private !== undefined && isTurn;",
  },
  {
    name: "clusters from before a crowd say that there is none",
    seed: 159,
    file: BOX_VIEW,
    from: "isFew && !this.#holdsMoreThan(turn, this.#max)",
    to: "clusters.count(this.#target) < BACK_TO_ENTITIES_SHARE * this.#max",
  },
];

export const MUTANTS: readonly FeedMutant[] = [
  ...tolerance,
  ...ticks,
  ...records,
  ...views,
  ...replies,
  ...handles,
  ...storms,
  ...crowds,
];
