import { setTimeout as sleep } from "node:timers/promises";
import t from "tap";
import { systemClock } from "../../src/clock.ts";
import {
  MAX_BATCH_REPORTS,
  MAX_BODIES_BYTES,
  MAX_JSON_BODY_BYTES,
  MAX_LINE_BYTES,
  MAX_NDJSON_BODY_BYTES,
  MAX_REFUSALS_LISTED,
  SLICE_MS,
} from "../../src/limits.ts";
import { Tally } from "../../src/transport/ingest/tally.ts";
import { problemOf, testApp } from "./fixture.ts";

const T = "2026-01-02T03:04:05Z";
const report = (id: string, members: object = {}) => JSON.stringify({ id, t: T, ...members });
const NDJSON = "application/x-ndjson";
const INVALID = "urn:muster:problem:invalid-report";

t.test("[H1] a JSON array: what is right is accepted, the rest is refused by its place", async (t) => {
  const app = testApp();
  app.ingest.refuse = ({ id }) => (id === "old" ? "too-old" : undefined);
  const response = await app.post(
    `[${report("a")},${report("b", { lon: 1, lat: 91 })},${report("old")},7,${report("c")}]`,
  );
  t.equal(response.status, 200);
  t.strictSame(await response.json(), {
    accepted: 2,
    refusedCount: 3,
    refused: [
      { index: 1, type: INVALID, detail: "lat must be from -90 to 90, not 91" },
      { index: 2, type: "urn:muster:problem:too-old", detail: "refused old" },
      { index: 3, type: INVALID, detail: "a report must be a JSON object" },
    ],
  });
  t.strictSame(
    app.ingest.reports.map(({ id }) => id),
    ["a", "old", "c"],
  );
  t.strictSame(await (await app.post("[]")).json(), { accepted: 0, refusedCount: 0, refused: [] });
});

t.test("[H2] NDJSON: refusals are told by the number of the line, blank ones counted", async (t) => {
  const app = testApp();
  app.ingest.refuse = ({ id }) => (id === "c" ? "clock-skew" : undefined);
  const lines = [
    report("a"),
    "",
    "{oops}",
    report("b"),
    `"x${"x".repeat(MAX_LINE_BYTES)}"`,
    report("c"),
    report("d"),
  ];
  const response = await app.post(`\ufeff${lines.join("\r\n")}`, `${NDJSON}; charset=utf-8`);
  const answer = (await response.json()) as { refused: { index: number; type: string }[]; accepted: number };
  t.equal(response.status, 200);
  t.equal(answer.accepted, 3, "the last line needs no end, a byte order mark does not hurt");
  t.strictSame(
    answer.refused.map(({ index, type }) => [index, type.split(":").at(-1)]),
    [
      [2, "malformed-json"],
      [4, "invalid-report"],
      [5, "clock-skew"],
    ],
  );
  t.strictSame(
    app.ingest.reports.map(({ id }) => id),
    ["a", "b", "c", "d"],
  );
  const latin = await app.post(Buffer.from(`${report("e")}\n{"id":"\xff"}\n`, "latin1"), NDJSON);
  t.match(await latin.json(), {
    accepted: 1,
    refused: [{ index: 1, type: /malformed-json/, detail: /UTF-8/ }],
  });
});

t.test("[H3] NDJSON is handed in as it comes, and not read faster than it is committed", async (t) => {
  const app = testApp();
  let open = () => {};
  app.ingest.gate = new Promise((resolve) => {
    open = resolve;
  });
  let made = 0;
  const body = new ReadableStream({
    pull(controller) {
      controller.enqueue(Buffer.from(`${report(`e${made}`)}\n`));
      if (++made === 100) controller.close();
    },
  });
  const response = app.post(body, NDJSON);
  while (app.ingest.batches.length < 8) await sleep(5);
  await sleep(50);
  t.equal(app.ingest.batches.length, 8, "no more wait");
  t.ok(made < 20, `${made} chunks were read`);
  open();
  t.match(await (await response).json(), { accepted: 100, refusedCount: 0 });
  t.strictSame(
    app.ingest.reports.map(({ id }) => id),
    Array.from({ length: 100 }, (_, i) => `e${i}`),
    "in order",
  );
});

