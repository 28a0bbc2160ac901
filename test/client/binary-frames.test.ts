// The same history in both protocols: the same replica, to the last digit.
import assert from "node:assert/strict";
import t from "tap";
import { connect } from "../../client/connection.ts";
import { isoTime } from "../../client/iso-time.ts";
import type { Change } from "../../client/replica.ts";
import { isoTime as serverTime } from "../../src/picture/record.ts";
import {
  FRAME_CLUSTERS,
  FRAME_DELTA,
  FRAME_SNAPSHOT,
  type Full,
  LIVENESS_NAMES,
  REASONS,
} from "../../src/transport/feed/layout.ts";
import { PROTOCOL_BINARY } from "../../src/transport/feed/protocol.ts";
import { encodeFrame, type FrameParts } from "../feed/binary-frames.ts";
import { fc } from "../support/seeded.ts";
import { script } from "./scripted.ts";

const START = Date.parse("2024-06-06T08:00:00.000Z");
const HANDLES = [0, 7, 2 ** 20, 2 ** 28 - 1, 5];
const NAMES = ["vessel", "", "naïve 🚢"];
const MOTION = ["alt", "speed", "course", "heading"] as const;

const digits = (min: number, max: number, scale: number) =>
  fc.integer({ min: min * scale, max: max * scale }).map((value) => value / scale);
const unknownOr = (value: fc.Arbitrary<number>) =>
  fc.oneof({ weight: 3, arbitrary: value }, fc.constant(NaN));
const motion = {
  t: fc.integer({ min: START - 10_000, max: START }),
  lon: digits(-180, 180, 1e7),
  lat: digits(-90, 90, 1e7),
  alt: unknownOr(digits(-1_000, 30_000, 10)),
  speed: unknownOr(digits(0, 300, 100)),
  course: unknownOr(digits(0, 359, 100)),
  heading: unknownOr(digits(0, 359, 100)),
};
const full = fc.record({
  ...motion,
  id: fc.constantFrom("a", "b", "ß", "d", "e"),
  kind: fc.constantFrom(...NAMES),
  state: fc.constantFrom(...NAMES),
  liveness: fc.nat(3),
  placedAt: unknownOr(fc.integer({ min: START - 10_000, max: START })),
  received: fc.integer({ min: START - 10_000, max: START }),
  accuracy: unknownOr(digits(0, 100, 100)),
  implausible: fc.boolean(),
  source: fc.constantFrom(...NAMES),
  attributes: fc.constantFrom("", '{"a":{"b":[1,"ö"]},"__proto__":1}'),
  labels: fc.constantFrom("", '["x","y"]'),
  fences: fc.constantFrom("", '["harbour"]', '["harbour","ö"]'),
  epoch: fc.nat(),
  seq: fc.nat(),
});
/** One thing that may happen to each handle within a frame. */
const happening = fc.oneof(
  fc.record({ is: fc.constant("nothing" as const) }),
  fc.record({ is: fc.constantFrom("enters" as const, "crosses" as const), full }),
  fc.record({ is: fc.constant("moves" as const), move: fc.record(motion) }),
  fc.record({ is: fc.constant("leaves" as const), reason: fc.nat(REASONS.length - 1) }),
);
const cells = fc.array(
  fc.tuple(digits(-180, 180, 1e4), digits(-90, 90, 1e4), fc.integer({ min: 1, max: 1_000_000 })),
  { maxLength: 3 },
);
const turn = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      is: fc.constant("delta" as const),
      each: fc.tuple(...HANDLES.map(() => happening)),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      is: fc.constant("snapshot" as const),
      fulls: fc.array(full, { maxLength: 5 }),
      cut: fc.nat(5),
    }),
  },
  { weight: 1, arbitrary: fc.record({ is: fc.constant("clusters" as const), cells }) },
);
type Turn = typeof turn extends fc.Arbitrary<infer T> ? T : never;

