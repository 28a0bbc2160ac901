import { join } from "node:path";
import type { Page } from "playwright-core";
import t from "tap";
import { madeDataDir } from "../support/data-dir.ts";
import { serve, TOKEN } from "../support/serve.ts";
import { ARTIFACTS, openBrowser, openMap, reloadMap, watchedPage } from "./watched-page.ts";

const GULF = {
  type: "Feature",
  properties: { radius: 5_000 },
  geometry: { type: "Point", coordinates: [24.88, 59.8] },
};

const count = (page: Page) => page.locator("#count").getAttribute("data-count").then(Number);
/** Where the entities are that move, as the replica of the page has it. */
const places = (page: Page) =>
  page.evaluate(() =>
    Object.fromEntries(
      [...muster.view.entities.values()]
        .filter(({ speed = 0 }) => speed > 2)
        .map(({ id, lon, lat }) => [id, `${lon} ${lat}`]),
    ),
  );
const isLand = (page: Page, lon: number, lat: number) =>
  page.evaluate(
    (place) => muster.map.queryRenderedFeatures(muster.map.project(place), { layers: ["land"] }).length > 0,
    [lon, lat] as [number, number],
  );
/** A moving vessel that no other symbol and no panel covers, and where it is on the screen. */
const target = (page: Page) =>
  page.evaluate(() => {
    const marks = [...muster.view.inBox()].map(({ id, lon, lat, speed = 0 }) => {
      const { x, y } = muster.map.project([lon, lat]);
      return { id, x, y, speed };
    });
    return marks.find(
      ({ id, x, y, speed }) =>
        speed > 2 &&
        document.elementFromPoint(x, y)?.closest("#map") !== null &&
        marks.every((other) => other.id === id || Math.hypot(other.x - x, other.y - y) > 30),
    );
  });

