import t from "tap";
import { contains } from "../../client/bbox.ts";
import { readJsonFrame } from "../../client/json-frames.ts";
import { type Change, Gap, Replica } from "../../client/replica.ts";
import type { Bbox, Clusters, Delta, Snapshot, ViewFrame } from "../../src/transport/feed/protocol.ts";
import { full } from "./scripted.ts";

const snapshot = (n: number, entities: object[], marks: object = { first: true, last: true }) =>
  ({ op: "snapshot", view: "v", n, tick: n, entities, ...marks }) as Snapshot;
const delta = (n: number, departures: [string, string][], updates: object[]) =>
  ({ op: "delta", view: "v", n, tick: n, departures, updates }) as Delta;

const clusters = (n: number, cells: [number, number, number][]) =>
  ({ op: "clusters", view: "v", n, tick: n, cells }) as unknown as Clusters;

/** What a view does with a frame. */
function receive(replica: Replica, frame: ViewFrame): Change {
  replica.expect(frame.n, frame.op === "clusters" || (frame.op === "snapshot" && frame.first === true));
  return replica.apply(readJsonFrame(frame, replica.entities));
}

const filled = () => {
  const replica = new Replica();
  receive(replica, snapshot(1, [full("a", 1, 1, { speed: 5, course: 90 }), full("b", 2, 2)]));
  return replica;
};
const places = (replica: Replica) =>
  [...replica.entities.values()].map(({ id, lon, lat }) => [id, lon, lat]).sort();

const cases: { title: string; frame: ViewFrame; change: Change; places: unknown[] }[] = [
  {
    title: "[K10] a small record moves an entity",
    frame: delta(2, [], [{ id: "a", t: "T", lon: 1.5, lat: 1.5 }]),
    change: { added: [], updated: ["a"], removed: [] },
    places: [
      ["a", 1.5, 1.5],
      ["b", 2, 2],
    ],
  },
  {
    title: "[K11] a departure takes an entity out, with its reason",
    frame: delta(2, [["b", "expired"]], []),
    change: { added: [], updated: [], removed: [["b", "expired"]] },
    places: [["a", 1, 1]],
  },
  {
    title: "[K11] departures come first: an entity that departs and comes again in a frame is updated",
    frame: delta(2, [["b", "left"]], [full("b", 3, 3)]),
    change: { added: [], updated: ["b"], removed: [] },
    places: [
      ["a", 1, 1],
      ["b", 3, 3],
    ],
  },
  {
    title: "[K11] a departure of an entity that is not there is no change",
    frame: delta(2, [["z", "left"]], []),
    change: { added: [], updated: [], removed: [] },
    places: [
      ["a", 1, 1],
      ["b", 2, 2],
    ],
  },
  {
    title: "[K11] a full record adds",
    frame: delta(2, [], [full("c", 4, 4)]),
    change: { added: ["c"], updated: [], removed: [] },
    places: [
      ["a", 1, 1],
      ["b", 2, 2],
      ["c", 4, 4],
    ],
  },
  {
    title: "[K9] a snapshot with first replaces everything",
    frame: snapshot(7, [full("b", 9, 9), full("d", 5, 5)]),
    change: { added: ["d"], updated: ["b"], removed: [["a", "replaced"]] },
    places: [
      ["b", 9, 9],
      ["d", 5, 5],
    ],
  },
  {
    title: "[K9] a later part of a snapshot adds to the parts before",
    frame: snapshot(2, [full("e", 6, 6)], { last: true }),
    change: { added: ["e"], updated: [], removed: [] },
    places: [
      ["a", 1, 1],
      ["b", 2, 2],
      ["e", 6, 6],
    ],
  },
  {
    title: "[K24] clusters take the place of all entities",
    frame: clusters(9, [[1, 1, 7_000]]),
    change: {
      added: [],
      updated: [],
      removed: [
        ["a", "replaced"],
        ["b", "replaced"],
      ],
    },
    places: [],
  },
];
for (const { title, frame, change, places: expected } of cases) {
  t.test(title, async (t) => {
    const replica = filled();
    t.strictSame(receive(replica, frame), change);
    t.strictSame(places(replica), expected);
  });
}

