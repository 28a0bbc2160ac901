import t from "tap";
import { Policy } from "../../src/access/policy.ts";
import { ACTIONS, type Principal, type Resource } from "../../src/access/ports.ts";
import { FOR_EVERYBODY, PERMISSIONS } from "../../src/transport/http/permissions.ts";
import { problemOf, TOKEN, testApp } from "../http/fixture.ts";

const NOBODY: Principal = { id: "nobody", name: "nobody", roles: [], attributes: {} };
/** Served without a token. */
const PUBLIC = ["/healthz", "/readyz"];

/** An app with all routes that there are, of which none is to be reached. */
function fullApp(principal: Principal, policy = new Policy()) {
  const unreached = {} as never;
  return testApp({
    identify: (token) => (token === TOKEN ? principal : undefined),
    policy,
    events: unreached,
    webhooks: unreached,
    machines: unreached,
    fences: unreached,
    roles: unreached,
    keys: unreached,
    history: unreached,
  });
}

/** Each route with each of its methods, and a path that is one of it. */
function* asked({ routes }: ReturnType<typeof testApp>): Generator<{ method: string; path: string }> {
  for (const { path, methods } of routes)
    for (const method of methods.split(", ")) yield { method, path: path.replaceAll(/\{\w+\}/g, "x") };
}

const isOf = (list: readonly { method: string; path: RegExp }[], method: string, path: string) =>
  list.some((one) => one.method === (method === "HEAD" ? "GET" : method) && one.path.test(path));

t.test("[AC50] without a grant every route is closed, but those that tell nothing of anything", async (t) => {
  const app = fullApp(NOBODY);
  const open: string[] = [];
  for (const { method, path } of asked(app)) {
    const response = await app.get(path, { method });
    if (response.status === 403)
      t.same(method === "HEAD" ? [] : (await problemOf(response))[0], method === "HEAD" ? [] : "forbidden");
    else if (!PUBLIC.includes(path)) open.push(`${method} ${path}`);
  }
  t.same(open.sort(), [
    "GET /docs",
    "GET /openapi.json",
    "GET /v1/feed",
    "GET /v1/me",
    "HEAD /docs",
    "HEAD /openapi.json",
    "HEAD /v1/feed",
    "HEAD /v1/me",
  ]);
  t.ok([...asked(app)].length > 40, "all routes are there");
});

t.test("[AC50] what the tables open are routes that there are", async (t) => {
  const routes = [...asked(fullApp(NOBODY))];
  for (const one of [...PERMISSIONS, ...FOR_EVERYBODY])
    t.ok(
      routes.some(({ method, path }) => isOf([one], method, path)),
      `${one.method} ${one.path}`,
    );
});

t.test("[AC50] with every grant that there is, what nobody can be granted stays closed", async (t) => {
  const policy = new Policy();
  const grants = Object.entries(ACTIONS).map(([resource, actions]) => ({
    resource: resource as Resource,
    actions,
  }));
  policy.take([{ name: "everything", grants }]);
  const app = fullApp({ ...NOBODY, roles: ["everything"] }, policy);
  for (const { method, path } of asked(app)) {
    if (PUBLIC.includes(path) || isOf([...PERMISSIONS, ...FOR_EVERYBODY], method, path)) continue;
    t.equal((await app.get(path, { method })).status, 403, `${method} ${path}`);
  }
});

t.test("[AC50] a grant of fences or machines opens what is told of them, and changes nothing", async (t) => {
  const policy = new Policy();
  policy.take([
    {
      name: "planner",
      grants: [
        { resource: "fence", actions: ["read"] },
        { resource: "machine", actions: ["read"] },
      ],
    },
  ]);
  const app = testApp({
    identify: () => ({ ...NOBODY, roles: ["planner"] }),
    policy,
    machines: { versions: () => [], find: () => undefined } as never,
    fences: { versions: () => [], find: () => undefined } as never,
  });
  for (const path of ["/v1/fences", "/v1/machines"]) {
    t.equal((await app.get(path)).status, 200, path);
    t.equal((await app.get(`${path}/x`)).status, 404, path);
    for (const method of ["PUT", "DELETE"]) t.equal((await app.get(`${path}/x`, { method })).status, 403);
  }
  t.equal((await app.get("/v1/events")).status, 403);
});
