import { setImmediate as turn } from "node:timers/promises";
import t from "tap";
import { permittedIngest } from "../../src/access/permitted-ingest.ts";
import { Policy } from "../../src/access/policy.ts";
import type { Principal } from "../../src/access/ports.ts";
import type { Ingest, Report } from "../../src/actors/messages.ts";
import { encodeBatch } from "../../src/transport/feed/batch-layout.ts";
import type { Move } from "../../src/transport/feed/layout.ts";
import { PROTOCOL_BINARY } from "../../src/transport/feed/protocol.ts";
import { decodeReport } from "../../src/transport/ingest/report.ts";
import { start, TestClient } from "../feed/harness.ts";
import { FakeIngest, NOW, problemOf, TOKEN, testApp } from "../http/fixture.ts";

const T = new Date(NOW).toISOString();
const GATEWAY: Principal = { id: "g", name: "g", roles: ["gateway"], attributes: { prefix: "north/" } };

/** A gateway may report what has its prefix, ships of the source "ais", and what says no kind and no source. */
function gatewayPolicy(): Policy {
  const policy = new Policy();
  const wheres = [
    "report.id.startsWith(principal.attributes.prefix)",
    "report.kind == 'ship' && report.source == 'ais'",
    "report.id == 'plain' && report.kind == '' && report.source == ''",
  ];
  policy.take([
    {
      name: "gateway",
      grants: wheres.map((where) => ({ resource: "report", actions: ["create"], where })),
    },
  ]);
  return policy;
}

const REPORTS = [
  { id: "north/1", t: T },
  { id: "south/1", t: T },
  { id: "x", t: T, kind: "ship", source: "ais" },
  { id: "y", t: T, kind: "ship", attributes: { source: "ais" } },
  { id: "north/late", t: T, lon: 1, lat: 2 },
  { id: "plain", t: T },
  { id: "plain", t: T, kind: "ship" },
];
const TAKEN = ["north/1", "x", "north/late", "plain"];
const REFUSED = [1, 3, 6];

t.test("[AC51] over HTTP each report is judged by what it says, and the others are taken", async (t) => {
  const app = testApp({ identify: () => GATEWAY, policy: gatewayPolicy() });
  const bodies: [string, string][] = [
    [JSON.stringify(REPORTS), "application/json"],
    // Not only of plain members: the other way to read a body.
    [JSON.stringify(REPORTS.map((one) => ({ attributes: {}, ...one }))), "application/json"],
    [REPORTS.map((one) => JSON.stringify(one)).join("\n"), "application/x-ndjson"],
  ];
  for (const [body, type] of bodies)
    for (const way of ["router", "direct"]) {
      app.ingest.batches.length = 0;
      const answer =
        way === "router" ? await (await app.post(body, type)).json() : await direct(app, body, type);
      t.match(answer, {
        accepted: TAKEN.length,
        refusedCount: REFUSED.length,
        refused: REFUSED.map((index) => ({ index, type: "urn:muster:problem:forbidden" })),
      });
      t.same(
        app.ingest.reports.map(({ id }) => id),
        TAKEN,
        `${type} ${way}`,
      );
    }
});

async function direct(app: ReturnType<typeof testApp>, body: string, type: string): Promise<unknown> {
  const headers = new Headers({ authorization: `Bearer ${TOKEN}`, "content-type": type });
  const bytes = new TextEncoder().encode(body);
  const parts = [{ done: false as const, value: bytes }];
  const [route] = app.direct;
  const answer = await route!.answer({
    method: "POST",
    headers,
    url: new URL("http://muster.test/v1/reports"),
    body: {
      read: async () => parts.shift() ?? { done: true as const, value: undefined },
      cancel: async () => {},
    },
  } as Parameters<typeof route.answer>[0]);
  return JSON.parse(answer.body as string);
}

