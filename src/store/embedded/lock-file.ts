/**
 * A lock file: one process at a time, and nobody waits for the dead.
 *
 * It is made with O_EXCL, names its holder, and is touched by it each second. A holder on this boot in this namespace of process ids is looked
 * for there; of any other (another container on the same folder, another machine, an earlier boot) nothing can be known but whether it still touches its
 * lock, so that one is watched for a while. To replace one whose holder is dead a process must first hold the right to replace this very
 * holder, which is a lock file too. Loser: renaming the stale file away first; of two processes that both found it stale, the slower one renames
 * away what the faster one has just made.
 *
 * A holder that cannot be looked for may be frozen (a paused container) and go on later, at any instruction. So who took over from such a one
 * waits for `ENTER_MS` before it does anything, and a holder looks at its lock again before each write if its last look was `BELIEF_MS` ago: what it
 * writes after that look it writes before the other begins. What remains is a process that is frozen between that look and the call of the system
 * that follows it, some microseconds, or a whole machine whose monotonic clock stands still with it: then one such call may come late.
 */
import { randomUUID } from "node:crypto";
import { readFileSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import type { Clock } from "../../clock.ts";
import { bootId, isOfThisBoot, isRunning, startOf } from "../process-identity.ts";

export interface Holder {
  pid: number;
  bootId: string;
  /** When that process started. */
  started: string;
  /** Of this lock, not of the process. */
  nonce: string;
}

/** What became of the wish for a lock. */
export type Locked = { is: "held"; holder: Holder } | Taken;

export interface Taken {
  is: "taken";
  held: HeldLock;
  /** Calls `lost`, with a sentence, once it is seen that another has the lock; at once if it was. */
  onLost(lost: (why: string) => void): void;
  release(): void;
}

/** A lock that was taken, as any thread can look at it. */
export interface HeldLock {
  path: string;
  /** Of the file; it never changes. */
  content: string;
}

/** What a look at a held lock says. */
export type Look = { is: "ours" } | { is: "lost"; why: string } | { is: "unread"; why: string };

const ATTEMPTS = 10;
/** A file is written at once after it was made; one that stays empty for so long was left by a process that died in between. */
const WRITING_MS = 200;
const TOUCH_MS = 1_000;
/** A lock that is not touched for so long has no holder any more, or one that looks again before it writes; a busy one may miss a few. */
const STILL_MS = 5_000;
const LOOK_MS = 250;
/** Who has seen so lately that the lock is its own acts on it. */
export const BELIEF_MS = 1_000;
/** Who took over a lock of one that may be frozen waits for so long: that one must not believe any more, nor any of its clocks be slower by half. */
const ENTER_MS = 2 * BELIEF_MS;

/** Nonces of the locks that this process holds. */
const ours = new Set<string>();

/** @param clock touches the lock until it is released, and waits if it must be seen whether another's is touched. */
export async function takeLock(path: string, clock: Clock): Promise<Locked> {
  const mine: Holder = {
    pid: process.pid,
    bootId: bootId(),
    started: startOf(process.pid),
    nonce: randomUUID(),
  };
  for (let attempt = 0; ; attempt++) {
    if (create(path, mine)) return taken(path, mine, clock);
    const holder = readHolder(path);
    if (holder === undefined) continue;
    if (attempt >= ATTEMPTS || isAlive(holder)) return { is: "held", holder };
    if (!isHere(holder) && (await isTouched(path, clock))) return { is: "held", holder };
    const right = await takeLock(`${path}.after-${holder.nonce}`, clock);
    if (right.is === "held") return right;
    try {
      // Whoever had the right before has replaced the holder already.
      if (readHolder(path)?.nonce === holder.nonce) {
        replace(path, mine);
        const lock = taken(path, mine, clock);
        if (isHere(holder)) return lock;
        await new Promise<void>((resolve) => clock.schedule(ENTER_MS, resolve));
        if (lookAt(lock.held).is === "ours") return lock;
        lock.release();
      }
    } finally {
      right.release();
    }
  }
}

function taken(path: string, mine: Holder, clock: Clock): Taken {
  ours.add(mine.nonce);
  const held = { path, content: JSON.stringify(mine) };
  let why: string | undefined;
  let lost = (_why: string) => {};
  let cancel = () => {};
  const plan = () => {
    cancel = clock.schedule(TOUCH_MS, () => {
      const look = lookAt(held);
      if (look.is === "lost") {
        why = look.why;
        return lost(why);
      }
      if (look.is === "ours") touch(path, clock.now());
      plan();
    });
  };
  plan();
  return {
    is: "taken",
    held,
    onLost(call) {
      lost = call;
      if (why !== undefined) call(why);
    },
    release() {
      cancel();
      ours.delete(mine.nonce);
      // A process that was frozen for long may find that another has taken over.
      if (lookAt(held).is === "ours") rmSync(path, { force: true });
    },
  };
}

/** It was written before it was held, so what is not whole is another's. That it cannot be read now does not say that it was lost. */
export function lookAt({ path, content }: HeldLock): Look {
  try {
    if (readFileSync(path, "utf8") === content) return { is: "ours" };
    return { is: "lost", why: `another process has taken over ${path}` };
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === "ENOENT") return { is: "lost", why: `${path} is gone` };
    return { is: "unread", why: `${path} cannot be read: ${message}` };
  }
}

function create(path: string, mine: Holder): boolean {
  try {
    writeFileSync(path, JSON.stringify(mine), { flag: "wx" });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  }
  // Whoever took the file for left behind while it was still empty has replaced it.
  return readHolder(path)?.nonce === mine.nonce;
}

function replace(path: string, mine: Holder): void {
  const complete = `${path}.${mine.nonce}`;
  writeFileSync(complete, JSON.stringify(mine));
  renameSync(complete, path);
}

/** @returns `undefined` if there is no file. One that stays empty belongs to nobody: process 0. */
function readHolder(path: string): Holder | undefined {
  const nobody: Holder = { pid: 0, bootId: "", started: "", nonce: "nobody" };
  const pause = new Int32Array(new SharedArrayBuffer(4));
  for (let waited = 0; ; waited += 10) {
    try {
      return { ...nobody, ...(JSON.parse(readFileSync(path, "utf8")) as Partial<Holder>) };
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
      if (!(error instanceof SyntaxError)) throw error;
      if (waited >= WRITING_MS) return nobody;
      // The start of a process waits for nothing else.
      Atomics.wait(pause, 0, 0, 10);
    }
  }
}

function touch(path: string, now: number): void {
  try {
    utimesSync(path, now / 1_000, now / 1_000);
  } catch {
    // The next look says what became of it.
  }
}

/** Whether somebody touches or replaces a lock while it is watched. */
async function isTouched(path: string, clock: Clock): Promise<boolean> {
  const first = touchedAt(path);
  for (const end = clock.monotonic() + STILL_MS; clock.monotonic() < end; ) {
    await new Promise<void>((resolve) => clock.schedule(LOOK_MS, resolve));
    const last = touchedAt(path);
    if (last !== first) return last !== undefined;
  }
  return false;
}

function touchedAt(path: string): number | undefined {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs;
}

/** Whether its process can be looked for from here; nobody's needs no look. */
export function isHere(holder: Holder): boolean {
  return holder.pid === 0 || isOfThisBoot(holder.bootId);
}

function isAlive(holder: Holder): boolean {
  if (holder.pid === process.pid && holder.bootId === bootId()) return ours.has(holder.nonce);
  if (holder.bootId !== bootId() || !isRunning(holder.pid)) return false;
  return holder.started === "" || holder.started === startOf(holder.pid);
}
