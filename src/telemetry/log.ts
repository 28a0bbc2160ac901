/** The log: JSON lines for machines, one readable line for people. */
import { Writable } from "node:stream";
import { type DestinationStream, type Logger, pino, stdTimeFunctions } from "pino";
import type { LogLevel } from "../config.ts";

export type Log = Logger;

/** Names that carry secrets, wherever an object with them is logged. */
const SECRETS = ["token", "*.token", "authorization", "*.authorization", "cookie", "*.cookie"];

/**
 * @param out where it goes; a terminal gets readable lines. Default: standard output.
 */
export function createLog(
  level: LogLevel,
  out: NodeJS.WritableStream & { isTTY?: boolean } = process.stdout,
): Log {
  return pino(
    { level, base: undefined, timestamp: stdTimeFunctions.isoTime, redact: SECRETS },
    out.isTTY ? readable(out) : (out as DestinationStream),
  );
}

/** Rewrites pino's JSON lines: time, level, message, then what else there is. */
function readable(out: NodeJS.WritableStream): DestinationStream {
  return new Writable({
    decodeStrings: false,
    write(line: string | Buffer, _encoding, done) {
      out.write(readableLine(String(line)));
      done();
    },
  });
}

/** One JSON line of pino as a readable one: `12:34:56.789 warn  store is away  attempt=3`. The time is UTC. */
export function readableLine(line: string): string {
  const { level, time, msg, err, ...rest } = JSON.parse(line) as Record<string, unknown>;
  const name = pino.levels.labels[Number(level)] ?? String(level);
  const members = Object.entries(rest).map(
    ([key, value]) => `${key}=${typeof value === "string" ? value : JSON.stringify(value)}`,
  );
  const parts = [`${String(time).slice(11, 23)} ${name.padEnd(5)} ${msg ?? ""}`, ...members];
  const { stack, message } = (err ?? {}) as { stack?: string; message?: string };
  return `${parts.join("  ")}\n${err === undefined ? "" : `${stack ?? message}\n`}`;
}
