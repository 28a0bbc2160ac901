/** A store, the end of its log, and a server: what a test writes as events can be read in every way. */

import type { Test } from "tap";
import type { Authority } from "../../src/access/permitted-now.ts";
import { Policy } from "../../src/access/policy.ts";
import type { Identify } from "../../src/access/ports.ts";
import type { EventFact } from "../../src/actors/messages.ts";
import { identifyAdmin } from "../../src/auth/admin-token.ts";
import { admitted, createUpgrade } from "../../src/auth/upgrade.ts";
import { systemClock } from "../../src/clock.ts";
import { EventEncoder } from "../../src/events/cloud-event.ts";
import { EventTail } from "../../src/events/tail.ts";
import { MAX_FEED_MESSAGE_BYTES } from "../../src/limits.ts";
import { FilterTime } from "../../src/picture/filter-time.ts";
import { Picture } from "../../src/picture/picture.ts";
import type { Store } from "../../src/store/store.ts";
import { createMetrics } from "../../src/telemetry/metrics.ts";
import { Feed } from "../../src/transport/feed/feed.ts";
import { createApp } from "../../src/transport/http/app.ts";
import type { Socket } from "../../src/transport/server/server.ts";
import { NO_COMMANDS } from "../feed/harness.ts";
import { FakeIngest } from "../http/fixture.ts";
import { batchOf, committed, open } from "../store/fixture.ts";
import { madeDataDir } from "../support/data-dir.ts";
import { testDatabase } from "../support/postgres.ts";
import { TOKEN, temporaryFolder } from "../support/serve.ts";
import { SERVERS } from "../support/servers.ts";

export const AUTHORIZED = { authorization: `Bearer ${TOKEN}` };

/** Writes events in flushes of its own. */
export class EventWriter {
  readonly #store: Store;
  readonly #epochs: Map<number, number>;
  #flushNo = 0;
  #count = 0;

  private constructor(store: Store, epochs: Map<number, number>) {
    this.#store = store;
    this.#epochs = epochs;
  }

  static async of(store: Store): Promise<EventWriter> {
    return new EventWriter(store, await store.claim([1]));
  }

  /** An event of each subject in one flush; its `data.n` counts all. Goes on trying while the database is away. */
  async write(subjects: readonly string[], type = "state.changed"): Promise<void> {
    const events = subjects.map((subject) => eventOf(subject, ++this.#count, type));
    const batch = batchOf(++this.#flushNo, this.#epochs, { 1: "x" }, events);
    for (let attempt = 1; ; attempt++) {
      try {
        await committed(this.#store, batch, attempt);
        return;
      } catch (error) {
        if (attempt === 200) throw error;
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    }
  }
}

function eventOf(subject: string, n: number, type: string): EventFact & { shard: number } {
  return { shard: 1, type, subject, time: Date.UTC(2026, 0, 1) + n, data: { n } };
}

export interface Rig {
  store: Store;
  writer: EventWriter;
  tail: EventTail;
  feed: Feed;
  url: string;
  /** Those of the feed that are open. */
  sockets(): Socket[];
  get(path: string, headers?: Record<string, string>): Promise<Response>;
}

/**
 * @param given by default one on PostgreSQL, which opens in a quarter of the time of an embedded one. @param filterTime measures filters
 * @param access who asks, and what he may; by default there is the admin alone
 */
export async function rig(
  t: Test,
  server: keyof typeof SERVERS = "ws",
  given?: Store,
  filterTime = new FilterTime(systemClock),
  access: Partial<Authority & { identify: Identify }> = {},
): Promise<Rig> {
  const store = given ?? (await openOnPostgres(t));
  const writer = await EventWriter.of(store);
  const fatal = (error: unknown) => t.fail(String(error));
  const log = store.eventLog;
  const tail = new EventTail({ log, clock: systemClock, onHeld: () => {}, onFatal: fatal });
  tail.start();
  const picture = new Picture();
  const ingest = new FakeIngest();
  const { identify = identifyAdmin(TOKEN), policy = new Policy(), current } = access;
  const events = { log, tail, encoder: new EventEncoder("test"), filterTime };
  const feed = new Feed({
    ...{ policy, current },
    picture,
    clock: systemClock,
    ingest,
    ...NO_COMMANDS,
    events,
    filterTime,
    log: { error: (details) => t.fail(JSON.stringify(details)) },
    decodeReport: () => ({ type: "invalid-report", detail: "not in this test" }),
  });
  const app = createApp({
    ingest,
    ...NO_COMMANDS,
    picture,
    events,
    clusterStatus: () => ({
      node: "",
      suspended: false,
      nodes: [],
      shards: [],
      handOvers: { count: 0 },
      claims: 0,
      evictions: 0,
    }),
    health: () => ({ ready: true, checks: {} }),
    metrics: createMetrics([]),
    identify,
    ...{ policy, current },
    clock: systemClock,
    webDir: "none",
    onError: fatal,
  });
  const sockets = new Set<Socket>();
  const served = SERVERS[server](
    {
      fetch: app.fetch,
      upgrade: createUpgrade({ identify }),
      socket: admitted({
        ...feed.handlers,
        open: (socket) => {
          sockets.add(socket);
          feed.handlers.open(socket);
        },
        close: (socket, code) => {
          sockets.delete(socket);
          feed.handlers.close(socket, code);
        },
      }),
      maxMessageBytes: MAX_FEED_MESSAGE_BYTES,
      maxConnections: 100,
    },
    fatal,
  );
  feed.start();
  const url = `http://127.0.0.1:${await served.listen("127.0.0.1", 0)}`;
  t.teardown(async () => {
    feed.stop();
    await tail.stop();
    await served.close(1_000);
    await store.close();
  });
  return {
    store,
    writer,
    tail,
    feed,
    url,
    sockets: () => [...sockets],
    get: (path, headers = {}) => fetch(`${url}${path}`, { headers: { ...AUTHORIZED, ...headers } }),
  };
}

export interface SseMessage {
  id?: string;
  data?: string;
}

/** The messages of a stream of events, as the specification of `text/event-stream` reads them. */
export async function* sse(response: Response): AsyncGenerator<SseMessage> {
  let text = "";
  for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) {
    text += chunk;
    for (let end = text.indexOf("\n\n"); end >= 0; end = text.indexOf("\n\n")) {
      yield Object.fromEntries(
        text
          .slice(0, end)
          .split("\n")
          .map((line) => [line.slice(0, line.indexOf(":")), line.slice(line.indexOf(":") + 2)]),
      );
      text = text.slice(end + 2);
    }
  }
}

/** Who opens a store closes it. */
export async function openOnPostgres(t: Test): Promise<Store> {
  const { url } = await testDatabase(t);
  return open({ dataDir: await temporaryFolder(t), databaseUrl: url });
}

export async function openEmbedded(t: Test): Promise<Store> {
  return open({ dataDir: await madeDataDir(t) });
}
