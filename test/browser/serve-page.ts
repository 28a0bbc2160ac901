/** The built page without a node behind it. */
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { extname, join } from "node:path";

const DIST = join(import.meta.dirname, "../../web/dist");
const TYPES: Record<string, string> = { ".html": "text/html", ".js": "text/javascript", ".css": "text/css" };

/** An answer to a path: a body, or a status without one. */
export type Answers = Readonly<Record<string, () => string | number>>;

/** Serves the files of the page; there are no entities to look at first. @returns its address. */
export async function servePage(
  t: { teardown(end: () => unknown): void },
  answers: Answers = {},
): Promise<string> {
  const none = () => '{"features":[]}';
  const all: Answers = { "/v1/entities": none, "/v1/fences": none, ...answers };
  const server = createServer(async ({ url = "/" }, response) => {
    const path = new URL(url, "http://page").pathname;
    const answer = all[path]?.();
    if (answer !== undefined) {
      if (typeof answer === "number") response.statusCode = answer;
      return void response.end(typeof answer === "string" ? answer : "");
    }
    const file = path === "/" ? "index.html" : path.slice(1);
    const body = await readFile(join(DIST, file)).catch(() => undefined);
    response.statusCode = body === undefined ? 404 : 200;
    response.setHeader("content-type", TYPES[extname(file)] ?? "application/octet-stream");
    response.end(body);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.teardown(() => server.close());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
