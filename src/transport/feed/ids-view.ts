/**
 * A view of some entities, wherever they are. It has no cover: it knows which of them its client holds.
 *
 * It goes through its ids in their order: of the `given` first its client knows what is there. With none of them the next frame is a
 * snapshot's `first`, with all it is live.
 */
import { EXPIRED } from "../../actors/messages.ts";
import { SNAPSHOT_PART_BYTES } from "../../limits.ts";
import type { Channel } from "../../picture/channel.ts";
import { HAS_PLACE } from "../../picture/columns.ts";
import { type Lens, whyHidden } from "../../picture/lens.ts";
import type { Picture } from "../../picture/picture.ts";
import type { DepartureReason, TickTime } from "../../picture/tick.ts";
import type { FrameName } from "./format.ts";
import { clearParts, parts } from "./frame-parts.ts";
import { noteDenied } from "./private-records.ts";
import type { Turn, View, ViewSink } from "./view.ts";

export interface IdsViewOptions {
  name: string;
  number: number;
  ids: readonly string[];
  /** As in `BoxViewOptions`. */
  partRecords: number;
  partBytes?: number;
}

export class IdsView implements View {
  readonly name: string;
  filter: Lens | undefined;
  readonly wantsChannel = false;
  readonly #frameName: FrameName;
  readonly #sink: ViewSink;
  readonly #picture: Picture;
  readonly ids: readonly string[];
  /** Slots of what the client holds, by id. */
  readonly #held = new Map<string, number>();
  /** Slots of these that were not permitted at a base tick since the last publication. */
  readonly #denied = new Set<number>();
  readonly #partRecords: number;
  readonly #partBytes: number;
  #given = 0;
  #isTold = false;
  /** Changes of the filter. */
  #filters = 0;
  #n = 0;

  constructor(sink: ViewSink, picture: Picture, options: IdsViewOptions) {
    const { name, number, ids, partRecords, partBytes = SNAPSHOT_PART_BYTES } = options;
    this.name = name;
    this.#frameName = { json: JSON.stringify(name), number };
    this.#sink = sink;
    this.#picture = picture;
    this.ids = [...new Set(ids)];
    this.#partRecords = partRecords;
    this.#partBytes = partBytes;
  }

  get isGrowing(): boolean {
    return this.#given < this.ids.length;
  }

  restart(): void {
    this.#given = 0;
    this.#held.clear();
  }

  refilter(changes: number): void {
    this.#filters += changes;
    this.#isTold = false;
    this.restart();
  }

  deny(_: Channel, permits: (slot: number) => boolean, time: TickTime): void {
    const { format } = this.#sink;
    clearParts();
    const { departures } = parts;
    for (const slot of this.#held.values()) {
      if (permits(slot)) continue;
      format.departure(slot, "denied", departures.own);
      departures.ownCount++;
    }
    const { count } = departures;
    if (count > 0) this.#sink.sendFrame(format.delta(this.#frameName, ++this.#n, time, parts), count);
    // It waits for its snapshot, whatever its client holds.
    else if (this.#given === 0 && this.#n > 0)
      this.#sink.sendFrame(format.snapshot(this.#frameName, ++this.#n, time, parts, true, false), 0);
  }

  turn(turn: Turn): void {
    if (!this.#isTold) this.#tell();
    const { publication, time } = turn;
    if (publication === undefined)
      noteDenied(turn.channel, this.filter ?? turn.channel.lens, this.#held.values(), this.#denied);
    if (publication === undefined || this.#given === 0) return;
    const { format } = this.#sink;
    const encoded = publication.encoded(format);
    clearParts();
    const { departures, moves, fulls } = parts;
    for (let i = 0; i < this.#given; i++) {
      const id = this.ids[i];
      const slot = this.#picture.find(id);
      const heldSlot = this.#held.get(id);
      const isSeen = slot !== -1 && turn.channel.isMember(slot) && this.filter?.test(slot) !== false;
      if (heldSlot !== undefined && (heldSlot !== slot || !isSeen)) {
        this.#held.delete(id);
        format.departure(heldSlot, this.#reason(id, heldSlot, turn), departures.own);
        departures.ownCount++;
      }
      if (!isSeen) continue;
      const place = publication.placeOf(slot);
      if (heldSlot !== slot) {
        this.#held.set(id, slot);
        format.full(slot, fulls.own);
        fulls.ownCount++;
      } else if (place !== undefined) {
        if (place < 0) fulls.add(encoded.fulls, -1 - place);
        else moves.add(encoded.moves, place);
      }
    }
    this.#denied.clear();
    const records = departures.count + moves.count + fulls.count;
    if (records > 0) this.#sink.sendFrame(format.delta(this.#frameName, ++this.#n, time, parts), records);
  }

  grow({ channel, time }: Turn): number {
    const { format } = this.#sink;
    clearParts();
    const { fulls } = parts;
    const first = this.#given === 0;
    while (this.isGrowing && fulls.ownCount < this.#partRecords && fulls.own.length < this.#partBytes) {
      const id = this.ids[this.#given++];
      const slot = this.#picture.find(id);
      if (slot === -1 || !channel.isMember(slot) || this.filter?.test(slot) === false) continue;
      channel.give(slot, () => {
        this.#held.set(id, slot);
        format.full(slot, fulls.own);
        fulls.ownCount++;
      });
    }
    const bytes = fulls.size;
    const frame = format.snapshot(this.#frameName, ++this.#n, time, parts, first, !this.isGrowing);
    this.#sink.sendFrame(frame, fulls.ownCount);
    return bytes;
  }

  #tell(): void {
    this.#isTold = true;
    const number = this.#sink.format.isBinary ? { number: this.#frameName.number } : {};
    this.#sink.sendMessage({ op: "view", view: this.name, ...number, cover: [], filters: this.#filters });
  }

  /** Why an entity that the client holds is not shown any more. */
  #reason(id: string, slot: number, { channel }: Turn): DepartureReason {
    const { columns } = this.#picture;
    if (this.#picture.find(id) !== slot)
      return this.#denied.has(slot) ? "denied" : (this.#picture.removal(slot) ?? "deleted");
    const why = whyHidden(this.filter ?? channel.lens, slot);
    if (why === "denied") return why;
    if ((columns.flags.of(slot) & HAS_PLACE) === 0) return "left";
    return columns.liveness.of(slot) === EXPIRED ? "expired" : why;
  }
}
