/**
 * A view of a box. What the server knows of its client is the cover that it has been sent, and how many entities are in it.
 *
 * - `waiting`: nothing is valid at the client; the next frame is a snapshot's `first`.
 * - `filling`: parts of the snapshot are sent; deltas are sliced by what was sent so far.
 * - `live`: the snapshot was completed. A pan leaves it live: what is new comes as deltas, in parts too.
 * - `clusters`: the client holds cells in place of entities, since there are more than it wants.
 *
 * With a filter of its own it waits until something was found, or all was looked at.
 *
 * One whose changes of a tick are too many bytes waits again. Should that happen while it is filling, it fills *quietly*: where it was
 * sent what is there it is told who departs, and who comes if that is not too much, so that nothing keeps its snapshot from being completed; and
 * then it waits again, for what it was not told.
 *
 * It may have no box at first: then it waits for one, and nothing is sent.
 */
import {
  BACK_TO_ENTITIES_SHARE,
  CLUSTER_TICKS,
  MAX_DELTA_BYTES,
  MAX_PRIVATE_ENTITIES,
  SNAPSHOT_PART_BYTES,
} from "../../limits.ts";
import { type Channel, FILL_SLOTS } from "../../picture/channel.ts";
import { clusterLevel } from "../../picture/clusters.ts";
import {
  type Cover,
  coverBefore,
  coverBoxes,
  coverDifference,
  coverIntersection,
  coverOf,
  coverUnion,
  NOTHING,
} from "../../picture/cover.ts";
import type { Lens } from "../../picture/lens.ts";
import type { TickTime } from "../../picture/tick.ts";
import { cellSum } from "./cell-sum.ts";
import type { FrameName } from "./format.ts";
import { clearParts, clearRanges, parts } from "./frame-parts.ts";
import { PrivateRecords } from "./private-records.ts";
import type { Bbox } from "./protocol.ts";
import { selectQuietly } from "./quiet.ts";
import type { InterestSink, Turn, View, ViewSink } from "./view.ts";

export type ViewState = "waiting" | "filling" | "live" | "clusters";

export interface BoxViewOptions {
  name: string;
  /** Unique on its connection. */
  number: number;
  /** Absent = it comes with the first `move`. */
  bbox?: Bbox;
  /** More entities than this become clusters. */
  max: number;
  /** Records in one part of a snapshot, about. */
  partRecords: number;
  /** Their bytes, about. Default SNAPSHOT_PART_BYTES. */
  partBytes?: number;
  /** Of a delta's records, bytes. Default MAX_DELTA_BYTES. */
  maxDeltaBytes?: number;
  /** Is told of each new cover. */
  interest?: InterestSink;
}

export class BoxView implements View {
  readonly name: string;
  readonly #frameName: FrameName;
  readonly #sink: ViewSink;
  readonly #partRecords: number;
  readonly #partBytes: number;
  readonly #max: number;
  readonly #maxDeltaBytes: number;
  readonly #interest: InterestSink | undefined;
  #state: ViewState = "waiting";
  /** Frames sent. */
  #n = 0;
  /** Its cover is computed at the turn: clients pan more often than that. */
  #bbox: Bbox | undefined;
  #target: Cover = NOTHING;
  /** What the client holds. */
  #sent: Cover = NOTHING;
  /** What it lacks: target without sent, once a turn has applied the target. */
  #lacking: Cover = NOTHING;
  /** The box or the filter is new: neither told to the client nor applied. */
  #moved = true;
  /** Changes of the filter. */
  #filters = 0;
  /** Entities that are published in what was sent; for a filter of its own, those that the client holds. */
  #held = 0;
  #isQuiet = false;
  #private: PrivateRecords | undefined;
  #wantsChannel = false;
  /** Of the clusters that were sent last, and their checksum. */
  #clusterSerial = -1;
  #clusterSum = -1;
  /** Of the clusters when there became too much: older than that, so they may not know it yet. */
  #crowdedSerial = -1;

