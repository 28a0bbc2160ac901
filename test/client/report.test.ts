import t from "tap";
import { connect } from "../../client/connection.ts";
import { ConnectionClosed, ProblemError, ReportNotSendable, ReportQueueFull } from "../../client/errors.ts";
import { MAX_REFUSALS_LISTED } from "../../src/limits.ts";
import { script } from "./scripted.ts";

const ack = (n: number, accepted: number, refused: object[] = []) => ({ op: "ack", n, accepted, refused });

t.test("[K16] a report resolves with its ack, and waits for the connection", async (t) => {
  const { options, last } = script();
  const connection = connect("ws://node", options);
  const result = connection.report([{ id: "a" }, { id: "b" }]);
  t.strictSame(last().sent, []);
  last().open();
  t.strictSame(last().take(), [{ op: "report", n: 1, reports: [{ id: "a" }, { id: "b" }] }]);
  t.equal(connection.unacknowledged, 2);
  const refused = [{ index: 1, type: "invalid-report", detail: "no t" }];
  last().receive(ack(1, 1, refused));
  t.strictSame(await result, { accepted: 1, refused });
  t.equal(connection.unacknowledged, 0);
  t.strictSame(await connection.report([]), { accepted: 0, refused: [] });
  connection.close();
});

t.test("[K17] what was not acknowledged is sent again after a reconnect, in order", async (t) => {
  const { options, clock, last } = script();
  const connection = connect("ws://node", options);
  last().open();
  const results = ["a", "b", "c"].map((id) => connection.report([{ id }]));
  last().receive(ack(2, 1));
  t.strictSame(await results[1], { accepted: 1, refused: [] });
  last().break();
  const during = connection.report([{ id: "d" }]);
  clock.advance(50);
  last().open();
  t.strictSame(
    last()
      .take()
      .map(({ n, reports }) => [n, reports[0].id]),
    [
      [1, "a"],
      [3, "c"],
      [4, "d"],
    ],
  );
  last().receive(ack(1, 1), ack(3, 1), ack(4, 1));
  t.same(await Promise.all([...results, during]), Array(4).fill({ accepted: 1, refused: [] }));
  connection.close();
});

t.test("[K18] beyond maxUnacknowledged a call is refused whole, and taken again after acks", async (t) => {
  const { options, last } = script();
  const connection = connect("ws://node", { ...options, maxUnacknowledged: 3 });
  last().open();
  const taken = connection.report([{ id: "a" }, { id: "b" }]);
  await t.rejects(connection.report([{ id: "c" }, { id: "d" }]), ReportQueueFull);
  t.equal(last().take().length, 1);
  last().receive(ack(1, 2));
  await taken;
  const again = connection.report([{ id: "c" }, { id: "d" }]);
  last().receive(ack(2, 2));
  t.strictSame(await again, { accepted: 2, refused: [] });
  connection.close();
});

t.test("[K18] a call that can never be taken is told so", async (t) => {
  const { options, last } = script();
  const connection = connect("ws://node", { ...options, maxUnacknowledged: 3 });
  last().open();
  await t.rejects(connection.report(Array(4).fill({ id: "a" })), {
    name: "TooManyReports",
    message: /^4 reports are more than may ever wait .* 3: make several calls$/,
  });
  t.strictSame(last().take(), []);
  connection.close();
});

t.test("[K55] what is no array of reports is told in a sentence, and nothing of it is sent", async (t) => {
  const { options, last } = script();
  const connection = connect("ws://node", options);
  last().open();
  for (const [given, name] of [
    [{ id: "a" }, "object"],
    [{ id: "a", length: 1 }, "object"],
    [undefined, "undefined"],
    [null, "null"],
    ["a", "string"],
  ] as const)
    await t.rejects(connection.report(given as never), {
      name: "TypeError",
      message: `report takes an array of reports, and was given ${name}`,
    });
  t.strictSame([last().take(), connection.unacknowledged], [[], 0]);
  connection.close();
});

