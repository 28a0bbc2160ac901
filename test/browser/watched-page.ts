import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { type Browser, chromium, type Page } from "playwright-core";
import { CHROMIUM_FLAGS, findChromium } from "../support/chromium.ts";

const BUILD = join(import.meta.dirname, "../../web/build.ts");

/** The browser complains of itself, which fetches what was drawn to put the page together in software. */
const DRAWN_IN_SOFTWARE = "GPU stall due to ReadPixels";

/** Builds the page. @returns the path of a Chromium */
export async function builtPage(): Promise<string> {
  const executablePath = await findChromium();
  await promisify(execFile)(process.execPath, [BUILD]);
  return executablePath;
}

/** An empty page of a browser of its own, on which nothing glides: drawn in software, a frame takes a quarter of a second of processor time. @returns `complaints`: errors and warnings, as they come */
export async function watchedPage(
  t: { teardown(end: () => unknown): void },
  executablePath: string,
  patienceMs: number,
): Promise<{ browser: Browser; page: Page; complaints: string[] }> {
  const browser = await chromium.launch({ executablePath, args: CHROMIUM_FLAGS });
  t.teardown(() => browser.close());
  const page = await browser.newPage({ viewport: { width: 1280, height: 800 }, reducedMotion: "reduce" });
  page.setDefaultTimeout(patienceMs);
  const complaints: string[] = [];
  page.on("console", (message) => {
    if (message.type() !== "error" && message.type() !== "warning") return;
    if (!message.text().includes(DRAWN_IN_SOFTWARE)) complaints.push(message.text());
  });
  page.on("pageerror", (error) => complaints.push(error.message));
  return { browser, page, complaints };
}
