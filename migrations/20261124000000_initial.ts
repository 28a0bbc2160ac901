import { Migration } from "@mikro-orm/migrations";

/** Membership, ownership, journal, checkpoints, events, last known state. Written by hand, as all migrations here. */
export class Initial extends Migration {
  override up(): void {
    this.addSql("CREATE EXTENSION IF NOT EXISTS postgis");
    for (const statement of [...MEMBERSHIP, ...JOURNAL, ...EVENTS, ...ENTITY]) this.addSql(statement);
  }

  override down(): void {
    for (const table of [
      "entity",
      "event",
      "checkpoint",
      "mark",
      "journal",
      "shard",
      "fence",
      "node",
      "cluster",
    ]) {
      this.addSql(`DROP TABLE ${table}`);
    }
    this.addSql("DROP SEQUENCE journal_id");
  }
}

const MEMBERSHIP = [
  `CREATE TABLE cluster (
    name text PRIMARY KEY,
    shards int NOT NULL,
    hash text NOT NULL,
    protocol int NOT NULL,
    era int NOT NULL DEFAULT 1
  )`,
  "INSERT INTO cluster (name, shards, hash, protocol) VALUES ('muster', 256, 'fnv-1a-32', 1)",
  `CREATE TABLE node (
    incarnation uuid PRIMARY KEY,
    url text NOT NULL,
    version text NOT NULL,
    pid int NOT NULL,
    boot_id text NOT NULL,
    lease_until timestamptz NOT NULL,
    draining boolean NOT NULL DEFAULT false
  )`,
  // The one row that a node's flushes lock: apart from node, whose lease is updated all the time.
  `CREATE TABLE fence (
    incarnation uuid PRIMARY KEY REFERENCES node ON DELETE CASCADE,
    gen int NOT NULL DEFAULT 0,
    down boolean NOT NULL DEFAULT false
  )`,
  `CREATE TABLE shard (
    id smallint PRIMARY KEY,
    owner uuid REFERENCES node ON DELETE SET NULL,
    epoch int NOT NULL DEFAULT 0
  )`,
  "INSERT INTO shard (id) SELECT generate_series(0, 255)",
];

const JOURNAL = [
  "CREATE SEQUENCE journal_id",
  // A ring of four parts, truncated in turn; the key needs the part because a partitioned table's must.
  `CREATE TABLE journal (
    id bigint NOT NULL,
    ring smallint NOT NULL,
    incarnation uuid NOT NULL,
    flush_no bigint NOT NULL,
    shards smallint[] NOT NULL,
    epochs int[] NOT NULL,
    t_min timestamptz,
    t_max timestamptz,
    body bytea NOT NULL,
    UNIQUE (ring, incarnation, flush_no)
  ) PARTITION BY LIST (ring)`,
  // Compressing what is short-lived and read once costs four fifths of the flushes. The parts inherit it.
  "ALTER TABLE journal ALTER COLUMN body SET STORAGE EXTERNAL",
  ...[0, 1, 2, 3].map((part) => `CREATE TABLE journal_${part} PARTITION OF journal FOR VALUES IN (${part})`),
  "CREATE INDEX ON journal (id)",
  // Apart from shard and checkpoint, and always updated in id order: in rows that flushes lock, markers deadlock.
  "CREATE TABLE mark (shard smallint PRIMARY KEY REFERENCES shard, checkpoint bigint NOT NULL DEFAULT 0)",
  "INSERT INTO mark (shard) SELECT generate_series(0, 255)",
  `CREATE TABLE checkpoint (
    shard smallint PRIMARY KEY REFERENCES shard,
    epoch int NOT NULL,
    body bytea NOT NULL,
    written_at timestamptz NOT NULL DEFAULT now()
  )`,
  "ALTER TABLE checkpoint ALTER COLUMN body SET STORAGE EXTERNAL",
];

const EVENTS = [
  // By day of recording, not of happening: a recording of 2014 must not ask for partitions of 2014.
  `CREATE TABLE event (
    id bigint GENERATED ALWAYS AS IDENTITY,
    recorded_at timestamptz NOT NULL DEFAULT now(),
    era int NOT NULL,
    xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
    shard smallint NOT NULL,
    type text NOT NULL,
    subject text NOT NULL,
    time timestamptz NOT NULL,
    data jsonb NOT NULL,
    PRIMARY KEY (recorded_at, id)
  ) PARTITION BY RANGE (recorded_at)`,
  "CREATE TABLE event_default PARTITION OF event DEFAULT",
  "CREATE INDEX ON event (subject, id)",
];

const ENTITY = [
  `CREATE TABLE entity (
    id text PRIMARY KEY,
    kind text NOT NULL,
    state text NOT NULL,
    liveness text NOT NULL,
    t timestamptz,
    received timestamptz NOT NULL,
    source text,
    geom geometry(Point, 4326),
    alt real,
    speed real,
    course real,
    heading real,
    accuracy real,
    attributes jsonb NOT NULL,
    labels text[] NOT NULL,
    epoch int NOT NULL,
    seq bigint NOT NULL
  ) WITH (fillfactor = 70)`,
  "CREATE INDEX ON entity USING gist (geom)",
];
