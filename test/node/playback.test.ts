// Playback through the real protocol, of a node on PostgreSQL whose rows follow within a second.
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import t, { type Test } from "tap";
import { coverOf, covers } from "../../src/picture/cover.ts";
import { mortonKey } from "../../src/picture/morton.ts";
import {
  type Bbox,
  type FullRecord,
  PROTOCOL_BINARY,
  PROTOCOL_JSON,
} from "../../src/transport/feed/protocol.ts";
import { Replica } from "../feed/harness.ts";
import { Chance } from "../sim/chance.ts";
import { stoppableDatabase } from "../support/postgres.ts";
import { fc, SEED } from "../support/seeded.ts";
import { type Serving, serve, temporaryFolder } from "../support/serve.ts";
import { getThen, Player, thenOf } from "./player.ts";

t.setTimeout(180_000);

const HURRIED = fileURLToPath(new URL("../support/serve-hurried.ts", import.meta.url));
const MINUTE_MS = 60_000;
const HOURS = 2;
const START = Math.floor(Date.now() / 1_000) * 1_000 - HOURS * 60 * MINUTE_MS;
/** Entities go about in here, half of them on each side of 180°. */
const AREA: Bbox = [179, 10, -179, 11];
const FILTERS = {
  "entity.kind == 'boat'": ({ kind }: FullRecord) => kind === "boat",
  "entity.attributes.load > 1": ({ attributes }: FullRecord) => Number(attributes.load) > 1,
  "entity.speed > 6.0": ({ speed = 0 }: FullRecord) => speed > 6,
};
type Where = keyof typeof FILTERS;

const at = (ms: number) => new Date(ms).toISOString();

/** Two hours of some entities: on their way, standing, silent for a while, with loads that change. */
function recording(): object[] {
  const chance = new Chance(SEED);
  const below = (end: number) => chance.whole(0, end - 1);
  const reports: (object & { t: string })[] = [];
  for (let i = 0; i < 40; i++) {
    let lon = -1 + 2 * chance.next();
    let lat = 10 + chance.next();
    let time = START + below(600_000);
    while (time < START + HOURS * 60 * MINUTE_MS - 1_000) {
      const attributes = chance.next() < 0.05 ? { load: below(4) } : undefined;
      const east = 180 + lon;
      const place = { lon: east > 180 ? east - 360 : east, lat };
      reports.push({
        ...{ id: `e${i}`, t: at(time), kind: i % 2 === 0 ? "boat" : "truck", ...place, attributes },
        ...(chance.next() < 0.7 && {
          speed: below(100) / 10,
          course: below(3_600) / 10,
          alt: below(500) / 10,
        }),
      });
      if (chance.next() < 0.8) {
        lon += (chance.next() - 0.5) / 10;
        lat += (chance.next() - 0.5) / 10;
      }
      time += chance.next() < 0.02 ? 20 * MINUTE_MS : 5_000 + below(60_000);
    }
  }
  return reports.sort((a, b) => Date.parse(a.t) - Date.parse(b.t));
}

async function post({ url, headers }: Serving, reports: object[]): Promise<void> {
  const response = await fetch(`${url}/v1/reports`, {
    method: "POST",
    headers,
    body: JSON.stringify(reports),
  });
  t.match(await response.json(), { accepted: reports.length, refusedCount: 0 });
}

const within = (bbox: Bbox) => {
  const cover = coverOf(bbox);
  return ({ lon, lat }: FullRecord) => covers(cover, mortonKey(lon, lat));
};

/** The invariant: what the client holds is what REST tells of the place, the filter and the time. */
async function check(t: Test, node: Serving, replica: Replica, time: string, what: string): Promise<number> {
  const { bbox, ids, where } = replica.asked;
  const expected = (await getThen(node, time))
    .filter((record) => (bbox === undefined ? ids!.includes(record.id) : within(bbox)(record)))
    .filter((record) => where === undefined || FILTERS[where as Where](record));
  const byId = (a: { id: string }, b: { id: string }) => (a.id < b.id ? -1 : 1);
  t.same(
    [...replica.entities.values()].map(thenOf).sort(byId),
    expected.map(thenOf).sort(byId),
    `${what}, at ${time}`,
  );
  return expected.length;
}

const minutes = (n: number) => at(START + n * MINUTE_MS);

