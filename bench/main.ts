/**
 * The benchmarks: see `USAGE`.
 *
 * Each starts the server as a process of its own and loads it from others. `DATABASE_URL` selects a PostgreSQL server,
 * which the run fills with its entities.
 */
import { parseArgs } from "node:util";
import { loadOrRelinkUws } from "../src/transport/server/load-uws.ts";
import { commit, type Measured, machine, type Options, print, type Result, save } from "./result.ts";

const USAGE = `usage: npm run bench -- SCENARIO [--small] [--json FILE] [--protocol json|bin] [--server uws|ws] …

  ingest       durable reports a second, and how long acknowledgements take: JSON batches over HTTP, binary ones over feeds
  durable      as ingest, with a million ids and acknowledgements at half the rate, beside COPY and Redis
  fanout       entity updates delivered to viewers per CPU second of the server, and what a view and tick cost
  connections  memory of a connection with an idle view
  latency      from a report being due to a viewer having it
  clusters     what clients cost that look at the whole world
  history      everything in a box at a time, one entity's way of a day, and the bytes of a report, over 100 million reports
  day          what a report costs node and database until its track is a row; it takes 16 minutes, and DATABASE_URL
  cluster      what forwarding to other nodes costs, how old their views are, how long shards that move are closed
  peers        fan-out of Muster beside ws, Socket.IO and NATS (which is left out where it is not installed)

  --small              a few seconds, to see that it works; its figures say nothing
  --json FILE          write the result there, too
  --protocol PROTOCOL  measure only json or bin; ingest, durable and fanout have both
  --server SERVER      Muster's web server: uws or ws; without it uws, if that loads here
  --data-dir FOLDER    start from a copy of it, instead of a new database
  --node-flags=FLAGS   for the server's Node.js, as --cpu-prof

  DATABASE_URL         a PostgreSQL server, which is filled with entities; without it the embedded database

cluster starts nodes as they are, on a PostgreSQL and a Redis of its own, of installed programs: it takes only --small and --json.`;

interface Scenario {
  /** Only what is run is loaded. */
  load(): Promise<(options: Options) => Promise<Measured>>;
  /** Whether it can be told to measure one protocol only. */
  hasProtocols: boolean;
  /** It starts its own servers, on a PostgreSQL of its own: nothing can be chosen. */
  hasOwnServers?: true;
}
const SCENARIOS: Readonly<Record<string, Scenario>> = {
  ingest: { load: async () => (await import("./ingest.ts")).ingest, hasProtocols: true },
  durable: { load: async () => (await import("./durable/durable.ts")).durable, hasProtocols: true },
  fanout: { load: async () => (await import("./fanout.ts")).fanout, hasProtocols: true },
  connections: { load: async () => (await import("./connections.ts")).connections, hasProtocols: false },
  latency: { load: async () => (await import("./latency.ts")).latency, hasProtocols: false },
  clusters: { load: async () => (await import("./clusters.ts")).clusters, hasProtocols: false },
  history: { load: async () => (await import("./history.ts")).history, hasProtocols: false },
  day: { load: async () => (await import("./day.ts")).day, hasProtocols: false },
  cluster: {
    load: async () => (await import("./cluster.ts")).cluster,
    hasProtocols: false,
    hasOwnServers: true,
  },
  peers: { load: async () => (await import("./peers.ts")).peers, hasProtocols: false },
};

function parse(args: string[]) {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      small: { type: "boolean", default: false },
      json: { type: "string" },
      protocol: { type: "string" },
      server: { type: "string" },
      "data-dir": { type: "string" },
      "node-flags": { type: "string" },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  const [name, ...rest] = positionals;
  if (values.help) return { ...values, name: "", scenario: undefined };
  if (name === undefined || rest.length > 0) throw new Error("one scenario at a time");
  if (!Object.hasOwn(SCENARIOS, name)) throw new Error(`there is no scenario ${name}`);
  const scenario = SCENARIOS[name];
  if (values.protocol !== undefined && !scenario.hasProtocols)
    throw new Error(`${name} has no protocols to choose from`);
  const chosen = [values.server, values["data-dir"], values["node-flags"]];
  if (scenario.hasOwnServers && chosen.some((value) => value !== undefined))
    throw new Error(`${name} has no servers to choose`);
  const protocol = oneOf("--protocol", values.protocol, ["json", "bin"]);
  const server = oneOf("--server", values.server, ["uws", "ws"]);
  return { ...values, name, scenario, protocol, server };
}

function oneOf<T extends string>(
  name: string,
  value: string | undefined,
  allowed: readonly T[],
): T | undefined {
  if (value !== undefined && !allowed.includes(value as T))
    throw new Error(`${name} is one of ${allowed.join(", ")}`);
  return value as T | undefined;
}

/** The server that was asked for, else the best one that loads. */
function chosen(server: Options["server"] | undefined): Options["server"] {
  if (server === "ws") return "ws";
  const loaded = loadOrRelinkUws();
  if (loaded.uws !== undefined) return "uws";
  if (server === "uws") throw new Error(`uWebSockets.js does not load: ${loaded.why}`);
  return "ws";
}

async function main(args: string[]): Promise<number> {
  let parsed: ReturnType<typeof parse>;
  try {
    parsed = parse(args);
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : error}\n\n${USAGE}`);
    return 2;
  }
  if (parsed.scenario === undefined) {
    console.log(USAGE);
    return 0;
  }
  const options: Options = {
    size: parsed.small ? "small" : "full",
    databaseUrl: process.env.DATABASE_URL || undefined,
    dataDir: parsed["data-dir"],
    nodeFlags: parsed["node-flags"]?.split(" ").filter((flag) => flag !== "") ?? [],
    server: chosen(parsed.server),
    protocol: parsed.protocol,
  };
  const run = await parsed.scenario.load();
  const measured = await run(options);
  const { size } = options;
  const ranOn = machine(options);
  if (parsed.scenario.hasOwnServers) ranOn.store = "postgresql";
  const result: Result = {
    ...{ scenario: parsed.name, size, commit: commit(), machine: ranOn },
    ...measured,
  };
  print(result);
  if (parsed.json !== undefined) save(result, parsed.json);
  return 0;
}

process.exitCode = await main(process.argv.slice(2));
