/** Finds a binary of uWebSockets.js that loads on this machine: the package's own, else the copy that `npm run uws:relink` made. */

import type * as UwsModule from "uWebSockets.js";
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { makeRelinkedCopy, uwsFiles } from "./relink-uws.ts";

/** What is missing in the library's own types. */
interface Untyped {
  LIBUS_LISTEN_EXCLUSIVE_PORT: number;
  App(): UwsModule.TemplatedApp & {
    /** @param done told the socket, or `false`. */
    listen(
      host: string,
      port: number,
      options: number,
      done: (socket: UwsModule.us_listen_socket | false) => void,
    ): void;
  };
}
export type Uws = Omit<typeof UwsModule, "App"> & Untyped;

export type LoadedUws =
  | { uws: Uws; from: "package" | "relinked copy" }
  /** One line on why not. */
  | { uws: undefined; why: string };

/** Of one request; `node:http` allows as much. The library reads it when it loads, from the environment only. */
const MAX_HEADERS_BYTES = 16_384;

export function loadUws(): LoadedUws {
  process.env.UWS_HTTP_MAX_HEADERS_SIZE = String(MAX_HEADERS_BYTES);
  const require = createRequire(import.meta.url);
  try {
    return { uws: require("uWebSockets.js") as Uws, from: "package" };
  } catch (error) {
    const why = (error as Error).message.split("\n").findLast((line) => line.trim() !== "") ?? "";
    const copy = copyPath();
    if (copy === undefined) return { uws: undefined, why };
    try {
      return { uws: require(copy) as Uws, from: "relinked copy" };
    } catch (later) {
      return { uws: undefined, why: `${why}; of the relinked copy: ${(later as Error).message}` };
    }
  }
}

/** The same for tests and benchmarks, which make the copy by themselves where it is wanted and can be made. */
export function loadOrRelinkUws(): LoadedUws {
  const loaded = loadUws();
  if (loaded.uws !== undefined) return loaded;
  try {
    makeRelinkedCopy();
  } catch (error) {
    return { uws: undefined, why: `${loaded.why}; ${(error as Error).message}` };
  }
  return loadUws();
}

function copyPath(): string | undefined {
  try {
    const { copy } = uwsFiles();
    return existsSync(copy) ? copy : undefined;
  } catch {
    // The package is not installed; that is told already.
    return undefined;
  }
}