/** What a client does to a playback view. */
type Step =
  | { is: "seek"; minute: number }
  | { is: "pan"; bbox: Bbox }
  | { is: "filter"; where: Where | null }
  | { is: "play"; speed: number; ms: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.integer({ min: 0, max: 24 }).map((tenth): Step => ({ is: "seek", minute: tenth * 4.987 })),
  fc
    .tuple(fc.integer({ min: 0, max: 15 }), fc.integer({ min: 0, max: 9 }), fc.integer({ min: 1, max: 10 }))
    .map(([west, south, size]): Step => {
      const [left, bottom] = [179 + west / 10, 10 + south / 10];
      const right = left + size / 5;
      const bbox: Bbox = [
        left > 180 ? left - 360 : left,
        bottom,
        right > 180 ? right - 360 : right,
        bottom + size / 10,
      ];
      return { is: "pan", bbox };
    }),
  fc.record({
    is: fc.constant("filter" as const),
    where: fc.constantFrom(null, null, null, ...(Object.keys(FILTERS) as Where[])),
  }),
  fc.record({
    is: fc.constant("play" as const),
    speed: fc.constantFrom(1, 60, 600, 3_600),
    ms: fc.integer({ min: 0, max: 400 }),
  }),
);

async function take(player: Player, replica: Replica, step: Step): Promise<void> {
  switch (step.is) {
    case "seek":
      player.update("v", { at: minutes(step.minute) });
      break;
    case "pan":
      replica.asked = { ...replica.asked, bbox: step.bbox };
      player.update("v", { bbox: step.bbox });
      break;
    case "filter":
      replica.asked = { ...replica.asked, where: step.where ?? undefined };
      player.update("v", { where: step.where });
      break;
    case "play":
      player.update("v", { speed: step.speed });
      await sleep(step.ms);
      break;
    default:
      step satisfies never;
  }
}

/** Stands still. Resolves to the time at which it does, once the client has all of it. */
async function rest(player: Player): Promise<string> {
  const told = player.next("paused", "present");
  player.update("v", { speed: 0 });
  const { t } = await told;
  await player.until(() => player.replicas.get("v")!.state === "complete");
  return t;
}

