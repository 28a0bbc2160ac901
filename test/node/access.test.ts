// Roles and keys that operators make over HTTP.
import t from "tap";
import { MAX_GRANTS, MAX_KEY_ATTRIBUTES_LENGTH, MAX_KEYS, MAX_ROLES } from "../../src/access/limits.ts";
import { type Ask, asking, json, refused } from "../support/asking.ts";
import { madeDataDir } from "../support/data-dir.ts";
import { testDatabase } from "../support/postgres.ts";
import { execute } from "../support/postgres-server.ts";
import { type Serving, serve, temporaryFolder } from "../support/serve.ts";
import { startTwoThatOnlyHear } from "../support/two-nodes.ts";

t.setTimeout(180_000);

const OWN_FLEET = "entity.attributes.fleet == principal.attributes.fleet";
const VIEWER = { grants: [{ resource: "entity", actions: ["read"], where: OWN_FLEET }] };

interface Made {
  id: string;
  key: string;
}
const make = async (ask: Ask, body: object) => (await json(ask("POST", "/v1/keys", body))) as unknown as Made;
const asKey = ({ url }: Pick<Serving, "url">, key: string) =>
  asking({ url, headers: { authorization: `Bearer ${key}` } });

let url: string;
let node: Serving;
let ask: Ask;
t.before(async () => {
  ({ url } = await testDatabase(t));
  node = await serve(t, { dataDir: await temporaryFolder(t), env: { DATABASE_URL: url } });
  ask = asking(node);
});

t.test("[AC6] roles are made, listed, changed and removed", async (t) => {
  t.same(await json(ask("GET", "/v1/roles")), { roles: [] });
  const made = await ask("PUT", "/v1/roles/viewer", VIEWER);
  t.equal(made.status, 201);
  const tag = made.headers.get("etag")!;
  const body = await json(made);
  t.match(body, { name: "viewer", builtIn: false, ...VIEWER, changedAt: /Z$/ });
  t.equal(tag, `"${body.version}"`);
  t.same(await json(ask("GET", "/v1/roles/viewer")), body);
  t.equal((await ask("PUT", "/v1/roles/viewer", VIEWER)).status, 200);
  t.same(await json(ask("GET", "/v1/roles")), { roles: [body] }, "it was so already");
  const changed = await ask("PUT", "/v1/roles/viewer", { grants: [] }, { "if-match": tag });
  t.equal(changed.status, 200);
  t.not(changed.headers.get("etag"), tag);
  const { version } = await json(changed);
  const late = await refused(
    412,
    "role-version",
    ask("PUT", "/v1/roles/viewer", VIEWER, { "if-match": tag }),
  );
  t.equal(late.version, version);
  await refused(412, "role-version", ask("DELETE", "/v1/roles/viewer", undefined, { "if-match": tag }));
  await refused(412, "role-version", ask("PUT", "/v1/roles/viewer", VIEWER, { "if-none-match": "*" }));
  await refused(412, "role-version", ask("PUT", "/v1/roles/other", VIEWER, { "if-match": "*" }));
  t.equal((await ask("DELETE", "/v1/roles/viewer")).status, 204);
  await refused(404, "role-not-found", ask("GET", "/v1/roles/viewer"));
  await refused(404, "role-not-found", ask("DELETE", "/v1/roles/viewer"));
  const name = 'Zuschauer / "Süd"';
  const at = `/v1/roles/${encodeURIComponent(name)}`;
  t.match(await json(ask("PUT", at, VIEWER)), { name });
  t.match(await json(ask("GET", at)), { name });
  t.equal((await ask("DELETE", at)).status, 204);
});