  constructor(sink: ViewSink, options: BoxViewOptions) {
    const { name, number, bbox, max, maxDeltaBytes = MAX_DELTA_BYTES, interest } = options;
    this.name = name;
    this.#frameName = { json: JSON.stringify(name), number };
    this.#sink = sink;
    this.#bbox = bbox;
    this.#max = max;
    this.#maxDeltaBytes = maxDeltaBytes;
    this.#partRecords = options.partRecords;
    this.#partBytes = options.partBytes ?? SNAPSHOT_PART_BYTES;
    this.#interest = interest;
  }

  get filter(): Lens | undefined {
    return this.#private?.lens;
  }
  set filter(lens: Lens | undefined) {
    this.#private = lens && new PrivateRecords(lens);
    this.#wantsChannel = false;
  }

  get isGrowing(): boolean {
    if (this.#bbox === undefined || this.#state === "clusters" || this.#held > this.#max) return false;
    if (this.#isGuarded && this.#wantsChannel) return false;
    return this.#state !== "live" || this.#lacking.length > 0;
  }

  /** It has a filter of its own, of who may not see all: what that hides must not show in what is sent, so it counts for nothing. */
  get #isGuarded(): boolean {
    return this.#private?.lens.permits !== undefined;
  }

  get wantsChannel(): boolean {
    return this.#wantsChannel;
  }

  /** What it looks at, as of its last turn. */
  get cover(): Cover {
    return this.#target;
  }

  /** Moves the window, at the next turn. Only the last move before it counts. */
  move(bbox: Bbox): void {
    this.#bbox = bbox;
    this.#moved = true;
  }

  restart(): void {
    if (this.#state !== "clusters") this.#state = "waiting";
    this.#forgetEntities();
    this.#clusterSerial = this.#clusterSum = -1;
  }

  refilter(changes: number): void {
    this.#filters += changes;
    this.#state = "waiting";
    this.#moved = true;
    this.restart();
  }

  deny(channel: Channel, permits: (slot: number) => boolean, time: TickTime): void {
    const { format } = this.#sink;
    clearParts();
    if (this.#state !== "filling" && this.#state !== "live") {
      // Whatever it holds, be it cells: a snapshot begins with nothing.
      if (this.#n > 0)
        this.#sink.sendFrame(format.snapshot(this.#frameName, ++this.#n, time, parts, true, false), 0);
      return;
    }
    const { departures } = parts;
    const tell = () => {
      if (departures.count > 0)
        this.#sink.sendFrame(format.delta(this.#frameName, ++this.#n, time, parts), departures.count);
      clearParts();
    };
    const look = (slot: number) => {
      if (permits(slot)) return;
      format.departure(slot, "denied", departures.own);
      departures.ownCount++;
      if (departures.size > this.#maxDeltaBytes / 2) tell();
    };
    if (this.#private === undefined) channel.published(this.#sent, look);
    else this.#private.held.forEach(look);
    tell();
  }

  #forgetEntities(): void {
    this.#sent = NOTHING;
    this.#lacking = this.#target;
    this.#held = 0;
    this.#isQuiet = false;
    this.#private?.held.clear();
  }

  turn(turn: Turn): void {
    if (this.#bbox === undefined) return;
    const moved = this.#moved;
    if (turn.publication === undefined) this.#private?.noteDenied(turn.channel);
    if (this.#isQuiet && this.#state === "live") this.restart();
    if (moved) this.#aim(this.#bbox);
    if (this.#state === "clusters") this.#clusterTurn(turn, moved);
    else if (this.#mayBeTooMuch(turn, moved) && this.#isTooMuch(turn)) this.#toClusters(turn);
    else if (!this.#entityTurn(turn, moved)) this.#startAgain(turn);
    else if (this.#held > this.#max && (this.#private === undefined || this.#isTooMuch(turn)))
      this.#toClusters(turn);
  }

  /** After a delta that was too large: with a snapshot in parts, unless it is a crowd that came. */
  #startAgain(turn: Turn): void {
    const wasFilling = this.#state === "filling";
    this.restart();
    this.#isQuiet = wasFilling;
    if (this.#isTooMuch(turn)) this.#toClusters(turn);
  }

  /** Before anything is sent of a place; and of a filter of its own now and then, since only its own share of what is there is counted. */
  #mayBeTooMuch({ time }: Turn, moved: boolean): boolean {
    const isTurn = (time.tick + this.#frameName.number) % CLUSTER_TICKS === 0;
    return moved || this.#state === "waiting" || (this.#private !== undefined && isTurn);
  }

  /** Takes over the new box, and tells the client what it is promised. */
  #aim(bbox: Bbox): void {
    this.#moved = false;
    const before = this.#target;
    this.#target = coverOf(bbox);
    this.#interest?.moved(before, this.#target);
    this.#sink.sendMessage({
      op: "view",
      view: this.name,
      ...(this.#sink.format.isBinary ? { number: this.#frameName.number } : {}),
      bbox,
      cover: coverBoxes(this.#target),
      filters: this.#filters,
    });
  }

  /** Whether more is in view than the client wants. Of a filter of its own nobody knows: it gets a channel before that may be. */
  #isTooMuch(turn: Turn): boolean {
    if (this.#private === undefined) return this.#holdsMoreThan(turn, this.#max);
    const isCrowd = this.#held > this.#max;
    if (this.#isGuarded) this.#wantsChannel ||= isCrowd;
    else this.#wantsChannel = isCrowd || this.#holdsMoreThan(turn, Math.min(this.#max, MAX_PRIVATE_ENTITIES));
    return false;
  }

  #holdsMoreThan({ channel, clusters }: Turn, limit: number): boolean {
    return channel.holdsMoreThan(this.#target, limit) ?? clusters().count(this.#target) > limit;
  }

  /** @returns false if the delta would be too large: then the client was told nothing. */
  #entityTurn(turn: Turn, moved: boolean): boolean {
    const { channel, publication, time } = turn;
    const { format } = this.#sink;
    clearParts();
    const kept = moved ? coverIntersection(this.#sent, this.#target) : this.#sent;
    const gone = moved ? coverDifference(this.#sent, kept) : NOTHING;
    if (publication !== undefined) {
      const { departures, moves, fulls } = parts;
      publication.departures.slice(this.#sent, departures.ranges);
      publication.moves.slice(kept, moves.ranges);
      publication.fulls.slice(gone, fulls.ranges);
      // What came into the part that is given up was never told, and is not told as departed by the count below.
      this.#held += publication.entered(fulls.ranges) - departures.ranges.count;
      publication.fulls.slice(kept, fulls.ranges);
      this.#held += publication.entered(fulls.ranges);
      if (departures.ranges.count + moves.ranges.count + fulls.ranges.count > 0) {
        const encoded = publication.encoded(format);
        if (this.#isQuiet && this.#private === undefined) selectQuietly(publication, encoded, kept);
        else if (this.#isQuiet) this.#private!.selectQuietly(publication, encoded, format, kept);
        else if (this.#private !== undefined) this.#private.select(publication, encoded, format);
        else {
          departures.of(encoded.departures);
          moves.of(encoded.moves);
          fulls.of(encoded.fulls);
        }
        if (this.#isQuiet || this.#private !== undefined) clearRanges();
        if (this.#isQuiet && this.#isTooLarge) fulls.clear();
      }
    }
    if (moved) {
      channel.published(gone, (slot) => {
        if (this.#private?.held.delete(slot) === false) return;
        format.departure(slot, "left", parts.departures.own);
        parts.departures.ownCount++;
        this.#held--;
      });
      this.#sent = kept;
      this.#lacking = coverDifference(this.#target, kept);
    }
    if (this.#private !== undefined) this.#held = this.#private.held.size;
    const records = parts.departures.count + parts.moves.count + parts.fulls.count;
    if (records === 0) return true;
    if (this.#isTooLarge) return false;
    // It was looked for in vain so far: who comes there begins the snapshot.
    if (this.#state === "waiting") this.#sendPart(time, false, false);
    else this.#sink.sendFrame(format.delta(this.#frameName, ++this.#n, time, parts), records);
    return true;
  }

  get #isTooLarge(): boolean {
    return parts.departures.size + parts.moves.size + parts.fulls.size > this.#maxDeltaBytes;
  }

  grow(turn: Turn, isOver: () => boolean): number {
    const { channel, time } = turn;
    const { format } = this.#sink;
    clearParts();
    const { fulls } = parts;
    let bytes = 0;
    const isFull = () => fulls.own.length >= this.#partBytes;
    const write = (slot: number) => {
      // A cell that holds more than a part is told at once, as covers have no less, but not in one frame.
      if (isFull()) bytes += this.#sendPart(time, false, bytes > 0);
      format.full(slot, fulls.own);
      fulls.ownCount++;
    };
    const isEnough = () => bytes > 0 || isFull();
    const end = this.#give(channel, write, isEnough, isOver);
    const given = coverBefore(this.#lacking, end);
    this.#lacking = coverDifference(this.#lacking, given);
    // The same object, so that most views at rest have one cover and not two.
    this.#sent = this.#lacking.length === 0 ? this.#target : coverUnion(this.#sent, given);
    const last = this.#lacking.length === 0 && !(this.#isGuarded && this.#wantsChannel);
    // Who is hidden makes no part.
    if (this.#private !== undefined && fulls.ownCount === 0 && !last) return bytes;
    return bytes + this.#sendPart(time, last, bytes > 0);
  }

  /** Gives a part of what it lacks. @returns the key up to which that is all */
  #give(
    channel: Channel,
    write: (slot: number) => void,
    isFull: () => boolean,
    isOver: () => boolean,
  ): number {
    const limit = this.#partRecords;
    if (this.#private === undefined) {
      const { end, published } = channel.grow(this.#lacking, limit, write, isFull);
      this.#held += published;
      return end;
    }
    // How many looks a part takes tells nothing to who may see all: then others have their turn.
    const bound = this.#isGuarded
      ? { max: this.#max, looks: FILL_SLOTS, isOver }
      : { max: Infinity, looks: limit, isOver: () => true };
    const part = { limit, write, isFull, ...bound };
    const { end, isCrowd } = this.#private.grow(channel, this.#lacking, part);
    this.#held = this.#private.held.size;
    this.#wantsChannel ||= isCrowd;
    return end;
  }

  /** Sends the full records that were written. @returns their bytes */
  #sendPart(time: TickTime, last: boolean, goesOn: boolean): number {
    const { format } = this.#sink;
    const { ownCount: records, size: bytes } = parts.fulls;
    if (this.#state !== "live") {
      const first = this.#state === "waiting";
      this.#state = last ? "live" : "filling";
      const frame = format.snapshot(this.#frameName, ++this.#n, time, parts, first, last);
      this.#sink.sendFrame(frame, records, goesOn);
    } else if (records > 0) {
      this.#sink.sendFrame(format.delta(this.#frameName, ++this.#n, time, parts), records, goesOn);
    }
    clearParts();
    return bytes;
  }

  #toClusters(turn: Turn): void {
    this.#state = "clusters";
    this.#clusterSerial = this.#clusterSum = -1;
    this.#crowdedSerial = turn.clusters().serial;
    this.#forgetEntities();
    this.#clusterTurn(turn, true);
  }

  #clusterTurn(turn: Turn, moved: boolean): void {
    const clusters = turn.clusters();
    if (clusters.serial === this.#clusterSerial && !moved) return;
    this.#clusterSerial = clusters.serial;
    const isCertain = clusters.serial !== this.#crowdedSerial;
    const isFew = isCertain && clusters.count(this.#target) < BACK_TO_ENTITIES_SHARE * this.#max;
    // They may be a second old, and a crowd has come since to where the view was moved.
    if (isFew && !this.#holdsMoreThan(turn, this.#max)) {
      this.#state = "waiting";
      this.#lacking = this.#target;
      return;
    }
    const level = clusterLevel(this.#target);
    const { cells, sum } = cellSum(clusters, level, this.#target);
    if (sum === this.#clusterSum) return;
    this.#clusterSum = sum;
    const frame = this.#sink.format.clusters(this.#frameName, ++this.#n, turn.time, (found) =>
      clusters.forEach(level, this.#target, found),
    );
    this.#sink.sendFrame(frame, cells);
  }
}