t.test("playback of a recording", async (t) => {
  const database = await stoppableDatabase();
  const env = { DATABASE_URL: database.url };
  const node = await serve(t, { dataDir: await temporaryFolder(t), program: HURRIED, env });
  await post(node, recording());
  await t.test(
    "[PB1] at rest a client has what REST tells of the time, whatever it did before",
    async (t) => {
      let seen = 0;
      const property = fc.asyncProperty(
        fc.boolean(),
        fc.array(step, { minLength: 1, maxLength: 8 }),
        async (binary, steps) => {
          const player = await Player.connect(node, binary ? PROTOCOL_BINARY : PROTOCOL_JSON);
          try {
            const replica = player.open("v", { bbox: AREA, at: minutes(30), speed: 0 });
            for (const [i, step] of steps.entries()) {
              await take(player, replica, step);
              if (i % 2 === 0 && i < steps.length - 1) continue;
              seen += await check(t, node, replica, await rest(player), JSON.stringify(step));
            }
            return t.passing();
          } finally {
            player.close();
          }
        },
      );
      await fc.assert(property, { numRuns: 12 });
      t.ok(seen > 100, `${seen} entities were looked at`);
    },
  );
  await t.test("[PB2] its time passes at its speed, and frames tell of it", async (t) => {
    const player = await Player.connect(node, PROTOCOL_BINARY);
    player.open("v", { bbox: AREA, at: minutes(20), speed: 300 });
    t.match(player.playbacks, []);
    const { t: began } = await player.next("playing");
    t.ok(Date.parse(began) - Date.parse(minutes(20)) < 5 * MINUTE_MS, "it stood until then");
    t.match(player.playbacks[0], { t: minutes(20), speed: 300, state: "loading" }, "first it is read");
    const since = performance.now();
    await player.until(() => player.times.length >= 10);
    const ended = await rest(player);
    const played = (Date.parse(ended) - Date.parse(began)) / 300;
    t.ok(played <= performance.now() - since + 200, `${played} ms were played`);
    t.ok(player.times.every((time, i) => i === 0 || Date.parse(player.times[i - 1]) < Date.parse(time)));
    t.ok(Date.parse(player.times[1]) - Date.parse(player.times[0]) >= 30_000 / 2, "10 frames a second");
    player.close();
  });

  await t.test("[PB3] the reasons of departures are true", async (t) => {
    const player = await Player.connect(node, PROTOCOL_JSON);
    const bbox: Bbox = [179.5, 10.2, -179.5, 10.8];
    // One that does not change with each report, so that many leave that pass.
    const where: Where = "entity.attributes.load > 1";
    player.open("v", { bbox, where, at: minutes(5), speed: 1_200 });
    await player.next("playing");
    await player.until(() => Date.parse(player.times.at(-1) ?? "") > START + 100 * MINUTE_MS);
    await rest(player);
    const seen = { left: 0, filter: 0, expired: 0, deleted: 0, denied: 0 };
    for (const { t: time, departures } of player.departures.filter(
      ({ departures }) => departures.length > 0,
    )) {
      const then = new Map((await getThen(node, time)).map((record) => [record.id, record]));
      for (const [id, reason] of departures) {
        const record = then.get(id);
        const reasons =
          record === undefined
            ? ["expired"]
            : [within(bbox)(record) ? "" : "left", FILTERS[where](record) ? "" : "filter"];
        t.ok(reasons.includes(reason), `${id} at ${time}: ${reason}`);
        seen[reason]++;
      }
    }
    t.ok(Math.min(seen.left, seen.filter, seen.expired) > 0, JSON.stringify(seen));
    player.close();
  });

  await t.test(
    "[PB4] near now it has reached the present, with all that was reported until then",
    async (t) => {
      const player = await Player.connect(node, PROTOCOL_JSON);
      await post(node, [{ id: "now", t: at(Date.now() - 5_000), kind: "boat", lon: 179.5, lat: 10.5 }]);
      const replica = player.open("v", { bbox: AREA, at: at(Date.now() - 60_000), speed: 30 });
      await player.next("playing");
      await post(node, [{ id: "now", t: at(Date.now() - 100), kind: "boat", lon: 179.6, lat: 10.6 }]);
      const { t: present, speed } = await player.next("present");
      t.equal(speed, 0, "it stands");
      t.ok(Date.now() - Date.parse(present) < 60_000);
      await player.until(() => replica.entities.get("now")?.lon === 179.6);
      player.update("v", { at: at(Date.now() + 30_000) });
      await player.next("paused", "playing");
      t.ok(Date.parse(player.playbacks.at(-1)!.t) <= Date.now(), "a little in the future is now");
      player.close();
    },
  );

  await t.test("[PB5] what is shown while it stands changes with late reports", async (t) => {
    const player = await Player.connect(node, PROTOCOL_BINARY);
    const replica = player.open("v", { ids: ["late", "now"], at: at(Date.now() - 8_000), speed: 0 });
    const { t: time } = await player.next("paused");
    t.equal(replica.entities.has("late"), false);
    await post(node, [{ id: "late", t: at(Date.parse(time) - 1_000), lon: 1, lat: 1, kind: "boat" }]);
    await player.until(() => replica.entities.get("late")?.lon === 1);
    await check(t, node, replica, time, "a view of ids");
    player.close();
  });

  await t.test("[PB13] what is erased departs as `deleted` from what is shown of the past", async (t) => {
    const player = await Player.connect(node, PROTOCOL_JSON);
    const place = { id: "erased", kind: "boat", lon: 179.5, lat: 10.5 };
    const ago = (minutes: number) => at(Date.now() - minutes * MINUTE_MS);
    await post(node, [
      { ...place, t: ago(5.4) },
      { ...place, t: ago(4.6) },
    ]);
    const replica = player.open("v", { ids: ["erased"], at: ago(5), speed: 0 });
    await player.until(() => replica.entities.has("erased"));
    const { url, headers } = node;
    const { status } = await fetch(`${url}/v1/entities/erased?erase=true`, { method: "DELETE", headers });
    t.ok(status < 300, `${status}`);
    await player.until(() => !replica.entities.has("erased"));
    t.same(player.departures.at(-1)!.departures, [["erased", "deleted"]]);
    player.close();
  });

  await t.test(
    "[PB6] without the database it stands and says so, and goes on when that is back",
    async (t) => {
      const player = await Player.connect(node, PROTOCOL_BINARY);
      const replica = player.open("v", { bbox: AREA, at: minutes(50), speed: 0 });
      await player.next("paused");
      await database.stop();
      player.update("v", { at: minutes(10) });
      await player.next("unavailable");
      t.match(player.errors, [{ type: "urn:muster:problem:unavailable", view: "v", ended: undefined }]);
      await database.start();
      const { t: time } = await player.next("paused");
      t.equal(time, minutes(10));
      t.ok(await check(t, node, replica, time, "afterwards"));
      player.close();
    },
  );

  await t.test("[PB9] what is ended reads and sends nothing any more", async (t) => {
    const player = await Player.connect(node, PROTOCOL_JSON);
    const figure = async () => {
      const text = await (await fetch(`${node.url}/metrics`, { headers: node.headers })).text();
      return Number(/^muster_feed_playbacks (\d+)$/m.exec(text)![1]);
    };
    player.open("v", { bbox: AREA, at: minutes(50), speed: 600 });
    player.open("w", { bbox: AREA, at: minutes(50), speed: 600 });
    await player.until(() => player.replicas.get("v")!.state === "complete");
    t.equal(await figure(), 2);
    player.unsubscribe("v");
    // Frames of the one before may still be on their way.
    player.send({ op: "subscribe", view: "v", ids: ["now"], at: minutes(50), speed: 0 });
    await player.until(() => player.playbacks.some(({ view, speed }) => view === "v" && speed === 0));
    player.replicas.set("v", new Replica({ ids: ["now"] }));
    await player.until(() => player.replicas.get("v")!.state === "complete");
    t.equal(await figure(), 2, "its name was free");
    player.close();
    while ((await figure()) > 0) await sleep(20);
  });

  t.equal(await node.end("SIGTERM"), 0);
});