t.test(
  "[A7] [A12] [W6] [W8] [W19] [W20] [W40] the page shows vessels moving, and a fence, tells about one, turns strangers away",
  async (t) => {
    const node = await serve(t, { dataDir: await madeDataDir(t), args: ["--demo"] });
    const headers = { ...node.headers, "content-type": "application/geo+json" };
    const made = await fetch(`${node.url}/v1/fences/gulf`, {
      method: "PUT",
      headers,
      body: JSON.stringify(GULF),
    });
    t.equal(made.status, 201);
    const { page, complaints } = await watchedPage(t);
    const hosts = new Set<string>();
    const tiles = new Set<string>();
    page.on("request", (request) => {
      const { host, pathname } = new URL(request.url());
      hosts.add(host);
      if (pathname.startsWith("/basemap/")) tiles.add(pathname);
    });

    await openMap(page, `${node.url}/?token=${TOKEN}#8.3/59.8/24.88`);
    await page.waitForFunction(
      () => Number(document.querySelector<HTMLElement>("#count")?.dataset.count) >= 50,
    );
    t.equal(await page.locator("#status").getAttribute("data-state"), "live");
    t.equal(await page.locator("#way-in").isHidden(), true);
    t.notMatch(page.url(), /token/, "the token leaves the address bar");

    const before = await places(page);
    t.ok(Object.keys(before).length >= 10, "vessels are under way");
    await page.waitForFunction((old) => {
      const moved = [...muster.view.entities.values()].filter(
        ({ id, lon, lat }) => id in old && old[id] !== `${lon} ${lat}`,
      );
      return moved.length >= 5;
    }, before);

    await page.waitForFunction(() => muster.fences.length === 1);
    await page.waitForFunction(() => muster.map.loaded());
    t.strictSame([await isLand(page, 24.6, 60.3), await isLand(page, 24.6, 59.8)], [true, false], "a coast");
    t.ok(tiles.size >= 1 && tiles.size <= 12, `${tiles.size} tiles of the base map are enough`);
    const vessel = await target(page);
    t.ok(vessel, "a vessel lies free");
    await page.mouse.click(vessel!.x, vessel!.y);
    await page.waitForFunction(() => document.querySelector<HTMLElement>("#details")?.hidden === false);
    t.equal(await page.locator("#details h2").textContent(), vessel!.id);
    t.match(await page.locator("#details .fields").textContent(), /state.*place.*speed/);
    t.equal(new URL(page.url()).searchParams.get("entity"), vessel!.id);

    await reloadMap(page);
    await page.waitForFunction(
      () => Number(document.querySelector<HTMLElement>("#count")?.dataset.count) >= 50,
    );
    t.equal(await page.locator("#details h2").textContent(), vessel!.id, "the address selects it again");
    await page.waitForFunction(() => muster.map.loaded());
    await page.screenshot({ path: join(ARTIFACTS, "page.png") });

    await page.keyboard.press("Escape");
    t.equal(await page.locator("#details").isHidden(), true, "Escape closes it");
    t.equal(new URL(page.url()).searchParams.get("entity"), null);
    await page.locator("#find-id").fill(vessel!.id);
    await page.keyboard.press("Enter");
    t.equal(await page.locator("#details h2").textContent(), vessel!.id, "the keyboard selects as well");

    const figures = async () => (await fetch(`${node.url}/metrics`, { headers: node.headers })).text();
    await page.waitForFunction(() => muster.fences.length === 1);
    t.match(await figures(), /route="\/v1\/fences",status="304"/, "the fences of before the reload");
    await page.locator("#details .sign-off").click();
    while (!(await figures()).includes("muster_commands_accepted_total 1")) await page.waitForTimeout(50);

    await page.evaluate(() => void muster.map.jumpTo({ center: [0, 0], zoom: 8 }));
    await page.waitForFunction(() => document.querySelector<HTMLElement>("#count")?.dataset.count === "0");
    t.equal(await count(page), 0, "the view follows the map");

    const stranger = await (await openBrowser()).newPage();
    await stranger.goto(`${node.url}/#8.3/59.8/24.88`);
    await stranger.waitForFunction(
      () => document.querySelector<HTMLElement>("#status")?.dataset.state === "closed",
    );
    t.match(await stranger.locator("#status").textContent(), /the token is missing or wrong/);
    await stranger
      .locator("#way-in", { hasText: /^Ask whoever gave you .*If you run this node: .*muster token/ })
      .waitFor();
    const asked: string[] = [];
    stranger.on("request", (request) => void asked.push(new URL(request.url()).pathname));
    await stranger.evaluate(() => {
      for (const zoom of [8, 9]) muster.map.jumpTo({ zoom });
    });
    await stranger.waitForTimeout(100);
    t.strictSame(
      asked.filter((path) => path.startsWith("/v1/")),
      [],
      "nothing is asked that is known to be refused",
    );
    await stranger.screenshot({ path: join(ARTIFACTS, "stranger.png") });
    await stranger.setViewportSize({ width: 390, height: 844 });
    await stranger.screenshot({ path: join(ARTIFACTS, "stranger-phone.png") });
    await stranger.goto(`${node.url}/?token=wrong`);
    t.equal(await stranger.locator("h1").textContent(), "The token is wrong");
    await stranger.screenshot({ path: join(ARTIFACTS, "wrong-token-phone.png") });
    await stranger.goto(`${node.url}/`);
    await stranger.locator("#way-in").waitFor();
    await stranger.goto(`${node.url}/docs?token=${TOKEN}`);
    await stranger.locator("summary").first().waitFor();
    t.notMatch(stranger.url(), /token/, "the description of the API takes a token as the page does");
    await stranger.close();

    t.strictSame(complaints, [], "the console is clean");

    const answer = new Map<string, () => void>();
    await page.route(/\/v1\/entities\/nobody-/, async (route) => {
      await new Promise<void>((resolve) => answer.set(route.request().url().slice(-1), resolve));
      await route.continue();
    });
    for (const name of ["a", "b"]) {
      await page.locator("#find-id").fill(`nobody-${name}`);
      await page.keyboard.press("Enter");
      while (!answer.has(name)) await page.waitForTimeout(20);
    }
    const note = page.locator("#details .note");
    const answered = page.waitForResponse(/nobody-a/);
    answer.get("a")!();
    await answered;
    // A page that is wrong shows it with its next round; a right one never does.
    await page.waitForTimeout(1_500);
    t.match(
      await note.textContent(),
      /Looking it up/,
      "the answer about another one is not told of this one",
    );
    answer.get("b")!();
    await page.getByText("There is no entity with this id.").waitFor();

    t.strictSame(
      [...hosts].filter((host) => host !== new URL(node.url).host && host !== ""),
      [],
    );
    t.equal(await node.end("SIGTERM"), 0);
  },
);
