import { createReadStream, existsSync } from "node:fs";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { isDeepStrictEqual } from "node:util";
import { createGunzip } from "node:zlib";
import t, { type Test } from "tap";
import { connect } from "../../client/connection.ts";
import { systemClock } from "../../src/clock.ts";
import { roundAlt, roundDegrees, roundDirection, roundMotion } from "../../src/picture/record.ts";
import { replay } from "../../src/replay.ts";
import { madeDataDir } from "../support/data-dir.ts";
import { type Serving, serve, serveOnPostgres, TOKEN } from "../support/serve.ts";

/** Speeds with which a recording takes 20 s or less; MUSTER_TEST_FULL=1 plays all of them at 100×, the buses for 6 min. */
const RECORDINGS = [
  { name: "ais-us-gulf", file: "us-gulf.ndjson.gz", speed: 100, box: [-97, 27, -88, 31] },
  { name: "bus-austin", file: "2017-03-21.ndjson.gz", speed: 2_000, box: [-97.78, 30.22, -97.7, 30.32] },
] as const;
const FULL_SPEED = 100;
/** From the last acknowledgement to the last frame; only what never comes takes so long. */
const REST_MS = 60_000;

type Box = [number, number, number, number];
interface Row {
  id: string;
  t: string;
  kind: string;
  lon: number;
  lat: number;
  alt?: number;
  speed?: number;
  course?: number;
}
interface Shown extends Omit<Row, "t"> {
  t: number;
}

t.jobs = RECORDINGS.length;
for (const { name, file, speed, box } of RECORDINGS) {
  const path = fileURLToPath(new URL(`../../../shared/data/${name}/${file}`, import.meta.url));
  const rate = process.env.MUSTER_TEST_FULL === "1" ? FULL_SPEED : speed;
  const title = `[N2] [N3] ${name} at ${rate}×: REST equals the file, the replica of a moving viewport equals REST`;
  const missing = existsSync(path)
    ? false
    : `the recording ${name} is not beside the project: see "Recordings" in CONTRIBUTING.md`;
  t.test(title, { timeout: 900_000, skip: missing }, async (t) => {
    const isEmbedded = name === RECORDINGS[0].name;
    const node = isEmbedded ? await serve(t, { dataDir: await madeDataDir(t) }) : await serveOnPostgres(t);
    await playAndCompare(t, node, path, rate, [...box]);
  });
}

async function playAndCompare(t: Test, node: Serving, path: string, speed: number, box: Box): Promise<void> {
  const connection = connect(node.url, { token: TOKEN });
  t.teardown(() => connection.close());
  connection.on("problem", (problem) => t.fail(problem.message));
  const expected = await lastReports(path);
  const view = connection.view({ bbox: box });
  let frames = 0;
  view.on("change", () => frames++);
  let playing = true;
  const panning = pan(
    box,
    (bbox) => view.update(bbox),
    () => playing,
  );
  const result = await replay({
    file: path,
    speed,
    keepTime: true,
    clock: systemClock,
    send: (reports) => connection.report(reports),
  });
  playing = false;
  await panning;
  t.equal(result.refused, 0, `${result.rows} reports taken`);
  view.update(box);
  const inBox = sorted(await entities(node, `&bbox=${box.join(",")}`));
  const replica = () => sorted(view.inBox().map((entity) => shown(entity.id, entity)));
  const deadline = performance.now() + REST_MS;
  while (!isDeepStrictEqual(replica(), inBox) && performance.now() < deadline) await sleep(100);

  const rest = await entities(node, "");
  t.same(
    sorted(rest),
    sorted([...expected.values()]),
    `${rest.length} entities as the last report of each says`,
  );
  t.ok(frames > 20, `${frames} frames while it played`);
  t.ok(inBox.length > 50 && inBox.length < rest.length, `${inBox.length} entities in the box`);
  t.same(replica(), inBox, "the replica, clipped to its box");
  t.equal(await node.end("SIGTERM"), 0);
  t.equal(
    node
      .output()
      .split("\n")
      .filter((line) => line.includes('"level"')).length,
    0,
    "nothing to warn of",
  );
}

/** Moves a viewport about the box in small steps and jumps while `go` says so. */
async function pan(
  [west, south, east, north]: Box,
  move: (bbox: Box) => void,
  go: () => boolean,
): Promise<void> {
  const width = (east - west) / 3;
  const height = (north - south) / 3;
  for (let step = 0; go(); step++) {
    const x = west + ((step * 0.37) % 1) * 2 * width;
    const y = south + ((step * 0.23) % 1) * 2 * height;
    move([x, y, x + width, y + height]);
    await sleep(150);
  }
}

/** The plain reference: the last report of each id, in the order of their times. */
async function lastReports(path: string): Promise<Map<string, Shown>> {
  const rows: Row[] = [];
  for await (const line of createInterface({ input: createReadStream(path).pipe(createGunzip()) })) {
    rows.push(JSON.parse(line));
  }
  rows.sort((a, b) => Date.parse(a.t) - Date.parse(b.t));
  return new Map(rows.map((row) => [row.id, shown(row.id, row)]));
}

/** What a report says, as Muster writes numbers. */
function shown(id: string, row: Omit<Row, "id">): Shown {
  return {
    id,
    t: Date.parse(row.t),
    kind: row.kind,
    lon: roundDegrees(row.lon),
    lat: roundDegrees(row.lat),
    alt: row.alt === undefined ? undefined : roundAlt(Math.fround(row.alt)),
    speed: row.speed === undefined ? undefined : roundMotion(Math.fround(row.speed)),
    course: row.course === undefined ? undefined : roundDirection(Math.fround(row.course)),
  };
}

interface List {
  features: {
    id: string;
    geometry: { coordinates: [number, number] };
    properties: Omit<Row, "id" | "lon" | "lat">;
  }[];
  links: { rel: string; href: string }[];
}

/** All pages of a list. */
async function entities(node: Serving, query: string): Promise<Shown[]> {
  const all: Shown[] = [];
  let href: string | undefined = `/v1/entities?limit=1000${query}`;
  while (href !== undefined) {
    const response = await fetch(new URL(href, node.url), { headers: node.headers });
    const list = (await response.json()) as List;
    for (const { id, geometry, properties } of list.features) {
      const [lon, lat] = geometry.coordinates;
      all.push(shown(id, { ...properties, lon, lat }));
    }
    href = list.links.find((link) => link.rel === "next")?.href;
  }
  return all;
}

function sorted(rows: Shown[]): Shown[] {
  return rows.sort((a, b) => (a.id < b.id ? -1 : 1));
}
