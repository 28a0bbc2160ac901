// Keys as tokens: of requests, of feeds and of the page.
import t from "tap";
import { Identities } from "../../src/access/identities.ts";
import { Policy } from "../../src/access/policy.ts";
import type { StoredKey } from "../../src/access/store-ports.ts";
import { identifyAdmin, tokenHash } from "../../src/auth/admin-token.ts";
import { createUpgrade } from "../../src/auth/upgrade.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { problemOf, TOKEN, testApp } from "./fixture.ts";

const KEY = "mk_of-a-viewer";
const own = { id: "k1", name: "screen", roles: ["viewer"], attributes: { fleet: "north" } };

function withKey(more: Partial<StoredKey> = {}) {
  const clock = new FakeClock();
  const identities = new Identities({
    admin: identifyAdmin(TOKEN),
    hash: tokenHash,
    now: () => clock.now(),
  });
  const key = { ...own, revision: 1, hash: tokenHash(KEY), createdAt: 0, ...more };
  identities.take(1, [key]);
  const { identify } = identities;
  const app = testApp({ identify, policy: new Policy() });
  const ask = (path: string, init: RequestInit = {}) =>
    app.fetch(
      new Request(`http://muster.test${path}`, {
        ...init,
        headers: { authorization: `Bearer ${KEY}`, ...init.headers },
      }),
    );
  return { app, ask, clock, identities, upgrade: createUpgrade({ identify }) };
}

t.test("[AC14] whoever has a token is told who he is", async (t) => {
  const { app, ask } = withKey();
  const answer = await ask("/v1/me");
  t.equal(answer.headers.get("cache-control"), "no-store");
  t.same(await answer.json(), own);
  t.equal((await ask("/v1/me", { method: "HEAD" })).status, 200);
  t.same(await (await app.get("/v1/me")).json(), {
    ...{ id: "admin", name: "admin", roles: ["admin"], attributes: {} },
  });
  t.equal((await app.fetch(new Request("http://muster.test/v1/me"))).status, 401);
});

t.test("[AC15] what no grant can name is for admins only, also what is not there", async (t) => {
  const { ask } = withKey();
  for (const [method, path] of [
    ["GET", "/v1/roles"],
    ["PUT", "/v1/roles/x"],
    ["GET", "/v1/keys"],
    ["POST", "/v1/keys"],
    ["PATCH", "/v1/keys/k1"],
    ["DELETE", "/v1/keys/k1"],
    ["GET", "/v1/webhooks"],
    ["GET", "/v1/cluster"],
    ["GET", "/metrics"],
    ["GET", "/v1/nothing"],
    ["POST", "/v1/me"],
    ["GET", "/v1/me/"],
    ["GET", "/v1/me%2f"],
  ] as const)
    t.same(await problemOf(await ask(path, { method })), ["forbidden", 403], `${method} ${path}`);
});

t.test("[AC10] a key with the role admin may everything", async (t) => {
  const { ask } = withKey({ roles: ["viewer", "admin"] });
  for (const path of ["/v1/entities", "/v1/cluster", "/metrics", "/docs"])
    t.equal((await ask(path)).status, 200, path);
});

t.test("[AC11] a key that expires or is removed is 401 at the next request, and opens no feed", async (t) => {
  const { ask, clock, identities, upgrade } = withKey({ expires: Date.UTC(2026, 0, 1) + 60_000 });
  const feed = () => {
    const url = new URL(`http://muster.test/v1/feed?token=${KEY}`);
    return upgrade({ url, headers: new Headers(), protocols: ["muster.v1.json"] });
  };
  t.match(await (await ask("/v1/me")).json(), { expires: "2026-01-01T00:01:00.000Z" });
  t.match(feed(), { accept: true, principal: own });
  clock.pass(60_000);
  t.same(await problemOf(await ask("/v1/me")), ["unauthorized", 401]);
  t.match(feed(), { principal: { role: "nobody" } });
  identities.take(2, [{ ...own, revision: 2, hash: tokenHash(KEY), createdAt: 0 }]);
  t.equal((await ask("/v1/me")).status, 200);
  identities.take(3, [], []);
  t.same(await problemOf(await ask("/v1/me")), ["unauthorized", 401]);
  t.match(feed(), { principal: { role: "nobody" } });
});

t.test("[AC19] the page keeps a key in the cookie, until it is nobody's", async (t) => {
  const { app, identities } = withKey();
  const open = (path: string, headers: Record<string, string> = {}) =>
    app.fetch(new Request(`http://muster.test${path}`, { headers }));
  const kept = await open(`/?token=${KEY}&entity=x`);
  t.same([kept.status, kept.headers.get("location")], [303, "/?entity=x"]);
  const cookie = kept.headers.get("set-cookie")!.split(";")[0]!;
  t.same(await (await open("/v1/me", { cookie })).json(), own);
  t.equal((await open("/v1/me", { cookie: cookie.replace(KEY, "mk_other") })).status, 401);
  identities.take(2, [], []);
  t.equal((await open("/v1/me", { cookie })).status, 401);
  const refused = await open(`/?token=${KEY}`);
  t.same([refused.status, refused.headers.get("set-cookie")], [401, null]);
});
