// The cluster panel in a browser: with answers made up, and with three nodes.
import { join } from "node:path";
import type { Page, WebSocketRoute } from "playwright-core";
import t from "tap";
import { testDatabase } from "../support/postgres.ts";
import { freePort } from "../support/programs.ts";
import { testRedis } from "../support/redis.ts";
import { serve, TOKEN, temporaryFolder } from "../support/serve.ts";
import { madeUpStatus } from "./made-up-status.ts";
import { servePage } from "./serve-page.ts";
import { ARTIFACTS, openMap, openPage } from "./watched-page.ts";

const LOOK = { viewport: { width: 1000, height: 860 }, reducedMotion: "reduce" } as const;

const cellsOf = (page: Page) =>
  page.locator("#cluster-map span").evaluateAll((cells) =>
    cells.map((cell) => ({
      state: (cell as HTMLElement).dataset.state,
      colour: getComputedStyle(cell).backgroundColor,
      title: (cell as HTMLElement).title,
    })),
  );

t.test("[W15] the panel shows nodes, owners, trouble and silence", async (t) => {
  let answer = JSON.stringify({ ...madeUpStatus(), name: undefined });
  let status = 200;
  let asked = 0;
  const url = await servePage(t, {
    "/v1/cluster": () => {
      asked++;
      return status === 200 ? answer : status;
    },
  });
  const page = await openPage(t, LOOK);
  const complaints: string[] = [];
  page.on("pageerror", (error) => complaints.push(error.message));
  let feed: WebSocketRoute;
  await page.routeWebSocket(/\/v1\/feed/, (socket) => {
    feed = socket;
    const beat = { op: "heartbeat", t: new Date().toISOString(), stale: false };
    // Else it would be taken for dead, and the page asks at each new connection.
    const timer = setInterval(() => socket.send(JSON.stringify(beat)), 2_000);
    socket.onClose(() => clearInterval(timer));
    t.teardown(() => clearInterval(timer));
  });

  await openMap(page, `${url}/#3/50/15`);
  while (asked === 0) await page.waitForTimeout(20);
  await page.waitForFunction(() => muster.connection.state.name === "open");
  const panel = page.locator("#cluster");
  t.equal(await panel.isVisible(), false, "a node that is alone has no panel");

  answer = JSON.stringify(madeUpStatus());
  asked = 0;
  await feed!.close();
  await panel.waitFor();
  await page.waitForTimeout(2_500);
  t.equal(asked, 1, "closed, it does not ask again");

  await page.locator("#cluster summary").focus();
  await page.keyboard.press("Enter");
  while (asked < 3) await page.waitForTimeout(50);
  t.equal(await panel.getAttribute("open"), "", "the keyboard opens it");
  t.equal(await page.locator("#cluster-name").textContent(), "made-up");
  const rows = await page.locator("#cluster-nodes tbody tr").allInnerTexts();
  t.equal(rows.length, 3);
  t.match(rows[0], /10\.0\.0\.9:8080\s+answers, version 0\.2\.0\s+80\s+–/);
  t.match(rows[1], /leaving\s+80\s+1,234 ms/);
  t.match(rows[2], /silent, lease run out/);
  const cells = await cellsOf(page);
  t.equal(cells.length, 256);
  t.equal(new Set([20, 110, 180].map((shard) => cells[shard].colour)).size, 3, "a colour for each owner");
  t.equal(cells[21].colour, cells[20].colour);
  t.strictSame([cells[3].state, cells[100].state, cells[102].state], ["free", "moving", "open"]);
  t.equal(cells[100].title, "shard 100: of 10.0.0.10:8080, on its way, epoch 3");
  t.match(
    await page.locator("#cluster-map").getAttribute("aria-label"),
    /10\.0\.0\.9:8080 80, 10\.0\.0\.10:8080 80/,
  );
  t.match(await page.locator("#cluster-shards").textContent(), /2 on their way \(100, 101\), 10 free/);
  t.equal(await page.locator("#cluster-suspended").isVisible(), false);
  await page.screenshot({ path: join(ARTIFACTS, "cluster-made-up.png") });

  answer = JSON.stringify({ ...madeUpStatus(), suspended: true });
  await page.getByText("stands still").waitFor();
  status = 503;
  await page.getByText(/No answer: the node answered 503\. This is as of \d+ s ago\./).waitFor();
  t.equal(await page.locator("#cluster-nodes tbody tr").count(), 3, "what was shown stays");
  status = 200;
  answer = JSON.stringify(madeUpStatus());
  await page.locator("#cluster-problem:empty").waitFor({ state: "attached" });
  t.equal(await page.locator("#cluster-suspended").textContent(), "");

  await page.locator("#cluster summary").focus();
  await page.keyboard.press("Enter");
  await page.waitForTimeout(300);
  asked = 0;
  await page.waitForTimeout(2_500);
  t.equal(asked, 0, "closed again, it asks no more");
  t.strictSame(complaints, []);
});

t.test("[W15] three nodes, and two when one has left", async (t) => {
  const { url: databaseUrl } = await testDatabase(t);
  const redisUrl = await testRedis(t);
  const env = { DATABASE_URL: databaseUrl, REDIS_URL: redisUrl, MUSTER_CLUSTER: "panel" };
  const start = async () =>
    serve(t, { dataDir: await temporaryFolder(t), env: { ...env, PORT: String(await freePort()) } });
  const nodes = await Promise.all([start(), start(), start()]);
  const reports = Array.from({ length: 300 }, (_, i) => ({
    ...{ id: `ship-${i}`, t: new Date().toISOString(), kind: "vessel", speed: 8, course: i },
    ...{ lon: 24 + (i % 20) / 10, lat: 59 + Math.floor(i / 20) / 20 },
  }));
  const [first, , last] = nodes;
  const sent = await fetch(`${first.url}/v1/reports`, {
    ...{ method: "POST", headers: first.headers, body: JSON.stringify(reports) },
  });
  t.equal(((await sent.json()) as { accepted: number }).accepted, 300);

  const page = await openPage(t, LOOK);
  await openMap(page, `${first.url}/?token=${TOKEN}#7.2/59.4/24.5`);
  await page.locator("#cluster summary").click();
  await page.getByText("256 shards, all open").waitFor();
  t.equal(await page.locator("#cluster-nodes tbody tr").count(), 3);
  t.equal(await page.getByText("answers, version").count(), 1, "one of them answers");
  // Who was there first took all, and hands over once nobody has come for 5 s.
  const shards = page.locator("#cluster-nodes tbody td:nth-of-type(1)");
  while ((await shards.allTextContents()).includes("0")) await page.waitForTimeout(200);
  const colours = (await cellsOf(page)).filter(({ state }) => state === "open").map(({ colour }) => colour);
  t.equal(new Set(colours).size, 3, "shards have three owners");
  await page.waitForFunction(() => document.querySelector<HTMLElement>("#count")?.dataset.count === "300");
  await page.waitForFunction(() => muster.map.loaded());
  await page.screenshot({ path: join(ARTIFACTS, "cluster.png") });

  t.equal(await last.end("SIGTERM"), 0);
  await page.waitForFunction(() => document.querySelectorAll("#cluster-nodes tbody tr").length === 2);
  await page.getByText("256 shards, all open").waitFor();
  t.equal(await page.locator("#count").getAttribute("data-count"), "300", "nothing is missing");
  await Promise.all(nodes.slice(0, 2).map((node) => node.end("SIGTERM")));
});
