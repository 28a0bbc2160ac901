// An address that names an entity, on a phone and on a desk.
import { join } from "node:path";
import type { Page } from "playwright-core";
import t from "tap";
import { madeUpStatus } from "../browser/made-up-status.ts";
import { servePage } from "../browser/serve-page.ts";
import { ARTIFACTS, openMap, openPage } from "../browser/watched-page.ts";
import { full } from "../client/scripted.ts";

const { lon, lat, id, ...properties } = full("ship", 24.7, 59.7, {
  attributes: { state: "Aava", flag: "FI", length: 9 },
});
const FEATURE = { type: "Feature", id, geometry: { type: "Point", coordinates: [lon, lat] }, properties };

const textOf = (page: Page, list: string) =>
  page.locator(`#details .${list} dd`).evaluateAll((all) => all.map((element) => element.textContent));

for (const [name, width, height] of [
  ["phone", 390, 844],
  ["desk", 1280, 800],
] as const) {
  t.test(`[W22] [W32] an address shows its entity beside the panels, on a ${name}`, async (t) => {
    const url = await servePage(t, {
      "/v1/entities/ship": () => JSON.stringify(FEATURE),
      "/v1/cluster": () => JSON.stringify({ ...madeUpStatus(), name: undefined }),
    });
    const page = await openPage(t, { viewport: { width, height }, reducedMotion: "reduce" });
    await page.routeWebSocket(/\/v1\/feed/, () => {});
    await openMap(page, `${url}/?entity=ship`);
    await page.waitForFunction(() => muster.map.loaded());
    const look = () =>
      page.evaluate(
        ([lon, lat]) => {
          const { x, y } = muster.map.project([lon, lat]);
          const edge = (id: string) => document.querySelector(id)!.getBoundingClientRect();
          const isFree = document.elementFromPoint(x, y)?.closest("#map") !== null;
          return {
            x,
            y,
            isFree,
            legend: edge("#legend"),
            details: edge("#details"),
            zoom: muster.map.getZoom(),
          };
        },
        [lon, lat] as const,
      );
    const { x, y, isFree, legend, details, zoom } = await look();
    t.ok(isFree, `${x}, ${y} is covered by nothing`);
    if (name === "phone") t.ok(Math.abs(y - (legend.bottom + details.top) / 2) < 2, `${y} is in the middle`);
    else t.ok(Math.abs(x - (legend.right + details.left) / 2) < 2, `${x} is in the middle`);
    t.ok(zoom > 11);
    t.equal((await textOf(page, "fields"))[0], "online.moving");
    t.same(await textOf(page, "attributes"), ["Aava", "FI", "9"]);
    t.equal(await page.locator("#details h3").textContent(), "Attributes");
    await page.screenshot({ path: join(ARTIFACTS, `selected-${name}.png`) });

    await page.evaluate(() => void muster.map.jumpTo({ center: [0, 0] }));
    await page.locator("#find-id").fill("ship");
    await page.keyboard.press("Enter");
    await page.waitForFunction(() => muster.map.getCenter().lng > 20 && !muster.map.isMoving());
    t.match(await look(), { isFree: true }, "what is sought, too");

    // Only the end of an address that is another is no page of its own.
    await page.goto("about:blank");
    await openMap(page, `${url}/?entity=ship#9/59.9/24.9`);
    await page.waitForFunction(() => muster.map?.loaded());
    const centre = await page.evaluate(() => muster.map.getCenter().toArray());
    t.same(centre, [24.9, 59.9], "where the address itself looks");
  });
}

t.test("[W31] who cannot be looked up keeps nobody from the map", async (t) => {
  let isAway = true;
  const url = await servePage(t, {
    "/v1/entities": () => (isAway ? 503 : '{"features":[]}'),
    "/v1/entities/ship": () => (isAway ? 503 : JSON.stringify(FEATURE)),
  });
  const page = await openPage(t, { viewport: { width: 1280, height: 800 }, reducedMotion: "reduce" });
  let connections = 0;
  await page.routeWebSocket(/\/v1\/feed/, () => void connections++);
  await openMap(page, `${url}/?entity=ship`);
  t.equal(connections, 1);
  const note = page.locator("#details .note");
  await note.getByText("It cannot be looked up: the node answered 503.").waitFor();
  isAway = false;
  await page.locator("#details .kind", { hasText: "vessel" }).waitFor();
  await page.waitForFunction(() => muster.map.getCenter().lng > 20);

  await page.route(/\/v1\/entities/, () => {});
  await page.goto("about:blank");
  await openMap(page, `${url}/?entity=ship`);
  await note.getByText("Looking it up …").waitFor();
  await page.unrouteAll();
});
