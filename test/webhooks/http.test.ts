import { OpenAPIHono } from "@hono/zod-openapi";
import t, { type Test } from "tap";
import { systemClock } from "../../src/clock.ts";
import { type Config, loadConfig } from "../../src/config.ts";
import { EventEncoder } from "../../src/events/cloud-event.ts";
import { startNode } from "../../src/node.ts";
import { createLog } from "../../src/telemetry/log.ts";
import { BodyBudget } from "../../src/transport/http/body.ts";
import { webhooksRoutes } from "../../src/transport/http/routes/webhooks.ts";
import { problemOf } from "../http/fixture.ts";
import { madeDataDir } from "../support/data-dir.ts";
import { TOKEN } from "../support/serve.ts";
import { Receiver } from "./receiver.ts";
import { deliveryRig, until } from "./rig.ts";

interface Answer {
  id: string;
  secret?: string;
  [member: string]: unknown;
}

interface DeadPage {
  letters: { event: { data: { n: number } } }[];
  links: { rel: string; href: string }[];
}

t.test("[EV32] webhooks are made, listed, changed and removed; their secret is shown once", async (t) => {
  const ask = await served(t, { MUSTER_WEBHOOK_PRIVATE: "true" });
  const receiver = await Receiver.start(t);
  const created = await ask("POST", "/v1/webhooks", {
    url: receiver.url,
    where: "event.type == 'state.changed'",
  });
  t.equal(created.status, 201);
  const made = (await created.json()) as Answer;
  t.match(made, {
    url: receiver.url,
    enabled: true,
    delivered: 0,
    waiting: 0,
    secret: /^whsec_[A-Za-z0-9+/]{43}=$/,
  });
  const one = `/v1/webhooks/${made.id}`;
  t.match(await (await ask("GET", "/v1/webhooks")).json(), {
    webhooks: [{ id: made.id, secret: undefined }],
  });
  t.equal(((await (await ask("GET", one)).json()) as Answer).secret, undefined);

  const report = { id: "truck-1", t: new Date().toISOString(), lon: 1, lat: 2, speed: 20 };
  t.equal((await ask("POST", "/v1/reports", [report])).status, 200);
  await until(() => receiver.taken.length > 0);
  t.match(receiver.received[0]!.event, {
    subject: "truck-1",
    type: "state.changed",
    source: "urn:muster:muster",
  });
  await until(
    async () => ((await (await ask("GET", one)).json()) as Answer).delivered === receiver.taken.length,
  );

  t.match(await (await ask("PATCH", one, { where: null, enabled: false })).json(), {
    where: undefined,
    enabled: false,
  });
  const local = { url: "http://localhost:9/" };
  t.match(await (await ask("PATCH", one, local)).json(), local, "the operator allows it");
  t.match(await (await ask("POST", `${one}/secret`)).json(), { secret: /^whsec_/, previousUntil: String });
  t.same(await (await ask("GET", `${one}/dead-letters`)).json(), {
    letters: [],
    links: [{ rel: "self", type: "application/json", href: `${one}/dead-letters` }],
  });
  t.same(await (await ask("POST", `${one}/redeliver`)).json(), { redelivered: 0 });
  t.equal((await ask("DELETE", one)).status, 204);
  t.same(await problemOf(await ask("GET", one)), ["webhook-not-found", 404]);
});

t.test("[EV25] dead letters are listed in pages, with a link while there are more", async (t) => {
  const { store, hook } = await deliveryRig(t);
  const id = await hook("http://127.0.0.1:9/");
  const { webhooks } = store;
  const [held] = await webhooks.hold("n", 60_000);
  const letters = [1, 2, 3, 4].map((n) => ({
    event: { cursor: { era: 0, xid: 1, id: n }, ...{ type: "t", subject: "a", time: 1, data: { n } } },
    ...{ attempts: 1, failedSince: 0, error: "refused" },
  }));
  const counts = { delivered: 0, failures: 0, gaps: 0 };
  await webhooks.save(id, "n", held!.generation, { ...counts, cursor: held!.cursor, letters, done: [] });
  const app = new OpenAPIHono();
  const of = { store: webhooks, encoder: new EventEncoder("test"), allowPrivate: true };
  const text = () => "";
  webhooksRoutes(
    app,
    { ...of, newId: text, newSecret: text, changed: () => {} },
    new BodyBudget(1),
    systemClock,
  );
  const pages: number[][] = [];
  for (let path: string | undefined = `/v1/webhooks/${id}/dead-letters?limit=2`; path !== undefined; ) {
    const page = (await (await app.request(path)).json()) as DeadPage;
    pages.push(page.letters.map(({ event }) => event.data.n));
    path = page.links.find(({ rel }) => rel === "next")?.href;
  }
  t.same(pages, [
    [1, 2],
    [3, 4],
  ]);
});

