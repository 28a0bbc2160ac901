import t from "tap";
import type { CommandResult } from "../../src/actors/messages.ts";
import { MAX_PENDING_COMMANDS_PER_CONNECTION } from "../../src/limits.ts";
import { report, seen, startSystem } from "../support/actor-system.ts";
import { start } from "./harness.ts";

/** A feed over real actors, on one clock. */
async function fleet() {
  const h = await startSystem();
  void h.system.router.submit([report("a", 0, { speed: 5 })]);
  await h.clock.advance(10);
  const { picture, router } = h.system;
  return { h, ...start({ picture, clock: h.clock, commands: router }) };
}

t.test("[F52] a command is replied to after its commit, and one that comes again as before", async (t) => {
  const { h, client } = await fleet();
  let open = () => {};
  h.store.gate = new Promise<void>((resolve) => {
    open = resolve;
  });
  client.send({ op: "command", n: 4, id: "a", command: "shift-1", name: "sign-off", data: { by: "Aino" } });
  await h.clock.advance(50);
  t.equal(seen(h.system, "a")!.state, "offline");
  t.same(client.received, []);
  h.store.gate = undefined;
  open();
  await h.clock.advance(10);
  const accepted = { op: "reply", n: 4, command: "shift-1", accepted: true, state: "offline" };
  t.same(client.received.splice(0), [accepted]);
  client.send({ op: "command", n: 5, id: "a", command: "shift-1", name: "sign-off" });
  client.send({ op: "command", n: 6, id: "a", name: "sign-off" });
  client.send({ op: "command", n: 7, id: "nobody", name: "sign-off" });
  await h.clock.advance(10);
  t.match(client.received, [
    { ...accepted, n: 5 },
    {
      ...{ op: "reply", n: 6, command: "made-here", accepted: false, type: "command-refused" },
      detail: "a is offline, and does not take sign-off there",
    },
    { op: "reply", n: 7, accepted: false, type: "entity-not-found" },
  ]);
});

t.test("[F52] what is no command is told with its number, and goes no further", async (t) => {
  const { client, errors } = start();
  const bad: [object, RegExp][] = [
    [{ n: 1, name: "x" }, /id must be a string/],
    [{ n: 1, id: "a" }, /name must be a string/],
    [{ n: 1, id: "a", name: "x", command: "" }, /command is empty/],
    [{ n: 1, id: "a", name: "x", data: [] }, /data must be a JSON object/],
  ];
  for (const [members, detail] of bad) {
    client.send({ op: "command", ...members });
    t.match(client.last("error"), { type: "urn:muster:problem:invalid-command", detail, n: 1 });
  }
  client.send({ op: "command", id: "a", name: "x" });
  t.match(client.last("error"), { type: /bad-request$/, detail: /`n` must be/ });
  t.same(errors, []);
});

t.test("[F53] commands that wait for their reply are limited", async (t) => {
  const waiting: ((result: CommandResult) => void)[] = [];
  const command = () => new Promise<CommandResult>((resolve) => waiting.push(resolve));
  const { client } = start({ commands: { command } });
  for (let n = 0; n <= MAX_PENDING_COMMANDS_PER_CONNECTION; n++)
    client.send({ op: "command", n, id: "a", name: "x" });
  t.match(client.received, [
    { op: "error", type: /too-many-commands$/, n: MAX_PENDING_COMMANDS_PER_CONNECTION },
  ]);
  t.equal(waiting.length, MAX_PENDING_COMMANDS_PER_CONNECTION);
  waiting.shift()!({ accepted: true, state: "s" });
  await Promise.resolve();
  await Promise.resolve();
  client.send({ op: "command", n: 999, id: "a", name: "x" });
  t.equal(waiting.length, MAX_PENDING_COMMANDS_PER_CONNECTION);
});
