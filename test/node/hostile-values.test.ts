// What no client should send, in every place that the OpenAPI document names.
import t, { type Test } from "tap";
import { type Config, loadConfig } from "../../src/config.ts";
import { startNode } from "../../src/node.ts";
import { createLog } from "../../src/telemetry/log.ts";
import { madeDataDir } from "../support/data-dir.ts";
import { testDatabase } from "../support/postgres.ts";
import { TOKEN, temporaryFolder } from "../support/serve.ts";

type Method = "get" | "post" | "put" | "patch" | "delete";
interface Parameter {
  name: string;
  in: "path" | "query" | "header";
  example?: unknown;
  schema: { format?: string; example?: unknown };
}
type Operation = { parameters?: Parameter[]; requestBody?: object };
type Ask = (method: string, path: string, more?: RequestInit) => Promise<Response>;

const TIME = "2026-01-02T03:04:05Z";
/** As they stand in an address. */
const IN_ADDRESSES = [
  ...["%00", "a%00b", "%7F", "%C2%80", "%ED%A0%80", "%FF", "%EF%BF%BF", ",", "%2F", "a".repeat(300)],
  ...["-1", "0", "NaN", "1e308", "1e999", "2147483648", "9007199254740993", "9223372036854775808"],
  ...["-999999999999999", "999999999999999", "-210866803200001", "9223372036854775"],
  ...["0000-01-01T00:00:00%2B23:59", "9999-12-31T23:59:59.999-23:59"],
  ...["0000-01-01T00:00:00%2B23:59/9999-12-31T23:59:59.999-23:59", "../..", "/"],
  ...["start", "0-0-0", "1-0-0", "2147483647-9007199254740991-9007199254740991", "1-9007199254740992-0"],
  ...["-180,-90,180,90", "180,-90,-180,90", "1e-320,0,1e-320,0", "event.subject == '%00'"],
];
const IN_HEADERS = ["", "\x80", "\xff", '"999999999"', '"-1"', '"1e9"', "2147483648", "a".repeat(300)];
const IN_BODIES = ["\0", "a\0b", "\ud800", "\udc00a", "\x7f", "", -1e308, 2 ** 63, null, [], {}];
const BODIES: Record<string, unknown> = {
  "/v1/reports": [
    { id: "q", t: TIME, lon: 1, lat: 2, kind: "k", source: "s", seq: 1, attributes: { name: "text" } },
  ],
  "/v1/entities/{id}": { labels: ["text"], attributes: { name: "text" } },
  "/v1/roles/{name}": {
    grants: [{ resource: "entity", actions: ["read"], where: "entity.kind == principal.attributes.kind" }],
  },
  "/v1/keys": { name: "text", roles: ["n"], attributes: { kind: "text" }, expires: "2126-01-01T00:00:00Z" },
  "/v1/keys/{id}": { name: "text", roles: ["n"], attributes: { kind: "text" }, expires: null },
  "/v1/entities/{id}/commands": { id: "c", name: "sign-off", data: { name: "text" } },
  "/v1/webhooks": { url: "https://example.com/a", where: "event.subject != 'text'", enabled: false },
  "/v1/webhooks/{id}": { url: "https://example.com/b", where: "event.subject != 'text'" },
  "/v1/webhooks/{id}/redeliver": { ids: ["1-2-3"] },
  "/v1/machines/{name}": {
    kinds: ["door"],
    definition: { id: "n", initial: "a", description: "text", states: { a: { on: { go: "b" } }, b: {} } },
  },
  "/v1/fences/{name}": {
    type: "Feature",
    geometry: { type: "Point", coordinates: [25, 60] },
    properties: { radius: 100, kinds: ["k"], title: "text" },
  },
};

