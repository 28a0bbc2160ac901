/**
 * PostGIS for PGlite: of its bundle only what `CREATE EXTENSION postgis` and its functions read. Each library lies there as a file, which PostgreSQL
 * compiles when it first calls a function of it.
 *
 * Loser: PGlite's own way writes the whole bundle on each start, 91 MB, and compiles all its libraries: those of rasters and topologies too, which are
 * as large again. A process that opens a folder took 5.4 s of processor time so, and takes 2.5.
 */
import { readFile } from "node:fs/promises";
import { promisify } from "node:util";
import { gunzip } from "node:zlib";
import type { Extension } from "@electric-sql/pglite";
import { postgis as bundled } from "@electric-sql/pglite-postgis";

/** The library, the data of its projections, and the scripts that make the extension in a database (others upgrade older ones). */
const NEEDED =
  /^(lib\/postgresql\/postgis-\d+\.so|share\/proj\/.+|share\/postgresql\/extension\/postgis(--[\d.]+)?\.(control|sql))$/;

/** All of the bundle in one piece: to put it together of the usual ones of 16 KB takes half a second. */
const PIECE_BYTES = 96 * 2 ** 20;

/** What Emscripten calls with its module before the program runs. */
type PreRun = (module: {
  FS: { mkdirTree(path: string): void; writeFile(path: string, bytes: Uint8Array): void };
}) => void;

export const postgis: Extension = {
  name: bundled.name,
  async setup(database, options) {
    const { bundlePath, emscriptenOpts } = await bundled.setup(database, options);
    const { WASM_PREFIX: root, preRun } = emscriptenOpts as { WASM_PREFIX: string; preRun: PreRun[] };
    const files = filesOf(await promisify(gunzip)(await readFile(bundlePath), { chunkSize: PIECE_BYTES }));
    preRun.push(({ FS }) => {
      for (const { name, bytes } of files) {
        const path = `${root}/${name}`;
        FS.mkdirTree(path.slice(0, path.lastIndexOf("/")));
        FS.writeFile(path, bytes);
      }
    });
    return { emscriptenOpts };
  },
};

/** Of a header of a tar file, in bytes: https://pubs.opengroup.org/onlinepubs/9799919799/utilities/pax.html (ustar). */
const BLOCK = 512;
const NAME = [0, 100] as const;
const SIZE = [124, 136] as const;

/** The needed files of a tar file whose names are short. */
function filesOf(tar: Buffer): { name: string; bytes: Uint8Array }[] {
  const files = [];
  const text = (at: number, [from, to]: readonly [number, number]) =>
    tar.toString("latin1", at + from, at + to).replace(/\0.*$/s, "");
  // Two blocks of zeros are the end.
  for (let at = 0; at < tar.length && tar[at] !== 0; ) {
    const size = Number.parseInt(text(at, SIZE), 8);
    const name = text(at, NAME);
    const begin = at + BLOCK;
    if (NEEDED.test(name)) files.push({ name, bytes: tar.subarray(begin, begin + size) });
    at = begin + Math.ceil(size / BLOCK) * BLOCK;
  }
  return files;
}
