// Machines that are changed over HTTP.
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";
import t from "tap";
import { MAX_SMALL_BODY_BYTES } from "../../src/limits.ts";
import { saveMachine } from "../../src/store/save-machine.ts";
import { type Ask, asking, eventsOf, json, refused } from "../support/asking.ts";
import { testDatabase } from "../support/postgres.ts";
import { serve, serveOnPostgres, temporaryFolder } from "../support/serve.ts";
import { serveTwo } from "../support/two-nodes.ts";

t.setTimeout(180_000);

const DOOR = {
  id: "door",
  initial: "shut",
  context: { opened: 0 },
  states: {
    shut: { on: { open: "ajar" } },
    ajar: {
      entry: { type: "assign", assignment: { opened: "context.opened + 1" } },
      after: { "3600000": "shut" },
      on: { slam: { target: "shut", guard: "context.opened > 0" } },
    },
  },
};
const LATCHED = {
  id: "door",
  initial: "latched",
  states: { latched: {}, ajar: { on: { slam: "latched" } } },
};
const put = (definition: unknown, kinds: unknown = ["door"]) => ({ kinds, definition });

async function report(ask: Ask, ids: readonly string[], kind = "door"): Promise<void> {
  const t = new Date().toISOString();
  for (;;) {
    const answer = await json(
      ask(
        "POST",
        "/v1/reports",
        ids.map((id) => ({ id, t, kind, lon: 1, lat: 2 })),
      ),
    );
    if (answer.accepted === ids.length) return;
    await sleep(50);
  }
}

async function states(ask: Ask): Promise<Record<string, string>> {
  for (;;) {
    const response = await ask("GET", "/v1/entities?limit=10000");
    const list = (await response.json()) as { features: { id: string; properties: { state: string } }[] };
    if (response.status === 200)
      return Object.fromEntries(list.features.map(({ id, properties }) => [id, properties.state]));
    await sleep(50);
  }
}

async function statesAre(ask: Ask, wanted: Record<string, string>): Promise<void> {
  while (JSON.stringify(await states(ask)) !== JSON.stringify(wanted)) await sleep(20);
}

const command = (ask: Ask, id: string, name: string) =>
  json(ask("POST", `/v1/entities/${id}/commands`, { name }));

/** The node that the first two tests ask. */
let shared: Ask;
t.before(async () => {
  shared = asking(await serveOnPostgres(t));
});

t.test("[H34] machines are made, listed, changed and removed, while entities run them", async (t) => {
  const ask = shared;
  t.match(await json(ask("GET", "/v1/machines")), {
    machines: [{ name: "tracked", builtIn: true, version: 0, definition: { id: "tracked" } }],
  });
  t.match(await json(ask("GET", "/v1/machines/tracked")), { builtIn: true });
  const made = await ask("PUT", "/v1/machines/door", put(DOOR));
  t.equal(made.status, 201);
  t.equal(made.headers.get("etag"), '"1"');
  t.match(await made.json(), { name: "door", version: 1, builtIn: false, kinds: ["door"], changedAt: /Z$/ });
  const got = await ask("GET", "/v1/machines/door");
  t.equal(got.headers.get("etag"), '"1"');
  t.equal(JSON.stringify((await json(got)).definition), JSON.stringify(DOOR), "as it was written");
  t.equal((await ask("PUT", "/v1/machines/door", put(DOOR))).status, 200);
  const { id, ...nameless } = DOOR;
  t.equal(id, "door");
  t.match(await json(ask("PUT", "/v1/machines/door", put(nameless))), { version: 1, definition: { id } });
  t.match(await json(ask("GET", "/v1/machines")), { machines: [{}, { name: "door", version: 1 }] });

  await report(ask, ["a", "b"]);
  await report(ask, ["c"], "truck");
  t.match(await command(ask, "a", "open"), { accepted: true, state: "ajar" });
  t.same(await states(ask), { a: "ajar", b: "shut", c: "online.stopped" });
  const changed = await ask("PUT", "/v1/machines/door", put(LATCHED), { "if-match": '"1"' });
  t.equal(changed.status, 200);
  t.equal(changed.headers.get("etag"), '"2"');
  t.match(await command(ask, "b", "open"), { status: 409 }, "it decides in its new machine at once");
  await statesAre(ask, { a: "ajar", b: "latched", c: "online.stopped" });
  t.match(await eventsOf(ask, "machine.changed", 1), [
    { subject: "b", data: { machine: "door", version: 2, from: "shut", to: "latched" } },
  ]);
  t.match(await command(ask, "a", "slam"), { accepted: true, state: "latched" });

  t.equal((await ask("DELETE", "/v1/machines/door")).status, 204);
  t.equal((await ask("GET", "/v1/machines/door")).status, 404);
  await statesAre(ask, { a: "offline", b: "offline", c: "online.stopped" });
  t.match(await json(ask("PUT", "/v1/machines/door", put(DOOR))), { version: 4 });

  t.equal((await ask("DELETE", "/v1/machines/door")).status, 204);
  const { paths } = (await json(ask("GET", "/openapi.json"))) as { paths: Record<string, object> };
  t.same(Object.keys(paths["/v1/machines/{name}"]!).sort(), ["delete", "get", "put"]);
});

