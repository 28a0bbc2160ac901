import { once } from "node:events";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import t from "tap";
import { connect } from "../../client/connection.ts";
import { open } from "../store/fixture.ts";
import { CutProxy } from "../support/cut-proxy.ts";
import { madeDataDir } from "../support/data-dir.ts";
import { holding, waits } from "../support/locks.ts";
import { testDatabase } from "../support/postgres.ts";
import { execute } from "../support/postgres-server.ts";
import { run, type Serving, serve, TOKEN, temporaryFolder } from "../support/serve.ts";

t.test("[N4] SIGTERM tells sockets to come again, frees the folder, keeps all, and exits 0", async (t) => {
  const dataDir = await madeDataDir(t);
  const node = await serve(t, { dataDir });
  const socket = new WebSocket(`${node.url.replace("http", "ws")}/v1/feed?token=${TOKEN}`, [
    "muster.v1.json",
  ]);
  await once(socket, "open");
  const closed = once(socket, "close");
  const now = new Date().toISOString();
  const reports = Array.from({ length: 2_000 }, (_, i) => ({ id: `e${i}`, t: now, lon: 1, lat: 2 }));
  t.equal((await post(node, reports)).status, 200);
  const ended = node.end("SIGTERM");
  node.child.kill("SIGTERM");
  t.equal(((await closed)[0] as CloseEvent).code, 1001);
  t.equal(await ended, 0, node.output());
  t.equal(existsSync(join(dataDir, "lock")), false, "the folder is free");
  const again = await serve(t, { dataDir });
  const list = await fetch(`${again.url}/v1/entities?limit=10000`, { headers: again.headers });
  t.equal(((await list.json()) as { numberReturned: number }).numberReturned, 2_000);
  t.equal(await again.end("SIGINT"), 0);
});

t.test("[N4] SIGTERM answers what was taken once it is committed, and takes nothing new", async (t) => {
  const { url } = await testDatabase(t);
  const env = { DATABASE_URL: url, LOG_LEVEL: "info" };
  const node = await serve(t, { dataDir: await temporaryFolder(t), env });
  const now = new Date().toISOString();
  const feed = connect(node.url, { token: TOKEN });
  t.teardown(() => feed.close());
  t.match(await feed.report([{ id: "before", t: now }]), { accepted: 1 });
  // A lock that flushes wait for keeps them under way for as long as the test wants.
  const tables = "LOCK TABLE journal_0, journal_1, journal_2, journal_3 IN SHARE MODE";
  const release = await holding(t, url, tables);
  const overHttp = post(node, [{ id: "http", t: now }]).then((response) => response.json());
  const overFeed = feed.report([{ id: "feed", t: now }]);
  const answered = Promise.race([overHttp, overFeed]);
  t.ok(await waits(url, /INSERT INTO journal/, answered), "nothing is answered before it is committed");
  await Promise.all(["http", "feed"].map((id) => visible(node, id)));
  const ended = node.end("SIGTERM");
  while (!/stopping/.test(node.output())) await sleep(10);
  const late = await post(node, [{ id: "new", t: now }]);
  t.strictSame([late.status, late.headers.get("connection")], [503, "close"], "nothing new");
  await release();
  t.same(await overHttp, { accepted: 1, refusedCount: 0, refused: [] });
  t.match(await overFeed, { accepted: 1 });
  t.equal(await ended, 0, node.output());
  feed.close();
});