t.test("[AC7] what is no role is refused with what, where and why; nothing changes", async (t) => {
  const at = "/v1/roles/wrong";
  const put = (...grants: unknown[]) => ask("PUT", at, { grants });
  const read = { resource: "entity", actions: ["read"] };
  for (const [where, position] of [
    ["entity.sped > 1", 7],
    ["entity.kind == principal.fleet", 25],
    ["report.kind == 'x'", 0],
    ["1 +", 3],
  ] as const)
    t.match(
      await refused(400, "bad-expression", put(read, { ...read, where })),
      { grant: 1, position, title: "The expression is not valid", detail: /^grants\.1\.where: / },
      where,
    );
  for (const [grant, detail] of [
    [{ ...read, resource: "webhook" }, /^grants\.0\.resource: must be "entity" or .*, not "webhook"/],
    [
      { ...read, actions: ["read", "create"] },
      /^grants\.0\.actions\.1: must be read or command, not "create"/,
    ],
    [{ ...read, actions: ["read", "read"] }, /twice/],
    [{ ...read, actions: [] }, /^grants\.0\.actions: is empty/],
    [{ ...read, action: "read" }, /^grants\.0\.action|not known/],
    [{ ...read, where: "" }, /^grants\.0\.where: is empty/],
    [{ ...read, where: "true\u0000" }, /control character/],
    [
      { resource: "fence", actions: ["read"], where: "true" },
      /^grants\.0\.where: a grant of fence has no where/,
    ],
    [{ resource: "machine", actions: ["read"], where: "true" }, /a grant of machine has no where/],
    ["x", /^grants\.0: must be a JSON object/],
  ] as const)
    t.match(await refused(400, "bad-request", put(grant)), { detail });
  await refused(400, "bad-request", put(...Array(MAX_GRANTS + 1).fill(read)));
  for (const body of [{}, { grants: {} }, { grants: [], name: "x" }, []])
    await refused(400, "bad-request", ask("PUT", at, body));
  await refused(400, "malformed-json", ask("PUT", at, "{"));
  await refused(400, "bad-request", ask("PUT", `/v1/roles/${"x".repeat(65)}`, VIEWER));
  await refused(400, "bad-request", ask("PUT", "/v1/roles/a%07", VIEWER));
  await refused(409, "role-built-in", ask("PUT", "/v1/roles/admin", VIEWER));
  await refused(409, "role-built-in", ask("DELETE", "/v1/roles/admin"));
  t.same(await json(ask("GET", "/v1/roles")), { roles: [] });
});

t.test("[AC100] the role admin is told as what it is, and not listed", async (t) => {
  const { grants, ...rest } = await json(ask("GET", "/v1/roles/admin"));
  t.same(rest, { name: "admin", version: 0, builtIn: true });
  t.same(grants, [
    { resource: "entity", actions: ["read", "command"] },
    { resource: "event", actions: ["read"] },
    { resource: "report", actions: ["create"] },
    { resource: "fence", actions: ["read"] },
    { resource: "machine", actions: ["read"] },
  ]);
  t.same(await json(ask("GET", "/v1/roles")), { roles: [] });
});

t.test("[AC8] one role, and one key, too many is refused", async (t) => {
  const ids = "generate_series(1, $1::int) AS n";
  await execute(url, `INSERT INTO access_role SELECT 'r' || n, 0, '[]' FROM ${ids}`, [MAX_ROLES]);
  await execute(
    url,
    `INSERT INTO access_key SELECT gen_random_uuid(), 0, 'k', sha256(n::text::bytea), '{}', '{}', now() FROM ${ids}`,
    [MAX_KEYS],
  );
  await refused(409, "too-many-roles", ask("PUT", "/v1/roles/more", VIEWER));
  await refused(409, "too-many-keys", ask("POST", "/v1/keys", { name: "more", roles: [] }));
  await execute(url, "TRUNCATE access_role, access_key");
  t.same(await json(ask("GET", "/v1/roles")), { roles: [] });
});

