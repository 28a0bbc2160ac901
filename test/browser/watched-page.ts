import { execFile } from "node:child_process";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { type Browser, type BrowserContextOptions, chromium, type Page } from "playwright-core";
import root, { type Test } from "tap";
import { CHROMIUM_FLAGS, findChromium } from "../support/chromium.ts";

const ROOT = join(import.meta.dirname, "../..");
/** Where screenshots are left, for people. */
export const ARTIFACTS = join(ROOT, "test/artifacts");
/** Software rendering on a busy machine. */
const SLOW_MS = 60_000;
/** The browser complains of itself, which fetches what was drawn to put the page together in software. */
const DRAWN_IN_SOFTWARE = "GPU stall due to ReadPixels";

let launched: Promise<Browser> | undefined;

/** One browser for all tests of this process, once the page is built: to start one takes as long as many of them. */
export function openBrowser(): Promise<Browser> {
  launched ??= launch();
  return launched;
}

async function launch(): Promise<Browser> {
  const executablePath = await findChromium();
  await promisify(execFile)(process.execPath, [join(ROOT, "web/build.ts")]);
  await mkdir(ARTIFACTS, { recursive: true });
  const browser = await chromium.launch({ executablePath, args: CHROMIUM_FLAGS });
  root.teardown(() => browser.close());
  return browser;
}

/** An empty page that knows nothing of others. It is closed when the test ends. */
export async function openPage(t: Test, options: BrowserContextOptions): Promise<Page> {
  const page = await (await openBrowser()).newPage(options);
  t.teardown(() => page.close());
  page.setDefaultTimeout(SLOW_MS);
  return page;
}

/** Goes to the map, and waits until its program runs: that may be after the page has loaded. */
export async function openMap(page: Page, url: string): Promise<void> {
  await page.goto(url);
  await untilItRuns(page);
}

/** Loads the map anew, and waits until its program runs. */
export async function reloadMap(page: Page): Promise<void> {
  await page.reload();
  await untilItRuns(page);
}

const untilItRuns = (page: Page) => page.waitForFunction(() => "muster" in globalThis);

/** One on which nothing glides: drawn in software, a frame takes a quarter of a second of processor time. @returns `complaints`: errors and warnings, as they come */
export async function watchedPage(t: Test): Promise<{ page: Page; complaints: string[] }> {
  const page = await openPage(t, { viewport: { width: 1280, height: 800 }, reducedMotion: "reduce" });
  const complaints: string[] = [];
  page.on("console", (message) => {
    if (message.type() !== "error" && message.type() !== "warning") return;
    if (!message.text().includes(DRAWN_IN_SOFTWARE)) complaints.push(message.text());
  });
  page.on("pageerror", (error) => complaints.push(error.message));
  return { page, complaints };
}