t.test(
  "[N4] [F75] [K17] [K35] what a node that stops did not take the SDK sends again after the restart",
  async (t) => {
    const { url } = await testDatabase(t);
    const dataDir = await temporaryFolder(t);
    const env = { DATABASE_URL: url, LOG_LEVEL: "info" };
    const node = await serve(t, { dataDir, env });
    const now = new Date().toISOString();
    const proxy = await CutProxy.start(t, node.url);
    const feed = connect(proxy.url, { token: TOKEN, reconnect: { maxMs: 500 } });
    const idle = connect(node.url, { token: TOKEN });
    t.teardown(() => [feed, idle].forEach((connection) => void connection.close()));
    while (idle.state.name !== "open") await sleep(10);
    t.match(await feed.report([{ id: "before", t: now, lon: 1, lat: 2, speed: 5 }]), { accepted: 1 });
    const tables = "LOCK TABLE journal_0, journal_1, journal_2, journal_3 IN SHARE MODE";
    const release = await holding(t, url, tables);
    const taken = feed.report([{ id: "taken", t: now }]);
    t.ok(await waits(url, /INSERT INTO journal/, taken));
    const ended = node.end("SIGTERM");
    while (idle.state.name === "open") await sleep(10);
    t.match(idle.state, { name: "waiting", code: 1001 }, "nothing is owed to it");
    idle.close();
    const late = feed.report([{ id: "late", t: now }]);
    const command = feed.command("before", "sign-off");
    t.equal(await Promise.race([late, command, sleep(300, "wait")]), "wait", "they are not answered");
    t.equal(feed.state.name, "open", "it is owed an acknowledgement");
    const answered: string[] = [];
    const counted = [
      taken.then(() => answered.push(feed.state.name)),
      late.then(() => answered.push("late")),
    ];
    await release();
    t.match(await taken, { accepted: 1, refused: [] });
    t.equal(await ended, 0, node.output());
    proxy.target = new URL((await serve(t, { dataDir, env })).url);
    t.match(await late, { accepted: 1, refused: [] });
    t.match(await command, { accepted: true, state: "offline" });
    await Promise.all(counted);
    t.same(answered, ["open", "late"]);
  },
);

function post(node: Serving, reports: object[]): Promise<Response> {
  return fetch(`${node.url}/v1/reports`, {
    method: "POST",
    headers: node.headers,
    body: JSON.stringify(reports),
  });
}

/** Waits until an entity is in the picture: it was taken then. */
async function visible(node: Serving, id: string): Promise<void> {
  const there = async () => (await fetch(`${node.url}/v1/entities/${id}`, { headers: node.headers })).status;
  while ((await there()) !== 200) await sleep(10);
}

t.test("[N12] a signal while the node starts stops it in order", async (t) => {
  const { url } = await testDatabase(t);
  const dataDir = await temporaryFolder(t);
  const env = { DATABASE_URL: url, PORT: "0", MUSTER_DATA_DIR: dataDir, MUSTER_ADMIN_TOKEN: TOKEN };
  await (await open({ dataDir, databaseUrl: url })).close();
  // A node elsewhere, whose lease must be waited for.
  const [other] = await execute<{ incarnation: string }>(
    url,
    `INSERT INTO node (incarnation, url, version, pid, boot_id, lease_until)
     VALUES (gen_random_uuid(), 'http://elsewhere', '0', 1, 'another machine', clock_timestamp() + interval '8 seconds') RETURNING incarnation`,
  );
  await execute(url, "INSERT INTO fence (incarnation) VALUES ($1)", [other!.incarnation]);
  const connected =
    "SELECT 1 FROM pg_stat_activity WHERE application_name = 'muster' AND datname = current_database()";
  while ((await execute(url, connected)).length > 0) await sleep(20);
  const node = run(t, ["serve"], env);
  while ((await execute(url, connected)).length === 0) await sleep(20);
  node.child.kill("SIGTERM");
  node.child.kill("SIGINT");
  t.equal(await node.ended, 0, node.output());
  t.match(node.output(), /stopping.*stopped/s);
  t.same(await execute(url, "SELECT url FROM node"), [], "and leaves the database");
});

t.test("[N12] a database that goes away while the node starts is told in a sentence", async (t) => {
  const { url } = await testDatabase(t);
  const dataDir = await temporaryFolder(t);
  const env = { DATABASE_URL: url, PORT: "0", MUSTER_DATA_DIR: dataDir, MUSTER_ADMIN_TOKEN: TOKEN };
  await (await open({ dataDir, databaseUrl: url })).close();
  const release = await holding(t, url, "SELECT FROM cluster FOR UPDATE");
  const node = run(t, ["serve"], env);
  t.equal(await node.ended, 1);
  t.match(node.output(), /^muster: the database went away while the node started: /m);
  t.notMatch(node.output(), /\n\s+at /, "no stack");
  await release();
});
