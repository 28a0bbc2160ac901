/** PostgreSQL, Redis and nodes on this machine, as processes of installed programs; each of them can be stopped, killed and started again. */
import { chmodSync, chownSync, existsSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { openAdminToken } from "../src/auth/admin-token.ts";
import { loadOrRelinkUws } from "../src/transport/server/load-uws.ts";
import { execute, findPostgres, TestServer, unprivilegedUser } from "../test/support/postgres-server.ts";
import { freePort } from "../test/support/programs.ts";
import { findRedis, TestRedis } from "../test/support/redis.ts";
import { FaultyLink } from "./faulty-link.ts";
import { LocalNode } from "./local-node.ts";

export interface LocalClusterOptions {
  /** 1 … 99. */
  nodes: number;
  /** With Redis, nodes are a cluster; without it there is one node, and no Redis. */
  redis: boolean;
  /** Of the first node, the others follow; absent = free ones. */
  port?: number;
  /** Where everything is kept; absent = in a temporary folder that goes with the cluster. */
  folder?: string;
  /** Whether nodes reach PostgreSQL and Redis by links that can be broken. */
  faultyLinks?: boolean;
  logLevel?: string;
  /** Said of a start that takes a while. */
  onStep?(step: string): void;
  onLine?(node: string, line: string): void;
  /** A node ended by itself. */
  onDeath?(node: string): void;
}

/** Something that must be installed is not. The message is one sentence. */
export class ProgramsMissing extends Error {
  override readonly name = "ProgramsMissing";
}

export interface LocalCluster extends AsyncDisposable {
  readonly nodes: readonly LocalNode[];
  readonly token: string;
  readonly postgres: TestServer;
  /** Of a superuser, and not by way of a link. */
  readonly databaseUrl: string;
  readonly redis: TestRedis | undefined;
  /** Stops everything in order: nodes, Redis, PostgreSQL. */
  stop(): Promise<void>;
}

const DATABASE = "muster";
const CLUSTER = "local";

/** Starts everything, and waits until all nodes listen. @throws ProgramsMissing */
export async function startLocalCluster(options: LocalClusterOptions): Promise<LocalCluster> {
  const { onStep = () => {} } = options;
  const programs = findPrograms(options.redis);
  await using started = new AsyncDisposableStack();
  const folder = options.folder === undefined ? temporaryFolder(started) : resolve(options.folder);
  mkdirSync(folder, { recursive: true });

  onStep("starting PostgreSQL");
  const postgres = await startPostgres(programs.postgres, folder);
  started.defer(() => postgres.stop());
  let redis: TestRedis | undefined;
  if (programs.redis !== undefined) {
    onStep("starting Redis");
    const redisFolder = join(folder, "redis");
    mkdirSync(redisFolder, { recursive: true });
    redis = new TestRedis(programs.redis, redisFolder, await freePort(), []);
    await redis.start();
    const { stop } = redis;
    started.defer(() => stop.call(redis));
  }

  // Else each node would do it at the same time.
  loadOrRelinkUws();
  const { token } = openAdminToken({ dataDir: folder });
  const databaseUrl = postgres.url(DATABASE);
  const nodes: LocalNode[] = [];
  const link = async (wanted: boolean | undefined, target: string | undefined) => {
    if (!wanted || target === undefined) return undefined;
    const made = await FaultyLink.start(target);
    started.defer(() => made.stop());
    return made;
  };
  for (let i = 0; i < options.nodes; i++) {
    const links = {
      postgres: await link(options.faultyLinks, databaseUrl),
      redis: await link(options.faultyLinks, redis?.url),
    };
    const port = options.port === undefined ? await freePort() : options.port + i;
    const name = `node-${i + 1}`;
    const env: Record<string, string> = {
      DATABASE_URL: links.postgres?.url ?? databaseUrl,
      HOST: "127.0.0.1",
      PORT: String(port),
      MUSTER_DATA_DIR: join(folder, name),
      MUSTER_ADMIN_TOKEN: token,
      LOG_LEVEL: options.logLevel ?? "info",
    };
    if (redis !== undefined) {
      env.REDIS_URL = links.redis?.url ?? redis.url;
      env.MUSTER_URL = `http://127.0.0.1:${port}`;
      env.MUSTER_CLUSTER = CLUSTER;
    }
    const node = new LocalNode({
      ...{ name, port, env, links },
      onLine: (line) => options.onLine?.(name, line),
      onDeath: () => options.onDeath?.(name),
    });
    nodes.push(node);
  }
  // All at once, so that they hand over their shards to nobody.
  started.defer(async () => {
    await Promise.all(nodes.map((node) => node.stop()));
  });
  // The first one makes the tables.
  for (const [i, node] of nodes.entries()) {
    onStep(`starting ${node.name}`);
    if (i > 0) continue;
    await node.start();
  }
  await Promise.all(nodes.slice(1).map((node) => node.start()));
  const everything = started.move();
  const stop = () => everything.disposeAsync();
  return { nodes, token, postgres, databaseUrl, redis, stop, [Symbol.asyncDispose]: stop };
}

function findPrograms(withRedis: boolean): { postgres: string; redis: string | undefined } {
  const postgres = findPostgres();
  const redis = withRedis ? findRedis() : undefined;
  const missing: string[] = [];
  if (postgres === undefined) missing.push("PostgreSQL 15 or newer with PostGIS 3.3 or newer");
  if (withRedis && redis === undefined) missing.push("Redis 7 or newer (or Valkey)");
  if (postgres !== undefined && missing.length === 0) return { postgres, redis };
  throw new ProgramsMissing(
    `a local cluster needs ${missing.join(" and ")}: install it (Debian 12: apt-get install postgresql postgresql-15-postgis-3 redis-server)`,
  );
}

function temporaryFolder(started: AsyncDisposableStack): string {
  const folder = mkdtempSync(join(tmpdir(), "muster-cluster-"));
  started.defer(() => rmSync(folder, { recursive: true, force: true }));
  // The user that PostgreSQL runs as must get to its own folder in here.
  chmodSync(folder, 0o711);
  return folder;
}

async function startPostgres(bin: string, folder: string): Promise<TestServer> {
  const own = join(folder, "postgres");
  const isNew = !existsSync(own);
  mkdirSync(own, { recursive: true });
  const user = process.getuid?.() === 0 ? unprivilegedUser() : undefined;
  if (user !== undefined && isNew) chownSync(own, user.uid, user.gid);
  const server = new TestServer(bin, own, await freePort(), user);
  await server.initialise();
  await server.start();
  const there = await execute(server.url("postgres"), "SELECT 1 FROM pg_database WHERE datname = $1", [
    DATABASE,
  ]);
  if (there.length === 0) await execute(server.url("postgres"), `CREATE DATABASE ${DATABASE}`);
  return server;
}