t.test("[H4] a body that breaks off keeps its whole lines and loses the half one", async (t) => {
  const app = testApp();
  let sent = false;
  const body = new ReadableStream({
    pull(controller) {
      if (sent) controller.error(new Error("gone"));
      else controller.enqueue(Buffer.from(`${report("a")}\n${report("b")}\n${report("c")}`));
      sent = true;
    },
  });
  const response = await app.post(body, NDJSON);
  t.match(await response.json(), { status: 400, accepted: 2, refusedCount: 0 });
  t.strictSame(
    app.ingest.reports.map(({ id }) => id),
    ["a", "b"],
  );
});

t.test("[H5] of many refusals the first are listed and all are counted", async (t) => {
  const app = testApp();
  const answer = (await (
    await app.post(
      `[${Array(MAX_REFUSALS_LISTED + 5)
        .fill("7")
        .join(",")}]`,
    )
  ).json()) as {
    refused: unknown[];
    refusedCount: number;
  };
  t.equal(answer.refused.length, MAX_REFUSALS_LISTED);
  t.equal(answer.refusedCount, MAX_REFUSALS_LISTED + 5);
});

t.test("[H6] an overloaded node says 503 and when to come back", async (t) => {
  const app = testApp();
  app.ingest.refuse = ({ id }) => (id.startsWith("x") ? "overloaded" : undefined);
  for (const [body, type] of [
    [`[${report("x1")},${report("x2")}]`, undefined],
    [`${report("x1")}\n`, NDJSON],
  ] as const) {
    const all = await app.post(body, type);
    t.equal(all.headers.get("retry-after"), "1");
    t.strictSame(await problemOf(all), ["overloaded", 503]);
  }
  const some = await app.post(`[${report("x1")},${report("a")}]`);
  t.equal(some.status, 200, "what was accepted is told");
  t.match(await some.json(), { accepted: 1, refused: [{ index: 0, type: /overloaded/ }] });
  const mixed = await app.post(`[${report("x1")},7]`);
  t.equal(mixed.status, 200, "to repeat it whole would not help");

  app.ingest.overloaded = true;
  let read = false;
  const body = new ReadableStream(
    {
      pull(controller) {
        read = true;
        controller.close();
      },
    },
    { highWaterMark: 0 },
  );
  const early = await app.post(body, NDJSON);
  t.equal(early.headers.get("retry-after"), "1");
  t.strictSame(await problemOf(early), ["overloaded", 503]);
  t.equal(read, false, "the body is not read");
});

t.test("[H7] what is not JSON is a problem with the place", async (t) => {
  const app = testApp();
  const response = await app.post('[{"id":"a","t":NaN}]');
  t.equal(response.status, 400);
  t.match(await response.json(), {
    type: "urn:muster:problem:malformed-json",
    detail: 'Not JSON at character 15 (line 1, column 16): "NaN}]".',
  });
  t.strictSame(await problemOf(await app.post("")), ["malformed-json", 400]);
  t.strictSame(await problemOf(await app.post(Buffer.from([0x5b, 0xff, 0x5d]))), ["malformed-json", 400]);
  for (const [part, tail] of [
    ["x", '"'],
    ["\\n", ""],
    ["1", "."],
    [" ", "x"],
    ["[", ""],
  ]) {
    const head = /^[x\\]/.test(part) ? '["' : "[";
    const body = `${head}${part.repeat((MAX_JSON_BODY_BYTES - 8) / part.length)}${tail}`;
    t.strictSame(await problemOf(await app.post(body)), ["malformed-json", 400], `8 MiB of ${part}`);
  }
  for (const body of ["{}", "null", report("a")])
    t.strictSame(await problemOf(await app.post(body)), ["bad-request", 400]);
  t.equal(app.ingest.batches.length, 0);
});

t.test("[H8] other content types, charsets and encodings are 415", async (t) => {
  const app = testApp();
  for (const type of [
    "text/plain",
    "application/xml",
    "application/json; charset=latin1",
    "",
    "application/jsonx",
  ])
    t.strictSame(await problemOf(await app.post("[]", type)), ["unsupported-media-type", 415], type);
  for (const type of [
    "APPLICATION/JSON",
    'application/json;charset="UTF-8"',
    "application/json; charset=utf8",
  ])
    t.equal((await app.post("[]", type)).status, 200, type);
  const coded = (coding: string) => {
    const headers = { "content-type": "application/json", "content-encoding": coding };
    return app.get("/v1/reports", { method: "POST", body: "[]", headers });
  };
  for (const coding of ["identity", "IDENTITY"]) t.equal((await coded(coding)).status, 200, coding);
  const packed = await coded("gzip");
  t.equal(packed.headers.get("accept-post"), "application/json, application/x-ndjson");
  t.strictSame(await problemOf(packed), ["unsupported-media-type", 415]);
});

