/** The files of the web UI. */
import { readFile, stat } from "node:fs/promises";
import { extname, join, normalize, resolve, sep } from "node:path";
import { isKnown } from "./etag.ts";

const TYPES: Record<string, string> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".mjs": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".json": "application/json",
  ".geojson": "application/geo+json",
  ".map": "application/json",
  ".webmanifest": "application/manifest+json",
  ".txt": "text/plain; charset=utf-8",
  ".svg": "image/svg+xml",
  ".png": "image/png",
  ".jpg": "image/jpeg",
  ".webp": "image/webp",
  ".ico": "image/x-icon",
  ".woff2": "font/woff2",
  ".wasm": "application/wasm",
  ".pbf": "application/x-protobuf",
};
/** What Vite puts a hash of the content into the name of. */
const HASHED = /^\/assets\/.*-[\w-]{8}\.\w+$/;

/**
 * A function that answers GET and HEAD of files below `webDir`; `undefined` where there is none. `/` is `index.html`. Files are read
 * when asked for, so a rebuilt UI needs no restart; those with a hash in their name may be kept for ever, the others are
 * asked for again with their ETag.
 */
export function createStaticFiles(
  webDir: string,
): (path: string, headers: Headers) => Promise<Response | undefined> {
  const root = resolve(webDir);
  return async (path, headers) => {
    const file = fileOf(root, path === "/" ? "/index.html" : path);
    if (file === undefined) return undefined;
    const found = await stat(file).catch(absent);
    if (!found?.isFile()) return undefined;
    const etag = `"${found.size.toString(36)}-${Math.round(found.mtimeMs).toString(36)}"`;
    const common = {
      etag,
      "cache-control": HASHED.test(path) ? "public, max-age=31536000, immutable" : "no-cache",
    };
    if (isKnown(headers, etag)) return new Response(null, { status: 304, headers: common });
    const content = await readFile(file).catch(absent);
    if (content === undefined) return undefined;
    return new Response(content, {
      headers: {
        ...common,
        "content-type": TYPES[extname(file).toLowerCase()] ?? "application/octet-stream",
        "content-length": String(content.byteLength),
        "x-content-type-options": "nosniff",
        // The address may name an entity; other hosts need not know.
        "referrer-policy": "no-referrer",
      },
    });
  };
}

/** The file that a path of a URL names, or `undefined` if it is not below `root`. */
function fileOf(root: string, path: string): string | undefined {
  let name: string;
  try {
    name = decodeURIComponent(path);
  } catch {
    return undefined;
  }
  if (name.includes("\0")) return undefined;
  const file = normalize(join(root, name));
  return file.startsWith(root + sep) ? file : undefined;
}

function absent(error: NodeJS.ErrnoException): undefined {
  if (error.code === "ENOENT" || error.code === "ENOTDIR" || error.code === "ENAMETOOLONG") return undefined;
  throw error;
}
