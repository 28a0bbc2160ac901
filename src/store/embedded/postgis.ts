/**
 * PostGIS for PGlite: of its bundle only what `CREATE EXTENSION postgis` and its functions read. Each library lies there as a file, which PostgreSQL
 * compiles when it first calls a function of it.
 *
 * Losers: PGlite's own way writes the whole bundle on each start, 91 MB, and compiles all its libraries: those of rasters and topologies too, which are
 * as large again. A process that opens a folder took 5.4 s of processor time so, and 2.5 with what is needed only. To unpack the bundle on each start
 * takes another quarter of a second, and its 91 MB of memory.
 */
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { threadId } from "node:worker_threads";
import { gunzipSync } from "node:zlib";
import type { Extension } from "@electric-sql/pglite";
import { postgis as bundled } from "@electric-sql/pglite-postgis";

/** The library, the data of its projections, and the scripts that make the extension in a database (others upgrade older ones). */
const NEEDED =
  /^(lib\/postgresql\/postgis-\d+\.so|share\/proj\/.+|share\/postgresql\/extension\/postgis(--[\d.]+)?\.(control|sql))$/;

/** All of the bundle in one piece: to put it together of the usual ones of 16 KB takes half a second. */
const PIECE_BYTES = 96 * 2 ** 20;

/** What Emscripten calls with its module before the program runs. */
type PreRun = (module: {
  FS: {
    mkdirTree(path: string): void;
    writeFile(path: string, bytes: Uint8Array, options: { canOwn: boolean }): void;
  };
}) => void;

export const postgis: Extension = {
  name: bundled.name,
  async setup(database, options) {
    const { bundlePath, emscriptenOpts } = await bundled.setup(database, options);
    const { WASM_PREFIX: root, preRun } = emscriptenOpts as { WASM_PREFIX: string; preRun: PreRun[] };
    const tar = neededOf(bundlePath as URL);
    preRun.push(({ FS }) => {
      for (const { name, bytes } of entriesOf(tar)) {
        const path = `${root}/${name}`;
        FS.mkdirTree(path.slice(0, path.lastIndexOf("/")));
        FS.writeFile(path, bytes, { canOwn: true });
      }
    });
    return { emscriptenOpts };
  },
};

/** A tar file of what is needed of the bundle. It is kept among what `npm ci` removes, so that it does not outlive its package. */
function neededOf(bundle: URL): Buffer {
  const { version } = JSON.parse(readFileSync(new URL("../package.json", bundle), "utf8")) as {
    version: string;
  };
  const needs = createHash("sha256").update(NEEDED.source).digest("hex").slice(0, 8);
  const kept = fileURLToPath(new URL(`../../../.cache/muster/postgis_${version}_${needs}.tar`, bundle));
  try {
    return readFileSync(kept);
  } catch {
    // There is none yet, or it is another user's.
  }
  const whole = gunzipSync(readFileSync(bundle), { chunkSize: PIECE_BYTES });
  const needed = [...entriesOf(whole)].filter(({ name }) => NEEDED.test(name)).map(({ entry }) => entry);
  const tar = Buffer.concat(needed);
  keep(kept, tar);
  return tar;
}

function keep(file: string, bytes: Buffer): void {
  // Others may do the same at the same time, or read it: they must find a whole one.
  const part = `${file}.${process.pid}.${threadId}`;
  try {
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(part, bytes, { flush: true });
    renameSync(part, file);
  } catch {
    // Packages often belong to another user, as in the image: then each start unpacks its own.
    rmSync(part, { force: true });
  }
}

/** Of a header of a tar file, in bytes: https://pubs.opengroup.org/onlinepubs/9799919799/utilities/pax.html (ustar). */
const BLOCK = 512;
const NAME = [0, 100] as const;
const SIZE = [124, 136] as const;

/** The entries of a tar file whose names are short: with their headers, and what is in them. */
function* entriesOf(tar: Buffer): Generator<{ name: string; entry: Buffer; bytes: Buffer }> {
  const text = (at: number, [from, to]: readonly [number, number]) =>
    tar.toString("latin1", at + from, at + to).replace(/\0.*$/s, "");
  // Two blocks of zeros are the end.
  for (let at = 0; at < tar.length && tar[at] !== 0; ) {
    const size = Number.parseInt(text(at, SIZE), 8);
    const begin = at + BLOCK;
    const end = begin + Math.ceil(size / BLOCK) * BLOCK;
    yield { name: text(at, NAME), entry: tar.subarray(at, end), bytes: tar.subarray(begin, begin + size) };
    at = end;
  }
}
