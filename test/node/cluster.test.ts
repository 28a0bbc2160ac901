// Three processes on a real PostgreSQL and a real Redis.
import { setTimeout as sleep } from "node:timers/promises";
import t, { type Test } from "tap";
import { connect } from "../../client/connection.ts";
import { ProblemError } from "../../client/errors.ts";
import { shardOf } from "../../src/actors/shard-hash.ts";
import type { ClusterStatus } from "../../src/cluster/status.ts";
import { SHARDS } from "../../src/limits.ts";
import { testDatabase } from "../support/postgres.ts";
import { testRedis } from "../support/redis.ts";
import { type Serving, serve, TOKEN, temporaryFolder } from "../support/serve.ts";

t.setTimeout(180_000);

/** Names of clusters, so that a shared Redis keeps them apart. */
let clusters = 0;

async function startCluster(t: Test, count: number) {
  const [{ url }, redis] = await Promise.all([testDatabase(t), testRedis(t)]);
  const env = {
    DATABASE_URL: url,
    REDIS_URL: redis,
    MUSTER_CLUSTER: `test-${process.pid}-${++clusters}`,
    LOG_LEVEL: "info",
  };
  const start = async () => serve(t, { dataDir: await temporaryFolder(t), env });
  const nodes = await Promise.all(Array.from({ length: count }, start));
  return { nodes, start };
}

async function status(node: Serving): Promise<ClusterStatus> {
  return (await (await fetch(`${node.url}/v1/cluster`, { headers: node.headers })).json()) as ClusterStatus;
}

/** Waits until `done` says so of the node's cluster. */
async function until(node: Serving, done: (cluster: ClusterStatus) => boolean): Promise<ClusterStatus> {
  for (;;) {
    const cluster = await status(node);
    if (done(cluster)) return cluster;
    await sleep(150);
  }
}

const allOpen = ({ shards }: ClusterStatus) => shards.every(({ state }) => state === "open");

/** Their ports are taken when they have joined already. */
const knowsPorts = ({ nodes }: ClusterStatus) => nodes.every(({ url }) => !url.endsWith(":0"));

/** Two nodes, and both have shards. */
const shared = (cluster: ClusterStatus) =>
  allOpen(cluster) && cluster.nodes.length === 2 && cluster.nodes.every(({ shards }) => shards > 0);

interface List {
  features: {
    id: string;
    geometry: { coordinates: [number, number] };
    properties: Record<string, unknown>;
  }[];
  numberReturned: number;
}

async function list(node: Serving): Promise<List> {
  for (;;) {
    const response = await fetch(`${node.url}/v1/entities?limit=10000`, { headers: node.headers });
    if (response.status === 200) return (await response.json()) as List;
    await sleep(50);
  }
}

const ids = Array.from({ length: 600 }, (_, i) => `truck-${i}`);
const reports = (n: number) =>
  ids.map((id, i) => ({
    id,
    t: new Date().toISOString(),
    kind: "truck",
    lon: 24 + i / 1_000,
    lat: 60 + n / 1_000,
    source: "test",
    seq: n,
  }));

/** One of the ids that a node owns, or does not own. */
async function oneOf({ url }: Serving, isOwned: boolean, node: Serving): Promise<string> {
  const { nodes, shards } = await status(node);
  const { incarnation } = nodes.find((member) => member.url === url)!;
  return ids.find((id) => (shards[shardOf(id)].owner === incarnation) === isOwned)!;
}

