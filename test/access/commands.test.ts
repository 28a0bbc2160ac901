import t, { type Test } from "tap";
import { permittedCommands } from "../../src/access/permitted-commands.ts";
import { Policy } from "../../src/access/policy.ts";
import { ADMIN, type Principal } from "../../src/access/ports.ts";
import type { CommandHandler } from "../../src/actors/messages.ts";
import { shardOf } from "../../src/actors/shard-hash.ts";
import type { EntityQueries } from "../../src/cluster/scatter.ts";
import { permittedLens } from "../../src/picture/lens.ts";
import { fullRecord } from "../../src/picture/record.ts";
import { PROTOCOL_JSON } from "../../src/transport/feed/protocol.ts";
import { harness, TestClient } from "../feed/harness.ts";
import { TOKEN, testApp } from "../http/fixture.ts";
import { report, startSystem } from "../support/actor-system.ts";

const DISPATCHER: Principal = {
  id: "d",
  name: "d",
  roles: ["dispatcher"],
  attributes: { fleet: "north" },
};

/** May read ships, and command those of its own fleet. */
function dispatcherPolicy(): Policy {
  const policy = new Policy();
  policy.take([
    {
      name: "dispatcher",
      grants: [
        { resource: "entity", actions: ["read"], where: "entity.kind == 'ship'" },
        {
          resource: "entity",
          actions: ["command"],
          where: "entity.attributes.fleet == principal.attributes.fleet && entity.speed < 9",
        },
      ],
    },
  ]);
  return policy;
}

interface Answer {
  id?: string;
  accepted?: boolean;
  type?: string;
  detail?: string;
}

/** Real actors with three entities. @param isCluster asked through the cluster's queries */
async function fleet({ isCluster = false, principal = DISPATCHER, current = undefined as never } = {}) {
  const h = await startSystem();
  const { picture, router } = h.system;
  const sent: string[] = [];
  const commands: CommandHandler = {
    command: (request) => {
      sent.push(request.entity);
      return router.command(request);
    },
  };
  const [north, south] = [{ fleet: "north" }, { fleet: "south" }];
  void router.submit([
    report("own", 0, { kind: "ship", speed: 5, attributes: north }),
    report("other", 0, { kind: "ship", speed: 5, attributes: south }),
    report("hidden", 0, { kind: "truck", speed: 5, attributes: south }),
    report("unnamed", 0, { kind: "truck" }),
  ]);
  await h.clock.advance(10);
  const missing: number[] = [];
  const cluster: Pick<EntityQueries, "one"> = {
    async one(id, permitted) {
      const slot = picture.find(id);
      const isTold = slot !== -1 && permittedLens(picture, permitted ?? "all").test(slot);
      return { records: isTold ? [fullRecord(picture, slot)] : [], more: false, missing };
    },
  };
  const closed: number[] = [];
  const options = {
    ...{ commands, picture, policy: dispatcherPolicy(), current, closedShards: () => closed },
    cluster: isCluster ? (cluster as EntityQueries) : undefined,
  };
  const app = testApp({ ...options, identify: () => principal });
  const { feed } = harness({ ...options, clock: h.clock });
  const client = new TestClient(feed, () => {}, PROTOCOL_JSON, principal);
  const turns = async () => {
    for (let turn = 0; turn < 5; turn++) await h.clock.advance(10);
  };
  let asked = 0;
  /** Over both ways, which must answer the same. */
  const ask = async (t: Test, entity: string): Promise<Answer> => {
    const request = new Request(`http://muster.test/v1/entities/${entity}/commands`, {
      method: "POST",
      headers: { authorization: `Bearer ${TOKEN}`, "content-type": "application/json" },
      body: JSON.stringify({ id: String(++asked), name: "sign-off" }),
    });
    const answered = app.fetch(request);
    await turns();
    const { id: _, ...http } = (await (await answered).json()) as Answer;
    http.type = http.type?.replace("urn:muster:problem:", "");
    if (http.accepted !== true) {
      client.send({ op: "command", n: 1, id: entity, name: "sign-off" });
      await turns();
      const reply = client.received.at(-1) as Answer;
      t.same([reply.type, reply.detail], [http.type, http.detail], `${entity} on the feed`);
    }
    return http;
  };
  return { h, ask, turns, client, sent, missing, closed };
}

