import assert from "node:assert/strict";
import t from "tap";
import { ASK_AGAIN_MS } from "../../client/command-queue.ts";
import { connect } from "../../client/connection.ts";
import {
  CommandOutcomeUnknown,
  CommandQueueFull,
  ConnectionClosed,
  ProblemError,
} from "../../client/errors.ts";
import { newId } from "../../client/new-id.ts";
import { COMMAND_MEMORY_MS, MAX_PENDING_COMMANDS_PER_CONNECTION } from "../../src/limits.ts";
import { script } from "./scripted.ts";

const accepted = (n: number, command: string) => ({
  ...{ op: "reply", n, command, accepted: true, state: "offline" },
});

t.test("[K35] a command resolves with its reply, and waits for the connection", async (t) => {
  const { options, last } = script();
  const connection = connect("ws://node", options);
  const first = connection.command("a", "sign-off", { by: "Aino" }, { id: "shift-1" });
  const reported = connection.report([{ id: "a" }]);
  const second = connection.command("a", "sign-off");
  t.strictSame(last().sent, []);
  last().open();
  const [report, sent, other] = last().take();
  t.match(report, { op: "report", n: 2 });
  t.strictSame(sent, {
    ...{ op: "command", n: 1, id: "a", command: "shift-1", name: "sign-off", data: { by: "Aino" } },
  });
  t.match(other, { n: 3, id: "a", command: /^[0-9a-f]{32}$/ });
  t.not(newId(), newId());
  const refusal = { accepted: false, type: "command-refused", detail: "a is offline" };
  last().receive({ op: "reply", n: 3, command: "x", ...refusal }, accepted(1, "shift-1"), {
    op: "ack",
    n: 2,
    accepted: 1,
    refused: [],
  });
  t.strictSame(await first, { id: "shift-1", accepted: true, state: "offline" });
  t.strictSame(await second, { id: "x", ...refusal });
  t.match(await reported, { accepted: 1 });
  connection.close();
});

t.test("[K40] a deletion resolves with its reply, and is asked again after a reconnect", async (t) => {
  const { options, clock, last } = script();
  const connection = connect("ws://node", options);
  const deleted = connection.delete("a");
  const erased = connection.delete("b", { erase: true, id: "e-1" });
  last().open();
  const [first, second] = last().take();
  t.match(first, { op: "delete", n: 1, id: "a", command: /^[0-9a-f]{32}$/, erase: false });
  t.strictSame(second, { op: "delete", n: 2, id: "b", command: "e-1", erase: true });
  last().receive(accepted(1, "d"));
  t.match(await deleted, { accepted: true });
  last().break();
  clock.advance(50);
  last().open();
  t.strictSame(last().take(), [second]);
  last().receive({ op: "reply", n: 2, command: "e-1", accepted: true, state: "" });
  t.strictSame(await erased, { id: "e-1", accepted: true, state: "" });
  connection.close();
  await t.rejects(connection.delete("a"), ConnectionClosed);
});

t.test("[K35] what was not answered is asked again after a reconnect, under the same id", async (t) => {
  const { options, clock, last } = script();
  const connection = connect("ws://node", options);
  last().open();
  const results = ["1", "2", "3"].map((id) => connection.command("a", "sign-off", undefined, { id }));
  last().receive(accepted(2, "2"));
  last().break();
  clock.advance(50);
  last().open();
  t.strictSame(
    last()
      .take()
      .map(({ n, command }) => [n, command]),
    [
      [1, "1"],
      [3, "3"],
    ],
  );
  last().receive(accepted(1, "1"), accepted(3, "3"));
  t.match(await Promise.all(results), [{ id: "1" }, { id: "2" }, { id: "3" }]);
  const problems: Error[] = [];
  connection.on("problem", (problem) => problems.push(problem));
  last().receive(accepted(1, "1"));
  t.match(problems, [{ message: /replied to message 1, which does not wait/ }]);
  connection.close();
});

