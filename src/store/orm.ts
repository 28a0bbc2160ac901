/** MikroORM over either database: the relational model, the migrations, and the pool that hot SQL uses too. */
import { Migrator } from "@mikro-orm/migrations";
import { MikroORM } from "@mikro-orm/postgresql";
import type { Pool } from "pg";
import { Initial } from "../../migrations/20261124000000_initial.ts";
import { ManyNodes } from "../../migrations/20261126000000_cluster.ts";
import { Tracks } from "../../migrations/20261127000000_tracks.ts";
import { EventLog } from "../../migrations/20261127000001_events.ts";
import { Webhooks } from "../../migrations/20261127000100_webhooks.ts";
import { Machines } from "../../migrations/20261127000300_machines.ts";
import { Fences } from "../../migrations/20261127000400_fences.ts";
import { Occupancy } from "../../migrations/20261127000500_occupancy.ts";
import { JournalVacuum } from "../../migrations/20261128000000_journal-vacuum.ts";
import { StandingFences } from "../../migrations/20261128000300_standing-fences.ts";
import { WebhookStep } from "../../migrations/20261128000400_webhook-step.ts";
import { LetterIndexes } from "../../migrations/20261128000500_letter-indexes.ts";
import { LetterRefusals } from "../../migrations/20261128000600_letter-refusals.ts";
import { FenceSince } from "../../migrations/20261128000700_fence-since.ts";
import { LettersAside } from "../../migrations/20261128000800_letters-aside.ts";
import { EventIds } from "../../migrations/20261129000000_event-ids.ts";
import { Access } from "../../migrations/20261129000100_access.ts";
import type { EmbeddedDatabase } from "./embedded/bridge.ts";
import { Cluster } from "./model/cluster.ts";
import { Webhook } from "./model/webhook.ts";

/** Oldest first. A migration that was committed is never changed. */
export const MIGRATIONS = [
  { migrationName: "20261124000000_initial", class: Initial },
  { migrationName: "20261126000000_cluster", class: ManyNodes },
  { migrationName: "20261127000000_tracks", class: Tracks },
  { migrationName: "20261127000001_events", class: EventLog },
  { migrationName: "20261127000100_webhooks", class: Webhooks },
  { migrationName: "20261127000300_machines", class: Machines },
  { migrationName: "20261127000400_fences", class: Fences },
  { migrationName: "20261127000500_occupancy", class: Occupancy },
  { migrationName: "20261128000000_journal-vacuum", class: JournalVacuum },
  { migrationName: "20261128000300_standing-fences", class: StandingFences },
  { migrationName: "20261128000400_webhook-step", class: WebhookStep },
  { migrationName: "20261128000500_letter-indexes", class: LetterIndexes },
  { migrationName: "20261128000600_letter-refusals", class: LetterRefusals },
  { migrationName: "20261128000700_fence-since", class: FenceSince },
  { migrationName: "20261128000800_letters-aside", class: LettersAside },
  { migrationName: "20261129000000_event-ids", class: EventIds },
  { migrationName: "20261129000100_access", class: Access },
];

/** Connections to a server: the flush, the lease, background work, and room for queries. */
const SERVER_CONNECTIONS = 6;
/** Both stay below the lease (5 s), so that a statement that hangs ends before its node is evicted. Migrations may take longer. */
const STATEMENT_TIMEOUT_MS = 4_000;
const CONNECT_TIMEOUT_MS = 4_000;

export interface Orm {
  orm: MikroORM;
  /** MikroORM's own. */
  pool: Pool;
  /** Closes both. */
  close(): Promise<void>;
}

export type DatabaseChoice = { url: string } | { embedded: EmbeddedDatabase };

/**
 * Opens MikroORM; no migration runs yet.
 * @param purpose `work` = statements have time-outs (a server's do), `migration` = they may take as long as they need.
 */
export async function openOrm(choice: DatabaseChoice, purpose: "work" | "migration"): Promise<Orm> {
  const limit = purpose === "work" ? STATEMENT_TIMEOUT_MS : 0;
  const connection =
    "url" in choice
      ? {
          clientUrl: choice.url,
          pool: { min: 0, max: SERVER_CONNECTIONS },
          driverOptions: {
            statement_timeout: limit,
            idle_in_transaction_session_timeout: limit,
            connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
            keepAlive: true,
            application_name: "muster",
          },
        }
      : {
          dbName: "postgres",
          user: "postgres",
          // One backend: more connections would only wait for each other.
          pool: { min: 0, max: 1 },
          driverOptions: { stream: () => choice.embedded.connect(), idleTimeoutMillis: 0 },
        };
  const orm = await MikroORM.init({
    ...connection,
    entities: [Cluster, Webhook],
    extensions: [Migrator],
    migrations: {
      migrationsList: MIGRATIONS.map(({ migrationName, class: migration }) => ({
        name: migrationName,
        class: migration,
      })),
      snapshot: false,
      transactional: true,
    },
    // A name with a mistake in it must not become a new database.
    ensureDatabase: false,
    logger: () => {},
    discovery: { warnWhenNoEntities: false },
  });
  try {
    const pool = (await orm.em.getDriver().getConnection().getNativeClient()) as Pool;
    const close = async () => {
      await orm.close(true);
      // MikroORM ends the pool only if it has used it itself: its connections would keep the process for another 10 s.
      if (!pool.ending && !pool.ended) await pool.end();
    };
    return { orm, pool, close };
  } catch (error) {
    await orm.close(true);
    throw error;
  }
}
