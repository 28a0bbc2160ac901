/** The command line: `serve`, `replay`, `token`. It parses, starts and reports; what it starts is elsewhere. */
import { access, constants } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { type ParseArgsConfig, parseArgs } from "node:util";
import { setFlagsFromString } from "node:v8";
import { type Connection, connect } from "../client/connection.ts";
import { ConnectionClosed } from "../client/errors.ts";
import { StoreAway } from "./actors/ports.ts";
import { DataFolderError, readAdminToken } from "./auth/admin-token.ts";
import { endProcessWithin, systemClock } from "./clock.ts";
import { BusAway } from "./cluster/ports.ts";
import { type Config, describeConfig, isConfigError, loadConfig, reachable } from "./config.ts";
import type { Node } from "./node.ts";
import { BadRecording, replay } from "./replay.ts";
import { StoreStartError } from "./store/errors.ts";
import { createLog, type Log } from "./telemetry/log.ts";
import { BusStartError } from "./transport/bus/errors.ts";
import { ServerStartError } from "./transport/server/errors.ts";

const USAGE = `muster: a real-time coordination server

  npm run -s muster -- COMMAND      with Node.js 24 at hand, node src/main.ts COMMAND is the same
                                    (without the two dashes npm takes options as its own)
Commands
  serve [--demo]          serve the API, the live feed and the map
  replay FILE [options]   send a recording (NDJSON, also .gz) to a node
      --speed N       times faster than recorded (default 1)
      --url URL       of the node (default http://HOST:PORT)
      --token TOKEN   of the node (default: the one in the data folder)
      --loop          begin again at the end
      --keep-time     send the recorded times; otherwise the recording starts now
  token                   print the admin token of the data folder
  help                    print this

Examples
  npm start
      serve --demo, with the map built first: vessels in the Gulf of Finland from the bundled recording, five times as fast, in a loop
  DATABASE_URL=postgres://muster@db/muster npm run serve
      on a PostgreSQL with PostGIS instead of the embedded database
  npm run -s muster -- replay data/ais-helsinki/helsinki.ndjson --speed 20
  curl -H "Authorization: Bearer $(npm run -s muster token)" "http://127.0.0.1:8080/v1/entities?bbox=24,59,26,61"

Environment (durations: a number with ms, s, min, h or d)
`;

/** Read by V8 whenever it decides; `docs/decisions/0015-garbage.md` says what each is for. */
const V8_FLAGS = [
  "--external-memory-accounted-in-global-limit",
  "--no-allocation-site-pretenuring",
  "--max-inlined-bytecode-size-cumulative=2000",
];
for (const flag of V8_FLAGS) setFlagsFromString(flag);

const DEMO_FILE = fileURLToPath(new URL("../data/ais-helsinki/helsinki.ndjson", import.meta.url));

/** Ten minutes of ships in two: at their own speed most of them hardly move on a map. */
const DEMO_SPEED = 5;

/** Exit codes: 0 done, 1 failed, 2 called wrongly. */
const FAILED = 1;
const MISUSED = 2;

/** What a `HOST` or a `PORT` that cannot be listened on fails in; one in use has a sentence of its own. */
const LISTENING = ["listen", "bind", "getaddrinfo"];

class UsageError extends Error {
  override name = "UsageError";
}
class StartGivenUp extends Error {
  override name = "StartGivenUp";
}
class ConfigError extends Error {
  override name = "ConfigError";
}

/** What says in its message all that there is to know. */
const EXPECTED = [
  ConfigError,
  StartGivenUp,
  DataFolderError,
  StoreStartError,
  BusStartError,
  BusAway,
  ServerStartError,
  BadRecording,
  ConnectionClosed,
];

const COMMANDS: Record<string, (args: string[], config: () => Config) => Promise<number>> = {
  serve,
  replay: replayFile,
  token: printToken,
};

async function main(argv: string[]): Promise<number> {
  const [name, ...args] = argv;
  if (name === undefined || name === "help" || argv.includes("--help") || argv.includes("-h")) {
    console.log(USAGE + environmentHelp());
    return name === undefined ? MISUSED : 0;
  }
  const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  try {
    if (command === undefined) throw new UsageError(`there is no command ${name}`);
    return await command(args, readConfig);
  } catch (error: unknown) {
    if (error instanceof UsageError) {
      console.error(`muster: ${error.message}. See: npm run -s muster help`);
      return MISUSED;
    }
    if (error instanceof StoreAway) {
      console.error(`muster: the database went away while the node started: ${error.message}`);
      return FAILED;
    }
    if (EXPECTED.some((kind) => error instanceof kind)) {
      console.error(`muster: ${(error as Error).message}`);
      return error instanceof ConfigError ? MISUSED : FAILED;
    }
    throw error;
  }
}

