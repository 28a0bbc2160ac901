/**
 * The viewer's side of mirrors: tells the other nodes what this node's viewers look at, and takes what they tell of it.
 *
 * Another node's stream is
 * - `unheard`: no frame came yet;
 * - `whole`: all its frames came, in order;
 * - `broken`: something is missing. What comes of it is thrown away, and a new one is asked for until it begins.
 *
 * A node is `silent` if nothing was heard of it for 2 s. What is shown of its entities stays, and may be old.
 */
import type { EntityTable } from "../actors/entity-table.ts";
import type { Clock } from "../clock.ts";
import { SHARDS } from "../limits.ts";
import { HAS_PLACE } from "../picture/columns.ts";
import type { Picture } from "../picture/picture.ts";
import { encodeInterest, type Interest, type InterestMap, isInside } from "./interest.ts";
import { COMPLETE_RECORD, FrameReader, FULL_RECORD, GONE_RECORD, MOTION_RECORD } from "./mirror-codec.ts";
import { MirrorTable, type Outcome } from "./mirror-table.ts";

/** How often the interest is looked at. */
export const LOOK_MS = 100;
/** The bus may lose an announcement: it is said again so often. */
const REPEAT_MS = 1_000;
const SILENT_MS = 2_000;
/** A new stream is asked for at most so often. */
const ASK_MS = 500;
/** When there is no room for mirrors, another try so much later. */
const RETRY_FULL_MS = 10_000;

export interface MirrorsOptions {
  picture: Picture;
  clock: Clock;
  interest: InterestMap;
  /** Sends a control message to a node. It may get lost. */
  tell(node: string, type: "interest" | "resync", message: object): void;
  /** A node that owns what viewers may be looking at fell silent, or is heard again. */
  onSilent(node: string, silent: boolean): void;
  /** For tests. */
  maxEntities?: number;
}

interface Other {
  readonly node: string;
  state: "unheard" | "whole" | "broken";
  stream: number;
  /** Number of the last frame. */
  n: number;
  /** Of the stream, in the table of mirrors. */
  stamp: number;
  /** The interest that it applied, as its last frame said. */
  k: number;
  /** Monotonic ms. */
  heardAt: number;
  toldAt: number;
  askedAt: number;
  silent: boolean;
  /** From its clock to ours at its last frame, ms. */
  lagMs: number;
  /** Since when something of its stream was not taken because there is no room; Infinity = all was. */
  lacksSince: number;
}

export class Mirrors {
  readonly table: MirrorTable;
  readonly stats = { frames: 0, bytes: 0, resyncs: 0, malformed: 0 };
  readonly #options: MirrorsOptions;
  readonly #others = new Map<string, Other>();
  /** By shard that this node has: others that have told of it under a newer epoch. */
  readonly #unheeded: readonly Set<string>[] = Array.from({ length: SHARDS }, () => new Set());
  #told: Interest;
  #stamps = 0;
  #cancel: (() => void) | undefined;

  constructor(options: MirrorsOptions) {
    this.#options = options;
    this.table = new MirrorTable(options.picture, options.maxEntities);
    this.#told = options.interest.current();
  }

