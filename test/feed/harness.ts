/** The feed in memory: sockets that can be made slow, and a client that follows the protocol to the letter. */

import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { Policy } from "../../src/access/policy.ts";
import { ADMIN, type Permitted, type Principal } from "../../src/access/ports.ts";
import { EXPIRED, type Ingest } from "../../src/actors/messages.ts";
import { SLOW_SOCKET_BYTES } from "../../src/limits.ts";
import { HAS_PLACE } from "../../src/picture/columns.ts";
import { type Cover, covers, NOTHING } from "../../src/picture/cover.ts";
import { FilterTime } from "../../src/picture/filter-time.ts";
import { bothLenses, type Filter, type Lens, lensOf, permittedLens } from "../../src/picture/lens.ts";
import { Picture } from "../../src/picture/picture.ts";
import { fullRecord } from "../../src/picture/record.ts";
import type { FeedOptions } from "../../src/transport/feed/feed.ts";
import { Feed } from "../../src/transport/feed/feed.ts";
import {
  type Bbox,
  type Delta,
  type FullRecord,
  PROTOCOL_BINARY,
  PROTOCOL_JSON,
  type ServerMessage,
  type SmallRecord,
  type Snapshot,
  type Subscribe,
  type ViewFrame,
  type ViewReply,
} from "../../src/transport/feed/protocol.ts";
import type { Socket } from "../../src/transport/server/server.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { FrameDecoder } from "./frame-decoder.ts";
import { contain, coverNamed } from "./promise.ts";

/**
 * - `fast`: takes everything at once.
 * - `lazy`: after a part of a snapshot it has no room for another one until the next tick.
 * - `stalled`: takes nothing, and says that too much is unsent.
 */
export type Pace = "fast" | "lazy" | "stalled";

export class MemorySocket implements Socket {
  readonly protocol: string;
  readonly principal: Principal;
  buffered = 0;
  written = 0;
  closedWith: number | undefined;
  closedBecause: string | undefined;
  pace: Pace = "fast";
  /** Whether it keeps a copy of what it has not taken, so that it may be changed at once. */
  copies = false;
  readonly #held: { bytes: Buffer; message: ServerMessage }[] = [];
  /** Of the first that is held, bytes. */
  #taken = 0;
  readonly #decoder = new FrameDecoder();
  readonly #sent: (message: ServerMessage, size: number) => void;
  readonly #delivered: (message: ServerMessage) => void;

  constructor(
    protocol: string,
    sent: (message: ServerMessage, size: number) => void,
    delivered: (message: ServerMessage) => void,
    principal: Principal = ADMIN,
  ) {
    this.protocol = protocol;
    this.principal = principal;
    this.#sent = sent;
    this.#delivered = delivered;
  }

  send(data: string | Uint8Array, binary: boolean): boolean {
    const bytes = Buffer.from(data as string);
    const message = binary
      ? this.#decoder.frame(bytes)
      : (JSON.parse(bytes.toString("utf8")) as ServerMessage);
    const isFrame = message.op === "snapshot" || message.op === "delta" || message.op === "clusters";
    assert.equal(binary, isFrame && this.protocol === PROTOCOL_BINARY);
    if (message.op === "view") this.#decoder.view(message);
    this.#sent(message, bytes.length);
    if (this.pace === "stalled") {
      this.#held.push({ bytes, message });
      this.buffered += bytes.length;
      return this.copies;
    }
    this.written += bytes.length;
    if (this.pace === "lazy" && message.op === "snapshot") this.buffered = SLOW_SOCKET_BYTES;
    this.#delivered(message);
    return this.copies || this.buffered === 0;
  }

  close(code: number, reason?: string): void {
    this.closedWith ??= code;
    this.closedBecause ??= reason;
  }

  stall(): void {
    this.pace = "stalled";
    this.buffered = SLOW_SOCKET_BYTES + 1;
  }

  /** Takes so many bytes of what was held: a line that is slow, and not stalled. */
  take(bytes: number): void {
    const taken = Math.min(bytes, this.buffered);
    this.buffered -= taken;
    this.written += taken;
    this.#taken += taken;
    while (this.#held.length > 0 && this.#held[0].bytes.length <= this.#taken) {
      const { bytes, message } = this.#held.shift()!;
      this.#taken -= bytes.length;
      this.#delivered(message);
    }
  }

  /** Takes what was held. */
  resume(pace: Pace = "fast"): void {
    this.pace = pace;
    this.buffered = 0;
    for (const { bytes, message } of this.#held.splice(0)) {
      this.written += bytes.length;
      this.#delivered(message);
    }
  }
}

/** What a client asked for, and what it holds of it. */
export interface Asked extends Filter {
  bbox?: Bbox;
  ids?: string[];
  follow?: { id: string; radius: number };
}

