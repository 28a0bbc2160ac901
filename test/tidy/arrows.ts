/** Which folders may import from which. */
import type { Arrows } from "./imports.ts";

/** Files that import nothing but types and each other, so that the SDK stays without dependencies. */
const SHARED_WITH_SDK = [
  "src/transport/feed/protocol.ts",
  "src/transport/feed/layout.ts",
  "src/transport/feed/batch-layout.ts",
  "src/picture/dead-reckoning.ts",
];

/** No I/O in `actors` and `picture`; `node.ts` and `main.ts` know everybody; the SDK takes nothing from the server but types. */
export const ARROWS: Arrows = {
  "src/clock.ts": ["*"],
  "src/limits.ts": ["node:assert/strict"],
  "src/version.ts": [],
  "src/config.ts": [
    "src/limits.ts",
    "src/auth/admin-token.ts",
    // The servers that there are to choose from.
    "src/transport/server/server.ts",
    "node:*",
  ],
  "src/uws-relink.ts": ["src/transport/server/relink-uws.ts"],
  "src/node.ts": ["*"],
  "src/main.ts": ["*"],
  // Parts of the composition that are worth a file of their own.
  "src/entity-rows.ts": ["src/actors", "src/picture", "src/limits.ts", "types:src"],
  "src/erasure.ts": ["src/actors/ports.ts"],
  "src/configuration.ts": ["src/actors/ports.ts", "src/limits.ts", "types:src"],
  "src/held-configuration.ts": ["src/configuration.ts", "types:src"],
  "src/webhook-delivery.ts": ["src/clock.ts", "src/limits.ts", "src/transport", "src/webhooks", "types:src"],
  "src/readings.ts": ["types:src"],
  "src/health.ts": ["types:src"],
  "src/replay.ts": ["client", "src/actors/messages.ts", "src/limits.ts", "types:src", "node:*"],
  "src/actors/deletion-key.ts": ["node:crypto"],
  "src/actors": [
    "src/actors",
    "src/picture",
    "src/tracks",
    "src/clock.ts",
    "src/limits.ts",
    "node:assert/strict",
    "node:buffer",
  ],
  // Time, chance, bus and authority are values here, so that a whole cluster can be simulated.
  "src/picture": [
    "src/picture",
    "src/actors/messages.ts",
    "types:src/actors",
    "src/clock.ts",
    "src/limits.ts",
    "node:assert/strict",
    "node:buffer",
  ],
  "src/tracks": [
    "src/tracks",
    "src/actors/bytes.ts",
    "src/actors/shard-hash.ts",
    "src/picture",
    "src/clock.ts",
    "src/limits.ts",
    "node:assert/strict",
    "node:buffer",
  ],
  // The ports that it wants are below; who implements them imports them, as with `actors`.
  "src/cluster": [
    "src/cluster",
    "src/actors",
    "src/picture",
    "src/tracks",
    "src/clock.ts",
    "src/limits.ts",
    "node:assert/strict",
    "node:buffer",
  ],
  // The log of events and who reads it, over the port that it wants.
  "src/events": ["src/events", "src/actors", "src/picture", "src/clock.ts", "src/limits.ts"],
  "src/webhooks": ["src/webhooks", "src/events", "src/actors", "src/clock.ts", "src/limits.ts", "node:*"],
  "src/store": [
    "src/store",
    "src/cluster/ports.ts",
    "src/webhooks/ports.ts",
    "src/events/ports.ts",
    "src/events/cursor.ts",
    "src/actors",
    "src/picture",
    "src/tracks",
    "src/clock.ts",
    "src/limits.ts",
    "src/version.ts",
    "src/telemetry",
    "migrations",
    "node:*",
  ],
  "src/transport": [
    "src/transport",
    "src/actors",
    "src/cluster/ports.ts",
    "types:src/cluster",
    "src/events",
    "src/webhooks",
    "src/picture",
    "src/tracks",
    "src/auth",
    "src/telemetry",
    "src/clock.ts",
    "src/limits.ts",
    "node:*",
  ],
  "src/transport/bus": [
    "src/transport/bus",
    // The port that it implements.
    "src/cluster/ports.ts",
    "src/clock.ts",
    "src/limits.ts",
    "types:src/telemetry",
    "node:*",
  ],
  "src/auth": [
    "src/auth",
    "src/transport/http",
    "src/transport/feed/protocol.ts",
    "types:src/transport",
    "src/limits.ts",
    "src/clock.ts",
    "node:*",
  ],
  "src/telemetry": ["src/telemetry", "types:src", "src/limits.ts", "src/clock.ts", "node:*"],
  migrations: ["migrations", "src/store"],
  // What both ends must agree on: the vocabulary of the feed, its bytes, and the way on between two fixes.
  client: ["client", ...SHARED_WITH_SDK, "types:src"],
  web: ["web", "client", ...SHARED_WITH_SDK, "types:src"],
  "web/build.ts": ["web", "node:*"],
  // The nodes that `cluster` measures are started, and their shards looked at, as those that chaos breaks.
  bench: [
    "bench",
    "chaos/local-cluster.ts",
    "chaos/database-side.ts",
    "client",
    "src",
    // Servers of this machine, for peers.
    "test/support/programs.ts",
    "test/support/redis.ts",
    "node:*",
  ],
  chaos: ["chaos", "client", "src", "test/support", "node:*"],
  test: ["*"],
};