t.test("[K42] without a connection a command is given up 5 minutes after it was first sent", async (t) => {
  t.equal(ASK_AGAIN_MS, COMMAND_MEMORY_MS / 2, "what is sent last has as long to arrive");
  const { options, clock, last } = script();
  const connection = connect("ws://node", options);
  const [first, second] = ["1", "2"].map((id) => connection.command("a", "x", undefined, { id }));
  clock.advance(2 * ASK_AGAIN_MS);
  last().open();
  t.equal(last().take().length, 2, "it counts from when it was sent");
  clock.advance(1_000);
  last().receive({ op: "heartbeat", t: "2024-06-06T08:00:00.000Z", tick: 1, lag: 0, stale: false });
  const erased = connection.delete("b", { id: "e" });
  last().break();
  const unsent = connection.command("a", "x", undefined, { id: "unsent" });
  clock.advance(100_000);
  last().open();
  const again = last().take();
  t.strictSame(
    again.map(({ command }) => command),
    ["1", "2", "e", "unsent"],
  );
  last().receive(accepted(again[0].n, "1"));
  t.match(await first, { accepted: true });
  last().break();
  clock.advance(ASK_AGAIN_MS - 101_000);
  await t.rejects(second, { name: "CommandOutcomeUnknown", id: "2", message: /unknown/ });
  clock.advance(1_000);
  await t.rejects(erased, CommandOutcomeUnknown);
  last().open();
  t.match(last().take(), [{ command: "unsent" }]);
  last().receive(accepted(again[3].n, "unsent"));
  t.match(await unsent, { accepted: true });
  connection.close();
});

t.test("[K42] on an open connection its reply is waited for, and it is not asked again later", async (t) => {
  const { options, clock, last } = script();
  const connection = connect("ws://node", options);
  last().open();
  const [slow, lost] = ["1", "2"].map((id) => connection.command("a", "x", undefined, { id }));
  for (let i = 0; i < 40; i++) {
    clock.advance(10_000);
    last().receive({ op: "heartbeat", t: "2024-06-06T08:00:00.000Z", tick: 1, lag: 0, stale: false });
  }
  last().receive(accepted(1, "1"));
  t.match(await slow, { accepted: true });
  last().break();
  await t.rejects(lost, CommandOutcomeUnknown);
  clock.advance(50);
  last().open();
  t.strictSame(last().take().slice(2), []);
  connection.close();
  t.equal(clock.pending, 0);
});

t.test("[K42] the sleep of a device counts, also for what waits for its turn", async (t) => {
  const { options, clock, last } = script();
  let slept = 0;
  clock.unix = () => 1_000_000 + clock.time + slept;
  const connection = connect("ws://node", options);
  last().open();
  const results = Array.from({ length: 100 }, () => connection.command("a", "x"));
  last().break();
  clock.advance(50);
  slept = ASK_AGAIN_MS;
  last().open();
  t.equal(last().take().length, 36, "those that were never sent");
  for (const result of results.slice(0, 64)) await assert.rejects(result, CommandOutcomeUnknown);
  connection.close();
  for (const result of results.slice(64)) await assert.rejects(result, ConnectionClosed);
});

t.test("[K36] a refused message, a full queue and a closed connection reject", async (t) => {
  const { options, last } = script();
  const connection = connect("ws://node", options);
  last().open();
  const all = Array.from({ length: 1_000 }, () => connection.command("a", "x"));
  await t.rejects(connection.command("a", "x"), CommandQueueFull);
  t.equal(
    last().take().length,
    MAX_PENDING_COMMANDS_PER_CONNECTION,
    "no more under way than a node lets wait",
  );
  const problem = { type: "urn:muster:problem:invalid-command", title: "t", status: 400, detail: "d" };
  last().receive({ op: "error", ...problem, n: 1 });
  await t.rejects(all[0], ProblemError);
  t.match(last().take(), [{ n: MAX_PENDING_COMMANDS_PER_CONNECTION + 1 }], "the next has its turn");
  connection.close();
  for (const one of all.slice(1)) await assert.rejects(one, ConnectionClosed);
  await t.rejects(connection.command("a", "x"), ConnectionClosed);
});
