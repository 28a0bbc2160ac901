import { once } from "node:events";
import { request } from "node:http";
import { connect as connectTcp } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import t, { type Test } from "tap";
import { type Serving, serveOnPostgres, TOKEN } from "../support/serve.ts";

interface Answer {
  status: number;
  type?: string;
  detail?: string;
  accepted?: number;
  refused?: { index: number; type: string; detail: string }[];
}

const NOW = new Date().toISOString();
const good = (id: string) => ({ id, t: NOW, lon: 1, lat: 2 });
const urn = (name: string) => `urn:muster:problem:${name}`;

async function post(node: Serving, body: string, type = "application/json"): Promise<Answer> {
  const headers = { ...node.headers, "content-type": type };
  const response = await fetch(`${node.url}/v1/reports`, { method: "POST", headers, body });
  return { status: response.status, ...((await response.json()) as object) };
}

/** A feed whose messages can be read one by one. */
async function openFeed(node: Serving) {
  const socket = new WebSocket(`${node.url.replace("http", "ws")}/v1/feed?token=${TOKEN}`, [
    "muster.v1.json",
  ]);
  const messages: Record<string, unknown>[] = [];
  socket.addEventListener("message", ({ data }) => messages.push(JSON.parse(data)));
  await once(socket, "open");
  return {
    socket,
    send: (message: unknown) => socket.send(typeof message === "string" ? message : JSON.stringify(message)),
    async next(op: string) {
      for (let i = 0; i < 2_400; i++) {
        const at = messages.findIndex((message) => message.op === op);
        if (at >= 0) return messages.splice(at, 1)[0]!;
        await sleep(25);
      }
      throw new Error(`no ${op} came; got ${JSON.stringify(messages)}`);
    },
  };
}

// Together: most of the time is waiting.
t.jobs = 2;
for (const server of ["uws", "ws"]) {
  const title = `[N7] one node meets everything, and serves others throughout, on ${server}`;
  t.test(title, { timeout: 110_000 }, (t) => meetEverything(t, server));
}

async function meetEverything(t: Test, server: string): Promise<void> {
  const node = await serveOnPostgres(t, { MUSTER_SERVER: server });
  const witness = await openFeed(node);
  let checks = 0;
  const stillServes = async (after: string) => {
    checks += 1;
    const id = `witness-${checks}`;
    t.match(
      await post(node, JSON.stringify([good(id)])),
      { status: 200, accepted: 1 },
      `serves after ${after}`,
    );
    const response = await fetch(`${node.url}/v1/entities/${id}`, { headers: node.headers });
    t.equal(response.status, 200);
    witness.send({ op: "report", n: checks, reports: [good(id)] });
    t.match(await witness.next("ack"), { n: checks, accepted: 1 });
  };

  t.match(await post(node, "[{"), { status: 400, type: urn("malformed-json") });
  await stillServes("malformed JSON");

  const refused: [why: string, report: unknown, detail: RegExp][] = [
    ["NaN", { ...good("a"), lon: null }, /lon/],
    ["lat 91", { ...good("a"), lat: 91 }, /lat/],
    ["an id of 10,000 characters", good("x".repeat(10_000)), /id/],
    [
      "NUL in an attribute",
      { ...good("a"), attributes: { name: "a\u0000b" } },
      /NUL|control|\\u0000|attributes/,
    ],
    ["a field nobody knows", { ...good("a"), speeed: 3 }, /speeed/],
    ["no time", { id: "a" }, /t /],
  ];
  for (const [why, report, detail] of refused) {
    const answer = await post(node, JSON.stringify([good("before"), report, good("after")]));
    t.match(
      answer,
      { status: 200, accepted: 2, refused: [{ index: 1, type: urn("invalid-report"), detail }] },
      why,
    );
  }
  t.match(await post(node, '[{"id":"a","t":"2026-01-01T00:00:00Z","lon":NaN,"lat":1}]'), {
    type: urn("malformed-json"),
  });
  await stillServes("reports that are refused");

  t.match(await hugeBody(node), { status: 413 }, "200 MB");
  await stillServes("a 200 MB body");

  await halfLine(node);
  const whole = await fetch(`${node.url}/v1/entities/whole-line`, { headers: node.headers });
  t.equal(whole.status, 200, "the whole line was taken");
  const half = await fetch(`${node.url}/v1/entities/half-line`, { headers: node.headers });
  t.equal(half.status, 404, "the half line was not");
  await stillServes("half an NDJSON line and a dropped connection");

  const feed = await openFeed(node);
  feed.send({ op: "explode" });
  t.match(await feed.next("error"), { type: urn("unknown-op"), status: 400 });
  feed.send("{nonsense");
  t.match(await feed.next("error"), { type: urn("malformed-json") });
  feed.send({ op: "subscribe", view: "v", bbox: [0, 0, Number.NaN, 91] });
  t.match(await feed.next("error"), { type: urn("bad-request"), view: "v" });
  feed.send({ op: "update", view: "nobody", bbox: [0, 0, 1, 1] });
  t.match(await feed.next("error"), { type: urn("unknown-view"), view: "nobody" });
  feed.send({ op: "subscribe", view: "v", bbox: [0, 0, 5, 5] });
  t.match(await feed.next("view"), { view: "v" }, "and goes on afterwards");
  const closed = once(feed.socket, "close");
  feed.socket.send(new Uint8Array([1, 2, 3]));
  t.equal(((await closed)[0] as CloseEvent).code, 4403, "binary frames in the JSON protocol");
  await stillServes("a feed that is not the protocol");

  const deaf = await deafFeed(node);
  const moves = Array.from({ length: 3_000 }, (_, i) => ({
    id: `m${i}`,
    kind: "truck",
    lon: 1 + i / 3_000,
    lat: 2,
  }));
  const skippedTurns = async () => {
    const metrics = await (await fetch(`${node.url}/metrics`, { headers: node.headers })).text();
    return Number(/^muster_feed_skipped_total (\d+)/m.exec(metrics)?.[1]);
  };
  for (let round = 0; (await skippedTurns()) === 0 && round < 400; round++) {
    const body = JSON.stringify(
      moves.map((move) => ({ ...move, t: new Date().toISOString(), lat: 2 + (round % 40) / 40 })),
    );
    t.match(await post(node, body), { status: 200, accepted: 3_000 });
    await sleep(110);
  }
  const skipped = await skippedTurns();
  t.ok(skipped > 0, `a client that never reads was skipped ${skipped} times, not queued for`);
  await stillServes("a client that never reads");
  deaf.destroy();
  witness.socket.close();
  t.equal(await node.end("SIGTERM"), 0);
}

