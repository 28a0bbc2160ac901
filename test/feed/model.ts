/**
 * Random histories of a picture and its viewers, in memory: reports, pans, changes of filter, slow periods, disconnects. Frames are checked as
 * they are sent, replicas when everything is at rest.
 */
import assert from "node:assert/strict";
import { EXPIRED } from "../../src/actors/messages.ts";
import {
  CLUSTER_TICKS,
  DEFAULT_VIEW_ENTITIES,
  MAX_DELTA_BYTES,
  SNAPSHOT_BYTES_PER_TICK,
} from "../../src/limits.ts";
import { clusterLevel } from "../../src/picture/clusters.ts";
import { covers } from "../../src/picture/cover.ts";
import { FULL, MOTION, type Picture } from "../../src/picture/picture.ts";
import type { FeedOptions } from "../../src/transport/feed/feed.ts";
import { FRAME_BYTES } from "../../src/transport/feed/layout.ts";
import {
  type Delta,
  type Departure,
  type FullRecord,
  PROTOCOL_BINARY,
  PROTOCOL_JSON,
  type ServerMessage,
  type Snapshot,
  TOLERANCES,
  type Tolerance,
} from "../../src/transport/feed/protocol.ts";
import { harness, type Replica, TestClient } from "./harness.ts";
import { BOXES, FIELDS, IDS, KINDS, PLACES, STATES, type Step, WIDTH } from "./model-steps.ts";
import { checkHeld } from "./model-tolerance.ts";

export type HistoryOptions = Pick<
  FeedOptions,
  "partRecords" | "partBytes" | "privateViews" | "snapshotBytesPerTick" | "maxDeltaBytes"
>;

/** One history: runs the steps, then rests, then compares. */
export class History {
  readonly #picture: Picture;
  readonly #feed;
  readonly #clock;
  readonly #errors;
  readonly #clients: TestClient[];
  /** Reasons with which each id was removed so far. */
  readonly #removals = new Map<string, Set<string>>();
  /** Views moved or opened since the last tick: `left` may then be for any reason. */
  readonly #moved = new Set<string>();
  /** Views that were given a snapshot since the last tick. */
  readonly #begun = new Set<Replica>();
  /** Bytes of records that snapshots may have in a tick, and those that they have had. */
  readonly #snapshotBytesPerTick: number;
  readonly #maxDeltaBytes: number;
  #snapshotBytes = 0;
  /** The view of the last snapshot, if a part of it may take several frames. */
  #partOf: Replica | undefined;
  readonly #hasSmallParts: boolean;
  /** What a view was opened with beyond what its replica knows. */
  readonly #terms = new Map<Replica, { rate: number; tolerance: Tolerance | undefined; max: number }>();

  constructor(picture: Picture, options: HistoryOptions) {
    const { feed, errors, clock } = harness({ picture, ...options });
    this.#snapshotBytesPerTick = options.snapshotBytesPerTick ?? SNAPSHOT_BYTES_PER_TICK;
    this.#hasSmallParts = options.partBytes !== undefined;
    this.#maxDeltaBytes = options.maxDeltaBytes ?? MAX_DELTA_BYTES;
    this.#picture = picture;
    this.#feed = feed;
    this.#clock = clock;
    this.#errors = errors;
    this.#clients = [this.#connect(0, PROTOCOL_JSON), this.#connect(1, PROTOCOL_BINARY)];
  }

