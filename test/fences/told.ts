/** What is told of entities that enter and leave fences, through the actors. */
import t from "tap";
import type { JsonObject, Report } from "../../src/actors/messages.ts";
import { type Harness, report, seen, startSystem } from "../support/actor-system.ts";
import { Fences, square } from "./written.ts";

export async function start(...fences: [name: string, properties?: JsonObject][]) {
  const store = new Fences();
  const h = await startSystem();
  h.system.fences.take(fences.map(([name, properties]) => store.next(name, square(0, 0, properties))));
  return { h, store };
}

export async function tell(h: Harness, seconds: number, lon: number, more: Partial<Report> = {}, id = "a") {
  const answer = h.system.router.submit([report(id, seconds, { lon, lat: 0, ...more })]);
  // A flush with many events waits a little.
  await h.clock.advance(30);
  t.match(await answer, { accepted: 1 });
}

export const [INSIDE, OUTSIDE] = [0, 5];
const START = Date.UTC(2026, 0, 1);
export const at = (seconds: number) => new Date(START + seconds * 1_000).toISOString();

export const events = ({ store }: Harness, id = "a") =>
  store.events.filter(({ subject, type }) => subject === id && type.startsWith("fence."));
export const told = (h: Harness, id = "a") =>
  events(h, id).map(({ type, data }) => `${type.slice(6)} ${data.fence} ${data.reason}`);
export const fencesOf = (h: Harness, id = "a") => seen(h.system, id)?.fences;

/** Time enough for entities that nothing happens to. */
export const settle = (h: Harness) => h.clock.advance(1_000);