/** Sends 200 MB, as far as it is let. */
function hugeBody(node: Serving): Promise<{ status: number }> {
  return new Promise((resolve, reject) => {
    const sending = request(
      `${node.url}/v1/reports`,
      { method: "POST", headers: node.headers },
      (response) => {
        response.resume();
        resolve({ status: response.statusCode ?? 0 });
        sending.destroy();
      },
    );
    sending.on("error", reject);
    const chunk = Buffer.alloc(1_000_000, 0x20);
    let left = 200;
    const write = () => {
      while (left-- > 0 && !sending.destroyed)
        if (!sending.write(chunk)) return void sending.once("drain", write);
      if (!sending.destroyed) sending.end();
    };
    write();
  });
}

/** An NDJSON stream that is cut in the middle of its second line. */
async function halfLine(node: Serving): Promise<void> {
  const { hostname, port } = new URL(node.url);
  const socket = connectTcp(Number(port), hostname);
  await once(socket, "connect");
  const body = `${JSON.stringify(good("whole-line"))}\n${JSON.stringify(good("half-line")).slice(0, 30)}`;
  socket.write(
    `POST /v1/reports HTTP/1.1\r\nhost: ${hostname}\r\nauthorization: Bearer ${TOKEN}\r\ncontent-type: application/x-ndjson\r\ntransfer-encoding: chunked\r\n\r\n`,
  );
  socket.write(`${body.length.toString(16)}\r\n${body}\r\n`);
  // It is taken before the body ends.
  const taken = () => fetch(`${node.url}/v1/entities/whole-line`, { headers: node.headers });
  while ((await taken()).status !== 200) await sleep(25);
  socket.destroy();
  await sleep(500);
}

/** A feed with a view that never reads a byte of what it is sent. */
async function deafFeed(node: Serving) {
  const { hostname, port } = new URL(node.url);
  const socket = connectTcp(Number(port), hostname);
  await once(socket, "connect");
  socket.write(
    `GET /v1/feed?token=${TOKEN} HTTP/1.1\r\nhost: ${hostname}\r\nupgrade: websocket\r\nconnection: Upgrade\r\nsec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\nsec-websocket-protocol: muster.v1.json\r\n\r\n`,
  );
  await once(socket, "readable");
  const text = Buffer.from(JSON.stringify({ op: "subscribe", view: "v", bbox: [0, 0, 10, 10] }));
  // A client's frame: text, masked with a key of zeros.
  socket.write(Buffer.concat([Buffer.from([0x81, 0x80 | text.length, 0, 0, 0, 0]), text]));
  socket.on("error", () => {});
  return socket;
}
