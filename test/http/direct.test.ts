import { once } from "node:events";
import { connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import t, { type Test } from "tap";
import { createMetrics } from "../../src/telemetry/metrics.ts";
import { SERVERS } from "../support/servers.ts";
import { type FakeIngest, TOKEN, testApp } from "./fixture.ts";

const T = "2026-01-02T03:04:05Z";
const report = (id: string) => JSON.stringify({ id, t: T });
const BEARER = `Authorization: Bearer ${TOKEN}`;
const COOKIE = `Cookie: a=b; muster_token=${TOKEN}`;
const JSON_TYPE = "Content-Type: application/json";
const NDJSON = "Content-Type: application/x-ndjson";

async function serve(t: Test, name: keyof typeof SERVERS, usesDirect: boolean) {
  const metrics = createMetrics([]);
  const app = testApp({ metrics });
  let fetched = 0;
  const server = SERVERS[name](
    {
      fetch(request) {
        fetched += 1;
        return app.fetch(request);
      },
      direct: usesDirect ? app.direct : undefined,
      upgrade: () => ({ accept: false, response: new Response() }),
      socket: { open() {}, message() {}, drain() {}, close() {} },
      maxMessageBytes: 1_000,
      maxConnections: 100,
    },
    (error) => app.errors.push(error),
  );
  const port = await server.listen("127.0.0.1", 0);
  t.teardown(() => server.close(100));
  return { app, port, metrics, fetched: () => fetched };
}

interface Case {
  what: string;
  headers: string[];
  /** Sent apart. With `Content-Length`, unless a header says how the body comes. */
  body: (string | Buffer)[];
  line?: string;
  /** What the ingest does. */
  given?(ingest: FakeIngest): void;
}

const array = (what: string, body: string, more: Partial<Case> = {}): Case => ({
  what,
  headers: [BEARER, JSON_TYPE],
  body: [body],
  ...more,
});
const lines = (what: string, ...body: (string | Buffer)[]): Case => ({
  what,
  headers: [BEARER, NDJSON],
  body,
});
const asked = (what: string, ...headers: string[]): Case => ({ what, headers, body: [`[${report("a")}]`] });
const chunk = (text: string) => `${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n`;

const CASES: Case[] = [
  array("an array", `[${report("a")},${report("b")}]`),
  array("an empty array", "[]"),
  array("refusals by place", `[${report("a")},7,{"id":"ä","t":"${T}","lat":91,"lon":0},${report("b")}]`),
  array("refusals by the ingest", `[${report("a")},${report("x")}]`, {
    given: (ingest) => {
      ingest.refuse = ({ id }) => (id === "x" ? "too-old" : undefined);
    },
  }),
  array("what is not JSON", '[{"id":"a","t":NaN}]'),
  array("no array", report("a")),
  array("an empty body", ""),
  array("a query", `[${report("a")}]`, { line: "POST /v1/reports?x=1&y HTTP/1.1" }),
  array("an answer of many kilobytes", `[${Array(2_000).fill("7").join(",")}]`),
  array("too many reports", `[${Array(50_001).fill("0").join(",")}]`),
  array("a body cut into bytes", "", { body: [...`[${report("a")}]`] }),
  array("a body in chunks", "", {
    headers: [BEARER, JSON_TYPE, "Transfer-Encoding: chunked"],
    body: [chunk(`[${report("a")},`), chunk(`${report("b")}]`), "0\r\n\r\n"],
  }),
  array("a body that is too long, by its length", "", {
    headers: [BEARER, JSON_TYPE, `Content-Length: ${2 ** 24}`],
  }),
  array("a body that is too long, in chunks", "", {
    headers: [BEARER, JSON_TYPE, "Transfer-Encoding: chunked"],
    body: [...Array(9).fill(chunk(" ".repeat(2 ** 20))), "0\r\n\r\n"],
  }),
  array("bytes that are not UTF-8", "", { body: [Buffer.from([0x5b, 0xff, 0x5d])] }),
  array("an overloaded node", `[${report("a")}]`, {
    given: (ingest) => {
      ingest.overloaded = true;
    },
  }),
  array("nothing but overload", `[${report("a")}]`, {
    given: (ingest) => {
      ingest.refuse = () => "overloaded";
    },
  }),
  array("an ingest that fails", `[${report("a")}]`, {
    given: (ingest) => {
      ingest.gate = Promise.reject(new Error("broken"));
    },
  }),
  lines("lines", `\ufeff${report("a")}\r\n\r\n{oops}\n${report("b")}`),
  lines("lines cut anywhere", `${report("a")}\n${report("b").slice(0, 9)}`, `${report("b").slice(9)}\n`),
  lines("lines that are not UTF-8", Buffer.from(`${report("a")}\n{"id":"\xff"}\n`, "latin1")),
  lines("no lines", ""),
  asked("no token", JSON_TYPE),
  asked("a wrong token", "Authorization: Bearer nonsense", JSON_TYPE),
  asked("a wrong token and the right cookie", "Authorization: Bearer nonsense", COOKIE, JSON_TYPE),
  asked("a token in the query", JSON_TYPE),
  asked("a cookie", COOKIE, JSON_TYPE),
  asked("a cookie from our own page", COOKIE, JSON_TYPE, "Origin: http://muster.test"),
  asked(
    "a cookie from our own page, by another way to write it",
    COOKIE,
    JSON_TYPE,
    "Origin: http://MUSTER.test:80",
  ),
  asked("a cookie from another page", COOKIE, JSON_TYPE, "Origin: http://evil.test"),
  asked("a cookie from no page that has an address", COOKIE, JSON_TYPE, "Origin: null"),
  asked("cookies in two headers", "Cookie: a=b", COOKIE, JSON_TYPE),
  asked(
    "names in other letters",
    `aUTHORIZATION: bearer  ${TOKEN}`,
    "CONTENT-TYPE: APPLICATION/JSON; charset=utf8",
  ),
  asked("no content type", BEARER),
  asked("another content type", BEARER, "Content-Type: text/plain"),
  asked("two content types", BEARER, JSON_TYPE, "Content-Type: text/plain"),
  asked("another charset", BEARER, `${JSON_TYPE}; charset=latin1`),
  asked("a compressed body", BEARER, JSON_TYPE, "Content-Encoding: gzip"),
  asked("a body said not to be compressed", BEARER, JSON_TYPE, "Content-Encoding: identity"),
  asked("a header that is not ASCII", BEARER, JSON_TYPE, "X-Name: ł"),
  { ...asked("a host that is none", BEARER, JSON_TYPE), line: "POST /v1/reports HTTP/1.1\r\nHost: a b/c" },
  { ...asked("another method", BEARER, JSON_TYPE), line: "PUT /v1/reports HTTP/1.1" },
  { ...asked("a path that only looks alike", BEARER, JSON_TYPE), line: "POST /v1/reports/ HTTP/1.1" },
  { ...asked("a path written differently", BEARER, JSON_TYPE), line: "POST /v1/%72eports HTTP/1.1" },
];

/** What a client sees of an answer: what servers say by themselves is left out. */
interface Seen {
  status: string;
  headers: string[];
  body: string;
}

async function ask(port: number, { line, headers, body }: Case): Promise<Seen> {
  const tcp = connect(port, "127.0.0.1");
  tcp.setNoDelay();
  tcp.on("error", () => {});
  const length = body.reduce((sum, part) => sum + Buffer.byteLength(part), 0);
  const framed = headers.some((header) => /^(Content-Length|Transfer-Encoding)/.test(header));
  const first = line ?? "POST /v1/reports HTTP/1.1";
  const head = [first, ...headers, ...(framed ? [] : [`Content-Length: ${length}`])];
  if (!first.includes("Host:")) head.push("Host: muster.test");
  tcp.write(`${head.join("\r\n")}\r\n\r\n`);
  for (const part of body) {
    if (body.length > 1 && part.length < 1_000) await new Promise(setImmediate);
    tcp.write(part);
  }
  let answer = Buffer.alloc(0);
  for (;;) {
    const [data] = (await once(tcp, "data")) as [Buffer];
    answer = Buffer.concat([answer, data]);
    const end = answer.indexOf("\r\n\r\n");
    const wanted = /^content-length: (\d+)/im.exec(answer.toString("latin1", 0, Math.max(end, 0)))?.[1];
    if (end < 0 || answer.length < end + 4 + Number(wanted)) continue;
    tcp.destroy();
    const [status, ...lines] = answer.toString("latin1", 0, end).split("\r\n");
    const own = /^(date|uwebsockets|connection|keep-alive):/;
    const said = lines.map((text) => text.replace(/^[^:]+/, (name) => name.toLowerCase()));
    return {
      status,
      headers: said.filter((text) => !own.test(text)).sort(),
      body: answer.toString("utf8", end + 4),
    };
  }
}

t.test("[H29] POST /v1/reports is answered the same by every server, with and without fetch", async (t) => {
  const fetching = await serve(t, "ws", false);
  const others = {
    "uws, direct": await serve(t, "uws", true),
    "uws, by fetch": await serve(t, "uws", false),
  };
  const statuses = new Set<string>();
  for (const one of CASES) {
    const answers: Seen[] = [];
    for (const { app, port } of [fetching, ...Object.values(others)]) {
      const { ingest } = app;
      Object.assign(ingest, { overloaded: false, refuse: () => undefined, gate: Promise.resolve() });
      one.given?.(ingest);
      ingest.gate.catch(() => {});
      answers.push(await ask(port, one));
    }
    statuses.add(answers[0].status.split(" ")[1]);
    for (const [i, name] of Object.keys(others).entries())
      t.strictSame(answers[i + 1], answers[0], `${one.what}: ${answers[0].status}, on ${name}`);
  }
  t.strictSame([...statuses].sort(), ["200", "400", "401", "403", "404", "405", "413", "415", "500", "503"]);
  const direct = others["uws, direct"];
  t.strictSame(direct.app.ingest.reports, fetching.app.ingest.reports, "the same was handed in");
  t.strictSame(direct.app.errors.map(String), fetching.app.errors.map(String));
  t.equal(direct.fetched(), 3, "only other paths and methods went by fetch");
  t.equal(others["uws, by fetch"].fetched(), CASES.length - 1, "all but what is no request");
  const counted = async ({ metrics }: typeof direct) =>
    (await metrics.registry.metrics())
      .split("\n")
      .filter((line) => /^muster_http_request_duration_seconds_count/.test(line))
      .sort();
  t.strictSame(await counted(direct), await counted(fetching), "and counted the same");
});

t.test("[H29] NDJSON past fetch is read no faster than it is committed", async (t) => {
  const { app, port } = await serve(t, "uws", true);
  const { promise, resolve } = Promise.withResolvers<void>();
  app.ingest.gate = promise;
  const line = `${JSON.stringify({ id: "a", t: T, attributes: { x: "y".repeat(8_000) } })}\n`;
  const block = Buffer.from(line.repeat(125));
  const blocks = 40;
  const tcp = connect(port, "127.0.0.1");
  t.teardown(() => tcp.destroy());
  tcp.write(
    `POST /v1/reports HTTP/1.1\r\nHost: x\r\n${BEARER}\r\n${NDJSON}\r\nContent-Length: ${block.length * blocks}\r\n\r\n`,
  );
  let sent = 0;
  const pump = () => {
    while (sent < blocks) {
      sent += 1;
      if (!tcp.write(block)) return;
    }
  };
  tcp.on("drain", pump);
  pump();
  await sleep(300);
  t.ok(sent < blocks, `its sender is held back after ${sent} MB`);
  t.ok(app.ingest.batches.length <= 10, `${app.ingest.batches.length} batches wait`);
  resolve();
  let answer = "";
  tcp.on("data", (data) => (answer += data));
  while (!answer.endsWith("}")) await sleep(10);
  t.match(answer, `"accepted":${125 * blocks}`);
});
