// A process that wants many locks, each at about the same moment as its rivals. Arguments: folder, number of locks, milliseconds between. It says
// "ready", begins at the moment that it is then told (Unix ms), says which it took, and lives until its standard input ends.
import { once } from "node:events";
import { join } from "node:path";
import { systemClock } from "../../../src/clock.ts";
import { takeLock } from "../../../src/store/embedded/lock-file.ts";

const [folder = "", locks, step] = process.argv.slice(2);
const taken: number[] = [];
process.stdout.write("ready\n");
const start = Number((await once(process.stdin, "data"))[0]);
for (let i = 0; i < Number(locks); i++) {
  while (Date.now() < start + i * Number(step));
  if ((await takeLock(join(folder, `lock-${i}`), systemClock)).is === "taken") taken.push(i);
}
process.stdout.write(`${JSON.stringify(taken)}\n`);
// Rivals must not find this one dead before they are through.
process.stdin.resume().on("end", () => process.exit());