/** The record as the server writes it in JSON. */
function jsonOf(record: Full) {
  const json: Record<string, unknown> = {
    id: record.id,
    kind: record.kind,
    state: record.state,
    liveness: LIVENESS_NAMES[record.liveness],
    t: serverTime(record.t),
    received: serverTime(record.received),
    lon: record.lon,
    lat: record.lat,
    attributes: JSON.parse(record.attributes || "{}"),
    labels: JSON.parse(record.labels || "[]"),
    fences: JSON.parse(record.fences || "[]"),
    epoch: record.epoch,
    seq: record.seq,
  };
  for (const name of [...MOTION, "accuracy"] as const)
    if (!Number.isNaN(record[name])) json[name] = record[name];
  if (record.source !== "") json.source = record.source;
  if (record.implausible) json.implausible = true;
  if (!Number.isNaN(record.placedAt)) json.placedAt = serverTime(record.placedAt);
  return json;
}

/** Plays turns as a server would, in both protocols at once. */
class Server {
  /** What the view was shown, by handle. */
  shown = new Map<number, Full>();
  clustered = false;
  n = 0;

  frames(turn: Turn): { json: object; binary: Uint8Array<ArrayBuffer> }[] {
    switch (turn.is) {
      case "snapshot":
        return this.snapshot(turn.fulls, turn.cut);
      case "clusters": {
        this.shown.clear();
        this.clustered = true;
        const cells = turn.cells.map(([lon, lat, count]) => ({ lon, lat, count }));
        return [this.frame("clusters", { cells: turn.cells }, { cells })];
      }
      case "delta":
        return [this.delta(turn.each)];
      default:
        return turn satisfies never;
    }
  }

  snapshot(records: Omit<Full, "handle">[], cut: number) {
    const unique = [...new Map(records.map((record) => [record.id, record])).values()];
    const fulls = unique.map((record, i) => ({ ...record, handle: HANDLES[i] }));
    this.shown = new Map(fulls.map((record) => [record.handle, record]));
    this.clustered = false;
    const parts = [fulls.slice(0, cut), fulls.slice(cut)];
    return parts.map((part, i) => {
      const marks = i === 0 ? { first: true } : { last: true };
      return this.frame("snapshot", { ...marks, entities: part.map(jsonOf) }, { fulls: part }, marks);
    });
  }

  delta(each: Extract<Turn, { is: "delta" }>["each"]) {
    const departures: { handle: number; reason: number }[] = [];
    const moves: Full[] = [];
    const fulls: Full[] = [];
    const json = { departures: [] as unknown[], updates: [] as unknown[] };
    const depart = (handle: number, reason: number) => {
      departures.push({ handle, reason });
      const known = this.shown.get(handle);
      if (known !== undefined) json.departures.push([known.id, REASONS[reason]]);
      this.shown.delete(handle);
    };
    if (!this.clustered) {
      each.forEach((happens, i) => {
        const handle = HANDLES[i];
        const before = this.shown.get(handle);
        if (happens.is === "leaves") depart(handle, happens.reason);
        if (happens.is === "moves" && before !== undefined) {
          const after = { ...before, ...happens.move, placedAt: NaN };
          moves.push(after);
          this.shown.set(handle, after);
          const small: Record<string, unknown> = {
            id: after.id,
            t: serverTime(after.t),
            lon: after.lon,
            lat: after.lat,
          };
          for (const name of MOTION)
            if (!Number.isNaN(after[name])) small[name] = after[name];
            else if (!Number.isNaN(before[name])) small[name] = null;
          json.updates.push(small);
        }
        if (happens.is === "enters" || happens.is === "crosses") {
          // An entity keeps its handle, and has only one.
          const record = { ...happens.full, handle, id: before?.id ?? `${happens.full.id}${handle}` };
          if (happens.is === "crosses") depart(handle, 0);
          fulls.push(record);
          this.shown.set(handle, record);
          json.updates.push(jsonOf(record));
        }
      });
    }
    return this.frame("delta", json, { departures, moves, fulls });
  }

  frame(op: "snapshot" | "delta" | "clusters", json: object, parts: Omit<FrameParts, "head">, marks = {}) {
    const n = ++this.n;
    const type = { snapshot: FRAME_SNAPSHOT, delta: FRAME_DELTA, clusters: FRAME_CLUSTERS }[op];
    const head = { type, first: false, last: false, view: 9, n, tick: n, t: START + n, lag: 3, ...marks };
    return {
      json: { op, view: "v1", n, tick: n, t: serverTime(START + n), lag: 3, ...json },
      binary: encodeFrame({ head: { ...head, t: START }, ...parts }),
    };
  }
}