t.test("[H35] what is no machine is refused with what, where and why; nothing changes", async (t) => {
  const ask = shared;
  const at = "/v1/machines/hatch";
  const HATCH = { ...DOOR, id: "hatch" };
  const target = { ...HATCH, states: { shut: { on: { open: "nowhere" } } } };
  t.match(await refused(400, "invalid-machine", ask("PUT", at, put(target))), {
    code: "unknown-target",
    path: "/states/shut/on/open",
    detail: /nowhere/,
  });
  const guard = { ...HATCH, states: { shut: { on: { open: { guard: "1 +" } } } } };
  t.match(await refused(400, "invalid-machine", ask("PUT", at, put(guard))), {
    code: "bad-expression",
    path: "/states/shut/on/open/guard",
  });
  t.match(await refused(400, "invalid-machine", ask("PUT", at, put({ ...HATCH, id: "gate" }))), {
    code: "bad-name",
    path: "/id",
  });
  const nested = `{"id":"hatch","meta":${"[".repeat(20_000)}${"]".repeat(20_000)}}`;
  t.match(
    await refused(400, "invalid-machine", ask("PUT", at, `{"kinds":["door"],"definition":${nested}}`)),
    {
      code: "too-deep",
    },
  );
  for (const definition of [null, [], "x", {}])
    await refused(400, "invalid-machine", ask("PUT", at, put(definition)));
  for (const kinds of [undefined, [], "door", [""], ["a\u0007"], ["a", "a"], [1], ["x".repeat(65)]])
    await refused(400, "bad-request", ask("PUT", at, { definition: HATCH, ...(kinds && { kinds }) }));
  await refused(400, "bad-request", ask("PUT", at, { ...put(HATCH), version: 1 }));
  await refused(400, "bad-request", ask("PUT", at, { kinds: ["door"] }));
  await refused(400, "bad-request", ask("PUT", at, put(HATCH), { "if-match": "1" }));
  const large = { ...HATCH, description: "x".repeat(MAX_SMALL_BODY_BYTES) };
  await refused(413, "body-too-large", ask("PUT", at, put(large)));
  await refused(
    409,
    "machine-built-in",
    ask("PUT", "/v1/machines/tracked", put({ ...HATCH, id: "tracked" })),
  );
  await refused(409, "machine-built-in", ask("DELETE", "/v1/machines/tracked"));
  await refused(404, "machine-not-found", ask("GET", at));
  await refused(404, "machine-not-found", ask("DELETE", at));
  t.match(await json(ask("GET", "/v1/machines")), { machines: { length: 1 } });

  t.equal(
    (await ask("PUT", at, put({ ...HATCH, description: "\ud800 and \u0000", meta: { x: 1 } }))).status,
    201,
  );
  t.match(
    await refused(
      412,
      "machine-version",
      ask("PUT", at, put({ ...LATCHED, id: "hatch" }), { "if-match": '"2"' }),
    ),
    {
      version: 1,
    },
  );
  await refused(412, "machine-version", ask("DELETE", at, undefined, { "if-match": '"7"' }));
  await refused(409, "kind-taken", ask("PUT", "/v1/machines/gate", put({ ...HATCH, id: "gate" })));
  t.match(await json(ask("GET", at)), { version: 1 });
});

t.test("[H52] a machine that is to be made is made by one, and never changed", async (t) => {
  const ask = shared;
  const at = "/v1/machines/only";
  const make = (kind: string, tag = "*") =>
    ask("PUT", at, put({ ...DOOR, id: "only" }, [kind]), { "if-none-match": tag });
  const made = await Promise.all(["k", "l", "m"].map((kind) => make(kind)));
  t.same(made.map(({ status }) => status).sort(), [201, 412, 412]);
  const there = await json(ask("GET", at));
  t.match(await refused(412, "machine-version", make("n")), { version: 1 });
  await refused(400, "bad-request", make("n", '"1"'));
  await refused(400, "bad-request", ask("DELETE", at, undefined, { "if-none-match": "*" }));
  t.same(await json(ask("GET", at)), there);
  t.equal((await ask("DELETE", at)).status, 204);
  t.equal((await make("n")).status, 201, "one that was removed is none");
});

