import { spawn } from "node:child_process";
import { existsSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import t, { type Test } from "tap";
import { systemClock } from "../../../src/clock.ts";
import { type Locked, type Taken, takeLock } from "../../../src/store/embedded/lock-file.ts";
import { bootId } from "../../../src/store/process-identity.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { NODE } from "../../support/node-program.ts";
import { temporaryFolder } from "../../support/serve.ts";
import { makeUnreadable } from "../../support/unreadable.ts";

const RACER = join(import.meta.dirname, "lock-racer.ts");
const RIVALS = 3;
const LOCKS = 60;
const STEP_MS = 15;

t.test(
  "[D13] of processes that find a lock free or left behind at the same moment, one gets it",
  async (t) => {
    const folder = await temporaryFolder(t);
    for (let i = 0; i < LOCKS; i++) {
      if (i % 3 === 0) continue;
      const dead = { pid: 2 ** 22 + 1, bootId: bootId(), started: "1", nonce: `dead-${i}` };
      writeFileSync(join(folder, `lock-${i}`), i % 3 === 1 ? JSON.stringify(dead) : "");
    }
    const racers = Array.from({ length: RIVALS }, () => startRacer(t, folder));
    for (const racer of racers) t.equal(await racer.line(), "ready");
    const start = Date.now() + 50;
    for (const { child } of racers) child.stdin.write(`${start}\n`);
    const taken = await Promise.all(racers.map(async (racer) => JSON.parse(await racer.line()) as number[]));
    for (const { child } of racers) child.stdin.end();
    t.same(
      taken.flat().sort((a, b) => a - b),
      Array.from({ length: LOCKS }, (_, i) => i),
      "each by one, none by two",
    );
  },
);

function startRacer(t: Test, folder: string) {
  const [command, ...before] = NODE;
  const child = spawn(command, [...before, RACER, folder, String(LOCKS), String(STEP_MS)], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  t.teardown(() => {
    child.kill("SIGKILL");
  });
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
  return { child, line: async () => String((await lines.next()).value) };
}

t.test("[D13] a lock that is given back can be had again, one that is held cannot", async (t) => {
  const path = join(await temporaryFolder(t), "lock");
  const first = await takeLock(path, systemClock);
  t.equal(first.is, "taken");
  t.match(await takeLock(path, systemClock), { is: "held", holder: { pid: process.pid } });
  release(first);
  const second = await takeLock(path, systemClock);
  t.equal(second.is, "taken");
  release(second);
});

t.test("[D22] a lock of a process that cannot be looked for", async (t) => {
  const path = join(await temporaryFolder(t), "lock");
  const [boot] = bootId().split("/");
  const clock = new FakeClock();
  const touch = () => utimesSync(path, clock.now() / 1_000, clock.now() / 1_000);
  /** Wants the lock that a process elsewhere left; its process id is one that runs here, or none. */
  const want = (pid: number, elsewhere: string) => {
    writeFileSync(path, JSON.stringify({ pid, bootId: elsewhere, started: "1", nonce: "theirs" }));
    touch();
    const state: { locked: Locked | undefined } = { locked: undefined };
    void takeLock(path, clock).then((locked) => {
      state.locked = locked;
    });
    return state;
  };
  for (const elsewhere of [`${boot}/pid:[1]`, "another boot/pid:[1]"]) {
    for (const pid of [2 ** 22 + 1, process.pid]) {
      const still = want(pid, elsewhere);
      await clock.advance(4_500);
      t.equal(still.locked, undefined, "it is watched");
      await clock.advance(1_000);
      t.notMatch(readFileSync(path, "utf8"), /theirs/, "it stood still");
      t.equal(still.locked, undefined, "its holder may go on before it looks again");
      await clock.advance(2_000);
      t.equal(still.locked?.is, "taken");
      release(still.locked);

      const touched = want(pid, elsewhere);
      await clock.advance(4_000);
      touch();
      await clock.advance(500);
      t.match(touched.locked, { is: "held", holder: { pid } });
      rmSync(path);

      const released = want(pid, elsewhere);
      await clock.advance(1_000);
      rmSync(path);
      await clock.advance(500);
      t.equal(released.locked?.is, "taken", "it was given back meanwhile");
      release(released.locked);
    }
  }
});

t.test(
  "[D22] a holder touches its lock each second, until another has taken it over or it is given back",
  async (t) => {
    const path = join(await temporaryFolder(t), "lock");
    const clock = new FakeClock();
    const locked = await takeLock(path, clock);
    for (let second = 0; second < 3; second++) {
      const before = statSync(path).mtimeMs;
      await clock.advance(1_000);
      t.not(statSync(path).mtimeMs, before);
    }
    writeFileSync(path, JSON.stringify({ pid: 1, bootId: "another", started: "1", nonce: "theirs" }));
    release(locked);
    t.match(readFileSync(path, "utf8"), /theirs/, "what is another's is left alone");
    t.equal(clock.pending, 0);
  },
);

t.test("[D50] a holder whose lock is another's, or gone, is told once, and leaves it alone", async (t) => {
  const path = join(await temporaryFolder(t), "lock");
  const theirs = JSON.stringify({ pid: 1, bootId: "another", started: "1", nonce: "theirs" });
  for (const [found, told] of [
    [theirs, /another process has taken over/],
    [theirs.slice(0, 20), /another process has taken over/],
    [undefined, /is gone/],
  ] as const) {
    const clock = new FakeClock();
    const locked = (await takeLock(path, clock)) as Taken;
    const heard: string[] = [];
    locked.onLost((why) => heard.push(why));
    await clock.advance(3_000);
    t.same(heard, []);
    rmSync(path);
    if (found !== undefined) {
      writeFileSync(path, found);
      utimesSync(path, 1, 1);
    }
    await clock.advance(5_000);
    t.match(heard, [told]);
    t.equal(heard.length, 1);
    locked.onLost((why) => heard.push(why));
    t.equal(heard.length, 2, "also who asks later");
    locked.release();
    t.equal(clock.pending, 0);
    if (found === undefined) t.notOk(existsSync(path));
    else t.equal(statSync(path).mtimeMs, 1_000, "it is not touched");
    rmSync(path, { force: true });
  }
});

t.test("[D50] a lock that cannot be read for a while is not lost", async (t) => {
  const path = join(await temporaryFolder(t), "lock");
  const clock = new FakeClock();
  const locked = (await takeLock(path, clock)) as Taken;
  const heard: string[] = [];
  locked.onLost((why) => heard.push(why));
  const readable = makeUnreadable(path);
  await clock.advance(10_000);
  readable();
  const before = statSync(path).mtimeMs;
  await clock.advance(1_000);
  t.not(statSync(path).mtimeMs, before, "it is touched again");
  t.same(heard, []);
  locked.release();
  t.notOk(existsSync(path));
});

t.test("[D50] who has taken over and loses the lock before it was used has not got it", async (t) => {
  const path = join(await temporaryFolder(t), "lock");
  const clock = new FakeClock();
  const left = (nonce: string) =>
    writeFileSync(path, JSON.stringify({ pid: 1, bootId: "another", started: "1", nonce }));
  left("frozen");
  const wanted = takeLock(path, clock);
  while (/frozen/.test(readFileSync(path, "utf8"))) await clock.advance(250);
  left("another");
  for (let ms = 0; ms < 4_000; ms += 250) {
    await clock.advance(250);
    utimesSync(path, clock.now() / 1_000, clock.now() / 1_000);
  }
  t.match(await wanted, { is: "held", holder: { nonce: "another" } });
});

function release(locked: Locked | undefined): void {
  if (locked?.is === "taken") locked.release();
}