t.test("[K20] what is no object goes to the server, which refuses it by its index", async (t) => {
  const { options, last } = script();
  const connection = connect("ws://node", options);
  last().open("muster.v1.bin");
  const result = connection.report([{ id: "a" }, null, 5, "x"] as never);
  t.match(last().take(), [{ reports: [{ id: "a" }, null, 5, "x"] }]);
  const refused = [{ index: 1, type: "invalid-report", detail: "D" }];
  last().receive(ack(1, 1, refused));
  t.strictSame(await result, { accepted: 1, refused });
  await t.rejects(connection.report([{ id: "a" }, undefined] as never), {
    name: "ReportNotSendable",
    index: 1,
  });
  connection.close();
});

t.test("[K19] a large call becomes several messages, at most 128 in flight, and one result", async (t) => {
  const { options, last } = script();
  const connection = connect("ws://node", options);
  last().open();
  const result = connection.report(Array.from({ length: 2_500 }, (_, i) => ({ id: `r${i}` })));
  const messages = last().take();
  t.strictSame(
    messages.map(({ n, reports }) => [n, reports.length, reports[0].id]),
    [
      [1, 1_000, "r0"],
      [2, 1_000, "r1000"],
      [3, 500, "r2000"],
    ],
  );
  const refusal = { index: 5, type: "too-old", detail: "D" };
  last().receive(ack(3, 499, [refusal]), ack(1, 999, [refusal]), ack(2, 1_000));
  t.strictSame(await result, { accepted: 2_498, refused: [refusal, { ...refusal, index: 2_005 }] });

  const wide = connection.report(Array.from({ length: 10 }, () => ({ id: "w", text: "ä".repeat(60_000) })));
  for (const text of last().sent)
    t.ok(Buffer.byteLength(text) < 2 ** 20, "a message fits the server's limit");
  for (const { n, reports } of last().take()) last().receive(ack(n, reports.length));
  t.strictSame(await wide, { accepted: 10, refused: [] });

  const many = Array.from({ length: 130 }, () => connection.report([{ id: "m" }]));
  const sent = last().take();
  t.equal(sent.length, 128);
  last().receive(ack(sent[0].n, 1));
  t.equal(last().take().length, 1, "each ack lets the next go");
  connection.close();
  const outcomes = await Promise.allSettled(many);
  t.equal(outcomes.filter(({ status }) => status === "fulfilled").length, 1);
});

t.test("[K19] no message has more reports than its ack names refusals", async (t) => {
  const { options, last } = script();
  const connection = connect("ws://node", options);
  last().open();
  const count = 2 * MAX_REFUSALS_LISTED + 1;
  const result = connection.report(Array.from({ length: count }, () => ({ id: "a" })));
  for (const { n, reports } of last().take()) {
    const refused = reports.map((_: object, index: number) => ({ index, type: "overloaded", detail: "D" }));
    last().receive(ack(n, 0, refused.slice(0, MAX_REFUSALS_LISTED)));
  }
  t.equal((await result).refused.length, count, "of a call that is refused whole, each report");
  connection.close();
});

t.test("[K20] a report that cannot be sent, or a message refused whole, rejects its call only", async (t) => {
  const { options, last } = script();
  const connection = connect("ws://node", options);
  last().open();
  const circle: { self?: object } = {};
  circle.self = circle;
  await t.rejects(connection.report([{ id: "a" }, circle]), ReportNotSendable);
  await t.rejects(connection.report([{ id: "x".repeat(70_000) }]), {
    message: "report 0 has 70009 characters of JSON, the limit is 65536",
  });
  t.strictSame(last().take(), [], "nothing of those calls was sent");
  const refused = connection.report([{ id: "a" }]);
  const fine = connection.report([{ id: "b" }]);
  const problem = { op: "error", type: "urn:muster:problem:too-many-reports", title: "T", status: 429 };
  last().receive({ ...problem, detail: "D", n: 1 }, ack(2, 1));
  await t.rejects(refused, ProblemError);
  t.strictSame(await fine, { accepted: 1, refused: [] });
  connection.close();
});

t.test(
  "[K21] a connection closed for good rejects every report that waits, and every later one",
  async (t) => {
    const { options, last } = script();
    const connection = connect("ws://node", options);
    last().open();
    const waiting = connection.report([{ id: "a" }]);
    last().break(4401, "");
    await t.rejects(waiting, {
      name: "ConnectionClosed",
      code: 4401,
      message: "the connection is closed: the token is missing or wrong (4401)",
    });
    await t.rejects(connection.report([{ id: "b" }]), ConnectionClosed);
    t.equal(connection.unacknowledged, 0);
  },
);
