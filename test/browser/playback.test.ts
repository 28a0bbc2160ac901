// The control of time on the page, in a real browser, on a node with a recording of two hours.
import { join } from "node:path";
import type { Page } from "playwright-core";
import t, { type Test } from "tap";
import { formatPlace } from "../../web/details.ts";
import { SLIDER_STEPS } from "../../web/played-time.ts";
import { getThen } from "../node/player.ts";
import { type Serving, serveOnPostgres, TOKEN } from "../support/serve.ts";
import { ARTIFACTS, openMap, reloadMap, watchedPage } from "./watched-page.ts";

const MINUTE_MS = 60_000;

/** Ships that go east by the minute, one below the other. One comes in the second hour only. */
function recording(now: number): object[] {
  return Array.from({ length: 8 }, (_, ship) =>
    Array.from({ length: 121 }, (_, minute) => ({
      ...{
        id: `ship-${ship}`,
        kind: ship % 2 === 0 ? "vessel" : "tug",
        t: new Date(now - (120 - minute) * MINUTE_MS),
      },
      ...{ lon: 24.4 + minute / 200, lat: 59.6 + ship / 20, speed: 8, course: 90 },
    })).slice(ship === 7 ? 60 : 0),
  ).flat();
}

type Held = Awaited<ReturnType<typeof held>>;
const held = (page: Page) =>
  page.evaluate(() => ({
    time: new Date(muster.view.time).toISOString(),
    isLive: muster.view.isLive,
    places: Object.fromEntries(
      [...muster.view.entities.values()].map(({ id, lon, lat }) => [id, [lon, lat]]),
    ),
  }));

async function then(node: Serving, time: string): Promise<Record<string, number[]>> {
  return Object.fromEntries((await getThen(node, time)).map(({ id, lon, lat }) => [id, [lon, lat]]));
}

const isPast = (page: Page) =>
  page.waitForFunction(() => !muster.view.isLive && muster.view.state === "live");
const shot = (page: Page, name: string) => page.screenshot({ path: join(ARTIFACTS, `playback-${name}.png`) });

/** Selected is ship-5, which is to be told as it was at the moment that is held, wherever the map looks. */
async function tellsOfThen(t: Test, page: Page, node: Serving, { time, places }: Held): Promise<void> {
  const details = page.locator("#details");
  const isTold = (place: string, note: RegExp) =>
    Promise.all([
      details.locator("dd", { hasText: place }).waitFor(),
      details.locator(".note", { hasText: note }).waitFor({ state: "attached" }),
    ]);
  const [lon, lat] = places["ship-5"];
  const then = formatPlace(lon, lat);
  const moment = `As it was at ${time.slice(0, 19).replace("T", " ")} UTC`;
  const now = (await getThen(node, new Date().toISOString())).find(({ id }) => id === "ship-5")!;

  await isTold(then, /^$/);
  t.match(await details.locator(".moment").textContent(), moment, "in view");
  await page.evaluate(() => void muster.map.jumpTo({ center: [0, 0] }));
  await isTold(then, /^Not in view/);
  t.match(await details.locator(".moment").textContent(), moment, "out of view");
  await reloadMap(page);
  await isTold(then, /^Not in view/);
  await shot(page, "out-of-view");
  await page.locator("#go-live").click();
  await isTold(formatPlace(now.lon, now.lat), /^Not in view/);
  t.equal(await details.locator(".moment").textContent(), "", "what is now");

  await openMap(page, `${node.url}/?entity=ship-5&at=${time}`);
  await isPast(page);
  await isTold(then, /^$/);
  const { x, y } = await page.evaluate((place) => muster.map.project(place), [lon, lat] as [number, number]);
  t.ok(x > 228 && x < 948 && y > 0 && y < 700, `${x}, ${y}: the map looks where it was`);
  await page.evaluate(() => void muster.map.jumpTo({ center: [24.7, 59.78], zoom: 8.5 }));
  await page.waitForFunction((size) => muster.view.entities.size === size, Object.keys(places).length);
}