t.test("[AC9] a key is told once, and is nowhere else", async (t) => {
  const answer = await ask("POST", "/v1/keys", { name: "screen", roles: [] });
  t.equal(answer.status, 201);
  t.equal(answer.headers.get("cache-control"), "no-store");
  const { key, ...rest } = (await answer.json()) as Made;
  t.match(key, /^mk_[\w-]{43}$/);
  t.match(rest, { name: "screen", attributes: {}, createdAt: /Z$/, faults: { length: 0 } });
  t.same(await json(ask("GET", `/v1/keys/${rest.id}`)), rest);
  t.same(await json(ask("GET", `/v1/keys/${rest.id.toUpperCase()}`)), rest);
  const changed = await json(ask("PATCH", `/v1/keys/${rest.id}`, { name: "other" }));
  t.same(changed, { ...rest, name: "other" });
  const texts = [
    JSON.stringify(await json(ask("GET", "/v1/keys"))),
    ...(await execute<{ row: string }>(url, "SELECT to_json(k)::text AS row FROM access_key k")).map(
      ({ row }) => row,
    ),
    node.output(),
  ];
  for (const text of texts) t.notMatch(text, key.slice(3));
  t.notMatch(JSON.stringify(rest), "hash");
  t.equal((await ask("DELETE", `/v1/keys/${rest.id}`)).status, 204);
});

t.test("[AC10] [AC11] [AC12] a key is made, changed and revoked, and that counts at once", async (t) => {
  const expires = "2999-01-02T03:04:05.678Z";
  const body = { name: "screen", roles: ["viewer"], attributes: { fleet: "north", n: 1 }, expires };
  const { id, key } = await make(ask, body);
  const own = asKey(node, key);
  t.same(await json(own("GET", "/v1/me")), { id, ...body });
  await refused(403, "forbidden", own("GET", `/v1/keys/${id}`));
  await json(ask("PATCH", `/v1/keys/${id}`, { attributes: { fleet: "south" }, expires: null }));
  t.same(await json(own("GET", "/v1/me")), {
    ...{ id, name: "screen", roles: ["viewer"], attributes: { fleet: "south" } },
  });
  await json(ask("PATCH", `/v1/keys/${id}`, { roles: ["admin"] }));
  t.equal((await own("GET", "/v1/entities")).status, 200);
  await json(ask("PATCH", `/v1/keys/${id}`, { roles: [] }));
  await refused(403, "forbidden", own("GET", `/v1/keys/${id}`));
  await json(ask("PATCH", `/v1/keys/${id}`, { expires: "2020-01-01T00:00:00Z" }));
  await refused(401, "unauthorized", own("GET", "/v1/me"));
  t.match(await json(ask("GET", `/v1/keys/${id}`)), { expires: "2020-01-01T00:00:00.000Z" });
  await json(ask("PATCH", `/v1/keys/${id}`, { expires: null }));
  t.equal((await own("GET", "/v1/me")).status, 200);
  t.equal((await ask("DELETE", `/v1/keys/${id}`)).status, 204);
  await refused(401, "unauthorized", own("GET", "/v1/me"));
  for (const [method, change] of [["GET"], ["PATCH", { name: "x" }], ["DELETE"]] as const)
    for (const at of [id, "nobody", "00000000-0000-0000-0000-000000000000"])
      await refused(404, "key-not-found", ask(method, `/v1/keys/${at}`, change));
});

t.test("[AC13] what of its roles allows a key nothing is told", async (t) => {
  const body = { name: "k", roles: ["sized", "admin"], attributes: { size: 3 } };
  const { id } = await make(ask, body);
  const faults = async () => (await json(ask("GET", `/v1/keys/${id}`))).faults;
  t.same(await faults(), [{ role: "sized", detail: "there is no such role" }]);
  const where = "entity.kind == principal.attributes.size";
  const grants = [
    { resource: "entity", actions: ["read"] },
    { resource: "entity", actions: ["command"], where },
  ];
  t.equal((await ask("PUT", "/v1/roles/sized", { grants })).status, 201);
  t.same(await faults(), [{ role: "sized", grant: 1, detail: "no such overload: string == double" }]);
  const changed = await json(ask("PATCH", `/v1/keys/${id}`, { attributes: { size: "large" } }));
  t.same(changed.faults, []);
  await ask("DELETE", `/v1/keys/${id}`);
  await ask("DELETE", "/v1/roles/sized");
});