t.test("[O4] [J1] [J7] [PB11] whichever node takes a report, its owner decides, all show it", async (t) => {
  const { nodes } = await startCluster(t, 3);
  await Promise.all(nodes.map((node) => until(node, (now) => allOpen(now) && now.nodes.length === 3)));
  const feeds = nodes.map((node) => connect(node.url, { token: TOKEN }));
  t.teardown(() => feeds.map((feed) => feed.close()));
  const views = feeds.map((feed) => feed.view({ bbox: [23.9, 59.5, 25, 60.5] }));
  await Promise.all(views.map((view) => view.ready));
  for (let n = 1; n <= 6; n++)
    t.match(await feeds[n % 3].report(reports(n)), { accepted: ids.length, refused: [] });
  const lists = await Promise.all(nodes.map(list));
  for (const { numberReturned } of lists) t.equal(numberReturned, ids.length);
  t.strictSame(lists[1].features, lists[0].features);
  t.strictSame(lists[2].features, lists[0].features);
  t.ok(lists[0].features.every(({ properties }) => properties.source === "test"));
  // A shard that was handed over meanwhile has its new epoch at other nodes a moment later.
  const epochs = new Map(lists[0].features.map(({ id, properties }) => [id, properties.epoch as number]));
  const isTold = ({ id, lat, epoch }: { id: string; lat: number; epoch: number }) =>
    lat === 60.006 && epoch >= epochs.get(id)!;
  for (const [i, view] of views.entries()) {
    while ([...view.entities.values()].filter(isTold).length < ids.length) await sleep(20);
    t.equal(view.entities.size, ids.length, `node ${i} shows what all nodes own`);
    const shown = [...view.entities.values()].map(({ id, state, epoch, lon, lat }) => ({
      id,
      state,
      epoch,
      lon,
      lat,
    }));
    const told = lists[0].features.map(({ id, properties, geometry }) => {
      const [lon, lat] = geometry.coordinates;
      return { id, state: properties.state, epoch: properties.epoch, lon, lat };
    });
    shown.sort((a, b) => (a.id < b.id ? -1 : 1));
    t.strictSame(shown, told, "the picture is the REST answer");
  }

  // So they do of what was.
  const at = Date.now();
  const pasts = feeds.map((feed) => feed.view({ bbox: [23.9, 59.5, 25, 60.5], at, speed: 0 }));
  await Promise.all(pasts.map(({ ready }) => ready));
  for (const past of pasts) {
    while (past.entities.size < ids.length) await sleep(20);
    t.ok([...past.entities.values()].every(({ id, lat }) => ids.includes(id) && lat === 60.006));
    past.close();
  }

  const { nodes: members } = await until(nodes[0], knowsPorts);
  t.strictSame(members.map(({ url }) => url).sort(), nodes.map(({ url }) => url).sort(), "true ports");

  // Each node follows what another one owns, and looks at nothing else.
  for (const view of views) view.close();
  await until(nodes[0], (cluster) => cluster.nodes.every(({ shards }) => shards > 0));
  const targets = await Promise.all(nodes.map((node) => oneOf(node, false, nodes[0])));
  const followers = feeds.map((feed, i) => feed.view({ follow: { id: targets[i], radius: 1 } }));
  await Promise.all(followers.map((view) => view.ready));
  // What another node owns comes when that one has been told that it is looked at.
  for (const [i, { entities }] of followers.entries()) while (!entities.has(targets[i])) await sleep(20);
  const nobody = feeds[0].view({ follow: { id: "nobody", radius: 1 } });
  await t.rejects(nobody.ready, ProblemError);
  t.equal(nobody.state, "failed");
  const response = await fetch(`${nodes[0].url}/v1/entities/truck-7`, { headers: nodes[0].headers });
  t.match(await response.json(), { id: "truck-7", properties: { kind: "truck" } });

  // The same command at all nodes is one.
  const off = { id: "shift-1", accepted: true, state: "offline" };
  const commands = feeds.map((feed) => feed.command("truck-7", "sign-off", undefined, { id: "shift-1" }));
  t.strictSame(await Promise.all(commands), [off, off, off]);
  const path = "/v1/entities/truck-7";
  for (const { url, headers } of nodes) {
    const entity = (await (await fetch(`${url}${path}`, { headers })).json()) as List["features"][number];
    t.equal(entity.properties.state, "offline");
    const body = JSON.stringify({ name: "sign-off" });
    const again = await fetch(`${url}${path}/commands`, { method: "POST", headers, body });
    t.match(await again.json(), { type: /command-refused$/, status: 409, detail: /truck-7 is offline/ });
  }

  // What one node erases is gone from all of them, and deleted at one while another owns it.
  const ghosts = ["ghost-1", "ghost-2", "ghost-3", "ghost-4"];
  const watching = feeds.map((feed) => feed.view({ ids: ghosts }));
  await Promise.all(watching.map((view) => view.ready));
  const left: string[][] = feeds.map(() => []);
  for (const [i, view] of watching.entries())
    view.on("change", ({ removed }) => left[i].push(...removed.map(([id, reason]) => `${id} ${reason}`)));
  const haunt = async (n: number) => {
    await feeds[0].report(ghosts.map((id) => ({ ...reports(n)[0], id })));
    for (const { entities } of watching) while (entities.size < ghosts.length) await sleep(20);
  };
  await haunt(10);
  const ends = ghosts.map((id, i) => feeds[i % 3].delete(id, { erase: i < 2 }));
  for (const end of await Promise.all(ends)) t.match(end, { accepted: true });
  for (const { entities } of watching) while (entities.size > 0) await sleep(20);
  for (const reasons of left)
    t.strictSame(
      reasons.sort(),
      ghosts.map((id) => `${id} deleted`),
    );
  for (const { url, headers } of nodes)
    for (const id of ghosts) t.equal((await fetch(`${url}/v1/entities/${id}`, { headers })).status, 404, id);
  await haunt(11);
  for (const { entities } of watching) t.match(entities.get("ghost-1"), { lat: 60.011 });
  for (const end of await Promise.all(ghosts.map((id) => feeds[1].delete(id, { erase: true }))))
    t.match(end, { accepted: true });

  // Everybody leaves in order, one after the other; the last has all.
  const ended = performance.now();
  t.equal(await nodes[0].end("SIGTERM"), 0);
  t.ok(performance.now() - ended < 10_000, "gone within 10 s");
  t.notMatch(nodes[0].output(), /"level":(50|60)/);
  const remaining = await until(nodes[1], (cluster) => allOpen(cluster) && cluster.nodes.length === 2);
  t.equal(remaining.shards.filter(({ epoch }) => epoch > 0).length, SHARDS);
  t.equal((await list(nodes[1])).numberReturned, ids.length);
  t.equal(await nodes[1].end("SIGTERM"), 0);
  await until(nodes[2], (cluster) => allOpen(cluster) && cluster.nodes.length === 1);
  t.strictSame(
    (await list(nodes[2])).features.map(({ id }) => id),
    lists[0].features.map(({ id }) => id),
  );
  t.match(await feeds[2].report(reports(7)), { accepted: ids.length });
});

