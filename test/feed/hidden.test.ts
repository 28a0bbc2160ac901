// What may not be seen changes nothing of what is sent.
import assert from "node:assert/strict";
import t from "tap";
import { Policy } from "../../src/access/policy.ts";
import type { Principal } from "../../src/access/ports.ts";
import { FULL, type Picture } from "../../src/picture/picture.ts";
import { PROTOCOL_BINARY, PROTOCOL_JSON, type ServerMessage } from "../../src/transport/feed/protocol.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { fc, runs } from "../support/seeded.ts";
import { add, frames, HERE, harness, TestClient, THERE } from "./harness.ts";
import { BOXES, PLACES } from "./model-steps.ts";

const viewer = (id = "north", attributes: Principal["attributes"] = { fleet: "north" }): Principal => ({
  ...{ id, name: id, roles: ["viewer"], attributes },
});
const policyOf = (where: string) => {
  const policy = new Policy();
  policy.take([{ name: "viewer", grants: [{ resource: "entity", actions: ["read"], where }] }]);
  return policy;
};
const OWN = "principal.attributes.fleet in entity.labels";
const TYPE = (name: string) => `urn:muster:problem:${name}`;

function label(picture: Picture, slot: number, ...labels: string[]): void {
  picture.columns.labels.set(slot, labels);
  picture.touch(slot, FULL);
}

/** A feed for who may see what is labelled `north`. */
function guarded(options: Parameters<typeof harness>[0] = {}, protocol: string = PROTOCOL_JSON) {
  const made = harness({ policy: policyOf(OWN), ...options });
  const { feed, picture, clock } = made;
  const north = new TestClient(feed, () => {}, protocol, viewer());
  const tick = (times = 1) => {
    for (let i = 0; i < times; i++) {
      clock.pass(100);
      feed.tick();
    }
  };
  const addOwn = (id: string, lon?: number, lat?: number) =>
    label(picture, add(picture, id, lon, lat), "north");
  return { ...made, north, tick, addOwn };
}

const nat = (count: number) => fc.nat(count - 1);
const change = fc.record({
  do: fc.constantFrom("place", "place", "place", "kind", "remove"),
  id: nat(5),
  place: nat(PLACES.length),
});
const step = fc.oneof(
  { weight: 4, arbitrary: change.map((one) => ({ ...one, whose: "own" as const })) },
  { weight: 6, arbitrary: change.map((one) => ({ ...one, whose: "hidden" as const })) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("update" as const), box: nat(BOXES.length) }) },
  {
    weight: 6,
    arbitrary: fc.record({ do: fc.constant("tick" as const), times: fc.constantFrom(1, 1, 2, 10) }),
  },
);
const terms = fc.record({
  box: nat(BOXES.length),
  max: fc.constantFrom(undefined, 1, 2, 4),
  rate: fc.constantFrom(10 as const, 1 as const),
  tolerance: fc.constantFrom(undefined, undefined, undefined, "10m" as const),
  where: fc.constantFrom(undefined, undefined, "entity.kind == 'ship'", "entity.lon >= 0.0"),
});
const limits = fc.record({
  partRecords: fc.constantFrom(1, 2, 512),
  partBytes: fc.constantFrom(undefined, undefined, 300),
  privateViews: fc.constantFrom(0, 4, 4),
  maxDeltaBytes: fc.constantFrom(undefined, undefined, 800),
});

type Change = typeof change extends fc.Arbitrary<infer S> ? S & { whose: "own" | "hidden" } : never;

function apply(picture: Picture, { do: what, id, place, whose }: Change): void {
  const name = `${whose}${id}`;
  const slot = picture.find(name);
  const [lon, lat] = PLACES[place];
  if (slot === -1) {
    if (what === "place") label(picture, add(picture, name, lon, lat), whose === "own" ? "north" : "south");
  } else if (what === "place") picture.place(slot, lon, lat);
  else if (what === "remove") picture.remove(slot, "deleted");
  else {
    picture.columns.kind.set(slot, picture.columns.kinds.number("truck"));
    picture.touch(slot, FULL);
  }
}

/** What is sent, but for ticks and their lag; of one cell in any order. */
function sent({ received }: TestClient): unknown[] {
  const byId = (a: { id: string }, b: { id: string }) => (a.id < b.id ? -1 : 1);
  return received
    .filter(({ op }) => op !== "heartbeat")
    .map((message: ServerMessage) => {
      const known = { ...message, tick: 0, lag: 0 };
      if (message.op === "snapshot") return { ...known, entities: message.entities.toSorted(byId) };
      if (message.op === "delta")
        return {
          ...known,
          departures: message.departures.map(String).sort(),
          updates: message.updates.toSorted(byId),
        };
      return known;
    });
}

