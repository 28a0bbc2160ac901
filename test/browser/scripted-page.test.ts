// The page against a scripted server that speaks muster.v1.bin: what the demo cannot show at will.
import { join } from "node:path";
import type { WebSocketRoute } from "playwright-core";
import t from "tap";
import { FRAME_CLUSTERS, FRAME_SNAPSHOT, type Full } from "../../src/transport/feed/layout.ts";
import { encodeFrame, type FrameParts } from "../feed/binary-frames.ts";
import { servePage } from "./serve-page.ts";
import { ARTIFACTS, openMap, openPage, reloadMap } from "./watched-page.ts";

/** A feed of one view: clusters without a filter, one ship with one, and a mistake at 14 with another. */
function play(socket: WebSocketRoute): void {
  let n = 0;
  const frame = (type: number, parts: Omit<FrameParts, "head">) => {
    const head = { type, first: true, last: true, view: 3, n: ++n, tick: n, t: Date.now(), lag: 4 };
    socket.send(Buffer.from(encodeFrame({ head, ...parts })));
  };
  const clusters = () =>
    frame(FRAME_CLUSTERS, {
      cells: [
        { lon: 10, lat: 55, count: 1_234_567 },
        { lon: 30, lat: 40, count: 12 },
      ],
    });
  const ship = (): Full => ({
    ...{
      handle: 4,
      id: "ship",
      kind: "vessel",
      state: "online.moving",
      source: "",
      attributes: "",
      labels: "",
      fences: "",
    },
    ...{ t: Date.now(), placedAt: NaN, received: Date.now(), lon: 10, lat: 50, alt: NaN, accuracy: NaN },
    ...{ speed: 20_000, course: 90, heading: NaN, liveness: 0, implausible: false, epoch: 1, seq: 1 },
  });
  let filters = 0;
  socket.onMessage((text) => {
    const { op, view, where } = JSON.parse(String(text));
    if (where === "entity.speed >") {
      const detail = "the expression ends too early";
      const problem = {
        op: "error",
        type: "urn:muster:problem:bad-request",
        title: "T",
        status: 400,
        detail,
      };
      socket.send(JSON.stringify({ ...problem, view, position: 14 }));
      return;
    }
    if (op === "update" && where !== undefined) filters++;
    socket.send(JSON.stringify({ op: "view", view, number: 3, cover: [[-180, -90, 180, 90]], filters }));
    if (typeof where === "string") frame(FRAME_SNAPSHOT, { fulls: [ship()] });
    else if (op === "subscribe" || where === null) clusters();
  });
}

t.test(
  "[W10, W11, W12, W13] clusters, a filter, its mistake, and a ship that goes on by itself",
  async (t) => {
    const url = await servePage(t);
    const page = await openPage(t, { viewport: { width: 1000, height: 700 } });
    const complaints: string[] = [];
    page.on("pageerror", (error) => complaints.push(error.message));
    await page.routeWebSocket(/\/v1\/feed/, play);

    await openMap(page, `${url}/#3/50/15`);
    await page.waitForFunction(
      () => document.querySelector<HTMLElement>("#count")?.dataset.count === "1234579",
    );
    t.equal(await page.evaluate(() => muster.connection.protocol), "binary");
    t.equal(await page.locator("#clustered").isVisible(), true);
    await page.locator("#age", { hasText: /^as of \d+(\.\d)? s ago, lag 4 ms$/ }).waitFor();
    await page.waitForFunction(() => muster.map.loaded());
    await page.screenshot({ path: join(ARTIFACTS, "clusters.png") });

    const { x, y } = await page.evaluate(() => muster.map.project([30, 40]));
    await page.mouse.click(x, y);
    await page.waitForFunction(() => muster.map.getZoom() > 4.9);
    t.pass("a click on a cluster zooms in");

    const field = page.locator("#filter-where");
    await field.fill("entity.speed >");
    await field.press("Enter");
    await page.waitForFunction(() => document.querySelector("#filter-problem")?.textContent !== "");
    t.equal(
      await page.locator("#filter-problem").textContent(),
      "the expression ends too early (at character 15)",
    );
    t.equal(await field.getAttribute("aria-invalid"), "true");
    t.equal(await page.evaluate(() => muster.view.clusters.length), 2, "the picture is as it was");
    t.equal(new URL(page.url()).searchParams.get("where"), null);

    await page.evaluate(() => void muster.map.jumpTo({ center: [11, 50], zoom: 7 }));
    await field.fill("entity.speed > 5.0");
    await field.press("Enter");
    await page.waitForFunction(() => document.querySelector<HTMLElement>("#count")?.dataset.count === "1");
    t.equal(await page.locator("#filter-problem").textContent(), "");
    t.equal(await page.locator("#clustered").isVisible(), false);
    t.equal(new URL(page.url()).searchParams.get("where"), "entity.speed > 5.0");
    await page.waitForFunction(() => {
      const ship = muster.view.entities.get("ship")!;
      return muster.view.placeOf(ship).lon > ship.lon + 0.3;
    });
    await page.screenshot({ path: join(ARTIFACTS, "filtered.png") });

    await reloadMap(page);
    await page.waitForFunction(() => document.querySelector<HTMLElement>("#count")?.dataset.count === "1");
    t.equal(await field.inputValue(), "entity.speed > 5.0", "the address keeps the filter");
    await field.fill("");
    await page.waitForFunction(() => muster.view.clusters.length === 2);
    t.strictSame(complaints, []);
  },
);
