import { once } from "node:events";
import { connect } from "node:net";
import { Readable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import t, { type Test } from "tap";
import { SERVERS } from "../support/servers.ts";
import { TOKEN, testApp } from "./fixture.ts";

const T = "2026-01-02T03:04:05Z";
const AUTHORIZATION = `Authorization: Bearer ${TOKEN}\r\n`;

async function serve(t: Test, name: keyof typeof SERVERS) {
  const app = testApp();
  const server = SERVERS[name](
    {
      fetch: app.fetch,
      direct: app.direct,
      upgrade: () => ({ accept: false, response: new Response() }),
      socket: { open() {}, message() {}, drain() {}, close() {} },
      maxMessageBytes: 1_000,
      maxConnections: 100,
    },
    (error) => app.errors.push(error),
  );
  const port = await server.listen("127.0.0.1", 0);
  t.teardown(() => server.close(100));
  const post = (body: string, type = "application/json") =>
    fetch(`http://127.0.0.1:${port}/v1/reports`, {
      method: "POST",
      headers: { authorization: `Bearer ${TOKEN}`, "content-type": type },
      body,
    });
  return { app, port, post };
}

for (const name of ["ws", "uws"] as const) {
  t.test(
    `[H23] malformed JSON and impossible reports are told, and the connection goes on, on ${name}`,
    async (t) => {
      const { app, post } = await serve(t, name);
      const table: [string, number, RegExp][] = [
        ['[{"id":"a"', 400, /ends too early, at character 10/],
        [`[{"id":"a","t":"${T}","lon":NaN,"lat":0}]`, 400, /Not JSON at character/],
        [`[{"id":"a","t":"${T}","lon":0,"lat":91}]`, 200, /lat must be from -90 to 90, not 91/],
        [`[{"id":"${"x".repeat(10_000)}","t":"${T}"}]`, 200, /id has 10000 characters; at most 256/],
        [`[{"id":"a","t":"${T}","attributes":{"a":"\\u0000"}}]`, 200, /control character U\+0000/],
        [`[{"id":"a\\u0000","t":"${T}"}]`, 200, /control character U\+0000/],
      ];
      for (const [body, status, pattern] of table) {
        const response = await post(body);
        t.equal(response.status, status, body.slice(0, 50));
        t.match(await response.text(), pattern);
      }
      t.equal(app.ingest.reports.length, 0);
      t.match(await (await post(`[{"id":"a","t":"${T}"}]`)).json(), { accepted: 1 });
    },
  );

  t.test(
    `[H24] a body of 200 MB is refused, its sender sees why, others are served meanwhile, on ${name}`,
    async (t) => {
      const { app, port, post } = await serve(t, name);
      const size = 200 * 2 ** 20;
      for (const length of [`Content-Length: ${size}`, "Transfer-Encoding: chunked"]) {
        const client = connect(port, "127.0.0.1");
        t.teardown(() => client.destroy());
        let error: Error | undefined;
        client.on("error", (e) => {
          error = e;
        });
        let answer = "";
        client.on("data", (data) => {
          answer += data;
        });
        const closed = once(client, "close");
        client.write(
          `POST /v1/reports HTTP/1.1\r\nHost: x\r\n${AUTHORIZATION}Content-Type: application/json\r\n${length}\r\n\r\n`,
        );
        const data = Buffer.alloc(2 ** 20, " ");
        const framed = Buffer.concat([Buffer.from("100000\r\n"), data, Buffer.from("\r\n")]);
        const chunked = length.startsWith("Transfer");
        const chunks = function* () {
          for (let sent = 0; sent < size; sent += data.length) yield chunked ? framed : data;
          if (chunked) yield Buffer.from("0\r\n\r\n");
        };
        Readable.from(chunks()).pipe(client, { end: name === "uws" });
        t.match(await (await post(`[{"id":"a","t":"${T}"}]`)).json(), { accepted: 1 });
        await closed;
        t.equal(error, undefined, "no reset");
        t.match(answer, /^HTTP\/1\.1 413 /);
        t.match(answer, /urn:muster:problem:body-too-large/);
      }
      t.equal(app.ingest.reports.length, 2);
    },
  );

  t.test(
    `[H25] half a line of NDJSON and a dropped connection: whole lines are kept, the half one is not, on ${name}`,
    async (t) => {
      const { app, port, post } = await serve(t, name);
      const client = connect(port, "127.0.0.1");
      const line = (id: string) => `{"id":"${id}","t":"${T}"}`;
      client.write(
        `POST /v1/reports HTTP/1.1\r\nHost: x\r\n${AUTHORIZATION}Content-Type: application/x-ndjson\r\nContent-Length: 100000\r\n\r\n` +
          `${line("a")}\n${line("b")}\n${line("c")}`,
      );
      while (app.ingest.reports.length < 2) await sleep(10);
      client.destroy();
      await sleep(50);
      t.strictSame(
        app.ingest.reports.map(({ id }) => id),
        ["a", "b"],
      );
      t.match(await (await post(`[${line("d")}]`)).json(), { accepted: 1 });
      t.strictSame(app.errors, [], "it is the client's fault, not an error of the node");
    },
  );

  t.test(
    `[H26] a list is answered whole over a real connection, and a client that leaves in the middle harms nobody, on ${name}`,
    async (t) => {
      const { app, port } = await serve(t, name);
      for (let i = 0; i < 5_000; i++) app.picture.add(`e${i}`, 0);
      const client = connect(port, "127.0.0.1");
      client.write(`GET /v1/entities?limit=10000 HTTP/1.1\r\nHost: x\r\n${AUTHORIZATION}\r\n`);
      await once(client, "data");
      client.destroy();
      const response = await fetch(`http://127.0.0.1:${port}/v1/entities?limit=10000`, {
        headers: { authorization: `Bearer ${TOKEN}` },
      });
      t.match(await response.json(), { numberReturned: 5_000 });
      t.strictSame(app.errors, []);
    },
  );
}
