/** `npm run cluster`: PostgreSQL, Redis and some nodes on this machine, until Ctrl-C. */
import { parseArgs } from "node:util";
import { type LocalCluster, type LocalClusterOptions, startLocalCluster } from "./local-cluster.ts";

const USAGE = `usage: npm run cluster -- [--nodes N] [--port PORT] [--keep FOLDER]

  --nodes N      so many nodes (default 3)
  --port PORT    of the first node, the others follow (default 8080)
  --keep FOLDER  keep everything there, and go on with what is there; without it everything is gone afterwards

Needs PostgreSQL 15+ with PostGIS 3.3+ and Redis 7+ (or Valkey) installed, not running.`;

const MISUSED = 2;
const MAX_NODES = 20;

function parse(args: string[]): Pick<LocalClusterOptions, "nodes" | "port" | "folder"> | undefined {
  const { values } = parseArgs({
    args,
    options: {
      nodes: { type: "string", default: "3" },
      port: { type: "string", default: "8080" },
      keep: { type: "string" },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  if (values.help) return undefined;
  const nodes = Number(values.nodes);
  const port = Number(values.port);
  if (!(Number.isInteger(nodes) && nodes >= 1 && nodes <= MAX_NODES))
    throw new Error(`--nodes is a number from 1 to ${MAX_NODES}`);
  if (!(Number.isInteger(port) && port >= 1 && port + nodes <= 65_536)) throw new Error("--port is no port");
  return { nodes, port, folder: values.keep };
}

async function main(args: string[]): Promise<number> {
  let options: ReturnType<typeof parse>;
  try {
    options = parse(args);
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : error}\n\n${USAGE}`);
    return MISUSED;
  }
  if (options === undefined) {
    console.log(USAGE);
    return 0;
  }
  const interrupted = Promise.withResolvers<void>();
  // Not once: npm hands on what the terminal has already sent to all.
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => interrupted.resolve());
  let cluster: LocalCluster;
  try {
    cluster = await startLocalCluster({
      ...options,
      redis: true,
      onStep: (step) => console.log(`${step} …`),
      onLine: (node, line) => line.trim() !== "" && console.log(`${node} | ${line}`),
      onDeath: (node) => console.log(`${node} has ended`),
    });
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    console.error(`muster: ${error.message}`);
    return 1;
  }
  const { nodes, token, databaseUrl, redis } = cluster;
  const addresses = nodes.map(({ name, url }) => `  ${name}  ${url}/?token=${token}`);
  console.log(`\n${addresses.join("\n")}\n\n  PostgreSQL  ${databaseUrl}\n  Redis       ${redis?.url}\n`);
  await interrupted.promise;
  console.log("stopping …");
  await cluster.stop();
  return 0;
}

process.exitCode = await main(process.argv.slice(2));