t.test("[AC80] the frames are the same whether or not there is what may not be seen", async () => {
  const views = fc.array(terms, { minLength: 1, maxLength: 3 });
  const history = fc.array(step, { minLength: 5, maxLength: 60, size: "max" });
  const protocols = fc.constantFrom(PROTOCOL_JSON, PROTOCOL_BINARY);
  const property = fc.property(history, views, limits, protocols, (steps, asked, options, protocol) => {
    const run = (isAlone: boolean) => {
      const { north, picture, tick } = guarded(options, protocol);
      for (const [i, one] of steps.entries()) {
        if (i === Math.floor(steps.length / 3))
          for (const [i, { box, ...rest }] of asked.entries()) north.subscribe(`v${i}`, BOXES[box], rest);
        if (one.do === "tick") tick(one.times);
        else if (one.do === "update") {
          if (north.replicas.has("v0")) north.update("v0", BOXES[one.box]);
        } else if (one.whose === "own" || !isAlone) apply(picture, one);
      }
      tick(30);
      return sent(north);
    };
    assert.deepEqual(run(false), run(true));
  });
  fc.assert(property, { numRuns: runs(500) });
});

t.test("[AC80] it is no crowd, nor makes it parts, however much there is", async (t) => {
  for (const protocol of [PROTOCOL_JSON, PROTOCOL_BINARY]) {
    const { north, picture, tick, addOwn } = guarded({}, protocol);
    for (let i = 0; i < 3_000; i++) add(picture, `hidden${i}`, 10 + i / 30_000, 50 + (i % 100) / 1_000);
    addOwn("a", 10.01, 50.01);
    addOwn("b", 10.09, 50.09);
    const few = north.subscribe("few", HERE, { max: 2 });
    north.subscribe("many", HERE);
    tick(30);
    t.same(
      frames(north).map((frame) => frame.op === "snapshot" && [frame.view, frame.first, frame.last]),
      [
        ["few", true, true],
        ["many", true, true],
      ],
    );
    addOwn("c", 10.05, 50.05);
    tick(30);
    t.equal(few.state, "clusters", "what may be seen is counted");
    t.equal(
      few.clusters.reduce((sum, [, , count]) => sum + count, 0),
      3,
    );
    t.equal(frames(north).filter(({ op, view }) => op === "snapshot" && view === "few").length, 1);
  }
});

t.test("[AC80] what takes long to be looked through comes as it is found, in no empty part", async (t) => {
  const clock = new (class extends FakeClock {
    /** Each look at the clock takes so long, ms. */
    costs = 0;
    override monotonic(): number {
      this.pass(this.costs);
      return super.monotonic();
    }
  })();
  const { feed, north, picture, tick, addOwn } = guarded({ clock });
  for (let i = 0; i < 5_000; i++) add(picture, `hidden${i}`, 10.001 + i / 60_000);
  new TestClient(feed).subscribe("v", THERE);
  tick();
  const replica = north.subscribe("v", HERE);
  clock.costs = 5;
  tick();
  t.same(frames(north), [], "there was no time to look at all");
  addOwn("first", 10.001);
  tick();
  t.match(frames(north), [{ first: true, last: undefined, entities: [{ id: "first" }] }]);
  for (let i = 0; i < 10 && replica.state !== "complete"; i++) tick();
  t.match(frames(north).slice(1), [{ op: "snapshot", first: undefined, last: true, entities: [] }]);
});

t.test(
  "[AC81] any number of clients with a permission each is served, one with too much of its own ends",
  async (t) => {
    const policy = policyOf("entity.kind == principal.attributes.kind");
    const { feed, picture, clock } = harness({ policy, maxChannels: 1 });
    for (let i = 0; i < 1_000; i++) add(picture, `e${i}`, 10.01 + i / 20_000, 50.05, `k${i % 600}`);
    const clients = Array.from({ length: 600 }, (_, i) => {
      const client = new TestClient(feed, () => {}, PROTOCOL_JSON, viewer(`c${i}`, { kind: `k${i}` }));
      client.subscribe("v", HERE, { max: i === 599 ? 1 : 2 });
      return client;
    });
    const tick = (times: number) => {
      for (let i = 0; i < times; i++) {
        clock.pass(100);
        feed.tick();
      }
    };
    tick(20);
    t.ok(clients.every((client, i) => client.replicas.get("v")!.entities.size === (i < 400 ? 2 : 1)));
    t.equal(feed.stats.channels, 1);
    clients[0].subscribe("w", HERE, { tolerance: "10m" });
    add(picture, "more", 10.05, 50.05, "k599");
    tick(20);
    t.match(clients[599].last("error"), { type: TYPE("unavailable"), view: "v", ended: true });
    t.equal(feed.stats.views, 600);
  },
);