/** What a client holds of a view. */
export class Replica {
  asked: Asked;
  /** What its principal may see. */
  permitted: Permitted = "all";
  /** What the last reply named: nothing before the first. */
  cover: Cover = NOTHING;
  n = 0;
  state: "waiting" | "filling" | "complete" | "clusters" = "waiting";
  readonly entities = new Map<string, FullRecord>();
  clusters: [lon: number, lat: number, count: number][] = [];
  /** Of what it asked, as long as that is the same: to make it takes longer than to use it. */
  #lens: { asked: Asked; permitted: Permitted; lens: Lens } | undefined;

  constructor(asked: Asked) {
    this.asked = asked;
  }

  /** Takes what a reply promises. */
  promise({ bbox, cover }: ViewReply): void {
    if (bbox === undefined) assert.deepEqual(cover, [], "a view of ids has no cover");
    else assert.ok(contain(cover, bbox), "the cover contains the box");
    this.cover = coverNamed(cover);
  }

  apply(message: ViewFrame): void {
    assert.equal(message.n, ++this.n, "n counts without gaps");
    if (message.op === "clusters") {
      this.entities.clear();
      this.clusters = message.cells;
      this.state = "clusters";
      return;
    }
    if (message.op === "snapshot") {
      if (message.first) {
        this.entities.clear();
        this.clusters = [];
        this.state = "filling";
      }
      assert.equal(this.state, "filling", "a part of a snapshot comes between first and last");
      for (const record of message.entities) this.#set(record);
      if (message.last) this.state = "complete";
      return;
    }
    assert.ok(this.state === "filling" || this.state === "complete", "a delta is of entities");
    // Whoever reads a frame as it comes applies its lists in their order.
    for (const list of Object.keys(message)) {
      if (list === "departures") for (const [id] of message.departures) this.entities.delete(id);
      if (list !== "updates") continue;
      for (const record of message.updates) {
        if ("kind" in record) this.#set(record);
        else this.#merge(record);
      }
    }
  }

  #set(record: FullRecord): void {
    assert.equal(typeof record.kind, "string", "a full record has a kind");
    this.entities.set(record.id, record);
  }

  #merge(record: SmallRecord): void {
    const known = this.entities.get(record.id);
    assert.ok(known, `a small record of ${record.id}, which is unknown`);
    const merged: Record<string, unknown> = { ...known, ...record };
    for (const [name, value] of Object.entries(record)) if (value === null) delete merged[name];
    delete merged.placedAt;
    this.entities.set(record.id, merged as unknown as FullRecord);
  }

  /** What it should hold: what passes the filter within the cover that it was named, as it is now. */
  expected(picture: Picture): Map<string, FullRecord> {
    const records = this.slots(picture).map((slot) => fullRecord(picture, slot) as FullRecord);
    return new Map(records.map((record) => [record.id, record]));
  }

  /** The slots of what it should hold. */
  slots(picture: Picture): number[] {
    const { id, key, flags, liveness, extent } = picture.columns;
    const { ids } = this.asked;
    const lens = this.lens(picture);
    const slots: number[] = [];
    for (let slot = 0; slot < extent; slot++) {
      if (id[slot] === undefined || (flags.of(slot) & HAS_PLACE) === 0 || liveness.of(slot) === EXPIRED)
        continue;
      if (ids === undefined ? !covers(this.cover, key.of(slot)) : !ids.includes(id[slot]!)) continue;
      if (lens.test(slot)) slots.push(slot);
    }
    return slots;
  }

  lens(picture: Picture): Lens {
    const { asked, permitted } = this;
    if (this.#lens?.asked !== asked || this.#lens.permitted !== permitted) {
      const lens = bothLenses(permittedLens(picture, permitted), lensOf(picture, asked));
      this.#lens = { asked, permitted, lens };
    }
    return this.#lens.lens;
  }
}

/** A client on a connection of its own. */
export class TestClient {
  readonly socket: MemorySocket;
  readonly replicas = new Map<string, Replica>();
  /** Everything delivered, in order. */
  readonly received: ServerMessage[] = [];
  readonly #feed: Feed;
  /** Which view a message is of: its name may be another's by the time that it is delivered. */
  readonly #of = new WeakMap<ServerMessage, Replica>();