t.test(
  "[EV75] a webhook to an address that nothing would be sent to is refused, with the reason",
  async (t) => {
    const ask = await served(t, {});
    const made = await ask("POST", "/v1/webhooks", { url: "https://example.com/" });
    const { id } = (await made.json()) as { id: string };
    for (const host of [
      ...[
        "127.0.0.1",
        "[::1]",
        "[::ffff:10.0.0.1]",
        "10.0.0.1",
        "169.254.169.254",
        "2130706433",
        "127.0.0.1.",
      ],
      ...["localhost", "LOCALHOST", "localhost.", "a.localhost"],
    ]) {
      const body = { url: `http://${host}:9/` };
      for (const refused of [
        await ask("POST", "/v1/webhooks", body),
        await ask("PATCH", `/v1/webhooks/${id}`, body),
      ])
        t.match(
          await refused.json(),
          {
            type: /bad-request$/,
            status: 400,
            detail: /url: is a private, local or reserved address/,
          },
          host,
        );
    }
    for (const host of [
      "8.8.8.8",
      "[2606:4700::1111]",
      "localhost.example.com",
      "notlocalhost",
      "inside.example",
    ])
      t.equal((await ask("POST", "/v1/webhooks", { url: `http://${host}/` })).status, 201, host);
  },
);

t.test("[EV33] what is wrong with a webhook is refused", async (t) => {
  const ask = await served(t, {});
  const refused = async (body: unknown) => problemOf(await ask("POST", "/v1/webhooks", body));
  for (const url of [
    "ftp://example.com",
    "no",
    "https://u:p@example.com/",
    "https://example.com/#a",
    "https://example.com:0/",
    "",
    5,
  ])
    t.same(await refused({ url }), ["bad-request", 400], String(url));
  t.same(await refused({ url: "https://example.com/", where: "event.kind" }), ["bad-request", 400]);
  t.same(await refused({ url: "https://example.com/", secret: "x" }), ["bad-request", 400]);
  t.same(await refused("{"), ["malformed-json", 400]);
  t.same(await refused(["x".repeat(200_000)]), ["body-too-large", 413]);
  const none = "/v1/webhooks/00000000-0000-4000-8000-000000000000";
  const paths: [string, string][] = [
    ["GET", none],
    ["PATCH", none],
    ["DELETE", none],
    ["GET", "/v1/webhooks/x"],
  ];
  for (const [method, path] of [
    ...paths,
    ["POST", `${none}/secret`],
    ["POST", `${none}/redeliver`],
    ["GET", `${none}/dead-letters`],
  ] as const)
    t.same(
      await problemOf(await ask(method, path, method === "PATCH" ? {} : undefined)),
      ["webhook-not-found", 404],
      path,
    );
});

/** A node on an embedded database; asks it with the token. */
async function served(t: Test, env: Record<string, string>) {
  const config = loadConfig({
    PORT: "0",
    MUSTER_SERVER: "ws",
    MUSTER_ADMIN_TOKEN: TOKEN,
    MUSTER_DATA_DIR: await madeDataDir(t),
    ...env,
  }) as Config;
  const node = await startNode({
    config,
    log: createLog("silent"),
    onFatal: (error) => t.fail(String(error)),
  });
  t.teardown(() => node.stop());
  return (method: string, path: string, body?: unknown) =>
    fetch(`${node.url}${path}`, {
      method,
      headers: { authorization: `Bearer ${TOKEN}`, "content-type": "application/json" },
      body: body === undefined ? undefined : typeof body === "string" ? body : JSON.stringify(body),
    });
}
