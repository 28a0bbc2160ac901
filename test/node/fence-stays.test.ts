// Who is inside of what, over several nodes, changes of fences, and the death of nodes.
import { setTimeout as sleep } from "node:timers/promises";
import t from "tap";
import { type Ask, asking, eventsOf, json } from "../support/asking.ts";
import { testDatabase } from "../support/postgres.ts";
import { serve, temporaryFolder } from "../support/serve.ts";
import { serveTwo } from "../support/two-nodes.ts";
import { saveUnheard } from "../support/unheard-fence.ts";

t.setTimeout(180_000);

const circle = (lon: number, lat: number, radius = 1_000) => ({
  type: "Feature",
  properties: { radius },
  geometry: { type: "Point", coordinates: [lon, lat] },
});
/** Two places that are far from each other, and a fence around the first. */
const HERE = { lon: 24.9, lat: 60.1 };
const THERE = { lon: 26.9, lat: 60.1 };
const AROUND_HERE = circle(24.9, 60.1);
const AROUND_THERE = circle(26.9, 60.1);

let clock = Date.now();
async function report(ask: Ask, ids: readonly string[], place: { lon: number; lat: number }): Promise<void> {
  const t = new Date(clock++).toISOString();
  const reports = ids.map((id) => ({ id, t, kind: "truck", ...place }));
  while ((await json(ask("POST", "/v1/reports", reports))).accepted !== ids.length) await sleep(50);
}

/** What each event says, sorted. */
const told = (found: readonly { subject: string; data: Record<string, unknown> }[], ...members: string[]) =>
  found.map(({ subject, data }) => [subject, ...members.map((name) => data[name])].join(" ")).sort();

/** What the records of all entities say. */
async function insides(ask: Ask): Promise<string[]> {
  const list = await json(ask("GET", "/v1/entities?limit=1000"));
  const features = list.features as { id: string; properties: { fences: string[] } }[];
  return features.map(({ id, properties }) => [id, ...properties.fences].join(" ")).sort();
}

const save = async (ask: Ask, fence: object, name = "dock") =>
  (await json(ask("PUT", `/v1/fences/${name}`, fence))).version;

t.test(
  "[X20] [FE10] [FE11] a fence made on one node is entered on all, its change and removal end stays",
  async (t) => {
    const { url, nodes, ownersOf } = await serveTwo(t, "stays");
    const [ask, other] = [asking(nodes[0]!), asking(nodes[1]!)];
    const ids = Array.from({ length: 40 }, (_, i) => `t${i}`).sort();
    t.equal((await ownersOf(ids)).size, 2, "both nodes own some");

    t.equal(await save(ask, AROUND_HERE), 1);
    while ((await other("GET", "/v1/fences/dock")).status !== 200) await sleep(10);
    await report(other, ids, HERE);
    const entered = await eventsOf(ask, "fence.entered", ids.length);
    t.same(
      told(entered, "fence", "version"),
      ids.map((id) => `${id} dock 1`),
      "whichever node owns them",
    );
    t.equal(new Set(entered.map(({ data }) => data.episode)).size, ids.length);

    // It moves away from all of them, by the hand of the other node.
    t.equal(await save(other, AROUND_THERE), 2);
    const exited = await eventsOf(ask, "fence.exited", ids.length);
    t.same(told(exited, "fence", "episode"), told(entered, "fence", "episode"), "each ends its own stay");
    await report(ask, ids, THERE);
    t.same(
      told(await eventsOf(other, "fence.entered", 2 * ids.length), "fence", "version"),
      [...ids.map((id) => `${id} dock 1`), ...ids.map((id) => `${id} dock 2`)].sort(),
    );

    // Nobody announces this one.
    await saveUnheard(t, url, { name: "yard", definition: AROUND_THERE, points: 1 });
    const inYard = (await eventsOf(ask, "fence.entered", 3 * ids.length)).filter(
      ({ data }) => data.fence === "yard",
    );
    t.same(
      told(inYard, "fence", "version"),
      ids.map((id) => `${id} yard 1`),
    );

    t.equal((await ask("DELETE", "/v1/fences/yard")).status, 204);
    const ended = (await eventsOf(other, "fence.exited", 2 * ids.length)).slice(ids.length);
    t.same(told(ended, "fence", "episode"), told(inYard, "fence", "episode"));

    // The other node goes on with the stays of one that is killed.
    t.equal(await nodes[0]!.end("SIGKILL"), "SIGKILL");
    await report(other, ids, { ...THERE, lon: THERE.lon + 0.001 });
    await report(other, ids, HERE);
    const left = (await eventsOf(other, "fence.exited", 3 * ids.length)).slice(2 * ids.length);
    const inDock = (await eventsOf(other, "fence.entered", 3 * ids.length)).filter(
      ({ data }) => data.version === 2,
    );
    t.same(told(left, "fence", "episode"), told(inDock, "fence", "episode"), "nobody has entered again");
    t.same(new Set(left.map(({ data }) => data.reason)), new Set(["left"]));
  },
);

t.test(
  "[N1] [FE10] [FE13] who is inside stays inside over kill -9, and leaves under the same episode",
  async (t) => {
    const { url } = await testDatabase(t);
    const dataDir = await temporaryFolder(t);
    const env = { DATABASE_URL: url };
    const ids = Array.from({ length: 200 }, (_, i) => `t${i}`).sort();
    let node = await serve(t, { dataDir, env });
    let ask = asking(node);
    t.equal(await save(ask, AROUND_HERE), 1);
    await report(ask, ids, HERE);
    const entered = await eventsOf(ask, "fence.entered", ids.length);

    await node.end("SIGKILL");
    node = await serve(t, { dataDir, env });
    ask = asking(node);
    t.same(
      await insides(ask),
      ids.map((id) => `${id} dock`),
      "before anything more is heard",
    );
    await report(ask, ids, { ...HERE, lon: HERE.lon + 0.001 });
    t.equal((await eventsOf(ask, "fence.entered", ids.length)).length, ids.length, "nobody enters twice");
    const [first, ...others] = ids;
    await report(ask, [first!], THERE);
    t.same(
      told(await eventsOf(ask, "fence.exited", 1), "episode"),
      told(
        entered.filter(({ subject }) => subject === first),
        "episode",
      ),
    );

    // It dies while stays end: some have, some have not.
    t.equal((await ask("DELETE", "/v1/fences/dock")).status, 204);
    await node.end("SIGKILL");
    node = await serve(t, { dataDir, env });
    ask = asking(node);
    const exited = await eventsOf(ask, "fence.exited", ids.length);
    t.same(told(exited, "fence", "episode"), told(entered, "fence", "episode"), "each stay ends once");
    await report(ask, others, HERE);
    t.equal(
      (await eventsOf(ask, "fence.entered", ids.length)).length,
      ids.length,
      "there is no fence any more",
    );
    t.same(await insides(ask), ids);
  },
);