t.test("[H9] bodies and batches over their limits are 413, without reading all", async (t) => {
  const app = testApp();
  const endless = (type: string, line: string) => {
    const chunk = Buffer.from(line.repeat(Math.ceil(2 ** 20 / line.length)));
    let bytes = 0;
    const body = new ReadableStream({
      pull(controller) {
        bytes += chunk.length;
        controller.enqueue(chunk);
      },
    });
    return { response: app.post(body, type), bytes: () => bytes };
  };
  const array = endless("application/json", "1,");
  t.strictSame(await problemOf(await array.response), ["body-too-large", 413]);
  t.ok(array.bytes() < MAX_JSON_BODY_BYTES + 4 * 2 ** 20);

  const lines = endless(NDJSON, `${report("a", { attributes: { x: "y".repeat(8_000) } })}\n`);
  const response = await lines.response;
  const body = (await response.clone().json()) as { accepted: number };
  t.strictSame(await problemOf(response), ["body-too-large", 413]);
  t.equal(body.accepted, app.ingest.reports.length, "it says what was taken before");
  t.ok(body.accepted > 5_000);
  t.ok(lines.bytes() < MAX_NDJSON_BODY_BYTES + 4 * 2 ** 20);

  const many = `[${Array(MAX_BATCH_REPORTS + 1)
    .fill("0")
    .join(",")}]`;
  t.strictSame(await problemOf(await app.post(many)), ["body-too-large", 413]);
});

t.test("[H10] what ingest throws is a 500 that loses no other request", async (t) => {
  const app = testApp();
  app.ingest.gate = Promise.reject(new Error("broken"));
  t.strictSame(await problemOf(await app.post(`[${report("a")}]`)), ["internal", 500]);
  t.strictSame(await problemOf(await app.post(`${report("a")}\n`, NDJSON)), ["internal", 500]);
  t.match(app.errors, [{ message: "broken" }, { message: "broken" }]);
  app.ingest.gate = Promise.resolve();
  t.equal((await app.post(`[${report("a")}]`)).status, 200);
});

t.test("[H27] bodies in work have a bound together, and room again once they are answered", async (t) => {
  const app = testApp();
  const { promise, resolve } = Promise.withResolvers<void>();
  app.ingest.gate = promise;
  const size = MAX_JSON_BODY_BYTES;
  const body = new Uint8Array(size).fill(0x20);
  body.set(Buffer.from(`[${report("a")}]`));
  const fit = Math.floor(MAX_BODIES_BYTES / size);
  const working = Array.from({ length: fit }, () => app.post(body));
  while (app.ingest.batches.length < fit) await sleep(5);
  const refused = await app.post(body);
  t.equal(refused.status, 503);
  t.ok(refused.headers.has("retry-after"));
  t.strictSame(await problemOf(refused), ["overloaded", 503]);
  resolve();
  for (const answer of await Promise.all(working)) t.equal(answer.status, 200);
  t.equal((await app.post(body)).status, 200);
});

t.test(
  "[H28] lines that are bad leave others their turn, and only what is listed is explained",
  async (t) => {
    let time = 0;
    let turns = 0;
    const app = testApp({
      clock: {
        ...systemClock,
        // Each look finds the slice at its end.
        monotonic: () => (time += SLICE_MS),
        yield(run) {
          turns++;
          setImmediate(run);
        },
      },
    });
    const lines = 32_768;
    let others = 0;
    const other = () => {
      others++;
      running = setImmediate(other);
    };
    let running = setImmediate(other);
    const response = await app.post("x\n".repeat(lines), NDJSON);
    clearImmediate(running);
    const answer = (await response.json()) as { refused: { detail: string }[]; refusedCount: number };
    t.equal(answer.refusedCount, lines);
    t.equal(answer.refused.length, MAX_REFUSALS_LISTED);
    t.match(answer.refused.at(-1)?.detail, /^Not JSON at character 0/);
    t.ok(turns > 100, `${turns} turns left to others in one chunk`);
    t.ok(others > 100, `${others} taken`);

    const tally = new Tally();
    let explained = 0;
    for (let index = 0; index < 2 * MAX_REFUSALS_LISTED; index++)
      tally.refuse(index, "malformed-json", () => `${++explained}`);
    t.equal(explained, MAX_REFUSALS_LISTED);
    t.equal(tally.answer().refusedCount, 2 * MAX_REFUSALS_LISTED);
  },
);
