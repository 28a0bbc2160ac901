// The page of a key whose roles change and that is revoked, against a scripted feed.
import { join } from "node:path";
import type { WebSocketRoute } from "playwright-core";
import t from "tap";
import { FORBIDDEN } from "../../client/errors.ts";
import { full } from "../client/scripted.ts";
import { servePage } from "./serve-page.ts";
import { ARTIFACTS, openMap, openPage } from "./watched-page.ts";

const ship = full("ship", 24.7, 59.7);

t.test(
  "[AC110] [AC111] [AC112] the map of a key is there once a role allows it, and empty once it is revoked",
  async (t) => {
    let isAllowed = false;
    const { lon, lat, id, ...properties } = ship;
    const feature = { type: "Feature", id, geometry: { type: "Point", coordinates: [lon, lat] }, properties };
    const ifAllowed = (body: object) => () => (isAllowed ? JSON.stringify(body) : 403);
    const url = await servePage(t, {
      "/v1/entities": ifAllowed({ features: [feature] }),
      "/v1/entities/ship": ifAllowed(feature),
      "/v1/entities/nobody": () => 404,
    });
    const page = await openPage(t, { viewport: { width: 1280, height: 800 }, reducedMotion: "reduce" });
    let open: WebSocketRoute | undefined;
    await page.routeWebSocket(/\/v1\/feed/, (socket) => {
      open = socket;
      const send = (message: object) =>
        socket.send(JSON.stringify({ t: new Date().toISOString(), tick: 1, lag: 0, ...message }));
      socket.onMessage((text) => {
        const { op, view, n } = JSON.parse(String(text));
        if (op === "command")
          send({ op: "reply", n, command: "c", accepted: false, type: "forbidden", detail: "no role" });
        if (op !== "subscribe") return;
        const problem = { type: FORBIDDEN, title: "T", status: 403, detail: "no role" };
        if (!isAllowed) return send({ op: "error", view, ...problem });
        send({ op: "view", view, number: 3, cover: [[-180, -90, 180, 90]], filters: 0 });
        send({ op: "snapshot", view, n: 1, first: true, last: true, entities: [ship] });
      });
    });
    const find = async (id: string) => {
      await page.locator("#find-id").fill(id);
      await page.keyboard.press("Enter");
      await page.locator("#details h2", { hasText: id }).waitFor();
    };
    const status = (text: RegExp) => page.locator("#status", { hasText: text }).waitFor();
    await openMap(page, `${url}/`);
    await status(/No role allows/);
    await find("ship");
    await page.getByText("It cannot be looked up: no role allows it.").waitFor();
    await page.keyboard.press("Escape");
    isAllowed = true;
    await page.waitForFunction(() => muster.map.getZoom() > 10);
    await status(/Live/);
    const centre = await page.evaluate(() => muster.map.getCenter().toArray());
    t.strictSame(
      centre.map((degrees) => degrees.toFixed(2)),
      ["24.70", "59.70"],
    );
    await find("ship");
    await page.locator("#details .sign-off").click();
    await page.getByText("Not signed off: no role").waitFor();
    t.equal(await page.locator("#details .sign-off").isVisible(), false);
    await find("nobody");
    await page.getByText("There is no entity with this id.").waitFor();
    await page.screenshot({ path: join(ARTIFACTS, "allowed.png") });
    await find("ship");
    await page.locator("#details dl", { hasText: "observed" }).waitFor();
    await open!.close({ code: 4401, reason: "the token is missing or wrong" });
    await page.locator("#way-in").waitFor();
    await page.getByText("It cannot be looked up: a token is needed.").waitFor();
    t.equal(await page.locator("#count").textContent(), "–");
    t.equal(await page.locator("#details .fields").textContent(), "");
    await page.screenshot({ path: join(ARTIFACTS, "revoked.png") });
  },
);
