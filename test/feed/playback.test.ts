// Playback views on a history in memory: what is refused, what is too much, and what is read.
import t from "tap";
import { MAX_PLAYBACKS_PER_CONNECTION } from "../../src/limits.ts";
import { MAX_KINDS } from "../../src/picture/columns.ts";
import { HERE, start, THERE, WORLD } from "./harness.ts";
import { at, HOUR_MS, NOW, Rows, segments, setUp } from "./played-rows.ts";

t.test("[PB7] too many points are played in shorter pieces, too many entities not at all", async (t) => {
  const rows = new Rows(segments(200, 1_000));
  const { client, run, told, refused } = setUp(rows);
  const replica = client.open("v", { bbox: HERE, at: at(NOW - HOUR_MS / 2), speed: 60, max: 100_000 });
  await run(100);
  t.equal(replica.entities.size, 200);
  t.match(told().at(-1), { state: "playing" });
  const [first, second] = rows.queries;
  t.ok(second.from - first.from < 600_000, "20 minutes of 200 entities are more than 200,000 points");

  const crowd = new Rows(segments(20_001, HOUR_MS / 2));
  const other = setUp(crowd);
  const crowded = other.client.open("v", { bbox: HERE, at: at(NOW - HOUR_MS / 2), speed: 0 });
  await other.run(3);
  t.match(other.told().at(-1), { state: "crowded" });
  t.equal(other.refused(), "too-much-to-play");
  t.equal(crowded.state, "complete");
  const asked = crowd.queries.length;
  await other.run(50);
  t.equal(crowd.queries.length, asked, "it is not tried again");
  crowded.asked = { bbox: THERE };
  other.client.send({ op: "update", view: "v", bbox: THERE });
  await other.run(3);
  t.match(other.told().at(-1), { state: "paused" }, "elsewhere it is");
  t.equal(refused(), undefined);
});

t.test("[PB7] more than `max` are clusters, as in a live view", async (t) => {
  const { client, run } = setUp(new Rows(segments(30, 60_000)));
  const replica = client.open("v", { bbox: WORLD, at: at(NOW - HOUR_MS / 2), speed: 1, max: 20 });
  await run(15);
  t.equal(replica.state, "clusters");
  t.equal(
    replica.clusters.reduce((sum, [, , count]) => sum + count, 0),
    30,
  );
});

t.test("[E30] history is played, however many kinds it has", async (t) => {
  const kinds = Array.from({ length: MAX_KINDS + 10 }, (_, i) => `kind ${i}`);
  const ways = segments(kinds.length, HOUR_MS / 2).map((segment, i) => ({ ...segment, kind: kinds[i] }));
  const { client, run } = setUp(new Rows(ways));
  const replica = client.open("v", { bbox: HERE, at: at(NOW - HOUR_MS / 2), speed: 0, max: 100_000 });
  await run(5);
  t.same(new Set(Array.from(replica.entities.values(), ({ kind }) => kind)), new Set(kinds));
});

t.test("[PB8] what is no playback is refused, and changes nothing", async (t) => {
  const { client, run, refused, feed } = setUp(new Rows(segments(1, 60_000)));
  const past = at(NOW - HOUR_MS);
  const table: [message: object, type: string][] = [
    [{ bbox: HERE, at: "yesterday" }, "bad-request"],
    [{ bbox: HERE, at: 5 }, "bad-request"],
    [{ bbox: HERE, at: "1969-12-31T23:59:59.999Z" }, "bad-request"],
    [{ ids: ["e00000", "e\u0000"], at: past }, "bad-request"],
    [{ bbox: HERE, at: at(NOW + HOUR_MS) }, "bad-request"],
    [{ bbox: HERE, at: past, speed: -1 }, "bad-request"],
    [{ bbox: HERE, at: past, speed: 3_601 }, "bad-request"],
    [{ bbox: HERE, at: past, speed: "1" }, "bad-request"],
    [{ bbox: HERE, speed: 1 }, "bad-request"],
    [{ bbox: HERE, at: past, tolerance: "10m" }, "bad-request"],
    [{ follow: { id: "e00000", radius: 5 }, at: past }, "bad-request"],
    [{ bbox: HERE, at: past, where: "entity." }, "bad-expression"],
    [{ bbox: HERE, at: past, view: "live" }, "view-exists"],
  ];
  client.open("live", { bbox: HERE });
  for (const [message, type] of table) {
    client.send({ op: "subscribe", view: "v", ...message });
    t.equal(refused(), type, JSON.stringify(message));
  }
  t.equal(feed.stats.playbacks, 0);
  client.send({ op: "update", view: "live", at: past });
  t.equal(refused(), "bad-request", "a live view has no time");
  const replica = client.open("v", { ids: ["e00000"], at: past, speed: 0 });
  for (const message of [{ bbox: HERE }, { at: at(NOW + HOUR_MS), speed: 60 }, { where: "1", speed: 60 }]) {
    const before = client.received.length;
    client.send({ op: "update", view: "v", ...message });
    t.equal(client.received.length, before + 1, JSON.stringify(message));
  }
  await run(3);
  t.match(client.last("playback"), { t: past, state: "paused", speed: 0 });
  t.equal(replica.entities.size, 1);
  for (let i = 1; i < MAX_PLAYBACKS_PER_CONNECTION; i++) client.open(`v${i}`, { bbox: HERE, at: past });
  t.equal(feed.stats.playbacks, MAX_PLAYBACKS_PER_CONNECTION);
  client.send({ op: "subscribe", view: "more", bbox: HERE, at: past });
  t.equal(refused(), "too-many-playbacks");
  const { client: stranger } = start();
  stranger.send({ op: "subscribe", view: "v", bbox: HERE, at: past });
  t.match(stranger.last("error"), { type: /unavailable$/ }, "without history");
});

t.test("[PB6] who plays far from what was read waits, others do not notice", async (t) => {
  const rows = new Rows(segments(3, 60_000));
  const { client, run, told } = setUp(rows);
  const replica = client.open("v", { bbox: HERE, at: at(NOW - HOUR_MS / 2), speed: 1 });
  await run(3);
  rows.away = true;
  await run(100);
  t.match(told().at(-1), { state: "playing" }, "what was read is played");
  client.send({ op: "update", view: "v", speed: 600 });
  await run(30);
  t.match(told().at(-1), { state: "unavailable" });
  t.equal(client.received.filter(({ op }) => op === "error").length, 1, "told once");
  const [t0, n] = [told().at(-1)!.t, replica.entities.size];
  await run(30);
  t.match([told().at(-1)!.t, replica.entities.size], [t0, n], "it stands, with what there is");
  rows.away = false;
  await run(15);
  t.match(told().at(-1), { state: "playing" });
});

t.test("[PB10] a slow socket is left out, and gets a snapshot of the played time", async (t) => {
  const { client, run } = setUp(new Rows(segments(5, 1_000)));
  const replica = client.open("v", { bbox: HERE, at: at(NOW - HOUR_MS / 2), speed: 1 });
  await run(5);
  client.socket.stall();
  await run(20);
  client.socket.resume();
  const before = client.received.length;
  await run(2);
  const snapshot = client.received.slice(before).find((message) => message.op === "snapshot");
  t.match(snapshot, { first: true, last: true });
  t.ok(Date.parse(snapshot!.t) > NOW - HOUR_MS / 2 + 2_000);
  t.equal(replica.entities.size, 5);
});
