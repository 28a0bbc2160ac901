// The SQL that the documentation recommends for the table `track`.
import { readFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";
import t from "tap";
import { PackedSegments } from "../../src/tracks/packed-segments.ts";
import type { Segment } from "../../src/tracks/segment.ts";
import { open } from "../store/fixture.ts";
import { testDatabase } from "../support/postgres.ts";
import { temporaryFolder } from "../support/serve.ts";

/** What is asked about in the documentation: this time, and a box from 24.5 to 25.5 E, 59.9 to 60.3 N. */
const ASKED = Date.UTC(2026, 0, 2, 14, 5);

/** @param way seconds before and after the time that is asked about, and longitudes */
const segment = (id: string, way: readonly [number, number][], recorded: number, hold = false): Segment => ({
  ...{ id, kind: "truck", state: "s", attributes: "", labels: [], fences: [], hold },
  recorded: ASKED + recorded * 1_000,
  points: way.map(([second, lon]) => ({
    ...{ t: ASKED + second * 1_000, lon, lat: 60, alt: NaN, speed: 1, course: NaN },
  })),
});

t.test("[TR20] the SQL of docs/operations.md tells where everything in a box was", async (t) => {
  const text = await readFile(new URL("../../docs/operations.md", import.meta.url), "utf8");
  const [, sql] = /\n## History\n.*?```sql\n(.*?)```/s.exec(text)!;
  const { url } = await testDatabase(t);
  const store = await open({ dataDir: await temporaryFolder(t), databaseUrl: url });
  t.teardown(() => store.close());
  const stays = (id: string, lon: number) =>
    segment(
      id,
      [
        [-60, lon],
        [240, lon],
      ],
      -60,
      true,
    );
  const segments = [
    stays("stays", 25),
    stays("elsewhere", 26),
    segment(
      "passes",
      [
        [-60, 24],
        [60, 26],
      ],
      -60,
    ),
    // Its way meets the box, but it is not there yet.
    segment(
      "comes",
      [
        [-60, 20],
        [300, 26],
      ],
      -60,
    ),
    // It had left the box meanwhile, which was known later.
    stays("left", 25),
    segment(
      "left",
      [
        [-60, 25],
        [-30, 27],
      ],
      260,
    ),
    segment(
      "left",
      [
        [-30, 27],
        [60, 27],
      ],
      260,
    ),
    // It was elsewhere in the box.
    stays("moved", 25),
    segment(
      "moved",
      [
        [-60, 25],
        [60, 25.2],
      ],
      260,
    ),
  ];
  let isWritten = false;
  store.tracks.start({
    holdMs: 300_000,
    segments: () =>
      isWritten ? undefined : { segments: PackedSegments.of(segments), written: () => (isWritten = true) },
    late: () => [],
  });
  while (!isWritten) await sleep(20);
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  t.teardown(() => client.end());
  const { rows } = await client.query(
    `SELECT entity, round(ST_X(place)::numeric, 3)::float8 AS lon FROM (${sql.replace(";", "")}) AS told`,
  );
  t.same(rows, [
    { entity: "moved", lon: 25.1 },
    { entity: "passes", lon: 25 },
    { entity: "stays", lon: 25 },
  ]);
});
