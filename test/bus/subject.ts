/** A node on a Redis that comes and goes. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Test } from "tap";
import { systemClock } from "../../src/clock.ts";
import { type Bus, BusAway } from "../../src/cluster/ports.ts";
import { createLog } from "../../src/telemetry/log.ts";
import { openRedisBus } from "../../src/transport/bus/redis-bus.ts";

/** Everything must be well so long after the end of an outage: a back-off, a connection, or the wait for one that hangs. */
export const BACK_MS = 8_000;
/** "At once", on a busy machine. */
export const AT_ONCE_MS = 100;

export interface Subject {
  bus: Bus;
  received: string[];
  losses: number;
}

export async function open(t: Test, url: string, channels = ["a", "b"]): Promise<Subject> {
  const bus = await openRedisBus({ url, log: createLog("silent"), clock: systemClock, random: Math.random });
  t.teardown(() => bus.close());
  const subject: Subject = { bus, received: [], losses: 0 };
  bus.onLoss(() => subject.losses++);
  for (const channel of channels)
    await bus.subscribe(channel, (payload) => subject.received.push(`${channel}${Buffer.from(payload)}`));
  return subject;
}

/** @returns how long it took to be refused, ms. */
export async function refusedPublish(t: Test, { bus }: Subject, payload = Buffer.from("!")): Promise<number> {
  const start = performance.now();
  await t.rejects(bus.publish("a", payload), BusAway);
  return performance.now() - start;
}

/** Tries until messages come on both channels. */
export async function comesBack(t: Test, subject: Subject): Promise<void> {
  const start = performance.now();
  subject.received.length = 0;
  const both = () => subject.received.includes("aback") && subject.received.includes("bback");
  while (!both() && performance.now() - start < BACK_MS) {
    for (const channel of ["a", "b"]) await subject.bus.publish(channel, Buffer.from("back")).catch(() => {});
    await sleep(20);
  }
  t.ok(both(), `works again within ${BACK_MS} ms, after ${Math.round(performance.now() - start)} ms`);
}