t.test("[AC51] refusals of who takes them keep their places", async (t) => {
  const app = testApp({ identify: () => GATEWAY, policy: gatewayPolicy() });
  app.ingest.refuse = ({ id }) => (id === "x" ? "too-old" : undefined);
  const response = await app.post(JSON.stringify(REPORTS));
  const { accepted, refused } = (await response.json()) as {
    accepted: number;
    refused: { index: number; type: string }[];
  };
  t.equal(accepted, TAKEN.length - 1);
  t.same(
    refused.map(({ index, type }) => [index, type.split(":").at(-1)]),
    [
      [1, "forbidden"],
      [2, "too-old"],
      [3, "forbidden"],
      [6, "forbidden"],
    ],
  );
});

t.test("[AC51] who may report everything does so as before", async (t) => {
  const ingest = new FakeIngest();
  t.equal(permittedIngest(ingest, "all"), ingest);
  const policy = new Policy();
  policy.take([{ name: "gateway", grants: [{ resource: "report", actions: ["create"] }] }]);
  const app = testApp({ identify: () => GATEWAY, policy });
  t.match(await (await app.post(JSON.stringify(REPORTS))).json(), { accepted: REPORTS.length, refused: [] });
});

t.test("[AC52] who may report nothing is refused the whole body", async (t) => {
  const app = testApp({ identify: () => ({ ...GATEWAY, roles: [] }), policy: gatewayPolicy() });
  t.same(await problemOf(await app.post(JSON.stringify(REPORTS))), ["forbidden", 403]);
  t.same(app.ingest.batches, []);
});

const NOWHERE: Move = {
  handle: 0,
  t: NOW,
  ...{ lon: NaN, lat: NaN, alt: NaN, speed: NaN, course: NaN, heading: NaN },
} as Move;

function gateway(principal = GATEWAY) {
  const ingest: Ingest & { reports: Report[] } = new FakeIngest();
  const policy = gatewayPolicy();
  const made = start({ ingest, policy, decodeReport });
  const client = new TestClient(made.feed, () => {}, PROTOCOL_BINARY, principal);
  return { ...made, client, ingest, policy };
}

t.test("[AC51] on feeds each report is judged by what it says, in JSON and in batches", async (t) => {
  const { feed, client, ingest } = gateway();
  client.send({ op: "report", n: 1, reports: REPORTS });
  const introductions = REPORTS.map(({ id, kind = "", source = "" }) => ({ id, kind, source }));
  const moves = REPORTS.map((_, handle) => ({ ...NOWHERE, handle }));
  const batch = (n: number, isFirst: boolean) =>
    feed.handlers.message(client.socket, encodeBatch(n, NOW, isFirst ? introductions : [], moves), true);
  batch(2, true);
  batch(3, false);
  await turn();
  const acks = client.received.filter((message) => message.op === "ack");
  t.match(
    acks,
    [1, 2, 3].map((n) => ({
      n,
      accepted: TAKEN.length,
      refused: REFUSED.map((index) => ({ index, type: "forbidden" })),
    })),
  );
  t.same(
    ingest.reports.map(({ id }) => id),
    [...TAKEN, ...TAKEN, ...TAKEN],
  );
});

t.test("[AC52] on feeds who may report nothing is told so for each message, until he may", async (t) => {
  const { feed, client, ingest, policy } = gateway({ ...GATEWAY, roles: ["later"] });
  client.send({ op: "report", n: 1, reports: REPORTS });
  const introductions = [{ id: "a", kind: "", source: "" }];
  const batch = (n: number, isFirst: boolean) =>
    feed.handlers.message(client.socket, encodeBatch(n, NOW, isFirst ? introductions : [], [NOWHERE]), true);
  batch(2, true);
  await turn();
  const forbidden = { op: "error", type: "urn:muster:problem:forbidden", status: 403 };
  t.match(client.received, [
    { ...forbidden, n: 1 },
    { ...forbidden, n: 2 },
  ]);
  t.same(ingest.reports, []);
  policy.take([{ name: "later", grants: [{ resource: "report", actions: ["create"] }] }]);
  batch(3, false);
  await turn();
  t.match(client.received.at(-1), { op: "ack", n: 3, accepted: 1 });
  t.same(
    ingest.reports.map(({ id }) => id),
    ["a"],
    "the handle that was introduced with what was refused",
  );
});