  #connect(number: number, protocol: string): TestClient {
    const connected: TestClient = new TestClient(
      this.#feed,
      (message, size) => this.#check(number, connected, message, size),
      protocol,
    );
    return connected;
  }

  run(steps: readonly Step[]): void {
    for (const step of steps) this.#take(step);
    for (const { socket } of this.#clients) socket.resume();
    // A slow view restarts at the next tick; a 1 Hz channel is due within ten; parts of snapshots all fit into one, or one at least; clusters
    // come once a second, and again a second later when they find that there are fewer; a tolerance holds back for so long.
    const held = [...this.#terms.values()].some(({ tolerance }) => tolerance !== undefined);
    const parts = this.#snapshotBytesPerTick < SNAPSHOT_BYTES_PER_TICK ? 4 * IDS : 0;
    const rest = 13 + 2 * CLUSTER_TICKS + parts + (held ? TOLERANCES["10m"].maxAgeMs / 100 : 0);
    for (let i = 0; i < rest; i++) this.#tick();
    for (const client of this.#clients) {
      assert.equal(client.socket.closedWith, undefined);
      for (const replica of client.replicas.values()) this.#compare(replica);
    }
  }

  #compare(replica: Replica): void {
    const expected = replica.expected(this.#picture);
    const { follow } = replica.asked;
    if (follow !== undefined) {
      assert.equal(this.#state(follow.id, replica), "visible", "what is followed is seen");
      const key = this.#picture.columns.key.of(this.#picture.find(follow.id));
      assert.ok(covers(replica.cover, key), "the box is around what is followed");
    }
    const { max } = this.#terms.get(replica)!;
    const hasBox = replica.asked.ids === undefined;
    if (hasBox && expected.size > max)
      assert.equal(replica.state, "clusters", "too much is shown as clusters");
    else if (!hasBox || expected.size < 0.8 * max) assert.equal(replica.state, "complete");
    if (replica.state === "clusters") {
      assert.equal(replica.entities.size, 0);
      const counts = this.#counts(replica).sort();
      assert.deepEqual(replica.clusters.map(([, , count]) => count).sort(), counts);
    } else {
      assert.equal(replica.state, "complete");
      assert.deepEqual(replica.entities, sortedLike(replica.entities, expected));
    }
  }

  /** How many entities each cell holds that the view's cover touches. */
  #counts(replica: Replica): number[] {
    const { cover } = replica;
    const shift = 2 * (16 - clusterLevel(cover));
    const cellOf = (key: number) => Math.floor(key / 2 ** shift);
    const lens = replica.lens(this.#picture);
    const { columns } = this.#picture;
    const counts = new Map<number, number>();
    for (let i = 0; i < IDS; i++) {
      const slot = this.#picture.find(`e${i}`);
      if (slot === -1 || columns.liveness.of(slot) === EXPIRED || !lens.test(slot)) continue;
      const cell = cellOf(columns.key.of(slot));
      counts.set(cell, (counts.get(cell) ?? 0) + 1);
    }
    const touched = (cell: number) => {
      for (let i = 0; i < cover.length; i += 2)
        if (cell >= cellOf(cover[i]) && cell <= cellOf(cover[i + 1])) return true;
      return false;
    };
    return [...counts].filter(([cell]) => touched(cell)).map(([, count]) => count);
  }

  #tick(): void {
    this.#clock.pass(100);
    this.#snapshotBytes = 0;
    this.#partOf = undefined;
    for (const { socket } of this.#clients) if (socket.pace === "lazy") socket.resume("lazy");
    this.#feed.tick();
    this.#checkErrors();
    this.#moved.clear();
    for (const { socket, replicas } of this.#clients)
      if (socket.pace === "fast") for (const replica of replicas.values()) this.#checkHeld(replica);
    for (const replica of this.#begun) {
      const { size } = replica.entities;
      const { rate, max } = this.#terms.get(replica)!;
      if (rate === 10) assert.ok(size <= max, `a crowd of ${size} is sent, of at most ${max}`);
    }
    this.#begun.clear();
  }

  /** The feed goes on when one session fails, so also when the model finds something in what that is sent. */
  #checkErrors(): void {
    const [first] = this.#errors as { err?: unknown }[];
    if (first !== undefined) throw first.err;
  }

  #checkHeld(replica: Replica): void {
    // What does not fit a tick comes late.
    if (this.#maxDeltaBytes < MAX_DELTA_BYTES || this.#snapshotBytesPerTick < SNAPSHOT_BYTES_PER_TICK) return;
    const { rate, tolerance } = this.#terms.get(replica)!;
    if (rate === 10 && tolerance !== undefined && replica.state === "complete")
      checkHeld(replica, this.#picture, TOLERANCES[tolerance], this.#clock.now());
  }

  #take(step: Step): void {
    const picture = this.#picture;
    const columns = picture.columns;
    const name = "id" in step ? `e${step.id}` : "";
    const slot = picture.find(name);
    const client = "client" in step ? this.#clients[step.client] : this.#clients[0];
    const view = "view" in step ? `v${step.view}` : "";
    switch (step.do) {
      case "add": {
        if (slot !== -1) return;
        const added = picture.add(name, 0);
        columns.kind.set(added, columns.kinds.number(KINDS[step.kind]));
        columns.t.set(added, this.#clock.now());
        columns.received.set(added, this.#clock.now());
        const [lon, lat] = PLACES[step.place];
        picture.place(added, lon, lat);
        return;
      }
      case "move": {
        if (slot === -1) return;
        const [lon, lat] = PLACES[step.place];
        columns.t.set(slot, this.#clock.now());
        // 180° is the edge of its cell: east of it is nothing.
        picture.place(slot, lon === 180 ? lon : eastOf(lon, (step.shift / 40) * WIDTH), lat);
        return;
      }
      case "heard":
        if (slot === -1) return;
        columns.t.set(slot, this.#clock.now());
        if (step.speed !== undefined) columns.speed.set(slot, step.speed);
        if (step.n !== undefined) columns.attributes.set(slot, `{"n":${step.n}}`);
        picture.touch(slot, step.n === undefined ? MOTION : FULL);
        return;
      case "motion":
        if (slot === -1) return;
        columns[FIELDS[step.field]].set(slot, step.value);
        picture.touch(slot, MOTION);
        return;
      case "kind":
        if (slot === -1) return;
        columns.kind.set(slot, columns.kinds.number(KINDS[step.kind]));
        picture.touch(slot, FULL);
        return;
      case "attributes":
        if (slot === -1) return;
        if (step.n === 0) columns.attributes.delete(slot);
        else columns.attributes.set(slot, `{"n":${step.n}}`);
        if (step.n === 0) columns.fences.delete(slot);
        else columns.fences.set(slot, ["harbour", "quay"].slice(0, step.n));
        picture.touch(slot, FULL);
        return;
      case "state":
        if (slot === -1) return;
        columns.state.set(slot, columns.states.number(STATES[step.state]));
        picture.touch(slot, FULL);
        return;
      case "liveness":
        if (slot === -1) return;
        columns.liveness.set(slot, step.liveness);
        picture.touch(slot, FULL);
        return;
      case "remove":
        if (slot === -1) return;
        if (!this.#removals.has(name)) this.#removals.set(name, new Set());
        this.#removals.get(name)!.add(step.reason);
        picture.remove(slot, step.reason);
        return;
      case "subscribe": {
        if (client.replicas.has(view)) return;
        const { looking, kinds, where, rate, tolerance, max } = step;
        const place =
          "box" in looking
            ? { bbox: BOXES[looking.box] }
            : "ids" in looking
              ? { ids: looking.ids.map((number) => `e${number}`) }
              : { follow: { id: `e${looking.follow}`, radius: looking.radius } };
        if ("follow" in place && picture.find(place.follow!.id) === -1) return;
        const replica = client.open(view, { ...place, kinds, where, rate, tolerance, max });
        this.#terms.set(replica, { rate, tolerance, max: max ?? DEFAULT_VIEW_ENTITIES });
        return;
      }
      case "update":
        if (client.replicas.get(view)?.asked.bbox === undefined) return;
        this.#moved.add(`${step.client}${view}`);
        client.update(view, BOXES[step.box]);
        return;
      case "refilter": {
        if (!client.replicas.has(view)) return;
        const { kinds = null, where = null } = step;
        client.refilter(view, { kinds, where });
        return;
      }
      case "unsubscribe":
        if (client.replicas.has(view)) client.unsubscribe(view);
        return;
      case "pace":
        if (step.pace === "stalled") client.socket.stall();
        else client.socket.resume(step.pace);
        return;
      case "reconnect":
        client.disconnect();
        this.#clients[step.client] = this.#connect(step.client, client.socket.protocol);
        return;
      case "tick":
        for (let i = 0; i < step.times; i++) this.#tick();
        return;
      default:
        step satisfies never;
    }
  }

  /** At the moment of sending: the box is what was asked for, nothing that the filter hides is told, and reasons are true. */
  #check(number: number, client: TestClient, message: ServerMessage, size: number): void {
    if (client.socket.pace !== "stalled") this.#checkCrowd(client, message);
    if (message.op === "view") {
      const { asked } = client.replicas.get(message.view)!;
      if (asked.follow === undefined)
        assert.deepEqual(message.bbox, asked.bbox, "the box that was asked for");
    }
    if (message.op === "ended") {
      const replica = client.replicas.get(message.view)!;
      this.#checkReason([replica.asked.follow!.id, message.reason], replica, false);
    }
    if (message.op !== "snapshot" && message.op !== "delta") return;
    assert.equal(message.t, new Date(this.#clock.now()).toISOString());
    const replica = client.replicas.get(message.view)!;
    const records = message.op === "snapshot" ? message.entities : message.updates;
    if (message.op === "snapshot") {
      const mayBegin = this.#snapshotBytes < this.#snapshotBytesPerTick || this.#partOf === replica;
      assert.ok(mayBegin, "snapshots of a tick have too many bytes");
      if (this.#hasSmallParts) this.#partOf = replica;
      this.#snapshotBytes += recordBytes(client, message, size);
    } else this.#checkSize(client, message, size);
    for (const record of records) {
      const now = this.#state(record.id, replica);
      assert.equal(now, "visible", `a record of ${record.id}, which is ${now}`);
      if ("kind" in record) assert.equal(typeof record.lon, "number");
    }
    // A view that follows pans by itself.
    const moved = this.#moved.has(`${number}${message.view}`) || replica.asked.follow !== undefined;
    if (message.op === "delta")
      for (const departure of message.departures) this.#checkReason(departure, replica, moved);
  }

  /** Of what changes: the full records that a pan brings come in parts as those of a snapshot. */
  #checkSize(client: TestClient, delta: Delta, size: number): void {
    const isOfChanges = delta.departures.length > 0 || delta.updates.some((record) => !("kind" in record));
    if (!isOfChanges || client.replicas.get(delta.view)!.asked.ids !== undefined) return;
    assert.ok(recordBytes(client, delta, size) <= this.#maxDeltaBytes, "a delta has too many bytes");
  }

  /** Clusters take over from more than `max` entities only, which have not been sent. */
  #checkCrowd(client: TestClient, message: ServerMessage): void {
    if (message.op !== "clusters" && message.op !== "snapshot") return;
    const replica = client.replicas.get(message.view)!;
    if (replica.asked.ids !== undefined) return;
    if (message.op === "snapshot") {
      if (message.first) this.#begun.add(replica);
      return;
    }
    const terms = this.#terms.get(replica);
    if (replica.state === "clusters" || terms?.rate !== 10) return;
    const { length } = replica.slots(this.#picture);
    assert.ok(length > terms.max, `there are clusters of ${length}, of at most ${terms.max}`);
  }

  #checkReason([id, reason]: Departure, replica: Replica, moved: boolean): void {
    const now = this.#state(id, replica);
    const removals = this.#removals.get(id);
    const isTrue =
      reason === "filter" || reason === "expired"
        ? now === reason
        : removals?.has(reason) || (reason === "left" && (now === "visible" || moved));
    assert.ok(isTrue, `${id} departs with ${reason}, but is ${now}`);
  }

  #state(id: string, replica: Replica): string {
    const { columns } = this.#picture;
    const slot = this.#picture.find(id);
    if (slot === -1) return "gone";
    if (columns.liveness.of(slot) === EXPIRED) return "expired";
    return replica.lens(this.#picture).test(slot) ? "visible" : "filter";
  }

  /** Leaves the picture as it was, so that the next history can use it: making one takes longer than a history. */
  end(): void {
    for (const client of this.#clients) client.disconnect();
    for (let i = 0; i < IDS; i++) {
      const slot = this.#picture.find(`e${i}`);
      if (slot !== -1) this.#picture.remove(slot, "deleted");
    }
    this.#picture.clearChanges();
    this.#picture.releaseRemoved(() => true);
  }

  /** After its end nothing is left of a history. */
  checkEnd(): void {
    assert.equal(this.#picture.size, 0);
    assert.ok(this.#picture.columns.extent < 1_000);
  }
}

/** Bytes of a frame's records, about: without some commas. @param size of the frame */
function recordBytes({ socket }: TestClient, frame: Snapshot | Delta, size: number): number {
  if (socket.protocol === PROTOCOL_BINARY) return size - FRAME_BYTES;
  const lists = frame.op === "snapshot" ? [frame.entities] : [frame.departures, frame.updates];
  return lists.reduce((bytes, list) => bytes + JSON.stringify(list).length - 2, 0);
}

function eastOf(lon: number, way: number): number {
  return lon + way > 180 ? lon + way - 360 : lon + way;
}

/** Maps compare in order; what is in both is put into the order of the first. */
function sortedLike(order: Map<string, FullRecord>, map: Map<string, FullRecord>): Map<string, FullRecord> {
  const known = [...order.keys()].filter((id) => map.has(id));
  const rest = [...map.keys()].filter((id) => !order.has(id));
  return new Map([...known, ...rest].map((id) => [id, map.get(id)!]));
}
