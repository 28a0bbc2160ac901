/**
 * Random histories of a picture and its viewers, in memory: reports, pans, changes of filter, slow periods, disconnects. Frames are checked as
 * they are sent, replicas when everything is at rest.
 */
import assert from "node:assert/strict";
import { Policy } from "../../src/access/policy.ts";
import { ADMIN, type Permitted } from "../../src/access/ports.ts";
import { EXPIRED } from "../../src/actors/messages.ts";
import {
  CLUSTER_TICKS,
  DEFAULT_VIEW_ENTITIES,
  MAX_DELTA_BYTES,
  SNAPSHOT_BYTES_PER_TICK,
} from "../../src/limits.ts";
import { clusterLevel } from "../../src/picture/clusters.ts";
import { covers } from "../../src/picture/cover.ts";
import { permittedLens } from "../../src/picture/lens.ts";
import type { Picture } from "../../src/picture/picture.ts";
import type { FeedOptions } from "../../src/transport/feed/feed.ts";
import {
  type Delta,
  type Departure,
  PROTOCOL_BINARY,
  PROTOCOL_JSON,
  type ServerMessage,
  TOLERANCES,
  type Tolerance,
} from "../../src/transport/feed/protocol.ts";
import { harness, type Replica, TestClient } from "./harness.ts";
import { type AccessStep, PRINCIPALS, ROLES } from "./model-access.ts";
import { recordBytes, sortedLike } from "./model-records.ts";
import { BOXES, IDS, type Step } from "./model-steps.ts";
import { checkHeld } from "./model-tolerance.ts";
import { changeWorld } from "./model-world.ts";

export type HistoryOptions = Pick<
  FeedOptions,
  "partRecords" | "partBytes" | "privateViews" | "snapshotBytesPerTick" | "maxDeltaBytes"
> & {
  /** The clients are not admins: they see what roles permit. */
  isGuarded?: boolean;
};

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

  readonly #policy = new Policy();
  readonly #isGuarded: boolean;
  /** What could be seen at the last tick; and those who were slow, so that the server does not know what they hold. */
  readonly #permittedBefore = new Map<Replica, Permitted>();
  readonly #paced = new Set<TestClient>();
  /** Those to whom it was no secret what there is. */
  readonly #sawAll = new Set<TestClient>();
  /** What a client was ever told of. */
  readonly #given = new Map<TestClient, Set<string>>();

  constructor(picture: Picture, { isGuarded = false, ...options }: HistoryOptions) {
    const { feed, errors, clock } = harness({ picture, policy: this.#policy, ...options });
    this.#isGuarded = isGuarded;
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
      this.#isGuarded ? PRINCIPALS[number] : ADMIN,
    );
    this.#given.set(connected, new Set());
    return connected;
  }

  run(steps: readonly (Step | AccessStep)[]): void {
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
    this.#checkDenied();
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

  /** What does not fit a tick comes late. */
  get #isLimited(): boolean {
    return this.#maxDeltaBytes < MAX_DELTA_BYTES || this.#snapshotBytesPerTick < SNAPSHOT_BYTES_PER_TICK;
  }

  /** From when roles change nobody holds what he may not see. */
  #checkDenied(): void {
    for (const client of this.#clients)
      for (const replica of client.replicas.values()) {
        const { entities, permitted } = replica;
        const before = this.#permittedBefore.get(replica) ?? permitted;
        this.#permittedBefore.set(replica, permitted);
        const isSame = JSON.stringify(before) === JSON.stringify(permitted);
        if (isSame || this.#isLimited || this.#paced.has(client)) continue;
        for (const id of entities.keys()) {
          const isHidden = this.#picture.find(id) !== -1 && !this.#isThere(id, permitted);
          assert.ok(!isHidden, `${id} is held, and may not be seen`);
        }
      }
  }

  #checkHeld(replica: Replica): void {
    if (this.#isLimited) return;
    const { rate, tolerance } = this.#terms.get(replica)!;
    if (rate === 10 && tolerance !== undefined && replica.state === "complete")
      checkHeld(replica, this.#picture, TOLERANCES[tolerance], this.#clock.now());
  }

  #permitted(client: TestClient): Permitted {
    return this.#policy.permits(client.socket.principal, "entity", "read");
  }

  #take(step: Step | AccessStep): void {
    const picture = this.#picture;
    if ("id" in step) {
      const name = `e${step.id}`;
      if (step.do === "remove" && picture.find(name) !== -1) {
        if (!this.#removals.has(name)) this.#removals.set(name, new Set());
        this.#removals.get(name)!.add(step.reason);
      }
      changeWorld(picture, this.#clock.now(), step);
      return;
    }
    const client = "client" in step ? this.#clients[step.client] : this.#clients[0];
    const view = "view" in step ? `v${step.view}` : "";
    switch (step.do) {
      case "role":
        this.#policy.take([ROLES[step.role]]);
        for (const one of this.#clients)
          for (const replica of one.replicas.values()) {
            replica.permitted = this.#permitted(one);
            if (replica.permitted === "all") this.#sawAll.add(one);
          }
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
        const permitted = this.#permitted(client);
        if ("follow" in place && !this.#isThere(place.follow!.id, permitted)) return;
        const replica = client.open(view, { ...place, kinds, where, rate, tolerance, max });
        replica.permitted = permitted;
        if (permitted === "all") this.#sawAll.add(client);
        if (permitted.length === 0) client.replicas.delete(view);
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
        this.#paced.add(client);
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
    if (message.op === "error" && message.ended && !this.#isLimited && !this.#paced.has(client))
      assert.equal(client.replicas.get(message.view!)!.entities.size, 0, "who may see nothing holds nothing");
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
    const given = this.#given.get(client)!;
    for (const record of records) {
      given.add(record.id);
      const now = this.#state(record.id, replica);
      assert.equal(now, "visible", `a record of ${record.id}, which is ${now}`);
      if ("kind" in record) assert.equal(typeof record.lon, "number");
    }
    // A view that follows pans by itself.
    const moved = this.#moved.has(`${number}${message.view}`) || replica.asked.follow !== undefined;
    if (message.op === "delta")
      for (const departure of message.departures) {
        const [id] = departure;
        const isKnown = given.has(id) || this.#sawAll.has(client) || this.#isThere(id, replica.permitted);
        assert.ok(isKnown, `${id} departs, which was hidden`);
        this.#checkReason(departure, replica, moved);
      }
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
    if (reason === "denied") {
      assert.ok(removals || !this.#isThere(id, replica.permitted), `${id} is denied, and may be seen`);
      return;
    }
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
    if (replica.lens(this.#picture).test(slot)) return "visible";
    return this.#isThere(id, replica.permitted) ? "filter" : "denied";
  }

  /** Whether for who may see so much there is an entity of this id. */
  #isThere(id: string, permitted: Permitted): boolean {
    const slot = this.#picture.find(id);
    return slot !== -1 && permittedLens(this.#picture, permitted).test(slot);
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
