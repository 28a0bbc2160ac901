import { readFileSync, readlinkSync } from "node:fs";

export const UNKNOWN_BOOT = "unknown";

/**
 * Names this boot of this machine, as processes see it: the kernel's boot id and the namespace of process ids, since containers share the
 * kernel and not the numbers. Equal = a process id can be compared.
 */
export function bootId(): string {
  try {
    const boot = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
    return `${boot}/${readlinkSync("/proc/self/ns/pid")}`;
  } catch {
    return UNKNOWN_BOOT;
  }
}

/** Whether what was noted at another start was noted on this boot, so that its process can be looked for. */
export function isOfThisBoot(noted: string): boolean {
  return noted !== UNKNOWN_BOOT && noted === bootId();
}

/** Whether there is a process with this id. */
export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

/**
 * When a process started, in clock ticks since the boot, as text; "" if that cannot be known. Tells a process from a later one with
 * the same id.
 */
export function startOf(pid: number): string {
  try {
    // proc(5): the 22nd field; the 2nd is a name in parentheses that may hold anything.
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19] ?? "";
  } catch {
    return "";
  }
}
