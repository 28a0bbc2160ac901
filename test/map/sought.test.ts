// What the search field finds on a map that holds it, or holds groups in place of it, against a scripted feed.
import { join } from "node:path";
import type { WebSocketRoute } from "playwright-core";
import t, { type Test } from "tap";
import { FRAME_CLUSTERS, FRAME_SNAPSHOT, type Full } from "../../src/transport/feed/layout.ts";
import { type Answers, servePage } from "../browser/serve-page.ts";
import { ARTIFACTS, openMap, openPage } from "../browser/watched-page.ts";
import { full } from "../client/scripted.ts";
import { encodeFrame, type FrameParts } from "../feed/binary-frames.ts";

const ship = (lon: number, lat: number): Full => ({
  ...{ handle: 4, id: "ship", kind: "vessel", state: "online.moving", source: "", attributes: "" },
  ...{ labels: "", fences: "", t: Date.now(), placedAt: NaN, received: Date.now(), lon, lat, alt: NaN },
  ...{
    accuracy: NaN,
    speed: NaN,
    course: NaN,
    heading: NaN,
    liveness: 0,
    implausible: false,
    epoch: 1,
    seq: 1,
  },
});

/** A feed of one view of the world. */
function play(socket: WebSocketRoute, type: number, parts: Omit<FrameParts, "head">): void {
  socket.onMessage((text) => {
    const { op, view } = JSON.parse(String(text));
    socket.send(JSON.stringify({ op: "view", view, number: 3, cover: [[-180, -90, 180, 90]], filters: 0 }));
    if (op !== "subscribe") return;
    const head = { type, first: true, last: true, view: 3, n: 1, tick: 1, t: Date.now(), lag: 0 };
    socket.send(Buffer.from(encodeFrame({ head, ...parts })));
  });
}

async function pageOf(t: Test, type: number, parts: Omit<FrameParts, "head">, answers: Answers = {}) {
  const url = await servePage(t, answers);
  const page = await openPage(t, { viewport: { width: 1000, height: 700 }, reducedMotion: "reduce" });
  await page.routeWebSocket(/\/v1\/feed/, (socket) => play(socket, type, parts));
  await openMap(page, `${url}/#9/50/10`);
  await page.waitForFunction(() => muster.map.loaded() && muster.view.state === "live");
  return page;
}

t.test("[W29] what the view holds outside the map, and beneath a panel, comes into the middle", async (t) => {
  const page = await pageOf(t, FRAME_SNAPSHOT, { fulls: [ship(14, 50)] });
  const isFree = () =>
    page.waitForFunction(() => {
      const { x, y } = muster.map.project([14, 50]);
      const edge = (id: string) => document.querySelector(id)!.getBoundingClientRect();
      return Math.abs(x - (edge("#legend").right + edge("#details").left) / 2) < 2 && y > 0;
    });
  const note = page.locator("#details .note");
  await page.locator("#find-id").fill("ship");
  await page.keyboard.press("Enter");
  await isFree();
  await note.getByText(/^$/).waitFor({ state: "attached" });

  await page.evaluate(() => void muster.map.jumpTo({ center: [10, 50] }));
  await note.getByText("Not in view, as it is outside the map.", { exact: true }).waitFor();
  await page.evaluate(() => {
    const { x, y } = muster.map.project([14, 50]);
    void muster.map.panBy([x - 60, y - 60], { animate: false });
  });
  await page.waitForFunction(() => Math.abs(muster.map.project([14, 50]).x - 60) < 2);
  await page.locator("#find-id").fill("ship");
  await page.keyboard.press("Enter");
  await isFree();
});

t.test("[W30] what is grouped with others is drawn when it is found, and the details say so", async (t) => {
  const { id, lon, lat, ...properties } = full("ship", 14, 50);
  const place = { type: "Point", coordinates: [lon, lat] };
  const page = await pageOf(
    t,
    FRAME_CLUSTERS,
    { cells: [{ lon: 14.05, lat: 50.05, count: 9_000 }] },
    { "/v1/entities/ship": () => JSON.stringify({ type: "Feature", id, geometry: place, properties }) },
  );
  await page.locator("#find-id").fill("ship");
  await page.keyboard.press("Enter");
  await page.locator("#details .note", { hasText: /^Grouped with others.*: zoom in/ }).waitFor();
  // A mark at which one points is drawn.
  const { x, y } = await page.evaluate(() => muster.map.project([14, 50]));
  const cursor = () => page.locator("canvas.maplibregl-canvas").evaluate(({ style }) => style.cursor);
  for (let i = 0; (await cursor()) !== "pointer"; i++) await page.mouse.move(x, y + (i % 2));
  await page.screenshot({ path: join(ARTIFACTS, "grouped.png") });
});
