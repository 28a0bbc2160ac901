/** The thread that PostgreSQL runs in: PGlite with PostGIS over a folder. It executes whole protocol units, one after the other. */
import { parentPort, workerData } from "node:worker_threads";
import { PGlite } from "@electric-sql/pglite";
import { systemClock } from "../../clock.ts";
import { GuardedFolder } from "./guarded-folder.ts";
import type { HeldLock } from "./lock-file.ts";
import { postgis } from "./postgis.ts";

/** From the main thread: run a unit, or close. Answers come back in the same order. */
export type ToWorker = { is: "unit"; id: number; bytes: Uint8Array } | { is: "close" };
/** The folder of the database's files, and the lock that it is written under. */
export interface WorkerData {
  folder: string;
  lock: HeldLock;
}
export type FromWorker =
  | { is: "ready" }
  | { is: "failed"; message: string }
  | { is: "answer"; id: number; bytes: Uint8Array }
  /** The unit crashed the engine, not just the statement. */
  | { is: "crashed"; id: number; message: string }
  /** The folder is another process's. */
  | { is: "lost"; message: string }
  | { is: "closed" };

/** ENOSPC, as WASI numbers it. */
const NO_ROOM = 51;

const port = parentPort;
if (port === null) throw new Error("this file runs in a worker thread");
const send = (message: FromWorker, transfer: ArrayBuffer[] = []) => port.postMessage(message, transfer);

try {
  const { folder, lock } = workerData as WorkerData;
  const files = new GuardedFolder(folder, lock, systemClock, lose);
  const database = await PGlite.create({ fs: files, extensions: { postgis } });
  let last: Promise<void> = Promise.resolve();
  port.on("message", (message: ToWorker) => {
    last = last.then(() =>
      message.is === "close" ? close(database) : run(database, files, message.id, message.bytes),
    );
  });
  send({ is: "ready" });
} catch (error) {
  send({ is: "failed", message: textOf(error) });
}

/** Errors of Emscripten's file system have a number (of WASI) and no message. */
function textOf(error: unknown): string {
  const { message, code, errno } = error as { message?: string; code?: string; errno?: number };
  if (message !== undefined || code !== undefined || errno === undefined)
    return message ?? code ?? String(error);
  return errno === NO_ROOM ? "the disk has no room for it" : `error ${errno} of its file system`;
}

/** PostgreSQL is in the middle of something, and must not go on with it. */
function lose(message: string): never {
  send({ is: "lost", message });
  process.exit(1);
  // A thread ends at the next turn of a loop.
  for (;;);
}

async function run(database: PGlite, files: GuardedFolder, id: number, unit: Uint8Array): Promise<void> {
  const stack = (database.Module as unknown as { ___stack_pointer: WebAssembly.Global }).___stack_pointer;
  const before = stack.value;
  try {
    const answer = await database.execProtocolRaw(unit, { syncToFs: false });
    // PGlite leaves the frames of a statement that failed: 704 bytes each, and after 3,000 the stack was full and memory overwritten.
    stack.value = before;
    // Also what wrote nothing must not be told of a folder of another.
    files.check();
    // A window on PGlite's memory must not be transferred.
    const whole = answer.byteLength === answer.buffer.byteLength;
    const bytes = whole ? (answer as Uint8Array<ArrayBuffer>) : answer.slice();
    send({ is: "answer", id, bytes }, [bytes.buffer]);
  } catch (error) {
    send({ is: "crashed", id, message: textOf(error) });
  }
}

async function close(database: PGlite): Promise<void> {
  await database.close();
  send({ is: "closed" });
}