t.test("[W17] [W18] [W21] the slider shows what was, which plays, and the way back is live", async (t) => {
  const node = await serveOnPostgres(t);
  const body = JSON.stringify(recording(Date.now()));
  const posted = await fetch(`${node.url}/v1/reports`, { method: "POST", headers: node.headers, body });
  t.match(await posted.json(), { refusedCount: 0 });
  const { page, complaints } = await watchedPage(t);

  await openMap(page, `${node.url}/?token=${TOKEN}#8.5/59.78/24.7`);
  await page.waitForFunction(() => document.querySelector<HTMLElement>("#count")?.dataset.count === "8");
  t.equal(await page.locator("#go-live").getAttribute("aria-pressed"), "true");
  t.equal(await page.locator("#play").isDisabled(), true, "what is live plays by itself");
  await shot(page, "live");

  const slider = page.locator("#playback-slider");
  await page.locator("#playback-span").selectOption("21600000");
  const { x, y, width, height } = (await slider.boundingBox())!;
  await page.mouse.move(x + width - 8, y + height / 2);
  await page.mouse.down();
  for (const share of [0.9, 0.8, 0.77, 0.75])
    await page.mouse.move(x + width * share, y + height / 2, { steps: 4 });
  const minutesBack = (1 - Number(await slider.inputValue()) / SLIDER_STEPS) * 360;
  await page.mouse.up();
  await isPast(page);
  // What is sought last is there when the address names it and the view stands.
  await page.waitForFunction((minutes) => {
    const at = Date.parse(new URL(location.href).searchParams.get("at") ?? "");
    return (
      Math.abs((Date.now() - at) / 60_000 - minutes) < 1 &&
      at === muster.view.time &&
      !document.querySelector("#playback-note")?.textContent
    );
  }, minutesBack);
  const dragged = await held(page);
  const back = Date.now() - Date.parse(dragged.time);
  t.ok(back > 80 * MINUTE_MS && back < 100 * MINUTE_MS, `${back} ms back`);
  t.same(dragged.places, await then(node, dragged.time), "what was then is there");
  t.equal(Object.keys(dragged.places).length, 7, "and not what came later");
  t.match(await page.locator("#played-utc").textContent(), dragged.time.slice(11, 19));
  t.equal(await page.locator("#status").getAttribute("data-state"), "past");
  await page.waitForFunction(() => document.querySelector<HTMLElement>("#count")?.dataset.count === "7");
  await page.waitForFunction(() => muster.map.loaded());
  const place = await page.evaluate(() => {
    const { lon, lat } = muster.view.entities.get("ship-5")!;
    return muster.map.project([lon, lat]);
  });
  // Until the frame with it is drawn, there is nothing to be clicked.
  do await page.mouse.click(place.x, place.y);
  while (!(await page.locator("#details").isVisible()));
  t.equal(await page.locator("#details h2").textContent(), "ship-5", "it is drawn where it was");
  t.equal(await page.locator("#details .sign-off").isHidden(), true, "what was cannot be asked anything");
  await shot(page, "past");
  await tellsOfThen(t, page, node, dragged);

  await slider.focus();
  await page.keyboard.press("ArrowLeft");
  await page.waitForFunction((before) => muster.view.time < Date.parse(before), dragged.time);
  await isPast(page);
  await page.locator("#playback-speed").selectOption("600");
  await page.locator("#play").focus();
  await page.keyboard.press("Space");
  await page.waitForFunction((before) => muster.view.time > Date.parse(before) + 300_000, dragged.time);
  t.equal(await page.locator("#play").getAttribute("aria-label"), "Pause");
  await page.keyboard.press("Space");
  await page.waitForFunction(() => "playback" in muster.view && muster.view.playback === "paused");
  const paused = await held(page);
  t.same(paused.places, await then(node, paused.time), "it went on");

  await page.keyboard.press("Space");
  await page.waitForFunction(() => "playback" in muster.view && muster.view.playback === "playing");
  const drag = (share: number) => page.mouse.move(x + width * share, y + height / 2, { steps: 3 });
  await drag(0.75);
  await page.mouse.down();
  await drag(0.6);
  await page.waitForFunction(() => "playback" in muster.view && muster.view.playback === "paused");
  t.equal(await page.locator("#play").getAttribute("aria-label"), "Play", "what is dragged stands");
  await page.mouse.up();
  // The last is sought when the pause after the one before is over.
  const least = await page.evaluate((steps) => {
    const slider = document.querySelector<HTMLInputElement>("#playback-slider")!;
    const spanMs = Number(document.querySelector<HTMLSelectElement>("#playback-span")!.value);
    const backMs = (1 - Number(slider.value) / steps) * spanMs;
    const sought = Math.floor(muster.connection.serverNow() - backMs);
    slider.dispatchEvent(new Event("input"));
    slider.dispatchEvent(new PointerEvent("pointercancel"));
    return sought;
  }, SLIDER_STEPS);
  await page.waitForFunction((least) => {
    const at = new URL(location.href).searchParams.get("at");
    return at !== null && Date.parse(at) === muster.view.time && muster.view.time >= least;
  }, least);
  const dropped = await held(page);

  await page.waitForFunction((time) => new URL(location.href).searchParams.get("at") === time, dropped.time);
  await reloadMap(page);
  await isPast(page);
  t.same(await held(page), dropped, "the address shows the same moment");
  await page.locator("#details .note", { hasText: "Nothing is known of it at this time" }).waitFor();
  // The browser itself tells of each 404.
  const others = complaints.splice(0).filter((text) => !text.includes("404 (Not Found)"));
  t.strictSame(others, [], "the console tells of nothing but that");

  await page.setViewportSize({ width: 390, height: 780 });
  await page.waitForFunction(() => muster.map.loaded());
  await shot(page, "phone-past");
  await page.keyboard.press("Escape");
  await page.locator("#go-live").click();
  await page.waitForFunction(() => muster.view.isLive && muster.view.state === "live");
  t.equal(new URL(page.url()).searchParams.get("at"), null);
  await page.waitForFunction(() => document.querySelector("#status")?.getAttribute("data-state") === "live");
  await shot(page, "phone-live");

  await page.locator("#filter-where").fill("entity.kind == 'tug'");
  await page.keyboard.press("Enter");
  await page.waitForFunction(() => [...muster.view.entities.values()].every(({ kind }) => kind === "tug"));
  await page.evaluate(() => {
    const slider = document.querySelector<HTMLInputElement>("#playback-slider")!;
    slider.value = "1435";
    slider.dispatchEvent(new Event("input"));
    slider.dispatchEvent(new Event("change"));
  });
  await isPast(page);
  t.same(
    new Set(Object.keys((await held(page)).places)),
    new Set(["ship-1", "ship-3", "ship-5", "ship-7"]),
    "filtered",
  );
  await page.setViewportSize({ width: 1280, height: 800 });
  await page.locator("#playback-speed").selectOption("3600");
  await page.locator("#play").click();
  await page.waitForFunction(() => muster.view.isLive && muster.view.state === "live");
  t.equal(
    await page.locator("#go-live").getAttribute("aria-pressed"),
    "true",
    "what has caught up goes on live",
  );
  t.strictSame(complaints, [], "the console is clean");
  t.equal(await node.end("SIGTERM"), 0);
});
