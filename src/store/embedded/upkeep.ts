/**
 * What a PostgreSQL server does by itself and nobody does in the embedded one: CHECKPOINT each 256 MB of WAL or 60 s, VACUUM of the tables
 * whose rows are replaced, and VACUUM (FREEZE) of any table before its transaction ids come to an end: after some two thousand million PostgreSQL
 * takes no more, which is two months of 400 flushes a second.
 */
import type { Clock } from "../../clock.ts";
import { type StoreContext, withClient } from "../session.ts";

const LOOK_MS = 5_000;
const CHECKPOINT_WAL_BYTES = 256 * 2 ** 20;
const CHECKPOINT_MS = 60_000;
const VACUUM_MS = 60_000;
/** Rows of these are updated all the time. */
const HOT_TABLES = [
  "entity",
  "checkpoint",
  "mark",
  "node",
  "track_tail",
  "webhook_delivery",
  "webhook_letter",
];
/** A quarter of what there is, and before PostgreSQL begins to warn. */
const FREEZE_AGE = 500_000_000;
/** Input: the age. The oldest table that has reached it, with what it keeps outside its rows. */
const OLDEST = `
SELECT c.oid::regclass::text AS name FROM pg_class c LEFT JOIN pg_class o ON o.oid = c.reltoastrelid
WHERE c.relkind IN ('r', 'm') AND greatest(age(c.relfrozenxid), age(o.relfrozenxid)) > $1
ORDER BY greatest(age(c.relfrozenxid), age(o.relfrozenxid)) DESC LIMIT 1`;
/**
 * Input: the age. The templates count too, and nobody can connect to them here. They were frozen when they were made and never written since, so
 * what is true of this database is true of them.
 */
const AGE_TEMPLATES = `
UPDATE pg_database AS d SET datfrozenxid = own.datfrozenxid, datminmxid = own.datminmxid
FROM pg_database AS own WHERE own.datname = current_database() AND d.datistemplate AND age(d.datfrozenxid) > $1`;

export interface UpkeepLimits {
  /** CHECKPOINT after so much WAL. */
  checkpointWalBytes?: number;
  /** VACUUM (FREEZE) of a table whose oldest row is so many transactions old. */
  freezeAge?: number;
}

/** Starts the upkeep. @returns what ends it. */
export function startUpkeep(
  context: StoreContext,
  failed: (error: unknown) => void,
  limits: UpkeepLimits = {},
): () => Promise<void> {
  const { clock } = context;
  const upkeep = new Upkeep(context, limits);
  let cancel = () => {};
  let running = Promise.resolve();
  let stopped = false;
  const plan = () => {
    cancel = clock.schedule(LOOK_MS, () => {
      running = upkeep
        .look()
        .catch(failed)
        .then(() => {
          if (!stopped) plan();
        });
    });
  };
  plan();
  return async () => {
    stopped = true;
    cancel();
    await running;
  };
}

class Upkeep {
  readonly #context: StoreContext;
  readonly #clock: Clock;
  #checkpointAt: number;
  #checkpointLsn = 0;
  #vacuumAt: number;
  #vacuumNext = 0;
  readonly #walBytes: number;
  readonly #freezeAge: number;

  constructor(context: StoreContext, limits: UpkeepLimits) {
    this.#context = context;
    this.#clock = context.clock;
    this.#walBytes = limits.checkpointWalBytes ?? CHECKPOINT_WAL_BYTES;
    this.#freezeAge = limits.freezeAge ?? FREEZE_AGE;
    this.#checkpointAt = this.#vacuumAt = context.clock.monotonic();
  }

  async look(): Promise<void> {
    const now = this.#clock.monotonic();
    const lsn = await this.#lsn();
    const written = lsn - this.#checkpointLsn;
    if (written > 0 && (written > this.#walBytes || now - this.#checkpointAt > CHECKPOINT_MS)) {
      await this.#run("CHECKPOINT");
      this.#checkpointLsn = await this.#lsn();
      this.#checkpointAt = now;
    }
    // One table at a time: flushes wait behind each statement.
    if (now - this.#vacuumAt > VACUUM_MS / HOT_TABLES.length) {
      await this.#run(`VACUUM ${HOT_TABLES[this.#vacuumNext]}`);
      this.#vacuumNext = (this.#vacuumNext + 1) % HOT_TABLES.length;
      this.#vacuumAt = now;
    }
    await this.#freeze();
  }

  /** One table at a time, too; the templates once there is none. */
  async #freeze(): Promise<void> {
    const age = [this.#freezeAge];
    const { rows } = await withClient(this.#context, (client) => client.query<{ name: string }>(OLDEST, age));
    if (rows[0] !== undefined) await this.#run(`VACUUM (FREEZE) ${rows[0].name}`);
    else await withClient(this.#context, (client) => client.query(AGE_TEMPLATES, age));
  }

  async #lsn(): Promise<number> {
    const result = await withClient(this.#context, (client) =>
      client.query<{ bytes: number }>("SELECT (pg_current_wal_lsn() - '0/0')::float8 AS bytes"),
    );
    return result.rows[0]!.bytes;
  }

  #run(sql: string): Promise<unknown> {
    return withClient(this.#context, (client) => client.query(sql));
  }
}
