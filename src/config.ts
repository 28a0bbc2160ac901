/** Environment → `Config`: every variable with its default, its unit and what it is for, in one schema. */
import { isIP } from "node:net";
import { z } from "zod";
import { MAX_TOKEN_LENGTH, MIN_TOKEN_LENGTH, TOKEN_TEXT } from "./auth/admin-token.ts";
import { SERVER_CHOICES, type ServerChoice } from "./transport/server/server.ts";

/** What can stand behind a duration, in ms. */
const UNITS = { ms: 1, s: 1_000, min: 60_000, h: 3_600_000, d: 86_400_000 } as const;
type Unit = keyof typeof UNITS;
const UNIT_NAMES = Object.keys(UNITS);
const DURATION = new RegExp(`^(\\d+(?:\\.\\d+)?) ?(${UNIT_NAMES.join("|")})?$`);
const LOG_LEVELS = ["trace", "debug", "info", "warn", "error", "fatal", "silent"] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** Durations are in ms, as everywhere inside, whatever the unit of the variable. */
export interface Config {
  host: string;
  port: number;
  /** Folder of the embedded database and the admin token. */
  dataDir: string;
  /** A PostgreSQL server; absent = the embedded one. */
  databaseUrl?: string;
  /** The bus between the nodes of a cluster; absent = this node is alone. */
  redisUrl?: string;
  /** Where other nodes and operators reach this one; absent = by its host and port. */
  publicUrl?: string;
  /** Nodes that share a database and a Redis belong together if this is equal. */
  cluster: string;
  /** Set by the operator; absent = kept in the data folder. */
  adminToken?: string;
  /** Of pages that may use the API over HTTP, beside our own. */
  origins: readonly string[];
  logLevel: LogLevel;
  server: ServerChoice;
  maxClockSkewMs: number;
  maxReportAgeMs: number;
  staleAfterMs: number;
  lostAfterMs: number;
  expiredAfterMs: number;
  /** How old events and tracks may be before they are dropped. */
  retentionMs: number;
  /** Webhooks may go to addresses that only this machine or its networks reach. */
  webhookPrivate: boolean;
}

/** Why there is no `Config`: one sentence for each mistake. */
export interface ConfigError {
  mistakes: string[];
}

interface VariableInfo {
  /** Of a duration: what a number alone is in. */
  unit?: Unit;
  text: string;
}
/** What `--help` and the README say about each variable. */
const info = z.registry<VariableInfo>();

function described<S extends z.ZodType>(schema: S, about: VariableInfo): S {
  info.add(schema, about);
  return schema;
}

/** Read into ms; the bounds and the default are in `unit`. */
const duration = (unit: Unit, [low, high]: readonly [number, number], byDefault: number, text: string) =>
  described(
    z
      .string()
      .regex(
        DURATION,
        `must be a number with its unit (${UNIT_NAMES.join(", ")}), as ${byDefault} ${unit}; alone it is in ${unit}`,
      )
      .transform((text) => {
        const [, number, given] = DURATION.exec(text)!;
        return Math.round(Number(number) * UNITS[(given as Unit | undefined) ?? unit]);
      })
      .pipe(
        z
          .number()
          .min(low * UNITS[unit], `must be at least ${low} ${unit}`)
          .max(high * UNITS[unit], `must be at most ${high} ${unit}`),
      )
      .default(byDefault * UNITS[unit]),
    { unit, text },
  );
const SECONDS = [1, 31_536_000] as const;
const DAYS = [1, 36_525] as const;

const hasProtocol = (protocol: RegExp) => (text: string) => protocol.test(URL.parse(text)?.protocol ?? "");

