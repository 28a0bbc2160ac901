/** What every `Server` must do over HTTP. */

import { once } from "node:events";
import { request as httpRequest } from "node:http";
import { connect } from "node:net";
import { Readable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import type { Test } from "tap";
import { type CreateServer, type Manners, raw, start, TIMES, until } from "./contract-rig.ts";

export function httpContract(t: Test, create: CreateServer, manners: Manners): void {
  t.test("[S1] requests and responses are those of fetch", async (t) => {
    const { port } = await start(t, create, {
      async fetch(request) {
        const url = new URL(request.url);
        const text = await request.text();
        const long = String(request.headers.get("x-long")?.length);
        const headers = new Headers({
          "x-path": url.pathname + url.search,
          "x-host": url.host,
          "x-long": long,
        });
        headers.append("set-cookie", "a=1");
        headers.append("set-cookie", "b=2");
        return new Response(`${request.method} ${request.headers.get("x-in")} ${text}`, {
          status: 201,
          headers,
        });
      },
    });
    const response = await fetch(`http://127.0.0.1:${port}/a%2Fb?c=%C3%A4`, {
      method: "PUT",
      headers: { "x-in": "yes", "x-long": "x".repeat(12_000) },
      body: "ä",
    });
    t.equal(response.status, 201);
    t.equal(response.headers.get("x-path"), "/a%2Fb?c=%C3%A4");
    t.equal(response.headers.get("x-host"), `127.0.0.1:${port}`);
    t.equal(response.headers.get("x-long"), "12000", "16 KB of headers are allowed");
    t.strictSame(response.headers.getSetCookie(), ["a=1", "b=2"]);
    t.equal(response.headers.get("content-length"), "10", "a body of one chunk has its length");
    t.equal(await response.text(), "PUT yes ä");
  });

  t.test("[S2] HEAD has the headers of GET and no body; 204 and 304 have none either", async (t) => {
    const { port } = await start(t, create, {
      fetch: (request) => {
        if (request.url.endsWith("/none")) return new Response(null, { status: 204 });
        if (request.url.endsWith("/same"))
          return new Response(null, { status: 304, headers: { etag: '"x"' } });
        return new Response("hello", { headers: { "x-is": "there" } });
      },
    });
    const answers = await raw(
      port,
      "HEAD / HTTP/1.1\r\nHost: x\r\n\r\nGET /none HTTP/1.1\r\nHost: x\r\n\r\nGET /same HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    );
    t.match(answers, /^HTTP\/1.1 200/);
    t.match(answers, /x-is: there/i);
    t.notMatch(answers, /hello/);
    t.match(answers, /\r\n\r\nHTTP\/1.1 204/, "the next answer follows the headers at once");
    t.match(answers, /\r\n\r\nHTTP\/1.1 304/);
    const [head, none, same] = answers.split("\r\n\r\n");
    t.notMatch(head, /content-length: (?!5\b)/i, "that of GET, if any");
    for (const answer of [none, same]) t.notMatch(answer, /content-length/i, "a client would wait for it");
    t.ok(answers.endsWith("\r\n\r\n"));
  });

  t.test("[S3] a body that is not read holds its sender back", async (t) => {
    let go = () => {};
    const wait = new Promise<void>((resolve) => {
      go = resolve;
    });
    const { port } = await start(t, create, {
      async fetch(request) {
        await wait;
        let bytes = 0;
        for await (const chunk of request.body!) bytes += (chunk as Uint8Array).byteLength;
        return new Response(String(bytes));
      },
    });
    const total = 64 * 2 ** 20;
    const chunk = Buffer.alloc(65_536);
    const client = httpRequest({ port, method: "POST", headers: { "content-length": total } });
    t.teardown(() => client.destroy());
    let sent = 0;
    let ended = false;
    const pump = () => {
      while (sent < total) {
        sent += chunk.length;
        if (!client.write(chunk)) return;
      }
      if (!ended) client.end();
      ended = true;
    };
    client.on("drain", pump);
    pump();
    await sleep(300);
    const stuck = sent;
    t.ok(stuck < total, `stuck at ${stuck} bytes`);
    go();
    const [response] = await once(client, "response");
    let text = "";
    for await (const part of response) text += part;
    t.equal(text, String(total));
  });

  t.test("[S4] a response is not made faster than its client reads", async (t) => {
    let made = 0;
    const total = 64 * 2 ** 20;
    const { port } = await start(t, create, {
      fetch: () =>
        new Response(
          new ReadableStream({
            pull(controller) {
              made += 65_536;
              controller.enqueue(new Uint8Array(65_536));
              if (made >= total) controller.close();
            },
          }),
        ),
    });
    const client = httpRequest({ port });
    t.teardown(() => client.destroy());
    client.end();
    const [response] = await once(client, "response");
    await sleep(300);
    t.ok(made < total, `stuck at ${made} bytes`);
    let bytes = 0;
    for await (const part of response) bytes += part.length;
    t.equal(bytes, total);
  });

  t.test("[S5] a client that goes away aborts its request's signal and its body", async (t) => {
    let aborted = false;
    let broken = false;
    let cancelled = false;
    const { port } = await start(t, create, {
      async fetch(request) {
        request.signal.addEventListener("abort", () => {
          aborted = true;
        });
        if (request.method === "GET")
          return new Response(
            new ReadableStream({
              async pull(controller) {
                await sleep(5);
                controller.enqueue(new Uint8Array(10));
              },
              cancel() {
                cancelled = true;
              },
            }),
          );
        await request.text().catch(() => {
          broken = true;
        });
        return new Response();
      },
    });
    const upload = httpRequest({ port, method: "POST", headers: { "content-length": 1_000 } });
    upload.on("error", () => {});
    upload.write("half");
    await sleep(50);
    upload.destroy();
    await until("abort", () => aborted && broken);

    const download = httpRequest({ port });
    download.on("error", () => {});
    download.end();
    const [response] = await once(download, "response");
    response.on("error", () => {});
    response.destroy();
    await until("cancel of the response's stream", () => cancelled);
    t.pass("all told");
  });

  t.test("[S6] what the application throws is a 500 problem without details", async (t) => {
    const { port, errors } = await start(t, create, {
      fetch() {
        throw new Error("secret");
      },
    });
    const response = await fetch(`http://127.0.0.1:${port}/`);
    t.equal(response.status, 500);
    t.equal(response.headers.get("content-type"), "application/problem+json");
    const body = await response.text();
    t.match(JSON.parse(body), { type: "urn:muster:problem:internal", status: 500 });
    t.notMatch(body, /secret/);
    t.match(errors, [{ message: "secret" }]);
  });

  t.test("[S7] an early answer reaches a client that is still sending", async (t) => {
    const { port } = await start(t, create, { fetch: () => new Response("too large", { status: 413 }) });
    const total = 200 * 2 ** 20;
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
    client.write(`POST / HTTP/1.1\r\nHost: x\r\nContent-Length: ${total}\r\n\r\n`);
    const chunk = Buffer.alloc(2 ** 20);
    const body = Readable.from(
      (function* () {
        for (let sent = 0; sent < total; sent += chunk.length) yield chunk;
      })(),
    );
    body.pipe(client, { end: manners.afterEarly === "waits" });
    if (!client.destroyed) await once(client, "close");
    t.equal(error, undefined, "the connection is not reset");
    t.match(answer, /^HTTP\/1.1 413/);
    t.match(answer, /connection: close/i);
    t.match(answer, /too large$/);
  });

  t.test("[S7] what stands behind a body that nobody wanted harms nobody", async (t) => {
    const { port } = await start(t, create, { fetch: () => new Response("no", { status: 401 }) });
    const size = 100_000;
    const head = "POST / HTTP/1.1\r\nHost: x\r\n";
    const bodies = [
      `${head}Content-Length: ${size}\r\n\r\n${"x".repeat(size)}`,
      `${head}Transfer-Encoding: chunked\r\n\r\n${size.toString(16)}\r\n${"x".repeat(size)}\r\n0\r\n\r\n`,
    ];
    for (let i = 0; i < 40; i++) {
      const client = connect(port, "127.0.0.1");
      client.on("error", () => {});
      client.end(`${bodies[i % 2]}GET /next HTTP/1.1\r\nHost: x\r\n\r\n${bodies[0]}`);
      const [answer] = await once(client, "data");
      t.match(String(answer), /^HTTP\/1.1 401/);
      client.destroy();
    }
  });

  t.test("[S8] 100 Continue is said only when the body is wanted", async (t) => {
    const { port } = await start(t, create, {
      fetch: async (request) =>
        new Response(request.url.endsWith("/take") ? await request.text() : "no", { status: 202 }),
    });
    for (const [path, wanted] of [
      ["/take", true],
      ["/refuse", false],
    ] as const) {
      const client = httpRequest({
        port,
        path,
        method: "POST",
        headers: { expect: "100-continue", "content-length": 100_000 },
      });
      t.teardown(() => client.destroy());
      client.on("error", () => {});
      let continued = false;
      client.on("continue", () => {
        continued = true;
        client.end(Buffer.alloc(100_000));
      });
      client.flushHeaders();
      const [response] = await once(client, "response");
      t.equal(response.statusCode, 202);
      t.equal(continued, wanted || manners.continues === "always", path);
    }
  });

  t.test(
    "[S9] a client that drips its headers is cut, what is not HTTP gets a 400",
    { timeout: 60_000 },
    async (t) => {
      const { port } = await start(t, create);
      const [least, most] = manners.headersMs;
      const noise = raw(port, "nonsense\r\n\r\n");
      const began = performance.now();
      await raw(port, "GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ");
      const took = performance.now() - began;
      t.ok(took >= least && took < most, `cut after ${took} ms`);
      if (manners.noise === "problem")
        t.match(await noise, /^HTTP\/1.1 400[\s\S]*application\/problem\+json/);
      else t.equal(await noise, "");
      t.match(await raw(port, "GET / HTTP/1.1\r\nHost: x\r\nno header\r\n\r\n"), /^HTTP\/1.1 400/);
      t.match(
        await raw(port, "GET / HTTP/1.1\r\nHost: a b/c\r\nConnection: close\r\n\r\n"),
        /^HTTP\/1.1 400/,
      );
    },
  );

  t.test("[S24] what few clients do is served, or refused in a way that they notice", async (t) => {
    const { port } = await start(t, create, {
      async fetch(request) {
        await sleep(30);
        return new Response(`at ${new URL(request.url).pathname}.`, { headers: { connection: "close" } });
      },
    });
    const served = manners.rare === "served";
    const get = (path: string, more = "") => `GET ${path} HTTP/1.1\r\nHost: x\r\n${more}\r\n`;
    t.match(
      await raw(port, get("/a", "Connection: close\r\n")),
      /^HTTP\/1.1 200[\s\S]*at \/a.$/,
      "as others do",
    );
    const rare: [what: string, answer: string, refusal: RegExp][] = [
      ["HTTP/1.0", await raw(port, "GET /b HTTP/1.0\r\n\r\n"), /^HTTP\/1.1 505/],
      ["a whole address", await raw(port, get(`http://127.0.0.1:${port}/c`)), /^HTTP\/1.1 505/],
      ["pipelining", await raw(port, get("/d") + get("/e")), /^$/],
    ];
    for (const [what, answer, refusal] of rare)
      t.match(answer, served ? /^HTTP\/1.1 200[\s\S]*at \/.\.$/ : refusal, what);
  });

  t.test("[S18] [H53] who keeps a connection alive is told of the end, and answered to it", async (t) => {
    const { server, port } = await start(t, create);
    const get = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
    const open = async () => {
      const tcp = connect(port, "127.0.0.1");
      t.teardown(() => tcp.destroy());
      const ask = async () => {
        tcp.write(get);
        return String((await Promise.race([once(tcp, "data"), once(tcp, "close")]))[0]);
      };
      t.notMatch(await ask(), /connection: close/i);
      return ask;
    };
    const [before, during, ...others] = await Promise.all(Array.from({ length: 4 }, open));
    server.leave();
    t.match(await before!(), /^HTTP\/1.1 200[\s\S]*connection: close[\s\S]*hello$/i);
    const closed = server.close(2_000);
    t.match(await during!(), /^HTTP\/1.1 200[\s\S]*connection: close[\s\S]*hello$/i);
    const began = performance.now();
    await closed;
    t.ok(performance.now() - began < 1_500, "those who ask nothing are not waited for");
    t.equal(others.length, 2);
  });

  t.test("[S19] a port in use rejects", async (t) => {
    const { port } = await start(t, create);
    const second = create(
      {
        fetch: () => new Response(),
        upgrade: () => ({ accept: false, response: new Response() }),
        socket: { open() {}, message() {}, drain() {}, close() {} },
        maxMessageBytes: 1,
        maxConnections: 1,
      },
      () => {},
      TIMES,
    );
    await t.rejects(second.listen("127.0.0.1", port), { code: "EADDRINUSE" });
  });
}
