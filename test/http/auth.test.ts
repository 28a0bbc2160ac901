import { mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { ADMIN } from "../../src/access/ports.ts";
import { identifyAdmin, openAdminToken, readAdminToken } from "../../src/auth/admin-token.ts";
import { offeredToken } from "../../src/auth/request-token.ts";
import { admitted, createUpgrade } from "../../src/auth/upgrade.ts";
import { CLOSE_CODES } from "../../src/transport/feed/protocol.ts";
import type { Socket, UpgradeAnswer } from "../../src/transport/server/server.ts";
import { problemOf, TOKEN, testApp } from "./fixture.ts";

const JSON_BODY = { method: "POST", body: "[]", headers: { "content-type": "application/json" } };

t.test("[A1] the first start makes a token that only its owner can read, later starts use it", async (t) => {
  const dataDir = join(t.testdir(), "new", "folder");
  const first = openAdminToken({ dataDir });
  t.equal(first.created, true);
  t.match(first.token, /^[\w-]{43}$/);
  t.equal(statSync(join(dataDir, "admin-token")).mode & 0o777, 0o600);
  t.strictSame(openAdminToken({ dataDir }), { token: first.token, created: false });
  t.not(openAdminToken({ dataDir: t.testdir() }).token, first.token);
});

t.test(
  "[A2] a token that is given is used and not written down; a file without one stops the start",
  async (t) => {
    const dataDir = t.testdir();
    t.strictSame(openAdminToken({ dataDir, given: "given-by-operator" }), {
      token: "given-by-operator",
      created: false,
    });
    t.throws(() => readFileSync(join(dataDir, "admin-token")), { code: "ENOENT" });
    const file = join(dataDir, "admin-token");
    for (const kept of [
      "",
      "\n",
      "too-short\n",
      "two words of a sentence",
      "line-of-a-file\nline-of-a-file",
      "ключ-от-всех-дверей",
      `x${"\0".repeat(20)}`,
      "x".repeat(513),
    ]) {
      writeFileSync(file, kept);
      t.throws(
        () => openAdminToken({ dataDir }),
        /holds no token, which is .* Delete it/,
        JSON.stringify(kept),
      );
      t.throws(
        () => readAdminToken({ dataDir }),
        /holds no token, which is .* Delete it/,
        JSON.stringify(kept),
      );
    }
    writeFileSync(file, "written-by-an-editor\r\n");
    t.equal(openAdminToken({ dataDir }).token, "written-by-an-editor");
    mkdirSync(join(dataDir, "sub", "admin-token"), { recursive: true });
    for (const [folder, code] of [
      [join(dataDir, "sub"), "EISDIR"],
      [join(dataDir, "admin-token"), "EEXIST"],
    ])
      t.throws(() => openAdminToken({ dataDir: folder }), {
        name: "DataFolderError",
        message: `the data folder ${folder} cannot be used: ${code}`,
      });
  },
);

t.test("[A3] only the whole token is right", async (t) => {
  const check = identifyAdmin(TOKEN);
  t.equal(check(TOKEN), ADMIN);
  for (const wrong of ["", TOKEN.slice(1), `${TOKEN} `, TOKEN.toUpperCase(), "x".repeat(100_000)])
    t.equal(check(wrong), undefined);
});

t.test(
  "[A4] a token is looked for in Authorization, then in the query where allowed, then in the cookie",
  async (t) => {
    const url = new URL("http://muster.test/?token=q");
    const all = { authorization: "Bearer b", cookie: "other=x; muster_token=c%2F; more=1" };
    t.strictSame(offeredToken(new Headers(all), url, true), { token: "b", from: "bearer" });
    t.strictSame(offeredToken(new Headers({ cookie: all.cookie }), url, true), { token: "q", from: "query" });
    t.strictSame(offeredToken(new Headers({ cookie: all.cookie }), url), { token: "c/", from: "cookie" });
    t.strictSame(offeredToken(new Headers({ authorization: "bearer  b " }), url), {
      token: "b",
      from: "bearer",
    });
    t.strictSame(offeredToken(new Headers({ cookie: "muster_token=%ff" }), url), {
      token: "%ff",
      from: "cookie",
    });
    for (const headers of [
      {},
      { authorization: "Basic b" },
      { authorization: "Bearer" },
      { cookie: "xmuster_token=c" },
    ] as Record<string, string>[])
      t.equal(offeredToken(new Headers(headers), url), undefined);
  },
);

t.test("[A5] every route but health and the files of the web UI wants the token", async (t) => {
  const app = testApp();
  const ask = (path: string, init?: RequestInit) => app.fetch(new Request(`http://muster.test${path}`, init));
  for (const path of [
    "/v1/entities",
    "/v1/entities/x",
    "/v1/nothing",
    "/v1",
    "/v1/feed",
    "/metrics",
    "/openapi.json",
    "/docs",
    "/v1/entities?token=the-token-of-the-tests",
    "/%761/entities",
    "/v%31/entities/x",
    "/%6detrics",
  ]) {
    const response = await ask(path);
    t.match(response.headers.get("www-authenticate"), /^Bearer realm="muster"$/, path);
    t.strictSame(await problemOf(response), ["unauthorized", 401], path);
  }
  t.equal((await ask("/v1/reports", JSON_BODY)).status, 401);
  const wrong = await ask("/v1/entities", { headers: { authorization: "Bearer wrong" } });
  t.match(wrong.headers.get("www-authenticate"), /error="invalid_token"/);
  t.equal(wrong.status, 401);
  for (const path of ["/healthz", "/readyz"]) t.equal((await ask(path)).status, 200);
  t.equal((await ask("/nothing")).status, 404);
  t.equal((await app.get("/v1/entities")).status, 200);
});

t.test("[A6] the cookie serves our own pages only", async (t) => {
  const app = testApp();
  const post = (headers: Record<string, string>) =>
    app.fetch(
      new Request("http://muster.test:8080/v1/reports", {
        ...JSON_BODY,
        headers: { ...JSON_BODY.headers, ...headers },
      }),
    );
  const cookie = `muster_token=${TOKEN}`;
  t.equal((await post({ cookie })).status, 200);
  t.equal((await post({ cookie, origin: "http://muster.test:8080" })).status, 200);
  for (const origin of ["http://muster.test:3000", "http://evil.test", "null", "garbage"])
    t.strictSame(await problemOf(await post({ cookie, origin })), ["cross-origin", 403], origin);
  t.equal((await post({ authorization: `Bearer ${TOKEN}`, origin: "http://other.test" })).status, 200);
});

t.test(
  "[A7] ?token= of the page becomes a cookie and leaves the address, other parameters stay",
  async (t) => {
    const app = testApp();
    const ask = (path: string) => app.fetch(new Request(`http://muster.test${path}`));
    const response = await ask(`/?entity=a%2Fb&token=${TOKEN}&zoom=3`);
    t.equal(response.status, 303);
    t.equal(response.headers.get("location"), "/?entity=a%2Fb&zoom=3");
    t.equal(response.headers.get("cache-control"), "no-store");
    const cookie = response.headers.get("set-cookie")!;
    t.match(cookie, /; HttpOnly/);
    t.match(cookie, /; SameSite=Strict/);
    t.match(cookie, /; Path=\//);
    const again = await app.fetch(
      new Request("http://muster.test/v1/entities", { headers: { cookie: cookie.split(";")[0] } }),
    );
    t.equal(again.status, 200, "the cookie is a token");
    t.equal((await ask(`/?token=${TOKEN}`)).headers.get("location"), "/");
    const wrong = await ask("/?token=wrong");
    t.strictSame([wrong.status, wrong.headers.get("set-cookie")], [401, null]);
  },
);

t.test(
  "[A8] a feed is opened at /v1/feed, with a token, by our own pages, in a protocol spoken here",
  async (t) => {
    const upgrade = createUpgrade({ identify: identifyAdmin(TOKEN) });
    const ask = (
      path: string,
      headers: Record<string, string> = {},
      protocols: string[] = ["muster.v1.json"],
    ) => upgrade({ url: new URL(`http://muster.test${path}`), headers: new Headers(headers), protocols });
    const refused = async (answer: UpgradeAnswer) =>
      answer.accept ? undefined : await problemOf(answer.response);
    const bearer = { authorization: `Bearer ${TOKEN}` };
    const cookie = `muster_token=${TOKEN}`;

    t.match(ask("/v1/feed", bearer), {
      accept: true,
      protocol: "muster.v1.json",
      principal: ADMIN,
    });
    t.match(ask(`/v1/feed?token=${TOKEN}`), { accept: true });
    t.match(ask("/v1/feed", { cookie, origin: "http://muster.test" }), { accept: true });
    t.match(ask("/v1/feed", bearer, ["other", "muster.v1.json"]), {
      accept: true,
      protocol: "muster.v1.json",
    });
    t.match(ask("/v1/feed", bearer, []), { accept: true, protocol: "" });
    t.strictSame(await refused(ask("/v1/feed", {}, [])), ["unauthorized", 401]);
    t.strictSame(await refused(ask("/v1/feed", {}, ["other"])), ["unauthorized", 401]);
    t.strictSame(
      await refused(ask("/v1/feed?token=wrong", { cookie }, [])),
      ["unauthorized", 401],
      "what is said aloud counts",
    );
    t.strictSame(await refused(ask("/v1/feed", { cookie, origin: "http://muster.test:81" }, [])), [
      "cross-origin",
      403,
    ]);
    t.match(ask(`/v1/feed?token=${TOKEN}`, { origin: "http://other.test" }), { accept: true });
    t.strictSame(await refused(ask("/v1/feed", bearer, ["other"])), ["unsupported-protocol", 400]);
    t.strictSame(await refused(ask("/v1/other", bearer)), ["not-found", 404]);
  },
);

t.test("[A14] a node that stops opens no feed", async (t) => {
  let stopping = false;
  const upgrade = createUpgrade({ identify: identifyAdmin(TOKEN), stopping: () => stopping });
  const ask = () =>
    upgrade({
      url: new URL(`http://muster.test/v1/feed?token=${TOKEN}`),
      headers: new Headers(),
      protocols: [],
    });
  t.equal(ask().accept, true);
  stopping = true;
  const answer = ask();
  if (answer.accept) throw new Error("let in");
  t.strictSame(await problemOf(answer.response), ["unavailable", 503]);
});

t.test(
  "[A9] [A16] a feed without the right token, or by cookie of another origin, is closed at once, and nothing of it is read",
  async (t) => {
    const upgrade = createUpgrade({ identify: identifyAdmin(TOKEN) });
    const seen: string[] = [];
    const handlers = admitted({
      open: () => void seen.push("open"),
      message: () => void seen.push("message"),
      drain: () => void seen.push("drain"),
      close: () => void seen.push("close"),
    });
    const connect = (query: string, headers: Record<string, string> = {}) => {
      const url = new URL(`http://muster.test/v1/feed${query}`);
      const answer = upgrade({ url, headers: new Headers(headers), protocols: ["muster.v1.json"] });
      if (!answer.accept) throw new Error("not let in");
      const closes: [number, string][] = [];
      const socket = {
        protocol: answer.protocol,
        principal: answer.principal,
        close: (code: number, reason: string) => void closes.push([code, reason]),
      } as unknown as Socket;
      handlers.open(socket);
      handlers.message(socket, Buffer.from("{}"), false);
      handlers.drain(socket);
      handlers.close(socket, 1006);
      return closes;
    };
    const told = [[4401, "the token is missing or wrong"]];
    t.strictSame(connect(""), told);
    t.strictSame(connect("?token=wrong", { cookie: `muster_token=${TOKEN}` }), told);
    t.strictSame(connect("", { cookie: "muster_token=old", origin: "http://muster.test" }), told);
    const { code, reason } = CLOSE_CODES.cross_origin;
    t.equal(code, 4402);
    t.ok(Buffer.byteLength(reason) <= 123, "what a close frame can hold");
    const cookie = `muster_token=${TOKEN}`;
    t.strictSame(connect("", { cookie, origin: "http://muster.test:81" }), [[code, reason]]);
    t.strictSame(seen, [], "the feed knows nothing of it");
    t.strictSame(connect(`?token=${TOKEN}`), []);
    t.strictSame(seen, ["open", "message", "drain", "close"]);
  },
);
