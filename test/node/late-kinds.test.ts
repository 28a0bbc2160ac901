// What an entity was where only late reports tell where: over HTTP, from a node whose rows follow within a second.
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import t from "tap";
import { madeDataDir } from "../support/data-dir.ts";
import { serve } from "../support/serve.ts";

const HURRIED = fileURLToPath(new URL("../support/serve-hurried.ts", import.meta.url));
const HOUR_MS = 3_600_000;

interface Told {
  kind: string;
  state: string;
  attributes: object;
  times: string[];
}

const iso = (ms: number) => new Date(ms).toISOString();

t.test("what came late is told as what the entity was", async (t) => {
  const node = await serve(t, { dataDir: await madeDataDir(t), program: HURRIED });
  const { headers } = node;
  const post = async (...reports: object[]) => {
    const body = JSON.stringify(reports);
    const response = await fetch(`${node.url}/v1/reports`, { method: "POST", headers, body });
    t.match(await response.json(), { accepted: reports.length });
  };
  /** Of the segment that begins then, as soon as there is one. */
  const told = async (id: string, begin: number): Promise<Told> => {
    for (;;) {
      const response = await fetch(`${node.url}/v1/entities/${id}/track`, { headers });
      const { features } = (await response.json()) as { features: { properties: Told }[] };
      const found = features.find(({ properties }) => properties.times[0] === iso(begin));
      if (found !== undefined) return found.properties;
      await sleep(50);
    }
  };
  const minutes = (from: number) =>
    [0, 1, 2].map((i) => ({ t: iso(from + 1_000 * i), lon: 24 + i / 100, lat: 60 }));

  await t.test(
    "[TR37] a backlog that follows a first report has its kind, state and attributes",
    async (t) => {
      const now = Date.now();
      const truck = { id: "truck", kind: "truck" };
      await post({ ...truck, t: iso(now), lon: 25, lat: 60, attributes: { driver: "A" } });
      const late = [60_000, 30 * HOUR_MS].map((ago) => now - ago);
      for (const from of late) await post(...minutes(from).map((place) => ({ ...truck, ...place })));
      for (const from of late)
        t.match(await told("truck", from), {
          kind: "truck",
          state: "online.stopped",
          attributes: { driver: "A" },
        });
    },
  );

  await t.test("[TR38] what came late of who has an id again is not told as who had it before", async (t) => {
    await post({
      id: "a",
      kind: "truck",
      t: iso(Date.now() - 1_000),
      lon: 25,
      lat: 60,
      attributes: { driver: "A" },
    });
    const gone = await fetch(`${node.url}/v1/entities/a`, { method: "DELETE", headers });
    t.ok(gone.ok);
    await sleep(1_000);
    const now = Date.now();
    await post({ id: "a", kind: "vessel", t: iso(now), lon: 25, lat: 61 });
    await post(
      { id: "a", t: iso(now - 500), lon: 24, lat: 61 },
      { id: "a", t: iso(now - 400), lon: 24.1, lat: 61 },
    );
    const { kind, attributes } = await told("a", now - 500);
    t.same({ kind, attributes }, { kind: "vessel", attributes: {} });
  });
});
