// Labels of entities over HTTP, in two processes on a real PostgreSQL and a real Redis.
import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";
import t from "tap";
import { connect } from "../../client/connection.ts";
import { asking, json } from "../support/asking.ts";
import { TOKEN } from "../support/serve.ts";
import { serveTwo } from "../support/two-nodes.ts";

t.setTimeout(180_000);

const IDS = Array.from({ length: 24 }, (_, i) => `truck-${i}`);
const NORTH = IDS.filter((_, i) => i % 3 === 0);

interface List {
  features: { id: string; properties: { labels: string[] } }[];
}

t.test(
  "[AC42] [AC43] [AC44] [AC45] labels given at any node are seen at all, and outlive their owner",
  async (t) => {
    const { url, nodes } = await serveTwo(t, "labels");
    const asks = nodes.map(asking);
    const feeds = nodes.map((node) => connect(node.url, { token: TOKEN }));
    t.teardown(() => feeds.map((feed) => feed.close()));
    const reports = () =>
      IDS.map((id, i) => ({ id, t: new Date().toISOString(), kind: "truck", lon: 24 + i / 1_000, lat: 60 }));
    t.match(await feeds[0]!.report(reports()), { accepted: IDS.length });
    const where = "'north' in entity.labels";
    const views = feeds.map((feed) => feed.view({ bbox: [23, 59, 25, 61], where }));
    await Promise.all(views.map((view) => view.ready));
    const began = new Date().toISOString();
    const north = async (ids: readonly string[], labels: readonly string[]) => {
      for (const [i, id] of ids.entries()) {
        const answer = await asks[i % 2]!("PATCH", `/v1/entities/${id}`, { labels });
        t.equal(answer.status, 204);
      }
    };
    const all = [...NORTH].sort();
    const areShown = async (ids: readonly string[], labels: readonly string[]) => {
      for (const { entities } of views)
        while (
          entities.size !== ids.length ||
          ![...entities.values()].every((entity) => entity.labels.join() === labels.join())
        )
          await sleep(20);
      for (const view of views) t.strictSame([...view.entities.keys()].sort(), ids);
    };
    await north(NORTH, ["north"]);
    await areShown(all, ["north"]);
    await north(NORTH, ["rented", "north"]);
    await areShown(all, ["north", "rented"]);
    t.match(await feeds[1]!.report(reports()), { accepted: IDS.length });
    const gone: string[] = [];
    views[0]!.on("change", ({ removed }) => gone.push(...removed.map(([id, reason]) => `${id} ${reason}`)));
    await north([NORTH[0]!], []);
    const rest = all.filter((id) => id !== NORTH[0]);
    await areShown(rest, ["north", "rented"]);
    t.strictSame(gone, [`${NORTH[0]} filter`]);

    // In each node's lists, in what was, and, soon, in the row.
    const labelled = async (node: number, query: string) => {
      const { features } = (await json(asks[node]!("GET", `/v1/entities?${query}`))) as unknown as List;
      return features.filter(({ properties }) => properties.labels.length > 0).map(({ id }) => id);
    };
    for (const node of [0, 1]) {
      t.strictSame(await labelled(node, "limit=100"), rest);
      t.strictSame(await labelled(node, `datetime=${began}`), []);
      t.strictSame(await labelled(node, `datetime=${new Date().toISOString()}`), rest);
    }
    const rows = new pg.Client(url);
    await rows.connect();
    t.teardown(() => rows.end());
    const inRows = "SELECT id FROM entity WHERE labels = '{north,rented}' ORDER BY id COLLATE \"C\"";
    while ((await rows.query(inRows)).rowCount !== rest.length) await sleep(100);
    t.strictSame(
      (await rows.query(inRows)).rows.map(({ id }) => id),
      rest,
    );

    // The second gives one more, and is gone.
    t.equal(
      (await asks[1]!("PATCH", `/v1/entities/${NORTH[0]}`, { labels: ["north", "rented"] })).status,
      204,
    );
    t.equal(await nodes[1]!.end("SIGKILL"), "SIGKILL");
    views.pop();
    await areShown(all, ["north", "rented"]);
    // Not before the shards of the other are open here.
    while (!(await asks[0]!("GET", "/v1/entities?limit=100")).ok) await sleep(100);
    t.strictSame(await labelled(0, "limit=100"), all);
    t.equal((await asks[0]!("PATCH", `/v1/entities/${NORTH[1]}`, { labels: null })).status, 204);
    t.strictSame(
      await labelled(0, "limit=100"),
      all.filter((id) => id !== NORTH[1]),
    );
  },
);