const Environment = z.object({
  HOST: described(z.string().min(1, "must not be empty").default("127.0.0.1"), {
    text: "Address to listen on. Anything but loopback needs MUSTER_ADMIN_TOKEN.",
  }),
  PORT: described(
    z
      .string()
      .regex(/^\d{1,5}$/, "must be a port number")
      .transform(Number)
      .pipe(z.number().max(65_535, "must be at most 65535"))
      .default(8_080),
    { text: "Port to listen on; 0 takes a free one." },
  ),
  MUSTER_DATA_DIR: described(z.string().min(1, "must not be empty").default("./.muster"), {
    text: "Folder of the embedded database and the admin token.",
  }),
  DATABASE_URL: described(
    z
      .string()
      .refine(hasProtocol(/^postgres(ql)?:$/), "must be a postgres:// or postgresql:// address")
      .optional(),
    { text: "PostgreSQL 15+ with PostGIS 3.3+; without it the embedded database is used." },
  ),
  REDIS_URL: described(
    z
      .string()
      .refine(hasProtocol(/^rediss?:$/), "must be a redis:// or rediss:// address")
      .optional(),
    {
      text: "Redis 7+ or Valkey, through which the nodes of a cluster talk; needs DATABASE_URL. Without it the node is alone.",
    },
  ),
  MUSTER_URL: described(
    z
      .string()
      .refine(hasProtocol(/^https?:$/), "must be an http:// or https:// address")
      .optional(),
    {
      text: "Where other nodes and operators reach this one; without it http://HOST:PORT. A cluster needs it if HOST is a wildcard.",
    },
  ),
  MUSTER_CLUSTER: described(
    z
      .string()
      .regex(/^[a-z0-9-]{1,64}$/, "must be 1 to 64 of a-z, 0-9 and -")
      .default("muster"),
    { text: "Name of the cluster: several may share a Redis if their names differ." },
  ),
  MUSTER_ADMIN_TOKEN: described(
    z
      .string()
      .min(MIN_TOKEN_LENGTH, `must have at least ${MIN_TOKEN_LENGTH} characters`)
      .max(MAX_TOKEN_LENGTH, `must have at most ${MAX_TOKEN_LENGTH} characters`)
      .regex(TOKEN_TEXT, "must be printable ASCII without spaces, as it is sent in a header")
      .optional(),
    {
      text: "Token that clients need; without it the first start makes one and keeps it in the data folder.",
    },
  ),
  MUSTER_ORIGINS: described(
    z
      .string()
      .transform((text) => text.split(",").map((origin) => origin.trim()))
      .refine(
        (origins) =>
          origins.every((origin) => hasProtocol(/^https?:$/)(origin) && URL.parse(origin)?.origin === origin),
        "must be origins with commas between them, as https://app.example.com or http://localhost:5173",
      )
      .default([]),
    {
      text: "Pages of these origins may use the API over HTTP too, with the token: a list with commas.",
    },
  ),
  LOG_LEVEL: described(z.enum(LOG_LEVELS, `must be one of ${LOG_LEVELS.join(", ")}`).default("info"), {
    text: `What is logged, and all that is worse: ${LOG_LEVELS.join(", ")}.`,
  }),
  MUSTER_SERVER: described(
    z.enum(SERVER_CHOICES, `must be one of ${SERVER_CHOICES.join(", ")}`).default("auto"),
    { text: "Web server: uws (uWebSockets.js), ws (Node.js's own), or auto: uws where it loads, else ws." },
  ),
  MUSTER_MAX_CLOCK_SKEW: duration(
    "s",
    [0, 86_400],
    60,
    "A report's time may be so far in the future; beyond, the report is refused.",
  ),
  MUSTER_MAX_REPORT_AGE: duration(
    "d",
    DAYS,
    15 * 365,
    "A report may be so old. The default lets recordings play and refuses GPS week roll-overs (19.6 years).",
  ),
  MUSTER_STALE_AFTER: duration("s", SECONDS, 300, "An entity that was not reported for so long is stale …"),
  MUSTER_LOST_AFTER: duration("s", SECONDS, 1_800, "… lost …"),
  MUSTER_EXPIRED_AFTER: duration("s", SECONDS, 86_400, "… and expired: it leaves the views."),
  MUSTER_RETENTION: duration("d", DAYS, 30, "Events and tracks are kept for so long."),
  MUSTER_WEBHOOK_PRIVATE: described(z.enum(["true", "false"], "must be true or false").default("false"), {
    text: "Whether webhooks may go to private, local and reserved addresses.",
  }),
});
type Environment = z.output<typeof Environment>;

/** One variable, for `--help` and the README. */
export interface Variable {
  name: string;
  /** As it would be written; empty = none. */
  default: string;
  /** What a number alone is in; empty where there is none. */
  unit: Unit | "";
  text: string;
}

/** Every variable, in the order in which to read about them. */
export function describeConfig(): Variable[] {
  return Object.entries(Environment.shape).map(([name, schema]) => {
    const { unit, text } = info.get(schema)!;
    const byDefault: unknown = schema instanceof z.ZodDefault ? schema.def.defaultValue : "";
    const shown = unit === undefined ? byDefault : Number(byDefault) / UNITS[unit];
    return { name, default: String(shown), unit: unit ?? "", text };
  });
}

/**
 * Reads the configuration.
 * @param env usually `process.env`. An empty variable counts as absent.
 * @returns the configuration, or every mistake in it at once.
 */
