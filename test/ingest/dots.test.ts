// Ids that whoever reads an address takes for steps of its path.
import t from "tap";
import type { Report } from "../../src/actors/messages.ts";
import { encodeBatch } from "../../src/transport/feed/batch-layout.ts";
import { PROTOCOL_BINARY } from "../../src/transport/feed/protocol.ts";
import { decodeReport } from "../../src/transport/ingest/report.ts";
import { start, TestClient } from "../feed/harness.ts";
import { testApp } from "../http/fixture.ts";
import { report, seen, startSystem } from "../support/actor-system.ts";

const T = "2026-01-02T03:04:05Z";
const IDS = [".", "..", "...", ".a"];
const DETAIL = /^id must not be "\." or "\.\.", which no address can have at its end$/;
const REFUSED = [0, 1].map((index) => ({ index, detail: DETAIL }));
const settled = () => new Promise((resolve) => setImmediate(resolve));

t.test("[I21] over HTTP, as JSON and as NDJSON, also where they are there already", async (t) => {
  const objects = IDS.map((id) => JSON.stringify({ id, t: T }));
  for (const known of [[], IDS])
    for (const [body, type] of [
      [`[${objects}]`, undefined],
      [objects.join("\n"), "application/x-ndjson"],
    ] as const) {
      const app = testApp();
      for (const id of known) app.picture.add(id, 0);
      const told = (await (await app.post(body, type)).json()) as { accepted: number; refused: object[] };
      t.match(told, { accepted: 2, refusedCount: 2, refused: REFUSED });
      t.strictSame(
        app.ingest.reports.map(({ id }) => id),
        IDS.slice(2),
      );
    }
});

t.test("[I21] over a feed, as JSON and in batches, and commands", async (t) => {
  const taken: string[] = [];
  const { feed, client } = start({
    decodeReport,
    ingest: {
      overloaded: false,
      async submit(reports: readonly Report[]) {
        taken.push(...reports.map(({ id }) => id));
        return { accepted: reports.length, refused: [] };
      },
    },
  });
  client.send({ op: "report", n: 1, reports: IDS.map((id) => ({ id, t: T })) });
  const binary = new TestClient(feed, undefined, PROTOCOL_BINARY);
  const named = IDS.map((id) => ({ id, kind: "", source: "" }));
  const nothing = { lon: NaN, lat: NaN, alt: NaN, speed: NaN, course: NaN, heading: NaN };
  const moves = IDS.map((_, handle) => ({ ...nothing, handle, t: Date.parse(T) }));
  feed.handlers.message(binary.socket, encodeBatch(1, Date.parse(T), named, moves), true);
  await settled();
  for (const who of [client, binary]) {
    t.match(who.last("ack"), { n: 1, accepted: 2, refused: REFUSED });
    t.equal(who.last("ack")!.refused.length, 2);
  }
  t.strictSame(taken, [...IDS.slice(2), ...IDS.slice(2)]);
  for (const id of IDS.slice(0, 2)) {
    client.send({ op: "command", n: 2, id, name: "sign-off" });
    t.match(client.received.pop(), { op: "error", type: /invalid-command$/, detail: DETAIL, n: 2 });
  }
});

t.test("[I22] what a version before took is there after a recovery, and can be deleted", async (t) => {
  const before = await startSystem();
  void before.system.router.submit(IDS.map((id) => report(id, 0, { speed: 5 })));
  await before.clock.advance(10);
  const { system, clock } = await startSystem({ store: before.store, clock: before.clock });
  for (const id of IDS) t.match(seen(system, id), { speed: 5 }, id);
  const { client } = start({ picture: system.picture, clock, commands: system.router });
  for (const [n, id] of IDS.entries()) client.send({ op: "delete", n, id });
  await clock.advance(10);
  t.match(
    client.received,
    IDS.map((_, n) => ({ op: "reply", n, accepted: true })),
  );
  for (const id of IDS) t.equal(seen(system, id), undefined, id);
});