t.test("[AC17] what is no key is refused by the name of the field; nothing changes", async (t) => {
  const good = { name: "k", roles: ["viewer"] };
  const { id } = await make(ask, good);
  const before = await json(ask("GET", `/v1/keys/${id}`));
  const attributes = (value: unknown) => ({ attributes: value });
  const wrong: [body: object, detail: RegExp][] = [
    [{ name: "" }, /^name: /],
    [{ name: "x".repeat(65) }, /^name: /],
    [{ name: "a\u0007" }, /^name: /],
    [{ roles: "viewer" }, /^roles: must be a list/],
    [{ roles: ["a", "a"] }, /^roles: must not name a role twice/],
    [{ roles: [""] }, /^roles\.0: /],
    [{ roles: Array.from({ length: 17 }, (_, i) => `r${i}`) }, /^roles: has more than 16/],
    [attributes([]), /^attributes: must be a JSON object/],
    [attributes({ "a-b": 1 }), /^attributes\.a-b: has a name/],
    [attributes({ "1a": 1 }), /^attributes\.1a: has a name/],
    [attributes({ a: null }), /^attributes\.a: must be a text, a number/],
    [attributes({ a: { b: 1 } }), /^attributes\.a: must be a text/],
    [attributes({ a: ["b", 1] }), /^attributes\.a: must be a text/],
    [attributes({ a: "\u0000" }), /^attributes\.a: contains/],
    [attributes({ a: ["\ud800"] }), /^attributes\.a: contains/],
    [attributes({ a: "x".repeat(MAX_KEY_ATTRIBUTES_LENGTH - 7) }), /^attributes: have more than 2048/],
    [{ expires: "tomorrow" }, /^expires: must be a time/],
    [{ expires: "2030-01-01" }, /^expires: must be a time as 2026-01-02T03:04:05Z, not "2030-01-01"$/],
    [{ expires: 5 }, /^expires: must be a string/],
    [{ key: "mk_mine" }, /^key: is not known here/],
    [{ id }, /^id: is not known here/],
  ];
  for (const [body, detail] of wrong) {
    t.match(await refused(400, "bad-request", ask("POST", "/v1/keys", { ...good, ...body })), { detail });
    t.match(await refused(400, "bad-request", ask("PATCH", `/v1/keys/${id}`, body)), { detail });
  }
  const proto = '{"name":"k","roles":[],"attributes":{"__proto__":{"a":1}}}';
  t.match(await refused(400, "bad-request", ask("POST", "/v1/keys", proto)), { detail: /__proto__/ });
  const huge = '{"name":"k","roles":[],"attributes":{"a":1e999}}';
  t.match(await refused(400, "bad-request", ask("POST", "/v1/keys", huge)), { detail: /finite/ });
  for (const [body, detail] of [
    [{ roles: [] }, /^name: is missing/],
    [{ name: "k" }, /^roles: is missing/],
    [{ ...good, expires: "2020-01-01T00:00:00Z" }, /^expires: must be in the future/],
  ] as const)
    t.match(await refused(400, "bad-request", ask("POST", "/v1/keys", body)), { detail });
  t.same(await json(ask("GET", "/v1/keys")), {
    keys: [(({ faults: _, ...listed }) => listed)(before as { faults: unknown })],
    links: [{ rel: "self", type: "application/json", href: "/v1/keys" }],
  });
  const stays = await json(ask("POST", "/v1/keys", { ...good, expires: null }));
  t.match(stays, { name: "k", expires: undefined });
  await ask("DELETE", `/v1/keys/${stays.id}`);
  const most = { a: "x".repeat(MAX_KEY_ATTRIBUTES_LENGTH - 8) };
  t.same((await json(ask("PATCH", `/v1/keys/${id}`, attributes(most)))).attributes, most);
  await ask("DELETE", `/v1/keys/${id}`);
});

