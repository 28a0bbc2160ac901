/** What tests that start installed programs have in common. */
import { execFile } from "node:child_process";
import { randomInt } from "node:crypto";
import { once } from "node:events";
import { existsSync, mkdirSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { KEPT } from "./temporary.ts";

const run = promisify(execFile);
const INSTALL_MS = 600_000;

/** Whether this is root on Debian or Ubuntu. */
export function canInstall(): boolean {
  return process.getuid?.() === 0 && existsSync("/usr/bin/apt-get");
}

/** Lets `install` use apt; test files that want it at once wait for each other. */
export async function withApt<R>(
  install: (aptGet: (...args: string[]) => Promise<unknown>) => Promise<R>,
): Promise<R> {
  const lock = join(KEPT, "muster-test-apt-lock");
  const end = Date.now() + INSTALL_MS;
  while (!madeFolder(lock)) {
    if (Date.now() > end)
      throw new Error(`another test is installing packages for too long; if not, remove ${lock}`);
    await sleep(1_000);
  }
  try {
    const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
    return await install((...args) => run("apt-get", args, { env, maxBuffer: 2 ** 26 }));
  } finally {
    rmSync(lock, { recursive: true });
  }
}

function madeFolder(path: string): boolean {
  try {
    mkdirSync(path);
    return true;
  } catch {
    return false;
  }
}

/** None of those that systems give to connections: these take one between now and when it is listened on. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(20_000, 32_000);
    const probe = createServer();
    const listens = new Promise<boolean>((resolve) => {
      probe.once("error", () => resolve(false)).listen(port, "127.0.0.1", () => resolve(true));
    });
    if (!(await listens)) continue;
    probe.close();
    await once(probe, "close");
    return port;
  }
}
