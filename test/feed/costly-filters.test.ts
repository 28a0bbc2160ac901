// Filters that take too much of the node's time: their views are ended, and no other notices.
import t from "tap";
import { Policy } from "../../src/access/policy.ts";
import type { Principal, Role } from "../../src/access/ports.ts";
import { MAX_FILTER_MS } from "../../src/limits.ts";
import { FULL } from "../../src/picture/picture.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { SlowFilters } from "../support/slow-filters.ts";
import { add, type Harness, HERE, harness, start, TestClient, THERE } from "./harness.ts";
import { at, HOUR_MS, NOW, Rows, segments, setUp } from "./played-rows.ts";

/** No simple condition. */
const COSTLY = "entity.id.size() > 0";
/** A channel asks its filter of all entities, wherever its views look. */
const littleOf = (options: Options) =>
  options?.privateViews === 0 ? "entity.lon > 50" : "entity.id.size() > 0 && entity.lon > 50";
type Options = Parameters<typeof start>[0];

function errors(client: TestClient) {
  return client.received.filter((message) => message.op === "error");
}

const ENDED = { type: "urn:muster:problem:unavailable", status: 503, ended: true, detail: /too much time/ };

const kinds: [name: string, view: Parameters<TestClient["open"]>[1], options: Options][] = [
  ["which few have", { bbox: HERE, where: COSTLY }, {}],
  ["with a channel", { bbox: HERE, where: COSTLY }, { privateViews: 0 }],
  ["with a tolerance", { bbox: HERE, where: COSTLY, tolerance: "10m" }, {}],
  ["of ids", { ids: Array.from({ length: 100 }, (_, i) => `e${i}`), where: COSTLY }, {}],
  ["that follows", { follow: { id: "e0", radius: 5_000 }, where: COSTLY }, {}],
];

for (const [name, view, options] of kinds) {
  for (const moment of ["at once", "later"]) {
    t.test(`[F77] a view ${name} whose filter costs too much is ended alone (${moment})`, async (t) => {
      const made = start({ ...options, filterTime: new SlowFilters() });
      const { client, feed, picture } = made;
      const simple = client.subscribe("simple", HERE, { where: "entity.kind == 'ship'" });
      const little = client.subscribe("little", THERE, { where: littleOf(options) });
      add(picture, "there", 100.05, 10.05);
      add(picture, "e0");
      if (moment === "later") {
        client.open("v", view);
        settle(made);
        t.equal(client.replicas.get("v")!.entities.size, 1);
      }
      for (let i = 1; i < 4 * MAX_FILTER_MS; i++) add(picture, `e${i}`);
      if (moment === "at once") client.open("v", view);
      settle(made);
      t.match(errors(client), [{ ...ENDED, view: "v" }]);
      t.equal(errors(client).length, 1);
      t.equal(client.socket.closedWith, undefined);
      t.equal(feed.stats.views, 2);
      const { length } = client.received.filter((message) => "view" in message && message.view === "v");

      picture.place(picture.find("e0"), 10.06, 50.06);
      add(picture, "new", 100.05, 10.05);
      settle(made);
      t.equal(simple.entities.get("e0")!.lon, 10.06);
      t.ok(little.entities.has("new"));
      t.equal(
        client.received.filter((message) => "view" in message && message.view === "v").length,
        length,
        "nothing more comes of it",
      );
      client.open("v", { bbox: THERE });
      settle(made);
      t.equal(client.replicas.get("v")!.entities.size, 2, "its name is free");
    });
  }
}

function settle({ feed }: Harness): void {
  for (let i = 0; i < 30; i++) feed.tick();
}

t.test("[F77] who had another filter before loses the view, not the connection", async (t) => {
  const made = start({ privateViews: 0, filterTime: new SlowFilters() });
  const { client, picture } = made;
  for (let i = 0; i < 4 * MAX_FILTER_MS; i++) add(picture, `e${i}`);
  client.subscribe("v", HERE, { where: "entity.kind == 'ship'" });
  settle(made);
  client.refilter("v", { where: COSTLY });
  settle(made);
  t.match(errors(client), [{ ...ENDED, view: "v" }]);
  t.equal(client.socket.closedWith, undefined);
  t.match(made.feed.stats, { views: 0, channels: 0 });
});

t.test("[F77] a playback whose filter costs too much is ended alone", async (t) => {
  const rows = new Rows(segments(4 * MAX_FILTER_MS, 60_000));
  const { client, run, feed } = setUp(rows, new FakeClock(NOW), undefined, { filterTime: new SlowFilters() });
  const past = { bbox: HERE, at: at(NOW - HOUR_MS / 2), speed: 0, max: 1_000 };
  const other = client.open("other", { ...past, where: "entity.kind != ''" });
  client.open("v", { ...past, where: COSTLY });
  await run(5);
  t.match(errors(client), [{ ...ENDED, view: "v" }]);
  t.equal(client.socket.closedWith, undefined);
  t.match(feed.stats, { views: 1, playbacks: 1 });
  t.equal(other.entities.size, 4 * MAX_FILTER_MS);
});

t.test("[AC92] no view ends because roles were changed or many were opened", async (t) => {
  for (const privateViews of [0, 4]) {
    const clock = new FakeClock();
    const policy = new Policy();
    const grant = (where: string): Role[] => [
      { name: "viewer", grants: [{ resource: "entity", actions: ["read"], where }] },
    ];
    const allow = "entity.id.size() > 0 && principal.id != ''";
    policy.take(grant(allow));
    const made = harness({ policy, privateViews, filterTime: new SlowFilters(clock) });
    const { feed, picture } = made;
    for (let i = 0; i < MAX_FILTER_MS; i++) add(picture, `e${i}`);
    const clients = Array.from({ length: 20 }, (_, i) => {
      const principal: Principal = { id: `k${i}`, name: "k", roles: ["viewer"], attributes: {} };
      const client = new TestClient(feed, () => {}, undefined, principal);
      client.subscribe("v", HERE);
      return client;
    });
    const settled = () => {
      for (let i = 0; i < 30; i++) feed.tick();
      return clients.map(({ replicas }) => replicas.get("v")?.entities.size);
    };
    t.same(settled(), Array(20).fill(MAX_FILTER_MS));
    policy.take(grant(`${allow} && entity.kind.size() > 0`));
    t.same(settled(), Array(20).fill(MAX_FILTER_MS));
    clock.pass(10_000);
    for (let turn = 0; turn < 2; turn++) {
      for (let i = 0; i < MAX_FILTER_MS; i++) picture.touch(picture.find(`e${i}`), FULL);
      settled();
    }
    const told = clients.flatMap(errors);
    t.ok(told.length > 0);
    for (const one of told)
      t.match(one, { ...ENDED, detail: /^to find out what the roles of who asks allow/ });
  }
});
