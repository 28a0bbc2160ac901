import { once } from "node:events";
import { request } from "node:http";
import t, { type Test } from "tap";
import { ADMIN } from "../../src/access/ports.ts";
import { identifyAdmin } from "../../src/auth/admin-token.ts";
import { offeredToken } from "../../src/auth/request-token.ts";
import { createUpgrade } from "../../src/auth/upgrade.ts";
import { takeToken } from "../../web/address.ts";
import { SERVERS } from "../support/servers.ts";
import { testApp } from "./fixture.ts";

/** @returns the address of a node on a free port of 127.0.0.1. */
async function nodeWith(t: Test, name: keyof typeof SERVERS, token: string): Promise<string> {
  const identify = identifyAdmin(token);
  const server = SERVERS[name](
    {
      ...testApp({ identify }),
      upgrade: createUpgrade({ identify }),
      socket: { open: (socket) => socket.close(1000, ""), message() {}, drain() {}, close() {} },
      maxMessageBytes: 1_000,
      maxConnections: 100,
    },
    (error) => t.fail(String(error)),
  );
  const port = await server.listen("127.0.0.1", 0);
  t.teardown(() => server.close(100));
  return `http://127.0.0.1:${port}`;
}

/** What an upgrade with these cookies is answered with; without a subprotocol, so that a wrong token is told as a status. */
async function upgradeStatus(node: string, cookie: string): Promise<number | undefined> {
  const asked = request(`${node}/v1/feed`, {
    headers: {
      cookie,
      connection: "Upgrade",
      upgrade: "websocket",
      "sec-websocket-version": "13",
      "sec-websocket-key": "AAAAAAAAAAAAAAAAAAAAAA==",
    },
  }).end();
  asked.on("upgrade", (answer, socket) => {
    socket.destroy();
    asked.emit("answered", answer);
  });
  asked.on("response", (answer) => {
    answer.resume();
    asked.emit("answered", answer);
  });
  const [answer] = await once(asked, "answered");
  return answer.statusCode;
}

for (const name of ["ws", "uws"] as const)
  t.test(`[A11] ${name}: two nodes on one host name keep two tokens`, async (t) => {
    const tokens = ["the-token-of-one-node", "the-token-of-the-other"];
    const nodes = [await nodeWith(t, name, tokens[0]!), await nodeWith(t, name, tokens[1]!)];
    const kept = new Map<string, string>();
    for (const [i, node] of nodes.entries()) {
      const page = await fetch(`${node}/?token=${tokens[i]}`, { redirect: "manual" });
      const [cookieName, value] = page.headers.get("set-cookie")!.split(";")[0]!.split("=");
      kept.set(cookieName!, value!);
    }
    const cookie = [...kept].map((pair) => pair.join("=")).join("; ");
    for (const node of nodes) {
      t.equal((await fetch(`${node}/v1/entities`, { headers: { cookie } })).status, 200);
      t.equal(
        (
          await fetch(`${node}/v1/reports`, {
            method: "POST",
            headers: { cookie, "content-type": "application/json" },
            body: "[]",
          })
        ).status,
        200,
      );
      t.equal(await upgradeStatus(node, cookie), 101);
    }
    t.equal(await upgradeStatus(nodes[0]!, `muster_token=${tokens[1]}`), 401);
  });

t.test(
  "[A11] the cookie's name has the port of the address, one without a port is read for want of it",
  async (t) => {
    const of = (address: string, cookie: string) =>
      offeredToken(new Headers({ cookie }), new URL(address))?.token;
    const both = "muster_token=plain; muster_token_8080=own";
    t.equal(of("http://muster.test:8080/", both), "own");
    t.equal(of("http://muster.test/", both), "plain");
    t.equal(of("http://muster.test:81/", both), "plain");
    t.equal(of("http://muster.test:81/", "muster_token_8080=other"), undefined);
    t.equal(of("http://muster.test/", "muster_token_8080=other"), undefined);
  },
);

t.test("[A17] a + in ?token= is itself, pasted or encoded", async (t) => {
  const token = "dGhpcy+pcyBh+IHRva2Vu/w==";
  const identify = identifyAdmin(token);
  const { fetch } = testApp({ identify });
  const upgrade = createUpgrade({ identify });
  for (const written of [token, encodeURIComponent(token)]) {
    const pages = [`/?token=${written}`, `/docs?token=${written}`];
    for (const page of pages)
      t.equal((await fetch(new Request(`http://muster.test${page}`))).status, 303, page);
    const url = new URL(`http://muster.test/v1/feed?token=${written}`);
    const asked = upgrade({ url, headers: new Headers(), protocols: ["muster.v1.json"] });
    t.match(asked, { accept: true, principal: ADMIN });
  }
  t.teardown(() => Reflect.deleteProperty(globalThis, "location"));
  t.teardown(() => Reflect.deleteProperty(globalThis, "history"));
  const shown: string[] = [];
  Object.assign(globalThis, {
    location: { href: `http://muster.test/?token=${token}&entity=a#8/1/2` },
    history: {
      state: null,
      replaceState: (_state: unknown, _: string, url: URL) => void shown.push(url.href),
    },
  });
  t.equal(takeToken(), token);
  t.strictSame(shown, ["http://muster.test/?entity=a#8/1/2"]);
});