t.test("[H52] a machine that must be there is changed whatever its version, and not made", async (t) => {
  const ask = shared;
  const at = "/v1/machines/there";
  const any = { "if-match": "*" };
  const there = (kind: string) => put({ ...DOOR, id: "there" }, [kind]);
  for (const absent of [any, { "if-match": '"1"' }]) {
    const { detail } = await refused(412, "machine-version", ask("PUT", at, there("r"), absent));
    t.match(detail, /no machine "there"/);
    await refused(404, "machine-not-found", ask("DELETE", at, undefined, absent));
  }
  await refused(404, "machine-not-found", ask("GET", at));
  t.equal((await ask("PUT", at, there("r"))).status, 201);
  t.match(await json(ask("PUT", at, there("s"), any)), { version: 2 });
  t.equal((await ask("DELETE", at, undefined, any)).status, 204);
  for (const gone of ["*", '"2"', '"3"'])
    await refused(412, "machine-version", ask("PUT", at, there("r"), { "if-match": gone }));
});

t.test("[M22] [N1] kill -9 and a start give the same states: PostgreSQL", async (t) => {
  const { url } = await testDatabase(t);
  const dataDir = await temporaryFolder(t);
  const env = { DATABASE_URL: url };
  const ids = Array.from({ length: 300 }, (_, i) => `d${i}`);
  let node = await serve(t, { dataDir, env });
  let ask = asking(node);
  t.equal((await ask("PUT", "/v1/machines/door", put(DOOR))).status, 201);
  await report(ask, ids);
  for (const id of ids.slice(0, 20)) t.match(await command(ask, id, "open"), { accepted: true });
  const before = await states(ask);
  t.equal(Object.values(before).filter((state) => state === "ajar").length, 20);

  await node.end("SIGKILL");
  node = await serve(t, { dataDir, env });
  ask = asking(node);
  t.same(await states(ask), before);
  t.match(
    await command(ask, "d0", "slam"),
    { accepted: true, state: "shut" },
    "its context is there: it was opened",
  );
  t.same(await eventsOf(ask, "machine.changed", 0), []);

  // It dies while entities go over: some have, some have not.
  t.equal((await ask("PUT", "/v1/machines/door", put(LATCHED))).status, 200);
  await node.end("SIGKILL");
  node = await serve(t, { dataDir, env });
  ask = asking(node);
  const after = Object.fromEntries(
    Object.keys(before).map((id) => [id, before[id] === "ajar" && id !== "d0" ? "ajar" : "latched"]),
  );
  await statesAre(ask, after);
  const events = await eventsOf(ask, "machine.changed", 281);
  const subjects = new Set(events.map(({ subject }) => subject));
  t.same([events.length, subjects.size], [281, 281], "each of those whose state is gone says so once");
});

t.test("[X20] all nodes hold all machines; one whose announcement is lost is only late", async (t) => {
  const { url, nodes, ownersOf } = await serveTwo(t, "machines");
  const [ask, other] = [asking(nodes[0]!), asking(nodes[1]!)];
  t.equal((await ask("PUT", "/v1/machines/door", put(DOOR))).status, 201);
  while ((await other("GET", "/v1/machines/door")).status !== 200) await sleep(10);
  const ids = Array.from({ length: 60 }, (_, i) => `d${i}`);
  await report(other, ids);
  t.same(new Set(Object.values(await states(ask))), new Set(["shut"]), "whichever node owns them");
  t.equal((await ownersOf(ids)).size, 2);

  // Nobody announces this one.
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  t.teardown(() => client.end());
  await client.query("BEGIN");
  const draft = { name: "door", kinds: ["door"], definition: LATCHED, states: 2, timers: [] };
  const { is } = await saveMachine(client as unknown as pg.PoolClient, draft, 1);
  await client.query("COMMIT");
  t.equal(is, "saved");
  for (const one of [ask, other])
    while ((await json(one("GET", "/v1/machines/door"))).version !== 2) await sleep(50);
  await statesAre(ask, Object.fromEntries(ids.toSorted().map((id) => [id, "latched"])));

  // What a node decided under the newest version goes on under it elsewhere.
  t.equal(await nodes[0]!.end("SIGTERM"), 0);
  await statesAre(other, Object.fromEntries(ids.toSorted().map((id) => [id, "latched"])));
  t.equal((await eventsOf(other, "machine.changed", ids.length)).length, ids.length);
});

t.test("[M32] the machine that docs/machines.md shows does what it says there", async (t) => {
  const ask = asking(await serveOnPostgres(t));
  const text = readFileSync(new URL("../../docs/machines.md", import.meta.url), "utf8");
  const [, shown] = /```json\n(.*?)```/s.exec(text)!;
  t.equal((await ask("PUT", "/v1/machines/door", shown)).status, 201);
  await report(ask, ["d1"]);
  const push = (force: number) => ask("POST", "/v1/entities/d1/commands", { name: "open", data: { force } });
  t.match(await refused(409, "command-refused", push(9)), { detail: /no guard of one holds/ });
  t.match(await json(push(11)), { accepted: true, state: "open" });
  t.match(await eventsOf(ask, "door.opened", 1), [{ subject: "d1", data: { times: 1 } }]);
});