function subscribed(protocol: string) {
  const { options, last, clock } = script();
  const connection = connect("ws://node", options);
  last().open(protocol);
  const view = connection.view({ bbox: [-180, -90, 180, 90] });
  const changes: Change[] = [];
  view.on("change", (change) => changes.push(change));
  last().receive({ op: "view", view: "v1", number: 9, cover: [[-180, -90, 180, 90]], filters: 0 });
  return { connection, view, changes, last, clock };
}

t.test("[K22, K53] a view holds and tells the same in both protocols, to the last digit", async () => {
  fc.assert(
    fc.property(fc.array(turn, { maxLength: 12 }), (turns) => {
      const [json, binary] = [subscribed("muster.v1.json"), subscribed(PROTOCOL_BINARY)];
      const server = new Server();
      const first = { is: "snapshot", fulls: [], cut: 0 } as const;
      for (const turn of [{ ...first, fulls: [] }, ...turns]) {
        for (const frame of server.frames(turn)) {
          json.last().receive(frame.json);
          binary.last().receive(frame.binary);
        }
        const shown = new Map([...server.shown.values()].map((record) => [record.id, jsonOf(record)]));
        assert.deepEqual(sorted(json.view.entities), sorted(shown));
        assert.deepEqual(sorted(binary.view.entities), sorted(shown));
        assert.deepEqual(binary.view.clusters, json.view.clusters);
        assert.deepEqual(binary.changes.map(ordered), json.changes.map(ordered));
        assert.equal(binary.view.state, "live");
      }
      json.connection.close();
      binary.connection.close();
    }),
  );
});

/** In binary, moves come before full records. */
function ordered({ added, updated, removed }: Change): Change {
  return { added: added.toSorted(), updated: updated.toSorted(), removed };
}

function sorted(entities: ReadonlyMap<string, unknown>): [string, unknown][] {
  return [...entities].sort(([a], [b]) => (a < b ? -1 : 1));
}

t.test("[K22] times are written as the server writes them", async () => {
  const time = fc.oneof(fc.double(), fc.double({ min: 0, max: 3e12 }), fc.integer({ min: 0, max: 3e12 }));
  fc.assert(
    fc.property(fc.array(time), (times) => {
      for (const t of times) assert.equal(isoTime(t), serverTime(t));
    }),
  );
});

const record: Full = {
  ...{ handle: 4, id: "a", kind: "vessel", state: "s", source: "", attributes: "", labels: "", fences: "" },
  ...{ t: START, placedAt: NaN, received: START, lon: 1, lat: 2, alt: NaN, speed: 5, course: 90 },
  ...{ heading: NaN, accuracy: NaN, liveness: 0, implausible: false, epoch: 1, seq: 1 },
};
const head = { type: FRAME_DELTA, first: false, last: false, view: 9, n: 2, tick: 1, t: START, lag: 0 };
const firstFrame = () =>
  encodeFrame({ head: { ...head, type: FRAME_SNAPSHOT, first: true, last: true, n: 1 }, fulls: [record] });
function changed(bytes: Uint8Array<ArrayBuffer>, at: number, value: number) {
  bytes[at] = value;
  return bytes;
}

