import t from "tap";
import type { CommandResult } from "../../src/actors/messages.ts";
import { MAX_PENDING_COMMANDS_PER_CONNECTION } from "../../src/limits.ts";
import { PROTOCOL_BINARY, PROTOCOL_JSON } from "../../src/transport/feed/protocol.ts";
import { report, seen, startSystem } from "../support/actor-system.ts";
import { start, TestClient, WORLD } from "./harness.ts";

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

for (const protocol of [PROTOCOL_JSON, PROTOCOL_BINARY])
  t.test(`[F54] [F23] a deletion is replied to, and its entity departs: ${protocol}`, async (t) => {
    const { h, feed } = await fleet();
    const { picture } = h.system;
    const client = new TestClient(feed, undefined, protocol);
    const { entities } = client.subscribe("v", WORLD);
    feed.tick(0);
    t.same([...entities.keys()], ["a"]);
    const slot = picture.find("a");
    client.send({ op: "delete", n: 1, id: "a", command: "d-1" });
    await h.clock.advance(10);
    t.match(client.last("reply"), { n: 1, command: "d-1", accepted: true, state: "online.moving" });
    t.equal(picture.removal(slot), "deleted");
    void h.system.router.submit([report("b", 1), report("a", 1, { speed: 7 })]);
    await h.clock.advance(10);
    t.notOk([picture.find("a"), picture.find("b")].includes(slot), "its slot waits for its departure");
    feed.tick(0);
    t.match(client.last("delta"), { departures: [["a", "deleted"]] });
    t.same([...entities.keys()].sort(), ["a", "b"], "what begins with its id is another");
    t.match(entities.get("a"), { speed: 7, seq: 4 });
    t.equal(picture.removal(slot), undefined);
    client.send({ op: "delete", n: 2, id: "a", erase: true });
    client.send({ op: "delete", n: 3, id: "nobody" });
    await h.clock.advance(10);
    t.match(client.last("reply"), { n: 3, accepted: false, type: "entity-not-found" });
    for (let turn = 0; turn < 30; turn++) await h.clock.advance(20);
    t.match(client.last("reply"), { n: 2, command: "made-here", accepted: true });
    feed.tick(0);
    t.same([...entities.keys()], ["b"]);
    for (const members of [{ id: 7 }, { id: "a", erase: 1 }, { id: "a", command: "" }]) {
      client.send({ op: "delete", n: 9, ...members });
      t.match(client.last("error"), { type: "urn:muster:problem:invalid-command", n: 9 });
    }
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
