// What the page says and does while its connection is broken, against a scripted feed.
import { join } from "node:path";
import type { WebSocketRoute } from "playwright-core";
import t from "tap";
import { FRAME_SNAPSHOT, type Full } from "../../src/transport/feed/layout.ts";
import { full } from "../client/scripted.ts";
import { encodeFrame } from "../feed/binary-frames.ts";
import { servePage } from "./serve-page.ts";
import { ARTIFACTS, openMap, openPage } from "./watched-page.ts";

const feature = (name: string) => {
  const { lon, lat, id, ...properties } = full(name, 24.7, 59.7);
  return { type: "Feature", id, geometry: { type: "Point", coordinates: [lon, lat] }, properties };
};

const ship = (state: string): Full => ({
  ...{
    handle: 4,
    id: "ship",
    kind: "vessel",
    state,
    source: "",
    attributes: "",
    labels: "",
    fences: "",
  },
  ...{ t: Date.now(), placedAt: NaN, received: Date.now(), lon: 24.7, lat: 59.7, alt: NaN, accuracy: NaN },
  ...{ speed: NaN, course: NaN, heading: NaN, liveness: 0, implausible: false, epoch: 1, seq: 2 },
});

t.test("[W6] [W23] [W24] a broken connection is told, and tried again on request", async (t) => {
  const url = await servePage(t, {
    "/v1/entities/ship": () => JSON.stringify(feature("ship")),
    "/v1/entities/tug": () => JSON.stringify(feature("tug")),
  });
  const page = await openPage(t, { viewport: { width: 1280, height: 800 }, reducedMotion: "reduce" });
  // The longest waits that the back-off has.
  await page.addInitScript(() => {
    Math.random = () => 0.999;
  });
  let isAway = false;
  let open: WebSocketRoute | undefined;
  let shown = 0;
  const show = (fulls: Full[]) => {
    const n = ++shown;
    const head = {
      type: FRAME_SNAPSHOT,
      first: true,
      last: true,
      view: 3,
      n,
      tick: n,
      t: Date.now(),
      lag: 0,
    };
    open?.send(Buffer.from(encodeFrame({ head, fulls })));
  };
  const commands: { id: string; n: number }[] = [];
  await page.routeWebSocket(/\/v1\/feed/, (socket) => {
    if (isAway) return void socket.close({ code: 1001, reason: "the node is shutting down" });
    open = socket;
    socket.onMessage((text) => {
      const message = JSON.parse(String(text));
      if (message.op === "command") commands.push(message);
      if (message.op !== "subscribe") return;
      const { view } = message;
      socket.send(JSON.stringify({ op: "view", view, number: 3, cover: [[-180, -90, 180, 90]], filters: 0 }));
      shown = 0;
      show([]);
    });
  });
  const is = (state: string) => page.locator(`#status[data-state="${state}"]`).waitFor();
  const lamp = () =>
    page.locator("#go-live .lamp").evaluate((element) => getComputedStyle(element).backgroundColor);
  const focused = () => page.evaluate(() => document.activeElement?.className);
  const signOff = page.locator("#details .sign-off");
  const note = page.locator("#details .sign-off-note");

  await openMap(page, `${url}/?entity=ship#9/59.7/24.7`);
  await is("live");
  const green = await lamp();
  t.equal(await page.locator("#retry").isVisible(), false);
  await signOff.click();
  await note.getByText("Signing off …").waitFor();
  t.equal(await focused(), "sign-off", "the focus stays");
  await page.locator("#find-id").fill("tug");
  await page.keyboard.press("Enter");
  await page.locator("#details h2", { hasText: "tug" }).waitFor();
  await page.waitForFunction(() => document.querySelector("#details .sign-off")?.ariaDisabled === "false");
  t.equal(await note.textContent(), "", "another entity was asked nothing");
  const [{ n, id }] = commands;
  t.equal(id, "ship");
  const refusal = { op: "reply", n, command: "c", accepted: false, type: "urn:muster:problem:refused" };
  open!.send(JSON.stringify({ ...refusal, detail: "it is under way" }));
  await page.locator("#find-id").fill("ship");
  await page.keyboard.press("Enter");
  await note.getByText("Not signed off: it is under way").waitFor();
  await page.setViewportSize({ width: 390, height: 640 });
  await signOff.evaluate((element) => element.scrollIntoView({ block: "end" }));
  await signOff.evaluate((element) => element.focus({ preventScroll: true }));
  await page.keyboard.press("Enter");
  await note.getByText("Signing off …").waitFor();
  const bottoms = await page.evaluate(() =>
    ["#sign-off-note", "#details"].map(
      (selector) => document.querySelector(selector)!.getBoundingClientRect().bottom,
    ),
  );
  t.ok(bottoms[0] <= bottoms[1], `${bottoms}: what is told of it is in sight`);
  await page.setViewportSize({ width: 1280, height: 800 });
  open!.send(
    JSON.stringify({ op: "reply", n: commands[1].n, command: "d", accepted: true, state: "offline" }),
  );
  await note.getByText("Signed off.").waitFor();
  show([ship("offline")]);
  await signOff.waitFor({ state: "hidden" });
  await page.waitForTimeout(600);
  t.equal(await note.textContent(), "Signed off.", "it is told after the view has told it");
  t.equal(await page.evaluate(() => document.activeElement?.tagName), "H2", "the focus stays in the panel");
  show([ship("online.idle")]);
  await signOff.waitFor();
  t.equal(await note.textContent(), "", "it is back");
  await page.locator("#find-id").fill("tug");
  await page.keyboard.press("Enter");
  await page.locator("#details h2", { hasText: "tug" }).waitFor();

  isAway = true;
  await open!.close({ code: 1001, reason: "the node is shutting down" });
  await is("reconnecting");
  t.not(await lamp(), green, "what is not live is not green");
  t.equal(await signOff.getAttribute("aria-disabled"), "true");
  t.match(await signOff.evaluate((element) => getComputedStyle(element).cursor), "not-allowed");
  await note.getByText(/^Without a connection/).waitFor();
  await signOff.dispatchEvent("click");
  await page.locator("#retry", { hasText: /^Trying again in [4-8] s/ }).waitFor();
  await page.screenshot({ path: join(ARTIFACTS, "outage.png") });
  isAway = false;
  const asked = Date.now();
  await page.locator("#retry button").click();
  await is("live");
  const took = Date.now() - asked;
  t.ok(took < 3_500, `${took} ms after the click it is live`);
  t.equal(await page.locator("#retry").isVisible(), false);
  t.not(await page.evaluate(() => document.activeElement?.tagName), "BODY", "the focus is in the page");
  t.equal(await lamp(), green);
  t.equal(commands.length, 2, "nothing was kept for later");

  isAway = true;
  await open!.close({ code: 1001, reason: "the node is shutting down" });
  await page.locator("#retry", { hasText: /^Trying again in [4-8] s/ }).waitFor();
  isAway = false;
  await page.evaluate(() => void dispatchEvent(new Event("online")));
  await page.locator("#retry").waitFor({ state: "hidden", timeout: 3_500 });
  await is("live");

  isAway = true;
  await page.setViewportSize({ width: 360, height: 740 });
  await open!.close({ code: 1001, reason: "the node is shutting down" });
  await page.locator("#retry button").waitFor();
  await page.screenshot({ path: join(ARTIFACTS, "outage-phone.png") });
});