  constructor(
    feed: Feed,
    sent: (message: ServerMessage, size: number) => void = () => {},
    protocol: string = PROTOCOL_JSON,
    principal: Principal = ADMIN,
  ) {
    this.#feed = feed;
    const sending = (message: ServerMessage, size: number) => {
      const replica = "view" in message && this.replicas.get(message.view ?? "");
      if (replica) this.#of.set(message, replica);
      sent(message, size);
    };
    this.socket = new MemorySocket(protocol, sending, (message) => this.#deliver(message), principal);
    feed.handlers.open(this.socket);
  }

  send(message: object | string): void {
    const text = typeof message === "string" ? message : JSON.stringify(message);
    this.#feed.handlers.message(this.socket, Buffer.from(text), false);
  }

  subscribe(view: string, bbox: Bbox, options: Partial<Subscribe> = {}): Replica {
    return this.open(view, { bbox, ...options });
  }

  /** As `subscribe`, for any kind of view. */
  open(view: string, options: Asked & Partial<Subscribe>): Replica {
    const { bbox, ids, follow, kinds, where } = options;
    const replica = new Replica({ bbox, ids, follow, kinds, where });
    this.replicas.set(view, replica);
    this.send({ op: "subscribe", view, ...options });
    return replica;
  }

  update(view: string, bbox: Bbox): Replica {
    const replica = this.replicas.get(view)!;
    replica.asked = { ...replica.asked, bbox };
    this.send({ op: "update", view, bbox });
    return replica;
  }

  /** Asks for another filter. What was sent before the server knows of it has the old one. */
  refilter(view: string, filter: { kinds?: string[] | null; where?: string | null }): Replica {
    const replica = this.replicas.get(view)!;
    const { kinds = replica.asked.kinds, where = replica.asked.where } = filter;
    replica.asked = { ...replica.asked, kinds: kinds ?? undefined, where: where ?? undefined };
    this.send({ op: "update", view, ...filter });
    return replica;
  }

  unsubscribe(view: string): void {
    this.replicas.delete(view);
    this.send({ op: "unsubscribe", view });
  }

  disconnect(): void {
    this.#feed.handlers.close(this.socket, 1000);
  }

  /** The last message of a kind. */
  last<Op extends ServerMessage["op"]>(op: Op): Extract<ServerMessage, { op: Op }> | undefined {
    return this.received.findLast((message) => message.op === op) as Extract<ServerMessage, { op: Op }>;
  }

  #deliver(message: ServerMessage): void {
    this.received.push(message);
    const replica = this.#of.get(message);
    if (replica === undefined || !("view" in message) || this.replicas.get(message.view!) !== replica) return;
    if (message.op === "snapshot" || message.op === "delta" || message.op === "clusters")
      replica.apply(message);
    else if (message.op === "view") replica.promise(message);
    else if (message.op === "ended") this.replicas.delete(message.view);
    else if (message.op === "error" && message.ended) this.replicas.delete(message.view!);
  }
}

export interface Harness {
  picture: Picture;
  clock: FakeClock;
  feed: Feed;
  /** What the feed logged as errors. */
  errors: object[];
}

const noIngest: Ingest = {
  overloaded: false,
  submit: async (reports) => ({ accepted: reports.length, refused: [] }),
};

export const NO_COMMANDS: Pick<FeedOptions, "commands" | "newId"> = {
  commands: { command: () => assert.fail("no commands here") },
  newId: () => "made-here",
};

export function harness(options: Partial<FeedOptions & { clock: FakeClock }> = {}): Harness {
  const picture = options.picture ?? new Picture();
  const clock = options.clock ?? new FakeClock();
  const errors: object[] = [];
  const feed = new Feed({
    policy: new Policy(),
    picture,
    clock,
    ingest: noIngest,
    log: { error: (details) => void errors.push(details) },
    ...NO_COMMANDS,
    filterTime: new FilterTime(clock),
    decodeReport: () => ({ type: "invalid-report", detail: "not in this test" }),
    ...options,
  });
  return { picture, clock, feed, errors };
}

export const WORLD: Bbox = [-180, -90, 180, 90];
export const HERE: Bbox = [10, 50, 10.1, 50.1];
export const THERE: Bbox = [100, 10, 100.1, 10.1];

/** A feed with one client. */
export function start(options: Parameters<typeof harness>[0] = {}): Harness & { client: TestClient } {
  const made = harness(options);
  return { ...made, client: new TestClient(made.feed) };
}

/** Adds an entity, by default in `HERE`. @returns its slot. */
export function add(picture: Picture, id: string, lon = 10.05, lat = 50.05, kind = "ship"): number {
  const slot = picture.add(id, 0);
  picture.columns.kind.set(slot, picture.columns.kinds.number(kind));
  picture.columns.t.set(slot, Date.UTC(2026, 0, 1));
  picture.place(slot, lon, lat);
  return slot;
}

/** What a client got for its views, in order. */
export function frames(client: TestClient): (Snapshot | Delta)[] {
  return client.received.filter((message) => message.op === "snapshot" || message.op === "delta");
}
