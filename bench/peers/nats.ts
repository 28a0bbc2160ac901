/** `nats-server`, and the one that publishes to it: a subject for each tile. Only the server's CPU time counts, movement is not on its account. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import type { Socket } from "node:net";
import type { Fleet } from "../fleet.ts";
import { openSocket } from "../web-socket.ts";
import type { Peer } from "./peer.ts";
import { RECORD_BYTES, TiledFleet } from "./tiled-fleet.ts";
import { finestTile, nameOf, subjectOf, type Tile } from "./tiles.ts";

/** Debian's package puts it where `PATH` of an ordinary user does not look. */
const PROGRAMS = ["nats-server", "/usr/sbin/nats-server"];
const START_MS = 10_000;
/** `USER_HZ`, in which Linux counts CPU time for `/proc`. */
const TICKS_PER_S = 100;
const LINE_END = Buffer.from("\r\n");
/** Of tiles that were published to, by name, as bytes. */
const subjects = new Map<string, Buffer>();

/** Starts it. `undefined` if it is not installed. */
async function startServer(): Promise<{ child: ChildProcess; url: URL } | undefined> {
  for (const program of PROGRAMS) {
    const child = spawn(program, ["-a", "127.0.0.1", "-p", "-1"], { stdio: ["ignore", "ignore", "pipe"] });
    const url = await new Promise<URL | undefined>((resolve, reject) => {
      let output = "";
      const timer = setTimeout(() => reject(new Error(`nats-server did not start:\n${output}`)), START_MS);
      const done = (value: URL | undefined) => {
        clearTimeout(timer);
        resolve(value);
      };
      child.once("error", () => done(undefined));
      child.stderr!.on("data", (chunk) => {
        output += chunk;
        const port = /Listening for client connections on [^\s]*:(\d+)/.exec(output)?.[1];
        if (port !== undefined && output.includes("Server is ready"))
          done(new URL(`http://127.0.0.1:${port}`));
      });
    });
    if (url !== undefined) return { child, url };
  }
  return undefined;
}

/**
 * Entities go to the finest tiles, and viewers listen to those by wildcards. Or `batched`: the publisher knows the tiles that are wanted, of whatever
 * size, and sends each one message with all its records.
 * @param watched tiles of each viewer
 */
export async function startNats(
  fleet: Fleet,
  batched: boolean,
  watched: readonly (readonly Tile[])[],
): Promise<Peer | undefined> {
  const server = await startServer();
  if (server === undefined) return undefined;
  const { child, url } = server;
  const tiled = new TiledFleet(fleet);
  const socket = await openSocket(
    url,
    0,
    'CONNECT {"verbose":false,"pedantic":false}\r\n',
    (chunk) => answer(chunk, socket),
    () => {},
  );
  const wanted = [...new Map(watched.flat().map((tile) => [nameOf(tile), tile])).values()];
  let steps = 0;
  return {
    url: url.href,
    async step() {
      steps += 1;
      tiled.move(steps / 10);
      const messages = batched ? batches(tiled, wanted) : singles(tiled);
      await new Promise((resolve) => socket.write(Buffer.concat(messages), resolve));
      let records = 0;
      for (const tiles of watched) for (const tile of tiles) records += tiled.count(tile);
      return records;
    },
    cpuS: async () => cpuSeconds(child.pid!),
    async [Symbol.asyncDispose]() {
      socket.destroy();
      const exited = once(child, "exit");
      child.kill("SIGKILL");
      await exited;
    },
  };
}

function answer(chunk: Buffer, socket: Socket): void {
  const text = chunk.toString("latin1");
  if (text.includes("-ERR")) throw new Error(`NATS answered ${text}`);
  if (text.includes("PING")) socket.write("PONG\r\n");
}

/** In the order of tiles, so that the server finds a subject in its cache that it has just looked up. */
function singles(tiled: TiledFleet): Buffer[] {
  const parts: Buffer[] = [];
  const size = Buffer.from(` ${RECORD_BYTES}\r\n`);
  for (let place = 0; place < tiled.size; ) {
    const tile = finestTile(tiled.key(place));
    const head = Buffer.concat([publishTo(tile), size]);
    const records = tiled.records(tile);
    for (let at = 0; at < records.length; at += RECORD_BYTES)
      parts.push(head, records.subarray(at, at + RECORD_BYTES), LINE_END);
    place += records.length / RECORD_BYTES;
  }
  return parts;
}

function batches(tiled: TiledFleet, wanted: readonly Tile[]): Buffer[] {
  const parts: Buffer[] = [];
  for (const tile of wanted) {
    const records = tiled.records(tile);
    if (records.length > 0)
      parts.push(publishTo(tile), Buffer.from(` ${records.length}\r\n`), records, LINE_END);
  }
  return parts;
}

function publishTo(tile: Tile): Buffer {
  const name = nameOf(tile);
  let bytes = subjects.get(name);
  if (bytes === undefined) {
    bytes = Buffer.from(`PUB ${subjectOf(tile)}`);
    subjects.set(name, bytes);
  }
  return bytes;
}

/** User and system time of a process, of any thread (proc_pid_stat(5), fields 14 and 15). */
function cpuSeconds(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_S;
}