t.test("[K10] in a small record absent is unchanged and null is gone", async (t) => {
  const replica = filled();
  const before = replica.entities.get("a");
  receive(replica, delta(2, [], [{ id: "a", t: "T", lon: 1, lat: 1.1, course: null, alt: 7 }]));
  t.strictSame(replica.entities.get("a"), full("a", 1, 1.1, { speed: 5, alt: 7, t: "T" }));
  t.not(replica.entities.get("a"), before, "an entity that changed is a new object");
});

t.test("[K53] a small record is of a place at its time", async (t) => {
  const replica = filled();
  receive(replica, delta(2, [], [full("a", 1, 1, { t: "T2", placedAt: "T1" })]));
  receive(replica, delta(3, [], [{ id: "a", t: "T3", lon: 1, lat: 1.1 }]));
  t.strictSame(replica.entities.get("a"), full("a", 1, 1.1, { t: "T3" }));
});

t.test("[K24] clusters are replaced by clusters, and by a first snapshot", async (t) => {
  const replica = filled();
  t.strictSame(replica.clusters, []);
  receive(replica, clusters(9, [[1, 1, 7_000]]));
  receive(replica, clusters(10, [[2, 2, 6_000]]));
  t.strictSame(replica.clusters, [[2, 2, 6_000]]);
  receive(replica, delta(11, [["a", "left"]], []));
  t.throws(() => receive(replica, delta(12, [], [full("c", 1, 1)])), Gap, "entities beside clusters");
  t.strictSame(receive(replica, snapshot(13, [full("a", 1, 1)])), { added: ["a"], updated: [], removed: [] });
  t.strictSame([replica.clusters, places(replica)], [[], [["a", 1, 1]]]);
  const fresh = new Replica();
  t.strictSame(receive(fresh, clusters(1, [[1, 1, 7_000]])), { added: [], updated: [], removed: [] });
});

const gaps: { title: string; run: (replica: Replica) => void }[] = [
  { title: "a number is left out", run: (replica) => receive(replica, delta(3, [["a", "left"]], [])) },
  { title: "a number comes twice", run: (replica) => receive(replica, delta(1, [["a", "left"]], [])) },
  { title: "a part of a snapshot is left out", run: (replica) => receive(replica, snapshot(3, [], {})) },
  {
    title: "a small record was never introduced",
    run: (replica) => receive(replica, delta(2, [["a", "left"]], [{ id: "z", t: "T", lon: 1, lat: 1 }])),
  },
  {
    title: "a small record comes for what has departed",
    run: (replica) => receive(replica, delta(2, [["a", "left"]], [{ id: "a", t: "T", lon: 1, lat: 1 }])),
  },
  {
    title: "a restarted replica hears a delta before its first snapshot",
    run: (replica) => {
      replica.restart();
      receive(replica, delta(2, [], []));
    },
  },
];
for (const { title, run } of gaps) {
  t.test(`[K12] it is a gap, and nothing changes, when ${title}`, async (t) => {
    const replica = filled();
    t.throws(() => run(replica), Gap);
    t.strictSame(places(replica), [
      ["a", 1, 1],
      ["b", 2, 2],
    ]);
  });
}

t.test("[K13] a box contains its edges, crosses 180°, and knows that 180 and −180 are one", async (t) => {
  const rows: [Bbox, number, number, boolean][] = [
    [[10, 50, 20, 60], 10, 50, true],
    [[10, 50, 20, 60], 20, 60, true],
    [[10, 50, 20, 60], 20.001, 55, false],
    [[10, 50, 20, 60], 15, 49.999, false],
    [[170, -10, -170, 10], 175, 0, true],
    [[170, -10, -170, 10], -175, 0, true],
    [[170, -10, -170, 10], 0, 0, false],
    [[-180, -90, -170, 90], 180, 0, true],
    [[170, -90, 180, 90], -180, 0, true],
    [[-180, -90, 180, 90], 0, 90, true],
  ];
  for (const [bbox, lon, lat, inside] of rows) {
    t.equal(contains(bbox, lon, lat), inside, `${lon}, ${lat} in ${bbox.join(" ")}`);
  }
});
