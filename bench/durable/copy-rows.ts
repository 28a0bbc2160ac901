/** The same reports as rows, by `COPY`: a table with a row a report, as tables of positions usually are, and each batch a transaction. */
import pg from "pg";
import type { Fleet } from "../fleet.ts";
import { type Notation, ReportBatches } from "../report-batches.ts";
import type { ReportRoute } from "../report-client.ts";

const COPY = "COPY bench_report (entity, t, geom, speed, course, kind) FROM STDIN";
/** What finds an entity's way, what was in a box, and what was at a time. */
const INDEXES = ["(entity, t)", "USING gist (geom)", "(t)"];

const ROWS: Notation = {
  ...{ begin: "", between: "", end: "" },
  report: (id, { lon, lat, speed, course }) => [
    `${id}\t`,
    `\t${pointOf(lon, lat)}\t${speed}\t${course}\tvessel\n`,
  ],
};

/** A point of WGS 84 as PostGIS reads it fastest: EWKB in hex digits. */
function pointOf(lon: number, lat: number): string {
  const bytes = Buffer.alloc(25);
  bytes.writeUInt8(1, 0);
  bytes.writeUInt32LE(0x20000001, 1);
  bytes.writeUInt32LE(4326, 5);
  bytes.writeDoubleLE(lon, 9);
  bytes.writeDoubleLE(lat, 17);
  return bytes.toString("hex");
}

export class CopyRows implements ReportRoute {
  readonly batches: ReportBatches;
  readonly #clients: readonly pg.Client[];
  readonly #idle: pg.Client[];

  private constructor(batches: ReportBatches, clients: readonly pg.Client[]) {
    this.batches = batches;
    this.#clients = clients;
    this.#idle = [...clients];
  }

  /** Makes the table. @param connections as many batches may be under way */
  static async open(
    databaseUrl: string,
    fleet: Fleet,
    { batchSize, seed, connections, indexed }: CopyOptions,
  ): Promise<CopyRows> {
    const clients = Array.from({ length: connections }, () => new pg.Client(databaseUrl));
    await Promise.all(clients.map((client) => client.connect()));
    const [first] = clients;
    await first.query("DROP TABLE IF EXISTS bench_report");
    await first.query(
      `CREATE TABLE bench_report (t timestamptz NOT NULL, entity text NOT NULL, geom geometry(Point, 4326) NOT NULL,
        speed real, course real, kind text NOT NULL)`,
    );
    if (indexed) for (const index of INDEXES) await first.query(`CREATE INDEX ON bench_report ${index}`);
    return new CopyRows(new ReportBatches(fleet, batchSize, seed, ROWS), clients);
  }

  async post(now: number): Promise<number> {
    const client = this.#idle.pop();
    if (client === undefined) throw new Error("more batches are under way than there are connections");
    await copyIn(client, this.batches.next(now));
    this.#idle.push(client);
    return this.batches.batchSize;
  }

  /** @returns how many rows it had */
  async dropTable(): Promise<number> {
    const [client] = this.#clients;
    const { rows } = await client.query<{ count: number }>("SELECT count(*)::float8 FROM bench_report");
    await client.query("DROP TABLE bench_report");
    return rows[0].count;
  }

  close(): void {
    for (const client of this.#clients) void client.end();
  }
}

export interface CopyOptions {
  batchSize: number;
  seed: number;
  connections: number;
  /** Whether there is an index for each question, or none. */
  indexed: boolean;
}

/** One `COPY … FROM STDIN` of the whole of `body`. Resolves when it is committed. */
function copyIn(client: pg.Client, body: Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    const ignore = () => {};
    const copy: pg.Submittable & Record<string, unknown> = {
      submit: (connection) => connection.query(COPY),
      handleCopyInResponse(connection: pg.Connection & CopyingConnection) {
        connection.sendCopyFromChunk(body);
        connection.endCopyFrom();
      },
      handleError: reject,
      handleReadyForQuery: resolve,
      ...{ handleCommandComplete: ignore, handleRowDescription: ignore, handleDataRow: ignore },
    };
    client.query(copy);
  });
}

/** What `pg` has for those who copy, and its types leave out. */
interface CopyingConnection {
  sendCopyFromChunk(chunk: Buffer): void;
  endCopyFrom(): void;
}