t.test("[AC18] keys are listed by id, a page at a time", async (t) => {
  const made = await Promise.all([1, 2, 3, 4, 5].map((n) => make(ask, { name: `k${n}`, roles: [] })));
  const wanted = made.map(({ id }) => id).sort();
  const listed: string[] = [];
  let next: string | undefined = "/v1/keys?limit=2";
  const sizes: number[] = [];
  while (next !== undefined) {
    const page = (await json(ask("GET", next))) as unknown as {
      keys: { id: string }[];
      links: { rel: string; href: string }[];
    };
    listed.push(...page.keys.map(({ id }) => id));
    sizes.push(page.keys.length);
    next = page.links.find(({ rel }) => rel === "next")?.href;
  }
  t.same(listed, wanted);
  t.same(sizes, [2, 2, 1]);
  for (const query of ["limit=0", "limit=1001", "after=x", "name=k1"])
    await refused(400, "bad-request", ask("GET", `/v1/keys?${query}`));
  for (const id of wanted) await ask("DELETE", `/v1/keys/${id}`);
});

t.test("[AC16] roles and keys are there after a start: embedded database", async (t) => {
  const dataDir = await madeDataDir(t);
  const first = await serve(t, { dataDir });
  const admin = asking(first);
  t.equal((await admin("PUT", "/v1/roles/viewer", VIEWER)).status, 201);
  const kept = await make(admin, { name: "kept", roles: ["viewer"], attributes: { fleet: "north" } });
  const gone = await make(admin, { name: "gone", roles: [] });
  t.equal((await admin("DELETE", `/v1/keys/${gone.id}`)).status, 204);
  await refused(401, "unauthorized", asKey(first, gone.key)("GET", "/v1/me"));
  await first.end("SIGKILL");
  const second = await serve(t, { dataDir });
  t.match(await json(asKey(second, kept.key)("GET", "/v1/me")), { id: kept.id, roles: ["viewer"] });
  await refused(401, "unauthorized", asKey(second, gone.key)("GET", "/v1/me"));
  t.match(await json(asking(second)("GET", "/v1/roles/viewer")), VIEWER);
  t.match(await json(asking(second)("GET", `/v1/keys/${kept.id}`)), { faults: { length: 0 } });
});

t.test("[AC16] a role and a key that one node of a cluster was given count at the other", async (t) => {
  const { nodes } = await startTwoThatOnlyHear(t, "access");
  const [{ ask }, { ask: other }] = nodes;
  const isSoon = async (path: string, seen: (body: Record<string, unknown>) => boolean, key?: string) => {
    const headers = key === undefined ? undefined : { authorization: `Bearer ${key}` };
    while (!seen(await json(other("GET", path, undefined, headers))))
      await new Promise((resolve) => setTimeout(resolve, 10));
    t.pass(path);
  };
  const { id, key } = await make(ask, { name: "k", roles: ["viewer"], attributes: { fleet: "north" } });
  await isSoon("/v1/me", (body) => body.id === id, key);
  const faults = (count: number) => (body: Record<string, unknown>) =>
    (body.faults as unknown[] | undefined)?.length === count;
  await isSoon(`/v1/keys/${id}`, faults(1));
  t.equal((await ask("PUT", "/v1/roles/viewer", VIEWER)).status, 201);
  await isSoon(`/v1/keys/${id}`, faults(0));
  t.equal((await other("PATCH", `/v1/keys/${id}`, { attributes: { fleet: "south" } })).status, 200);
  await isSoon("/v1/me", ({ attributes }) => (attributes as { fleet?: string })?.fleet === "south", key);
  t.equal((await ask("DELETE", "/v1/roles/viewer")).status, 204);
  await isSoon(`/v1/keys/${id}`, faults(1));
  t.equal((await ask("DELETE", `/v1/keys/${id}`)).status, 204);
  await isSoon("/v1/me", ({ status }) => status === 401, key);
});
