// The benchmarks in their small size: that they run and count right. Never how fast anything was. Their parts are in bench-parts.test.ts.
import t from "tap";
import { usedDatabase } from "../bench/used-database.ts";
import { looksRight, run, small, smallEmbedded } from "./support/bench.ts";
import { emptyDatabase, testDatabase } from "./support/postgres.ts";
import { execute } from "./support/postgres-server.ts";

// Together: each waits for its database and its timers most of the time.
const ingested = smallEmbedded(t, "ingest");
const fannedOut = small(t, "fanout");
const madeDurable = small(t, "durable", "--protocol", "json");
const history = small(t, "history");
const ofDay = small(t, "day");

t.test("[B1] [B3] ingest, small: every report sent is acknowledged, in both protocols", async (t) => {
  const figures = looksRight(t, await ingested, "embedded");
  for (const prefix of ["", "bin_"]) {
    const figure = (name: string) => figures[prefix + name];
    for (const name of ["durable_reports_per_s", "reports_per_cpu_s", "ack_p50_ms", "ack_p99_ms", "rss_mb"])
      t.ok(figure(name) > 0, prefix + name);
    t.ok(figure("server_cpu_s") > 0);
    t.ok(figure("sent_reports") > 0);
    t.equal(figure("acknowledged_reports"), figure("sent_reports"));
    t.ok(figure("ack_p99_ms") >= figure("ack_p50_ms") && figure("ack_max_ms") >= figure("ack_p99_ms"));
  }
});

t.test("[B1] [B13] durable, small: as ingest, tracks are written, and peers take the same", async (t) => {
  const figures = looksRight(t, await madeDurable);
  for (const peer of ["copy_rows", "copy_rows_without_index", "redis_reports"]) {
    t.ok(figures[`${peer}_per_s`] > 0, peer);
    t.ok(figures[`muster_to_${peer}_ratio`] > 0, peer);
  }
  t.equal(figures.acknowledged_reports, figures.sent_reports);
  t.ok(figures.track_waiting_mb > 0, "what was reported is in tracks");
});

t.test(
  "[B1] [B14] history, small: what was reported is found, in less room than a row a report",
  async (t) => {
    const figures = looksRight(t, await history);
    t.equal(figures.reports, figures.entity_day_mean_reports * 200, "each entity has as many");
    t.ok(figures.box_at_time_mean_entities > 1);
    t.ok(figures.stored_bytes_of_1000_reports < figures.row_per_report_bytes_of_1000_reports);
  },
);

t.test("[B1] [B15] day, small: what a report costs", async (t) => {
  const figures = looksRight(t, await ofDay);
  t.ok(figures.reports_per_s > 0);
  t.ok(figures.journal_bytes_per_report > 20 && figures.journal_bytes_per_report < 1_000);
  t.ok(figures.wal_bytes_per_report > figures.journal_bytes_per_report, "the journal is in it");
  t.ok(figures.track_waiting_mb > 0);
});

t.test(
  "[B1] [B4] fanout, small: every viewer gets exactly what its cover holds, in both protocols",
  async (t) => {
    const figures = looksRight(t, await fannedOut);
    for (const name of [
      "delivered_per_cpu_s",
      "delivered_json_per_cpu_s",
      "delivered_ingest_per_cpu_s",
      "delivered_ingest_1hz_per_cpu_s",
    ])
      t.ok(figures[name] > 0, name);
    t.equal(figures.viewers, 20);
    t.ok(figures.mean_entities_per_viewer >= 50 && figures.mean_entities_per_viewer <= 500);
    t.ok(figures.publications >= 10 && figures.json_publications >= 10);
    t.ok(figures.ingest_delivered_updates > 0);
    t.ok(figures.ingest_1hz_publications >= 2);
    for (const what of ["empty", "of_10", "of_200"])
      t.type(figures[`view_tick_50_views_${what}_us`], "number", what);
  },
);

t.test("[B17] a database that was used is told", async (t) => {
  t.equal(await usedDatabase((await emptyDatabase(t)).url), undefined, "never used");
  const { url } = await testDatabase(t);
  t.equal(await usedDatabase(url), undefined, "empty");
  await execute(
    url,
    `INSERT INTO entity (id, kind, state, liveness, received, attributes, labels, epoch, seq)
     SELECT 'e-' || i, 'vessel', 'moving', 'live', now(), '{}', '{}', 1, 1 FROM generate_series(1, 1200) AS i`,
  );
  t.match(await usedDatabase(url), /has 1,200 entities already/);
  const { output } = await run(t, ["day", "--small"], url);
  t.match(output, /has 1,200 entities already.*reports_per_s/s, "before it begins");
});

t.test("[B6] a wrong command line starts nothing", async (t) => {
  const wrong = [
    [],
    ["sing"],
    ["ingest", "fanout"],
    ["ingest", "--loud"],
    ["toString"],
    ["ingest", "--protocol", "xml"],
    ["fanout", "--server", "nginx"],
    ["latency", "--protocol", "json"],
    ["cluster", "--server", "ws"],
  ];
  for (const { code, output } of await Promise.all(wrong.map((args) => run(t, args)))) {
    t.equal(code, 2);
    t.match(output, "usage: npm run bench");
  }
});
