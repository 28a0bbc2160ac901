import type { FenceVersion } from "../../src/actors/fences/ports.ts";
import { compileMachine, type Machine } from "../../src/actors/machine/compile.ts";
import type { MachineVersion } from "../../src/actors/machine/ports.ts";
import { TRACKED } from "../../src/actors/machine/tracked.ts";
import type { CommandResult, Report, Request } from "../../src/actors/messages.ts";
import type { Traces } from "../../src/actors/ports.ts";
import type { ReceiveOptions } from "../../src/actors/receive.ts";
import { ActorSystem } from "../../src/actors/system.ts";
import { BUSY_FLUSH_INTERVAL_MS } from "../../src/limits.ts";
import { FakeClock } from "./fake-clock.ts";
import { MemoryStore } from "./memory-store.ts";
import { numbersOf } from "./numbers-of.ts";

const tracked = compileMachine(TRACKED);

export const RECEIVE: ReceiveOptions = {
  maxClockSkew: 60_000,
  maxReportAge: 15 * 365 * 86_400_000,
  staleAfter: 300_000,
  lostAfter: 1_800_000,
  expiredAfter: 86_400_000,
};

export interface Harness {
  system: ActorSystem;
  store: MemoryStore;
  clock: FakeClock;
  lost: number[][];
  fatal: unknown[];
}

/** A started system over a store in memory, on a clock moved by hand. Give the store of an earlier one to restart it. */
export async function startSystem(
  options: {
    store?: MemoryStore;
    clock?: FakeClock;
    machine?: Machine;
    /** What is read before shards are woken. */
    machines?: readonly MachineVersion[];
    fences?: readonly FenceVersion[];
    receive?: Partial<ReceiveOptions>;
    traces?: Traces;
  } = {},
): Promise<Harness> {
  const store = options.store ?? new MemoryStore();
  const clock = options.clock ?? new FakeClock();
  store.incarnation += 1;
  const lost: number[][] = [];
  const fatal: unknown[] = [];
  const system: ActorSystem = new ActorSystem({
    receive: { ...RECEIVE, ...options.receive },
    machine: options.machine ?? tracked,
    readMachines: async () => system.machines.take(options.machines ?? []),
    readFences: async () => system.fences.take(options.fences ?? []),
    store,
    traces: options.traces,
    clock,
    onCheckpoint: () => {},
    onLost: (shards) => lost.push([...shards]),
    onAway: () => {},
    onFatal: (error) => fatal.push(error),
  });
  const started = system.start();
  await clock.advance(0);
  await started;
  return { system, store, clock, lost, fatal };
}

/** A circle of 1 km around where vessels report from. */
export const HARBOUR: FenceVersion = {
  ...{ name: "harbour", version: 1, since: 1, revision: 1, changedAt: Date.UTC(2026, 0, 1) },
  definition: {
    type: "Feature",
    geometry: { type: "Point", coordinates: [25, 60] },
    properties: { radius: 1_000 },
  },
};

/** A report of a vessel, `seconds` after the harness' clock began. */
export function report(id: string, seconds: number, more: Partial<Report> = {}): Report {
  return { id, t: Date.UTC(2026, 0, 1) + seconds * 1_000, kind: "vessel", lon: 25, lat: 60, ...more };
}

/** Everything that can be seen of an entity, without what depends on the slot. */
export function seen(system: ActorSystem, id: string) {
  const slot = system.picture.find(id);
  if (slot < 0) return undefined;
  const c = system.picture.columns;
  return {
    id,
    ...numbersOf(c, slot),
    attributes: c.attributes.get(slot) ?? "{}",
    labels: c.labels.get(slot) ?? [],
    timers: system.table.memory.get(slot).timers,
    fences: c.fences.get(slot) ?? [],
    occupied: system.table.occupied.get(slot) ?? [],
  };
}

/** Resolves to the answer, on a clock moved by hand. */
export async function submit({ system, clock }: Harness, ...reports: Report[]) {
  const answer = system.router.submit(reports);
  await clock.advance(BUSY_FLUSH_INTERVAL_MS);
  return answer;
}

/** Resolves to the answer, or to `undefined` after 20 s on a clock moved by hand. */
export async function ask(h: Harness, request: Request): Promise<CommandResult | undefined> {
  let answer: CommandResult | undefined;
  void h.system.router.command(request).then((result) => {
    answer = result;
  });
  for (let turn = 0; turn < 1_000 && answer === undefined; turn++) await h.clock.advance(20);
  return answer;
}

export async function stop(h: Harness) {
  const stopped = h.system.stop();
  await h.clock.advance(1_000);
  await stopped;
}