for (const isCluster of [false, true])
  t.test(
    `[AC53] a command needs an entity that passes now; what may not be read is not there (${isCluster ? "in a cluster" : "on one node"})`,
    async (t) => {
      const { h, ask, sent } = await fleet({ isCluster });
      t.match(await ask(t, "other"), { type: "forbidden" });
      const nobody = await ask(t, "nobody");
      for (const hidden of ["hidden", "unnamed"]) {
        const answer = await ask(t, hidden);
        t.same(
          JSON.parse(JSON.stringify(answer).replaceAll(hidden, "nobody")),
          nobody,
          "as one that is not there",
        );
      }
      t.match(nobody, { type: "entity-not-found", detail: "there is no entity nobody" });
      t.same(sent, [], "nothing of that was sent on");
      t.match(await ask(t, "own"), { accepted: true });
      t.same(sent, ["own"]);
      // It is judged as it is now: too fast, and given away.
      void h.system.router.submit([report("own", 1, { kind: "ship", speed: 20 })]);
      await h.clock.advance(10);
      t.match(await ask(t, "own"), { type: "forbidden" });
      void h.system.router.submit([report("other", 1, { speed: 5, attributes: { fleet: "north" } })]);
      await h.clock.advance(10);
      t.match(await ask(t, "other"), { accepted: true });
    },
  );

t.test(
  "[AC53] an entity that is not there answers as the actors do, and one of a shard that is not there asks for patience",
  async (t) => {
    const { h, ask, client, closed, turns } = await fleet();
    const answered = h.system.router.command({ id: "x", entity: "nobody", name: "sign-off" });
    await turns();
    t.match(await ask(t, "nobody"), { ...(await answered), accepted: undefined });
    closed.push(shardOf("nobody"));
    t.match(await ask(t, "nobody"), { type: "retry" });
    t.ok(client.received.length > 0);
    const inCluster = await fleet({ isCluster: true });
    inCluster.missing.push(shardOf("nobody"));
    t.match(await inCluster.ask(t, "nobody"), { type: "retry" });
  },
);

t.test("[AC53] who may command nothing learns nothing of what is there", async (t) => {
  const { client, turns, sent } = await fleet({ principal: { ...DISPATCHER, roles: [] } });
  for (const id of ["own", "nobody"]) client.send({ op: "command", n: 1, id, name: "sign-off" });
  await turns();
  const detail = "no role allows commands to this entity";
  const reply = { op: "reply", n: 1, command: "made-here", accepted: false, type: "forbidden", detail };
  t.same(client.received, [reply, reply]);
  t.same(sent, []);
});

t.test("[AC54] an admin asks without another look", async (t) => {
  const commands: CommandHandler = { command: () => Promise.reject(new Error("not in this test")) };
  const passes = () => Promise.reject(new Error("nothing is looked up"));
  const authority = { policy: new Policy() };
  t.equal(permittedCommands(commands, ADMIN, authority, passes), commands);
  const revoked = permittedCommands(
    commands,
    { ...ADMIN, id: "key" },
    { ...authority, current: () => undefined },
    passes,
  );
  t.match(await revoked.command({ id: "1", entity: "a", name: "x" }), { type: "forbidden" });
  t.match(await revoked.command({ id: "1", entity: "a", erase: true }), { type: "forbidden" });
});

t.test("[AC54] only admins delete and erase", async (t) => {
  const { client, turns, sent } = await fleet();
  for (const id of ["own", "hidden", "nobody"])
    for (const erase of [false, true]) client.send({ op: "delete", n: 3, id, erase });
  await turns();
  t.equal(client.received.length, 6);
  t.match(
    client.received,
    client.received.map(() => ({ op: "reply", n: 3, accepted: false, type: "forbidden" })),
  );
  t.same(sent, []);
});