  start(): void {
    this.#cancel = this.#options.clock.schedule(LOOK_MS, () => {
      this.start();
      this.look();
    });
  }

  stop(): void {
    this.#cancel?.();
    this.#cancel = undefined;
  }

  /** The other nodes of the cluster. Of one that is no more its mirrors stay until its shards have a new owner. */
  nodes(nodes: readonly string[]): void {
    const now = this.#options.clock.monotonic();
    for (const [node, other] of this.#others) {
      if (nodes.includes(node)) continue;
      this.#others.delete(node);
      if (other.silent) this.#options.onSilent(node, false);
    }
    for (const node of nodes) {
      if (this.#others.has(node)) continue;
      const other: Other = {
        node,
        state: "unheard",
        stream: 0,
        n: 0,
        stamp: 0,
        k: -1,
        heardAt: now,
        toldAt: now,
        askedAt: Number.NEGATIVE_INFINITY,
        silent: false,
        lagMs: 0,
        lacksSince: Infinity,
      };
      this.#others.set(node, other);
      this.#announce(other, now, true);
    }
  }

  /** How far the nodes' frames are behind, ms: the most of those that are heard. Their clocks count too. */
  get lagMs(): number {
    let lag = 0;
    for (const other of this.#others.values()) if (!other.silent) lag = Math.max(lag, other.lagMs);
    return lag;
  }

  /** How far the frames of one node are behind, ms. */
  lagOf(node: string): number {
    return this.#others.get(node)?.lagMs ?? 0;
  }

  get silentNodes(): number {
    return [...this.#others.values()].filter(({ silent }) => silent).length;
  }

  /** Looks what is to be told, and who is silent. `start` calls it, and so do tests. */
  look(): void {
    const { clock, interest } = this.#options;
    const now = clock.monotonic();
    const current = interest.current();
    const isNew = current !== this.#told;
    this.#told = current;
    for (const other of this.#others.values()) {
      if (isNew) this.#announce(other, now, true);
      else if (now - other.toldAt >= REPEAT_MS)
        this.#announce(other, now, other.k !== current.k || now - other.heardAt >= REPEAT_MS);
      if (now - other.lacksSince >= RETRY_FULL_MS) this.#break(other);
      if (other.state === "broken") this.#ask(other, now);
      if (!other.silent && now - other.heardAt > SILENT_MS) {
        other.silent = true;
        this.#options.onSilent(other.node, true);
      }
    }
  }

  #announce(other: Other, now: number, whole: boolean): void {
    other.toldAt = now;
    this.#options.tell(other.node, "interest", whole ? encodeInterest(this.#told) : { k: this.#told.k });
  }

  #break(other: Other): void {
    if (other.state === "broken") return;
    other.state = "broken";
    this.#ask(other, this.#options.clock.monotonic());
  }

  #ask(other: Other, now: number): void {
    if (now - other.askedAt < ASK_MS) return;
    other.askedAt = now;
    this.stats.resyncs++;
    this.#options.tell(other.node, "resync", { stream: other.stream });
  }

  /** Takes a frame of another node. */
  receive(payload: Uint8Array): void {
    let frame: FrameReader;
    try {
      frame = new FrameReader(payload);
    } catch {
      // The gap in its sender's numbers will tell whose it was.
      this.stats.malformed++;
      return;
    }
    const { owner, stream, n, k, t } = frame.head;
    const other = this.#others.get(owner);
    if (other === undefined || stream < other.stream) return;
    this.stats.frames++;
    this.stats.bytes += payload.length;
    const { clock } = this.#options;
    other.heardAt = clock.monotonic();
    if (other.silent) {
      other.silent = false;
      this.#options.onSilent(owner, false);
    }
    if (stream > other.stream) {
      other.stream = stream;
      other.n = 0;
      other.state = "whole";
      other.stamp = ++this.#stamps;
      other.lacksSince = Infinity;
    }
    if (other.state !== "whole" || n <= other.n) return;
    if (n !== other.n + 1) {
      this.#break(other);
      return;
    }
    other.n = n;
    other.k = k;
    other.lagMs = Math.max(0, clock.now() - t);
    this.#apply(other, frame);
  }

  #apply(other: Other, frame: FrameReader): void {
    const { table } = this;
    while (other.state === "whole") {
      let type: number;
      try {
        type = frame.next();
      } catch {
        this.stats.malformed++;
        this.#break(other);
        return;
      }
      switch (type) {
        case 0:
          return;
        case FULL_RECORD:
          this.#weigh(other, frame.shard, table.full(other.stamp, frame));
          break;
        case MOTION_RECORD:
          this.#weigh(other, frame.shard, table.motion(other.stamp, frame));
          break;
        case GONE_RECORD:
          this.#weigh(other, frame.shard, table.gone(other.stamp, frame));
          break;
        case COMPLETE_RECORD:
          this.#complete(other, frame);
          break;
      }
    }
  }

  #complete(other: Other, frame: FrameReader): void {
    // Of an older interest: what is in the new one only, and an earlier owner told, is still to come.
    if (other.k !== this.#options.interest.current().k) return;
    for (const { shard, epoch } of frame.shards)
      this.#weigh(other, shard, this.table.complete(other.stamp, shard, epoch));
  }

  #weigh(other: Other, shard: number, outcome: Outcome): void {
    switch (outcome) {
      case "done":
        break;
      case "unknown":
        // Else it is one that found no room.
        if (other.lacksSince === Infinity) this.#break(other);
        break;
      case "ours":
        this.#unheeded[shard].add(other.node);
        break;
      case "full":
        other.lacksSince = Math.min(other.lacksSince, this.#options.clock.monotonic());
        break;
      default:
        outcome satisfies never;
    }
  }

  /** This node has opened a shard; what it took over is in the table already. */
  opened(shard: number, epoch: number): void {
    this.#unheeded[shard].clear();
    this.table.opened(shard, epoch);
  }

  /**
   * This node has a shard no longer. What its viewers look at of it stays, as mirrors; the rest leaves.
   * @param gone is called for each slot first.
   */
  release(table: EntityTable, shard: number, gone: (slot: number) => void): void {
    const interest = this.#options.interest.current();
    const { columns } = this.#options.picture;
    this.table.release(
      table,
      shard,
      (slot) =>
        isInside(
          interest,
          columns.id[slot]!,
          (columns.flags.of(slot) & HAS_PLACE) !== 0,
          columns.key.of(slot),
        ),
      gone,
    );
    // What they said of it while this node thought that it had it is not said again.
    for (const node of this.#unheeded[shard]) {
      const other = this.#others.get(node);
      if (other !== undefined && other.state === "whole") this.#break(other);
    }
    this.#unheeded[shard].clear();
  }
}