// Together: most of the time is waiting.
t.jobs = 2;
for (const [store, environment] of Object.entries({
  PostgreSQL: async (t: Test) => ({
    MUSTER_DATA_DIR: await temporaryFolder(t),
    DATABASE_URL: (await testDatabase(t)).url,
  }),
  "the embedded database": async (t: Test) => ({ MUSTER_DATA_DIR: await madeDataDir(t) }),
})) {
  t.test(`[H38] [TR14] no value in any place is answered with 5xx: ${store}`, async (t) => {
    const ask = await served(t, await environment(t));
    const document = (await (await ask("GET", "/openapi.json")).json()) as {
      paths: Record<string, Partial<Record<Method, Operation>>>;
    };
    const idOf = async (path: string) => {
      const made = await ask("POST", path, json(BODIES[path]));
      t.equal(made.status, 201, path);
      return ((await made.json()) as { id: string }).id;
    };
    const ids = { webhooks: await idOf("/v1/webhooks"), keys: await idOf("/v1/keys") };
    let count = 0;
    const check = async (method: string, path: string, more?: RequestInit) => {
      const response = await ask(method, path, more);
      await response.body?.cancel();
      count++;
      if (response.status >= 500) t.fail(`${response.status}: ${method} ${path} ${JSON.stringify(more)}`);
    };
    for (const [path, operations] of Object.entries(document.paths)) {
      const [made] = Object.entries(ids)
        .find(([name]) => path.startsWith(`/v1/${name}/`))
        ?.slice(1) ?? ["q"];
      const filled = path.replace("{id}", made).replace("{name}", "n");
      for (const [method, { parameters = [], requestBody }] of Object.entries(operations)) {
        const body = requestBody === undefined ? { headers: {} } : json(BODIES[path]);
        if (requestBody !== undefined) t.ok(path in BODIES, `there is a body for ${path}`);
        const times = parameters.filter(({ name }) => name === "datetime");
        const bases = ["", ...times.map((parameter) => `datetime=${sampleOf(parameter)}&`)];
        for (const { name, in: place } of parameters) {
          if (place === "header")
            for (const value of IN_HEADERS)
              await check(method, filled, { ...body, headers: { ...body.headers, [name]: value } });
          else
            for (const value of IN_ADDRESSES) {
              if (place === "path") await check(method, path.replace(`{${name}}`, value), body);
              else for (const base of bases) await check(method, `${filled}?${base}${name}=${value}`, body);
            }
        }
        if (requestBody === undefined) continue;
        for (const value of IN_BODIES)
          for (const other of changed(BODIES[path], value)) await check(method, filled, json(other));
      }
    }
    t.ok(count > 1_000, `${count} requests`);

    const named: [path: string, name: string][] = [
      ["/v1/entities/%00/track", "the id"],
      ["/v1/entities/%00/events", "the id"],
      ["/v1/entities/q/track?after=-999999999999999", "after"],
      ["/v1/events?subject=%00", "subject"],
      [`/v1/entities?datetime=${TIME}&kind=%00`, "kind"],
      [`/v1/entities?datetime=${TIME}&state=a,%00`, "state"],
      [`/v1/entities?datetime=${TIME}&after=%00`, "after"],
    ];
    for (const [path, name] of named) {
      const response = await ask("GET", path);
      const { type, detail } = (await response.json()) as { type: string; detail: string };
      t.same([response.status, type], [400, "urn:muster:problem:bad-request"], path);
      t.ok(detail.startsWith(name), detail);
    }
    const webhookText = await ask("POST", "/v1/webhooks", json({ url: "https://example.com/\0" }));
    t.equal(webhookText.status, 400);
  });
}

/** A body with another value in each of its places, in the middle and at the end of each of its texts, and in each of its keys. */
function* changed(body: unknown, value: unknown): Generator<unknown> {
  yield value;
  if (typeof body === "string") {
    yield body.replace("text", `te${value}xt`);
    yield `${body}${value}`;
  }
  if (typeof body !== "object" || body === null) return;
  if (Array.isArray(body)) {
    for (const [i, one] of body.entries()) for (const other of changed(one, value)) yield body.with(i, other);
    return;
  }
  for (const [key, one] of Object.entries(body)) {
    for (const other of changed(one, value)) yield { ...body, [key]: other };
    yield { ...body, [String(value)]: one };
  }
}

function sampleOf({ example, schema }: Parameter): string {
  return encodeURIComponent(String(example ?? schema.example ?? TIME));
}

function json(body: unknown): { body: string; headers: Record<string, string> } {
  return { body: JSON.stringify(body), headers: { "content-type": "application/json" } };
}

async function served(t: Test, env: Record<string, string>): Promise<Ask> {
  const config = loadConfig({ PORT: "0", MUSTER_SERVER: "ws", MUSTER_ADMIN_TOKEN: TOKEN, ...env }) as Config;
  const onFatal = (error: unknown) => t.fail(String(error));
  const node = await startNode({ config, log: createLog("silent"), onFatal });
  t.teardown(() => node.stop());
  return (method, path, more = {}) => {
    const headers = { authorization: `Bearer ${TOKEN}`, ...more.headers };
    return fetch(`${node.url}${path}`, { ...more, method: method.toUpperCase(), headers });
  };
}
