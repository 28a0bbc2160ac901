// The map when the browser takes its WebGL contexts away, as after sleep or a crash of its graphics process.
import type { Page } from "playwright-core";
import t from "tap";
import { feedLive } from "../browser/scripted-feed.ts";
import { servePage } from "../browser/serve-page.ts";
import { openMap, openPage } from "../browser/watched-page.ts";
import { full } from "../client/scripted.ts";

/** Whether a click on the place of the ship finds what is drawn there. */
const isDrawn = async (page: Page) => {
  await page.keyboard.press("Escape");
  const { x, y } = await page.evaluate(() => muster.map.project([24.7, 59.7]));
  await page.mouse.click(x, y);
  return !(await page.locator("#details").isHidden());
};
const untilDrawn = async (page: Page) => {
  while (!(await isDrawn(page))) await page.waitForTimeout(100);
};

t.test("[W6] [W35] a lost context is told, and what is there is drawn again with the next one", async (t) => {
  const url = await servePage(t);
  const page = await openPage(t, { viewport: { width: 1000, height: 700 }, reducedMotion: "reduce" });
  const errors: string[] = [];
  page.on("pageerror", (error) => errors.push(error.message));
  await feedLive(t, page, () => [full("ship", 24.7, 59.7)]);
  const is = (state: string) => page.locator(`#status[data-state="${state}"]`).waitFor();
  const contexts = () =>
    page.evaluateHandle(() =>
      [...document.querySelectorAll("canvas")].map(
        (canvas) => canvas.getContext("webgl2")!.getExtension("WEBGL_lose_context")!,
      ),
    );

  await openMap(page, `${url}/#9/59.7/24.7`);
  await is("live");
  await page.waitForFunction(() => muster.map.loaded());
  await untilDrawn(page);
  for (const what of ["once", "and again"]) {
    const lost = await contexts();
    await lost.evaluate((all) => {
      for (const context of all) context.loseContext();
    });
    await is("stale");
    t.match(await page.locator("#status").textContent(), /Not drawn/);
    await page.waitForTimeout(200);
    await page.mouse.move(300, 300);
    await lost.evaluate((all) => {
      for (const context of all) context.restoreContext();
    });
    await is("live");
    await untilDrawn(page);
    t.pass(what);
  }
  t.same(errors, []);
});
