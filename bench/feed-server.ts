/**
 * A feed over a picture that moves by itself: what fan-out costs without actors and journal. Sockets, feed and picture are the
 * node's own; every `1 / rate` seconds all entities move, and then a base tick publishes them.
 */

import { parseArgs } from "node:util";
import { Policy } from "../src/access/policy.ts";
import { ADMIN } from "../src/access/ports.ts";
import { admitted, createUpgrade } from "../src/auth/upgrade.ts";
import { systemClock, systemId } from "../src/clock.ts";
import { BASE_TICK_MS, MAX_CONNECTIONS, MAX_FEED_MESSAGE_BYTES } from "../src/limits.ts";
import { FilterTime } from "../src/picture/filter-time.ts";
import { Picture } from "../src/picture/picture.ts";
import { createLog } from "../src/telemetry/log.ts";
import { createMetrics } from "../src/telemetry/metrics.ts";
import { Feed } from "../src/transport/feed/feed.ts";
import { decodeReport } from "../src/transport/ingest/report.ts";
import { chooseServer } from "../src/transport/server/choose-server.ts";
import type { ServerChoice } from "../src/transport/server/server.ts";
import { Fleet } from "./fleet.ts";

const { values } = parseArgs({
  options: { entities: { type: "string" }, seed: { type: "string" }, rate: { type: "string" } },
});
const rate = Number(values.rate);
const ticksPerStep = 1_000 / BASE_TICK_MS / rate;
const fleet = new Fleet({ entities: Number(values.entities), seed: Number(values.seed) });

const picture = new Picture();
const { columns } = picture;
const kind = columns.kinds.number("vessel");
const state = columns.states.number("online.moving");
for (let i = 0; i < fleet.size; i++) {
  const slot = picture.add(fleet.id(i), 0);
  columns.kind.set(slot, kind);
  columns.state.set(slot, state);
  columns.speed.set(slot, fleet.speed[i]);
  columns.course.set(slot, fleet.course[i]);
}

/** Puts the fleet where it is `seconds` after the start. The slot of an entity is its number. */
function move(seconds: number): void {
  const now = Date.now();
  for (let i = 0; i < fleet.size; i++) {
    columns.t.set(i, now);
    columns.received.set(i, now);
    columns.seq.set(i, columns.seq.of(i) + 1);
    picture.place(i, fleet.lonAt(i, seconds), fleet.latAt(i, seconds));
  }
}

const log = createLog("warn");
const feed = new Feed({
  policy: new Policy(),
  picture,
  ingest: { overloaded: true, submit: () => Promise.reject(new Error("this server takes no reports")) },
  commands: { command: () => Promise.reject(new Error("this server takes no commands")) },
  newId: systemId,
  clock: systemClock,
  log,
  filterTime: new FilterTime(systemClock),
  decodeReport,
});
const metrics = createMetrics([
  counter("muster_feed_updates_total", () => feed.stats.updates),
  counter("muster_feed_frames_total", () => feed.stats.frames),
  counter("muster_feed_bytes_total", () => feed.stats.bytes),
  counter("muster_feed_skipped_total", () => feed.stats.skipped),
  gauge("muster_feed_connections", () => feed.stats.connections),
]);
const token = process.env.MUSTER_ADMIN_TOKEN;
const options = {
  async fetch() {
    // With --expose-gc: what is alive is wanted, not what V8 has not yet thrown away. Twice, as finalizers free things in between.
    for (let i = 0; i < 2; i++) globalThis.gc?.({ type: "major", execution: "sync", flavor: "last-resort" });
    return new Response(await metrics.registry.metrics());
  },
  upgrade: createUpgrade({ identify: (offered) => (offered === token ? ADMIN : undefined) }),
  socket: admitted(feed.handlers),
  maxMessageBytes: MAX_FEED_MESSAGE_BYTES,
  maxConnections: MAX_CONNECTIONS,
};
const { create } = chooseServer((process.env.MUSTER_SERVER || "auto") as ServerChoice);
const server = create(options, (error) => log.error({ err: error }, "a connection failed"));

/** In place of the feed's own timer: a base tick is never left out, so the step that one publishes is known from its number. */
function tick(number: number, origin: number): void {
  if (number % ticksPerStep === 0) move(number / ticksPerStep / rate);
  feed.tick();
  const due = origin + number * BASE_TICK_MS;
  setTimeout(() => tick(number + 1, origin), Math.max(0, due - performance.now()));
}

move(0);
const port = await server.listen("127.0.0.1", 0);
console.log(`Muster is at http://127.0.0.1:${port}/`);
tick(1, performance.now());
process.once("SIGTERM", () => process.exit());

function gauge(name: `muster_${string}`, read: () => number) {
  return { name, help: name, kind: "gauge", read } as const;
}
function counter(name: `muster_${string}`, read: () => number) {
  return { name, help: name, kind: "counter", read } as const;
}