const broken: { title: string; frame: () => Uint8Array<ArrayBuffer>; message: RegExp }[] = [
  {
    title: "a head that does not fit its length",
    frame: () => encodeFrame({ head }).slice(0, 39),
    message: /cut off/,
  },
  { title: "an unknown type", frame: () => changed(encodeFrame({ head }), 1, 77), message: /type 77/ },
  {
    title: "attributes that are not JSON",
    frame: () => encodeFrame({ head, fulls: [{ ...record, attributes: "{" }] }),
    message: /not JSON/,
  },
  {
    title: "attributes that are no object",
    frame: () => encodeFrame({ head, fulls: [{ ...record, attributes: "[]" }] }),
    message: /not an object/,
  },
  {
    title: "labels that are no array",
    frame: () => encodeFrame({ head, fulls: [{ ...record, labels: "{}" }] }),
    message: /not an array/,
  },
  {
    title: "fences that are no array",
    frame: () => encodeFrame({ head, fulls: [{ ...record, fences: "1" }] }),
    message: /not an array/,
  },
  {
    title: "a record without a place",
    frame: () => encodeFrame({ head, moves: [{ ...record, lon: NaN }] }),
    message: /no place/,
  },
  {
    title: "moves in a snapshot",
    frame: () => encodeFrame({ head: { ...head, type: FRAME_SNAPSHOT }, moves: [record] }),
    message: /more than full records/,
  },
  {
    title: "departures in clusters",
    frame: () =>
      encodeFrame({ head: { ...head, type: FRAME_CLUSTERS }, departures: [{ handle: 4, reason: 0 }] }),
    message: /more than cells/,
  },
];
for (const { title, frame, message } of broken) {
  t.test(
    `[K23] ${title} is a problem: nothing of the frame is applied, and the view subscribes again`,
    async (t) => {
      const { connection, view, clock, last } = subscribed(PROTOCOL_BINARY);
      const problems: Error[] = [];
      view.on("problem", (problem) => problems.push(problem));
      last().receive(firstFrame());
      const before = [...view.entities];
      clock.advance(2_000);
      last().take();
      last().receive(frame());
      t.strictSame([view.state, [...view.entities]], ["stale", before]);
      t.match(problems, [{ name: "LayoutError", message }]);
      t.strictSame(
        last()
          .take()
          .map(({ op, view }) => [op, view]),
        [
          ["unsubscribe", "v1"],
          ["subscribe", "v2"],
        ],
      );
      last().receive(firstFrame());
      t.equal(view.state, "stale", "the old number is nobody's");
      last().receive({ op: "view", view: "v2", number: 9, cover: [], filters: 0 }, firstFrame());
      t.equal(view.state, "live", "the server may use it again");
      connection.close();
    },
  );
}

t.test("[K23] bytes that name no view are a problem of the connection, and no view is touched", async (t) => {
  const { connection, view, last } = subscribed(PROTOCOL_BINARY);
  const problems: string[] = [];
  connection.on("problem", ({ message }) => problems.push(message));
  last().receive(firstFrame());
  last().receive(
    Uint8Array.of(1),
    changed(encodeFrame({ head }), 0, 2),
    changed(encodeFrame({ head }), 4, 8),
  );
  t.strictSame(problems, ["a frame is cut off", "version 2 is not known"]);
  t.equal(view.state, "live");
  connection.close();
});

t.test("[K12] in binary, too, a lost number and a handle that is not known are gaps", async (t) => {
  const gaps: [object, RegExp][] = [
    [{ head: { ...head, n: 3 } }, /frame 3 came after frame 1/],
    [{ head, moves: [{ ...record, handle: 5 }] }, /moves handle 5/],
    [{ head, moves: [record], departures: [{ handle: 4, reason: 0 }] }, /moves handle 4/],
  ];
  for (const [parts, message] of gaps) {
    const { connection, view, last } = subscribed(PROTOCOL_BINARY);
    const problems: Error[] = [];
    view.on("problem", (problem) => problems.push(problem));
    last().receive(firstFrame(), encodeFrame(parts as FrameParts));
    t.match(problems, [{ name: "Gap", message }]);
    t.strictSame([view.state, view.entities.size], ["stale", 1]);
    connection.close();
  }
});

t.test("[K12] a first snapshot and clusters forget all handles of the view", async (t) => {
  const later = { ...head, n: 3 };
  const again = encodeFrame({
    head: { ...head, type: FRAME_SNAPSHOT, first: true, last: true },
    fulls: [{ ...record, handle: 5 }],
  });
  const clusters = encodeFrame({ head: { ...head, type: FRAME_CLUSTERS }, cells: [] });
  for (const between of [again, clusters]) {
    const { connection, view, last } = subscribed(PROTOCOL_BINARY);
    last().receive(firstFrame(), between);
    t.equal(view.state, "live");
    last().receive(encodeFrame({ head: later, moves: [record] }));
    t.equal(view.state, "stale");
    connection.close();
  }
});
