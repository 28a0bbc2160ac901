// Who was inside of what, from reports to the feed, to what was and to rows, of a node on PostgreSQL whose rows follow within a second.
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import pg from "pg";
import t from "tap";
import { PROTOCOL_BINARY, PROTOCOL_JSON } from "../../src/transport/feed/protocol.ts";
import { asking, json } from "../support/asking.ts";
import { testDatabase } from "../support/postgres.ts";
import { serve, temporaryFolder } from "../support/serve.ts";
import { Player } from "./player.ts";

const HURRIED = fileURLToPath(new URL("../support/serve-hurried.ts", import.meta.url));
const HARBOUR = {
  type: "Feature",
  geometry: { type: "Point", coordinates: [25, 60] },
  properties: { radius: 2_000 },
};

interface Features {
  features: { properties: { fences: string[]; times: string[] } }[];
}

t.test(
  "[F55] [TR2] [TR11] [TR13] [PB1] [D16] fences are told of now and of then, from memory and rows",
  async (t) => {
    const { url } = await testDatabase(t);
    const node = await serve(t, {
      ...{ dataDir: await temporaryFolder(t), program: HURRIED, env: { DATABASE_URL: url } },
    });
    const ask = asking(node);
    t.equal((await ask("PUT", "/v1/fences/harbour", HARBOUR)).status, 201);
    const begin = Math.floor(Date.now() / 1_000) * 1_000 - 600_000;
    const at = (second: number) => new Date(begin + second * 1_000).toISOString();
    const post = async (from: number, lons: readonly number[]) => {
      const reports = lons.map((lon, i) => ({ id: "a", t: at(from + 10 * i), kind: "ship", lon, lat: 60 }));
      t.match(await json(ask("POST", "/v1/reports", reports)), { accepted: lons.length });
    };
    const features = async (path: string) => ((await json(ask("GET", path))) as unknown as Features).features;
    const fencesAt = async (second: number) => {
      const [one] = await features(`/v1/entities?datetime=${at(second)}`);
      return one?.properties.fences;
    };
    const check = async (where: string) => {
      for (const [second, fences] of [
        [19.9, []],
        [20, ["harbour"]],
        [39.9, ["harbour"]],
        [40, []],
        [55, []],
      ] as const)
        t.same(await fencesAt(second), fences, `${where}: at ${second} s`);
      const track = await features("/v1/entities/a/track");
      t.same(
        track.map(({ properties: { fences, times } }) => [fences.join(), times[0], times.at(-1)]),
        [
          ["", at(0), at(20)],
          ["harbour", at(20), at(40)],
          // Held until it would be stale.
          ["", at(40), at(350)],
        ],
        where,
      );
    };

    const live = await Promise.all([PROTOCOL_JSON, PROTOCOL_BINARY].map((one) => Player.connect(node, one)));
    t.teardown(() => {
      for (const player of live) player.close();
    });
    const world = [-180, -90, 180, 90] as [number, number, number, number];
    const views = live.map((player) =>
      player.open("live", { bbox: world, where: "'harbour' in entity.fences" }),
    );
    await post(0, [24, 24.5, 25, 25.01]);
    for (const [i, player] of live.entries()) {
      const fences = await player.until(() => views[i].entities.get("a")?.fences);
      t.same(fences, ["harbour"]);
    }
    t.match((await json(ask("GET", "/v1/entities/a"))).properties, { fences: ["harbour"] });
    await post(40, [26, 26.5]);
    for (const player of live) {
      const { departures } = await player.until(() =>
        player.departures.find((one) => one.departures.length > 0),
      );
      t.same(departures, [["a", "filter"]]);
    }
    await check("from memory");

    const rows = new pg.Client({ connectionString: url });
    await rows.connect();
    t.teardown(() => rows.end());
    for (;;) {
      const { rows: found } = await rows.query("SELECT fences FROM track ORDER BY first");
      if (found.length < 2) await sleep(50);
      else {
        t.same(found, [{ fences: [] }, { fences: ["harbour"] }]);
        break;
      }
    }
    await check("from rows and memory");
    await post(60, [25]);
    for (let fences: string[] = []; fences[0] !== "harbour"; await sleep(50))
      fences = (await rows.query("SELECT fences FROM entity WHERE id = 'a'")).rows[0]?.fences ?? [];

    const options = { bbox: world, at: at(30), speed: 0 };
    const inside = live[0].open("then", { ...options, where: "'harbour' in entity.fences" });
    t.match(await live[0].until(() => inside.entities.get("a")), { fences: ["harbour"] });
    live[0].update("then", { at: at(45) });
    await live[0].until(() => inside.entities.size === 0);
  },
);