t.test(
  "[O5] [TR15] what a killed node had is another's within seconds, and nothing acknowledged is lost",
  async (t) => {
    const { nodes, start } = await startCluster(t, 2);
    const [survivor, victim] = nodes;
    await until(survivor, shared);
    const feed = connect(survivor.url, { token: TOKEN });
    t.teardown(() => feed.close());
    t.match(await feed.report(reports(1)), { accepted: ids.length });
    await until(survivor, knowsPorts);
    const target = await oneOf(victim, true, survivor);
    const follower = feed.view({ follow: { id: target, radius: 1 } });
    await follower.ready;
    t.equal(await victim.end("SIGKILL"), "SIGKILL");
    // The owners of some of these are gone: they wait for the next, and are not refused.
    t.match(await feed.report(reports(2)), { accepted: ids.length, refused: [] });
    const cluster = await until(survivor, (now) => allOpen(now) && now.nodes.length === 1);
    t.ok(cluster.shards.some(({ epoch }) => epoch > 1));
    const { features } = await list(survivor);
    t.equal(features.length, ids.length);
    while (follower.entities.get(target)?.lat !== 60.002) await sleep(20);
    t.equal(follower.state, "live", "what it follows has another owner");

    const again = await start();
    await until(again, (cluster) => allOpen(cluster) && cluster.nodes.every(({ shards }) => shards > 60));
    t.match(await feed.report(reports(3)), { accepted: ids.length, refused: [] });
    t.equal((await list(again)).numberReturned, ids.length);
    const way = await fetch(`${again.url}/v1/entities/${target}/track`, { headers: again.headers });
    const { features: segments } = (await way.json()) as {
      features: { geometry: { coordinates: number[][] } }[];
    };
    const lats = segments.flatMap(({ geometry }) => geometry.coordinates.map(([, lat]) => lat));
    t.strictSame([...new Set(lats)], [60.001, 60.002, 60.003], "its track, told by any node");
  },
);

t.test("[O6] a node that stood still for longer than its lease is evicted, and joins anew", async (t) => {
  const { nodes } = await startCluster(t, 2);
  const [survivor, sleeper] = nodes;
  const before = await until(survivor, shared);
  // Only a node that has renewed for a whole lease may evict.
  await sleep(5_500);
  sleeper.child.kill("SIGSTOP");
  const alone = await until(survivor, (cluster) => allOpen(cluster) && cluster.nodes.length === 1);
  t.equal(alone.nodes.length, 1);
  await until(survivor, ({ evictions }) => evictions === 1);
  sleeper.child.kill("SIGCONT");
  const after = await until(survivor, (cluster) => cluster.nodes.length === 2);
  const incarnations = (cluster: ClusterStatus) => cluster.nodes.map(({ incarnation }) => incarnation);
  t.equal(
    incarnations(after).filter((node) => incarnations(before).includes(node)).length,
    1,
    "as another incarnation",
  );
  while (!/joins anew[\s\S]*serving/.test(sleeper.output())) await sleep(50);
});
