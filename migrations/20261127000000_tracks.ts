import { Migration } from "@mikro-orm/migrations";

/** Where everything was: the ways of entities in rows, and what of them is in no row yet. */
export class Tracks extends Migration {
  override up(): void {
    // Pieces of the tracks that checkpoints add to each other: read in a recovery and by nothing else.
    this.addSql(`CREATE TABLE track_tail (
      shard smallint REFERENCES shard,
      no int,
      body bytea NOT NULL,
      PRIMARY KEY (shard, no)
    )`);
    this.addSql("ALTER TABLE track_tail ALTER COLUMN body SET STORAGE EXTERNAL");
    // Entities are listed in the order of their ids' characters, whatever the language of the database.
    this.addSql(`CREATE TABLE track (
      first timestamptz NOT NULL,
      recorded timestamptz NOT NULL,
      hold boolean NOT NULL,
      entity text COLLATE "C" NOT NULL,
      t_range tstzrange NOT NULL,
      path geometry(LineStringZM, 4326) NOT NULL,
      speed smallint[],
      course smallint[],
      kind text NOT NULL,
      state text NOT NULL,
      attributes jsonb NOT NULL,
      labels text[] NOT NULL,
      fences text[] NOT NULL DEFAULT '{}',
      PRIMARY KEY (entity, first, recorded)
    ) PARTITION BY RANGE (first)`);
    // A server that has it writes 8,850 rows a second and core with it, 4,900 without; both in 34 bytes a report.
    this.addSql(`DO $$ BEGIN
      ALTER TABLE track ALTER COLUMN path SET COMPRESSION lz4;
    EXCEPTION WHEN feature_not_supported THEN NULL;
    END $$`);
    this.addSql("CREATE TABLE track_default PARTITION OF track DEFAULT");
    this.addSql("CREATE INDEX ON track USING gist (t_range, path)");
    for (const text of COMMENTS) this.addSql(`COMMENT ON ${text}`);
  }

  override down(): void {
    this.addSql("DROP TABLE track");
    this.addSql("DROP TABLE track_tail");
  }
}

const COMMENTS = [
  "TABLE track IS 'Segments of the ways of entities. Several with the same entity and first are versions: the one recorded last counts'",
  "COLUMN track.path IS 'M is Unix seconds, Z is metres or NaN'",
  "COLUMN track.speed IS 'Of each point, 0.1 m/s; -1 = unknown'",
  "COLUMN track.course IS 'Of each point, 0.1 degrees from true north; -1 = unknown'",
  "COLUMN track.hold IS 'The last point is where the entity was taken to be still, without having been heard of'",
];
