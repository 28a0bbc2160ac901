// What lies where on small screens, and what the map tells of a fence. No node is behind it.
import { join } from "node:path";
import type { Page } from "playwright-core";
import t from "tap";
import { servePage } from "./serve-page.ts";
import { ARTIFACTS, openMap, openPage } from "./watched-page.ts";

const HARBOUR = {
  ...{ type: "Feature", id: "h-1", version: 1, changedAt: "2024-06-06T08:00:00.000Z" },
  ...{
    geometry: { type: "Point", coordinates: [24.9, 59.8] },
    properties: { radius: 5_000, title: "Häfen" },
  },
};

const edges = (page: Page, selector: string) =>
  page.locator(selector).evaluate((element) => {
    const range = document.createRange();
    range.selectNodeContents(element);
    const { left, right, top, bottom } = element.getBoundingClientRect();
    // Of the text, which may be wider than its box.
    return { left, right: Math.max(right, range.getBoundingClientRect().right), top, bottom };
  });

t.test("[W17] [W27] on small screens nothing lies over what one wants to read", async (t) => {
  const url = await servePage(t);
  const page = await openPage(t, {
    ...{ viewport: { width: 844, height: 390 }, reducedMotion: "reduce", timezoneId: "Europe/Helsinki" },
  });
  await page.routeWebSocket(/\/v1\/feed/, () => {});
  await openMap(page, `${url}/#8/59.8/24.9`);
  await page.locator(".maplibregl-ctrl-attrib").waitFor();
  const legend = await edges(page, "#legend");
  const attribution = await edges(page, ".maplibregl-ctrl-attrib");
  t.ok(legend.bottom <= attribution.top, `${legend.bottom} ≤ ${attribution.top}: whose data the map shows`);
  await page.waitForFunction(() => document.querySelector("#deckgl-overlay") !== null);
  await page.waitForFunction(() => document.querySelector<HTMLElement>("#deckgl-overlay")!.tabIndex === -1);

  await page.locator("#playback-slider").focus();
  await page.keyboard.press("Home");
  for (const [width, height] of [
    [390, 844],
    [360, 740],
    [320, 640],
  ] as const) {
    await page.setViewportSize({ width, height });
    const time = await edges(page, "#played-utc");
    const live = await edges(page, "#go-live");
    t.ok(time.right <= live.left, `${time.right} ≤ ${live.left}: the time is beside the button at ${width}`);
    const playback = await edges(page, "#playback");
    for (const control of [".maplibregl-ctrl-attrib", ".maplibregl-ctrl-group"]) {
      const { bottom } = await edges(page, control);
      t.ok(bottom <= playback.top, `${bottom} ≤ ${playback.top}: ${control} is above it at ${width}`);
    }
    await page.screenshot({ path: join(ARTIFACTS, `past-${width}.png`) });
  }
  // More than a place on the slider.
  await page.waitForTimeout(3_000);
  t.equal(await page.locator("#playback-span").inputValue(), "3600000", "the span is what it was");
  t.equal(await page.locator("#playback-slider").inputValue(), "0");
});

t.test("[W26] a fence tells its title where one points at it", async (t) => {
  const url = await servePage(t, { "/v1/fences": () => JSON.stringify({ features: [HARBOUR] }) });
  const page = await openPage(t, { viewport: { width: 1000, height: 700 }, reducedMotion: "reduce" });
  await page.routeWebSocket(/\/v1\/feed/, () => {});
  await openMap(page, `${url}/#9/59.8/24.9`);
  await page.waitForFunction(() => muster?.fences.length === 1 && muster.map.loaded());
  const north = await page.evaluate(() => muster.map.project([24.9, 59.8 + 5_000 / 111_320]));
  const name = page.locator("#fence-name");
  // Until the frame with it is drawn, there is nothing to be pointed at.
  for (let i = 0; !(await name.isVisible()); i++) await page.mouse.move(north.x, north.y + (i % 2));
  t.equal(await name.textContent(), "Häfen");
  await page.screenshot({ path: join(ARTIFACTS, "fence.png") });
  await page.mouse.move(north.x, north.y + 80);
  await name.waitFor({ state: "hidden" });
  await page.mouse.click(north.x, north.y);
  t.equal(await name.isVisible(), true, "a finger as well");
});
