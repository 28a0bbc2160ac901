import { join } from "node:path";
import t from "tap";
import { madeUpStatus } from "./made-up-status.ts";
import { servePage } from "./serve-page.ts";
import { ARTIFACTS, openMap, watchedPage } from "./watched-page.ts";

t.test("[W20] the map draws its base at every zoom without a warning", async (t) => {
  const url = await servePage(t, { "/v1/cluster": () => JSON.stringify(madeUpStatus()) });
  const { page, complaints } = await watchedPage(t);
  await page.routeWebSocket(/\/v1\/feed/, () => {});
  await openMap(page, `${url}/#0/30/30`);
  for (const zoom of [0, 1, 2, 3, 5]) {
    await page.evaluate((zoom) => void muster.map.jumpTo({ zoom }), zoom);
    await page.waitForFunction(() => muster.map.loaded() && muster.map.areTilesLoaded());
    await page.screenshot({ path: join(ARTIFACTS, `basemap-${zoom}.png`) });
  }
  t.strictSame(complaints, []);
});
