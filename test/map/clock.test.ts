// The page on a device whose clock is wrong.
import t, { type Test } from "tap";
import { feedLive } from "../browser/scripted-feed.ts";
import { servePage } from "../browser/serve-page.ts";
import { openMap, openPage } from "../browser/watched-page.ts";
import { full } from "../client/scripted.ts";

const MINUTE_MS = 60_000;

async function opened(t: Test, aheadMs: number) {
  const page = await openPage(t, { viewport: { width: 1000, height: 700 }, reducedMotion: "reduce" });
  await page.addInitScript((ahead) => {
    const { now } = Date;
    Date.now = () => now() + ahead;
  }, aheadMs);
  const reported = new Date(Date.now() - 4_000).toISOString();
  const ship = full("ship", 24.7, 59.7, { t: reported, received: reported });
  return { page, asked: await feedLive(t, page, () => [ship]), url: await servePage(t) };
}

t.test("[W36] ages are by the server's clock", async (t) => {
  for (const ahead of [10 * MINUTE_MS, -10 * MINUTE_MS]) {
    const { page, url } = await opened(t, ahead);
    await openMap(page, `${url}/?entity=ship#9/59.7/24.7`);
    const observed = page.locator("#details dl > div", { hasText: /^observed/ });
    await observed.getByText(/^([4-9]|[1-5]\d) s ago/).waitFor();
    t.pass(`${ahead} ms`);
  }
});

t.test("[W36] a link shows the moment that it names, whatever the device takes the time for", async (t) => {
  const { page, asked, url } = await opened(t, -10 * MINUTE_MS);
  const at = new Date(Date.now() - 30_000).toISOString();
  await openMap(page, `${url}/?at=${at}#9/59.7/24.7`);
  await page.locator('#status[data-state="live"]').waitFor();
  while (asked.length < 2) await page.waitForTimeout(20);
  t.match(asked, [{ at: undefined }, { at }]);
  t.equal(new URL(page.url()).searchParams.get("at"), at);
});