function readConfig(): Config {
  const loaded = loadConfig(process.env);
  if (!isConfigError(loaded)) return loaded;
  throw new ConfigError(["the environment has mistakes:", ...loaded.mistakes].join("\n  "));
}

function environmentHelp(): string {
  return describeConfig()
    .map(({ name, default: preset, unit, text }) => {
      const value = preset === "" ? "" : ` [${preset}${unit === "" ? "" : ` ${unit}`}]`;
      return `  ${name.padEnd(22)} ${text}${value}`;
    })
    .join("\n");
}

function parse<T extends NonNullable<ParseArgsConfig["options"]>>(args: string[], options: T) {
  // npm leaves a trace of what it took away from `npm run muster replay FILE --speed 10`.
  for (const name of Object.keys(options))
    if (process.env[`npm_config_${name.replaceAll("-", "_")}`])
      throw new UsageError(`npm took --${name} as its own. Write: npm run -s muster -- COMMAND --${name} …`);
  try {
    return parseArgs({ args, options, allowPositionals: true });
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

/** A start that a signal finds under way gets so long: for another node's lease and a recovery; with the stop it stays below what supervisors wait. */
const START_GRACE_MS = 15_000;
/** What a silent server never closes keeps a process that is done for so long. */
const LINGER_MS = 500;

const EVICTED = "evicted";
/** Between two tries to join anew. */
const REJOIN_MS = 1_000;

async function serve(args: string[], loadedConfig: () => Config): Promise<number> {
  const { values, positionals } = parse(args, { demo: { type: "boolean", default: false } });
  if (positionals.length > 0) throw new UsageError(`serve takes no ${positionals[0]}`);
  const config = loadedConfig();
  const log = createLog(config.logLevel);
  if (config.redisUrl !== undefined && config.adminToken === undefined)
    log.warn(
      "without MUSTER_ADMIN_TOKEN each node of a cluster makes a token of its own, which the others refuse: set it to the same on each",
    );
  const ended = Promise.withResolvers<number>();
  let stopping = false;
  // Before the start: a recovery or another node's lease may take a while, and a stop in the middle of it is one in order too.
  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    // Not once: npm hands on a signal that the terminal has already sent to all, and the second must not kill.
    process.on(signal, () => {
      if (!stopping) log.info({ signal }, "stopping");
      stopping = true;
      ended.resolve(0);
    });
  }
  // Everything else is loaded here: the other commands do without.
  const { startNode } = await import("./node.ts");
  let evicted = Promise.withResolvers<typeof EVICTED>();
  const start = (): Promise<Node> => {
    evicted = Promise.withResolvers();
    const { resolve } = evicted;
    const starting = startNode({
      config,
      log,
      onEvicted: () => resolve(EVICTED),
      onFatal(error) {
        log.fatal({ err: error }, "the node cannot go on");
        ended.resolve(FAILED);
      },
    });
    return orGivenUp(starting, ended.promise);
  };
  let node = await start().catch((error: NodeJS.ErrnoException) => {
    if (error.code === "EADDRINUSE") {
      throw new UsageError(`port ${config.port} on ${config.host} is in use: set PORT to another`);
    }
    if (LISTENING.includes(error.syscall ?? "")) {
      throw new UsageError(`cannot listen on ${config.host} port ${config.port}: ${error.message}`);
    }
    throw error;
  });
  tellServing(node, log);
  // A token that the operator set is his to know, and not the log's.
  const address = config.adminToken === undefined ? `${node.url}/?token=${node.token}` : `${node.url}/`;
  console.log(`\n  Muster is at  ${address}\n`);
  const demo = new AbortController();
  const playing = values.demo && !stopping ? playDemo(node, log, demo.signal) : undefined;
  let outcome = await Promise.race([ended.promise, evicted.promise]);
  while (outcome === EVICTED) {
    log.warn(
      "other nodes have evicted this one, which did not renew its lease: it drops what it has and joins anew",
    );
    await node.stop();
    const again = await startAgain(start, log, () => stopping);
    // To be stopped, and stopped already.
    if (again === undefined) break;
    node = again;
    tellServing(node, log);
    outcome = await Promise.race([ended.promise, evicted.promise]);
  }
  demo.abort();
  await playing;
  const clean = await node.stop();
  if (clean) log.info("stopped");
  else log.warn("stopped; work that was never acknowledged could not be committed");
  return outcome === EVICTED ? 0 : outcome;
}

/** A start that hangs, on a database that is silent in the middle of a migration for one, must not make the process deaf to signals. */
async function orGivenUp(starting: Promise<Node>, ended: Promise<unknown>): Promise<Node> {
  let done = false;
  let cancel = () => {};
  const late = ended.then(
    () =>
      new Promise<never>((_, reject) => {
        const giveUp = () =>
          reject(
            new StartGivenUp(
              `the start was not complete ${START_GRACE_MS / 1_000} s after the signal: given up`,
            ),
          );
        if (!done) cancel = systemClock.schedule(START_GRACE_MS, giveUp);
      }),
  );
  try {
    return await Promise.race([starting, late]);
  } finally {
    done = true;
    cancel();
  }
}

/** Tries until it succeeds, or until the process is to stop. */
async function startAgain(
  start: () => Promise<Node>,
  log: Log,
  isStopping: () => boolean,
): Promise<Node | undefined> {
  while (!isStopping()) {
    try {
      return await start();
    } catch (error) {
      if (error instanceof StartGivenUp) throw error;
      log.warn(
        { reason: error instanceof Error ? error.message : String(error) },
        "the node could not join anew",
      );
      await new Promise<void>((resolve) => systemClock.schedule(REJOIN_MS, resolve));
    }
  }
  return undefined;
}

function tellServing({ url, store, server, cluster }: Node, log: Log): void {
  const { name, uWebSockets } = server;
  const node = cluster?.member.ledger.incarnation;
  log.info(
    { url, store: store.kind, server: name, uWebSockets, ...(node !== undefined && { node }) },
    "serving",
  );
}

/** Plays the bundled recording through the public feed, as any other client would. */
async function playDemo(node: Node, log: Log, signal: AbortSignal): Promise<void> {
  const connection = connect(node.url, { token: node.token });
  log.info({ speed: DEMO_SPEED }, "playing ships in the Gulf of Finland, in a loop");
  try {
    await replay({
      file: DEMO_FILE,
      speed: DEMO_SPEED,
      loop: true,
      send: (reports) => connection.report(reports),
      clock: systemClock,
      signal,
    });
  } catch (error) {
    if (!signal.aborted) log.error({ err: error }, "the demo recording stopped");
  } finally {
    connection.close();
  }
}

function connectTo(url: string, token: string): Connection {
  try {
    return connect(url, { token });
  } catch (error) {
    throw new UsageError(`--url ${url}: ${(error as Error).message}`);
  }
}

async function replayFile(args: string[], loadedConfig: () => Config): Promise<number> {
  const { values, positionals } = parse(args, {
    speed: { type: "string", default: "1" },
    url: { type: "string" },
    token: { type: "string" },
    loop: { type: "boolean", default: false },
    "keep-time": { type: "boolean", default: false },
  });
  const [file, ...more] = positionals;
  if (file === undefined || more.length > 0) throw new UsageError("replay takes one FILE");
  const speed = Number(values.speed);
  if (!(speed > 0)) throw new UsageError(`--speed takes a number greater than 0, not ${values.speed}`);
  if (speed === Infinity && !values["keep-time"]) throw new UsageError("--speed Infinity needs --keep-time");
  if (values.loop && values["keep-time"]) throw new UsageError("--loop and --keep-time exclude each other");
  await access(file, constants.R_OK).catch((error: Error) => {
    throw new BadRecording(`${file} cannot be read: ${error.message}`);
  });
  const config = loadedConfig();
  const url = values.url ?? `http://${reachable(config.host)}:${config.port}`;
  const token = values.token ?? readAdminToken({ dataDir: config.dataDir, given: config.adminToken });
  const connection = connectTo(url, token);
  const stop = new AbortController();
  process.once("SIGINT", () => stop.abort());
  connection.on("state", (state) => {
    if (state.name === "waiting")
      console.error(`muster: no connection to ${url} (${state.reason}); trying again`);
  });
  try {
    const result = await replay({
      file,
      speed,
      loop: values.loop,
      keepTime: values["keep-time"],
      send: (reports) => connection.report(reports),
      clock: systemClock,
      signal: stop.signal,
      onProgress({ rows, total, loop, behindMs }) {
        const late = behindMs > 0 ? `, ${Math.round(behindMs / 1_000)} s behind` : "";
        console.error(`${rows} reports, loop ${loop} of ${total} each${late}`);
      },
    });
    console.log(
      `${result.rows - result.refused} reports acknowledged, ${result.refused} refused, in ${result.seconds.toFixed(1)} s`,
    );
    return 0;
  } finally {
    connection.close();
  }
}

async function printToken(args: string[], loadedConfig: () => Config): Promise<number> {
  const { positionals } = parse(args, {});
  if (positionals.length > 0) throw new UsageError(`token takes no ${positionals[0]}`);
  const config = loadedConfig();
  console.log(readAdminToken({ dataDir: config.dataDir, given: config.adminToken }));
  return 0;
}

process.exitCode = await main(process.argv.slice(2));
endProcessWithin(LINGER_MS);