export function loadConfig(env: Readonly<Record<string, string | undefined>>): Config | ConfigError {
  const given: Record<string, string> = {};
  for (const [name, value] of Object.entries(env))
    if (value !== undefined && value !== "") given[name] = value;
  const mistakes = unknownVariables(given);
  const parsed = Environment.safeParse(given);
  if (!parsed.success)
    for (const { path, message } of parsed.error.issues) mistakes.push(`${path.join(".")} ${message}.`);

  // What can be judged of the rest is judged too, so that the second start does not bring new mistakes.
  const sound = (name: keyof Environment) => Environment.shape[name].safeParse(given[name]).data;
  const host = sound("HOST") as string | undefined;
  if (host !== undefined && !isLoopback(host) && given.MUSTER_ADMIN_TOKEN === undefined)
    mistakes.push(
      `HOST is ${host}: binding beyond loopback without a token is refused. Set MUSTER_ADMIN_TOKEN.`,
    );
  if (given.REDIS_URL !== undefined && given.DATABASE_URL === undefined)
    mistakes.push("REDIS_URL makes this node part of a cluster, which needs DATABASE_URL.");
  if (given.REDIS_URL !== undefined && given.MUSTER_URL === undefined && isWildcard(host ?? ""))
    mistakes.push("MUSTER_URL must say how other nodes reach this one, because HOST is a wildcard.");
  const ages = ["MUSTER_STALE_AFTER", "MUSTER_LOST_AFTER", "MUSTER_EXPIRED_AFTER"] as const;
  for (const [i, name] of ages.entries()) {
    const earlier = i > 0 ? (sound(ages[i - 1]) as number | undefined) : undefined;
    const later = sound(name) as number | undefined;
    if (earlier !== undefined && later !== undefined && earlier >= later)
      mistakes.push(
        `${name} (${later / 1_000} s) must be longer than ${ages[i - 1]} (${earlier / 1_000} s).`,
      );
  }
  if (mistakes.length > 0 || !parsed.success) return { mistakes };

  const value = parsed.data;
  return {
    host: value.HOST,
    port: value.PORT,
    dataDir: value.MUSTER_DATA_DIR,
    databaseUrl: value.DATABASE_URL,
    redisUrl: value.REDIS_URL,
    publicUrl: value.MUSTER_URL,
    cluster: value.MUSTER_CLUSTER,
    adminToken: value.MUSTER_ADMIN_TOKEN,
    origins: value.MUSTER_ORIGINS,
    logLevel: value.LOG_LEVEL,
    server: value.MUSTER_SERVER,
    maxClockSkewMs: value.MUSTER_MAX_CLOCK_SKEW,
    maxReportAgeMs: value.MUSTER_MAX_REPORT_AGE,
    staleAfterMs: value.MUSTER_STALE_AFTER,
    lostAfterMs: value.MUSTER_LOST_AFTER,
    expiredAfterMs: value.MUSTER_EXPIRED_AFTER,
    retentionMs: value.MUSTER_RETENTION,
    webhookPrivate: value.MUSTER_WEBHOOK_PRIVATE === "true",
  };
}

/** Whether `loadConfig` found mistakes. */
export function isConfigError(loaded: Config | ConfigError): loaded is ConfigError {
  return "mistakes" in loaded;
}

/** What follows the name of a Service in the variables that Kubernetes gives each pod about it. */
const SERVICE_LINK =
  /^_(?:SERVICE_HOST|SERVICE_PORT(?:_.+)?|PORT(?:_\d+_(?:TCP|UDP|SCTP)(?:_(?:PROTO|PORT|ADDR))?)?)$/;
const SERVICE_HOST = "_SERVICE_HOST";

/** A misspelt variable would be ignored in silence. Those about a Service called `muster`, or `muster-…`, were written by nobody. */
function unknownVariables(given: Record<string, string>): string[] {
  const known = Object.keys(Environment.shape);
  const names = Object.keys(given).filter((name) => name.startsWith("MUSTER_"));
  const services = names
    .filter((name) => name.endsWith(SERVICE_HOST))
    .map((name) => name.slice(0, -SERVICE_HOST.length));
  const isLink = (name: string) =>
    services.some((one) => name.startsWith(one) && SERVICE_LINK.test(name.slice(one.length)));
  return names
    .filter((name) => !known.includes(name) && !isLink(name))
    .map((name) => {
      const near = known.find((one) => `MUSTER_${one}` === name || distance(one, name) <= 2);
      return `${name} is not a variable of Muster.${near === undefined ? "" : ` Did you mean ${near}?`}`;
    });
}

/** Edits between two names (Levenshtein 1966). */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++)
      next.push(Math.min(row[j] + 1, next[j - 1] + 1, row[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1)));
    row = next;
  }
  return row[b.length];
}

/** Whether it stands for all addresses of the machine, however it is written: `0`, `0.0.0.0`, `::`, `::0`. */
export function isWildcard(host: string): boolean {
  return /^[0.:]+$/.test(host);
}

function isLoopback(host: string): boolean {
  if (host === "localhost" || host === "::1") return true;
  return isIP(host) === 4 && host.startsWith("127.");
}

/** The host in an address by which a client of this machine reaches it: not one that stands for all. */
export function reachable(host: string): string {
  if (isWildcard(host)) return "127.0.0.1";
  return host.includes(":") ? `[${host}]` : host;
}
