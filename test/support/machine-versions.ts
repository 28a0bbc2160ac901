/** Machines of entities, as tests change and look at them. */

import t from "tap";
import { compileMachine } from "../../src/actors/machine/compile.ts";
import { parseMachine } from "../../src/actors/machine/definition.ts";
import { timersOf, timersSince } from "../../src/actors/machine/migrate.ts";
import type { MachineVersion } from "../../src/actors/machine/ports.ts";
import type { JsonObject } from "../../src/actors/messages.ts";
import { BUSY_FLUSH_INTERVAL_MS } from "../../src/limits.ts";
import { type Harness, report } from "./actor-system.ts";

/** The versions of one machine, as a store would make them. */
export class Versions {
  readonly #name: string;
  last: MachineVersion | undefined;

  constructor(name: string) {
    this.#name = name;
  }

  next(definition: JsonObject | undefined, kinds = ["vessel"]): MachineVersion {
    const version = (this.last?.version ?? 0) + 1;
    const timers =
      definition === undefined
        ? []
        : timersOf(compileMachine(parseMachine({ id: this.#name, ...definition })));
    this.last = {
      name: this.#name,
      version,
      revision: version,
      kinds: definition === undefined ? [] : kinds,
      definition: definition && { id: this.#name, ...definition },
      timersSince: timersSince(timers, version, this.last?.timersSince),
      changedAt: 0,
    };
    return this.last;
  }
}

export async function tell(h: Harness, id: string, seconds: number, more = {}) {
  const answer = h.system.router.submit([report(id, seconds, { speed: 5, ...more })]);
  await h.clock.advance(BUSY_FLUSH_INTERVAL_MS);
  t.equal((await answer).accepted, 1);
}

export async function command(h: Harness, id: string, name: string) {
  const answer = h.system.router.command({ id: `${name} ${h.clock.now()}`, entity: id, name });
  await h.clock.advance(BUSY_FLUSH_INTERVAL_MS);
  return answer;
}

export function contextOf({ system }: Harness, id: string) {
  return system.table.memory.get(system.picture.find(id)).context;
}

export const about = ({ store }: Harness, id: string) =>
  store.events.filter(({ subject }) => subject === id).map(({ type, data }) => ({ type, data }));

/** Time enough for entities that nothing happens to. */
export const settle = (h: Harness) => h.clock.advance(1_000);
