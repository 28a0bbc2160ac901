/** Rules that a view keeps for itself, each broken: see `mutants.ts`. */
import type { Mutant } from "../support/mutant.ts";

export interface FeedMutant extends Mutant {
  /** With which the model notices it soon, default 1; any will do in the end. */
  seed?: number;
}

const BOX_VIEW = "src/transport/feed/box-view.ts";
const IDS_VIEW = "src/transport/feed/ids-view.ts";
const PRIVATE = "src/transport/feed/private-records.ts";
const BROADCAST = "src/transport/feed/broadcast.ts";

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
    name: "a view of ids that was left out goes on where it was",
    file: IDS_VIEW,
    from: "    this.#given = 0;\n",
    to: "",
  },
  {
    name: "the cell before which a part ends for its bytes counts as sent",
    file: "src/picture/channel.ts",
    from: "published: published + j, end: keys[j] };",
    to: "published: published + j, end: keys[j] + 1 };",
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
    from: "    else view.restart();\n",
    to: "",
  },
  {
    name: "a filter of one's own calls those left that it hides",
    seed: 33,
    file: PRIVATE,
    from: 'reason === "left" && publication.placeOf(slot) !== undefined && !this.lens.test(slot)',
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
];

const handles: FeedMutant[] = [
  {
    name: "a handle is another's although nobody was told that its entity is gone",
    seed: 14,
    file: "src/picture/channel.ts",
    from: "publication.addDeparture(was, slot, this.#reason(slot));",
    to: `if (this.#picture.removal(slot) === undefined) publication.addDeparture(was, slot, this.#reason(slot));`,
  },
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
];

const largeDeltas: FeedMutant[] = [
  {
    name: "a delta has as many bytes as there are",
    file: BOX_VIEW,
    from: "fulls.size > this.#maxDeltaBytes;",
    to: "fulls.size > Number.POSITIVE_INFINITY;",
  },
  {
    name: "a view that was not given a delta goes on",
    file: BOX_VIEW,
    from: "    this.restart();\n    this.#isQuiet = wasFilling;\n",
    to: "    this.#isQuiet = wasFilling;\n",
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

export const VIEW_MUTANTS: readonly FeedMutant[] = [
  ...views,
  ...replies,
  ...handles,
  ...storms,
  ...largeDeltas,
  ...crowds,
];
