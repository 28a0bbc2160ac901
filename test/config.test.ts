import t from "tap";
import { type Config, describeConfig, isConfigError, loadConfig, reachable } from "../src/config.ts";

function mistakes(env: Record<string, string>): string[] {
  const loaded = loadConfig(env);
  return isConfigError(loaded) ? loaded.mistakes : [];
}

t.test("[C1] an empty environment gives the defaults", async (t) => {
  const expected: Config = {
    host: "127.0.0.1",
    port: 8_080,
    dataDir: "./.muster",
    databaseUrl: undefined,
    redisUrl: undefined,
    publicUrl: undefined,
    cluster: "muster",
    adminToken: undefined,
    origins: [],
    logLevel: "info",
    server: "auto",
    maxClockSkewMs: 60_000,
    maxReportAgeMs: 15 * 365 * 86_400_000,
    staleAfterMs: 300_000,
    lostAfterMs: 1_800_000,
    expiredAfterMs: 86_400_000,
    retentionMs: 30 * 86_400_000,
    webhookPrivate: false,
  };
  t.strictSame(loadConfig({}), expected);
  t.strictSame(loadConfig({ PORT: "", HOST: undefined, PATH: "/bin" }), expected, "empty is absent");
});

t.test("[C2] every variable is read, in its unit", async (t) => {
  const loaded = loadConfig({
    HOST: "0.0.0.0",
    PORT: "0",
    MUSTER_DATA_DIR: "/data",
    DATABASE_URL: "postgres://u:p@db/muster",
    REDIS_URL: "rediss://u:p@bus:6380/1",
    MUSTER_URL: "https://node-1.example:8443",
    MUSTER_CLUSTER: "harbour-2",
    MUSTER_ADMIN_TOKEN: "0123456789abcdef",
    MUSTER_ORIGINS: "https://app.example.com",
    LOG_LEVEL: "warn",
    MUSTER_SERVER: "ws",
    MUSTER_MAX_CLOCK_SKEW: "0.5",
    MUSTER_MAX_REPORT_AGE: "30",
    MUSTER_STALE_AFTER: "10",
    MUSTER_LOST_AFTER: "20",
    MUSTER_EXPIRED_AFTER: "30",
    MUSTER_RETENTION: "7",
    MUSTER_WEBHOOK_PRIVATE: "true",
  });
  t.strictSame(loaded, {
    host: "0.0.0.0",
    port: 0,
    dataDir: "/data",
    databaseUrl: "postgres://u:p@db/muster",
    redisUrl: "rediss://u:p@bus:6380/1",
    publicUrl: "https://node-1.example:8443",
    cluster: "harbour-2",
    adminToken: "0123456789abcdef",
    origins: ["https://app.example.com"],
    logLevel: "warn",
    server: "ws",
    maxClockSkewMs: 500,
    maxReportAgeMs: 30 * 86_400_000,
    staleAfterMs: 10_000,
    lostAfterMs: 20_000,
    expiredAfterMs: 30_000,
    retentionMs: 7 * 86_400_000,
    webhookPrivate: true,
  });
});

t.test("[C2] durations are written as their defaults are shown, and in other units", async (t) => {
  for (const { name, default: preset, unit } of describeConfig())
    if (unit !== "") t.strictSame(loadConfig({ [name]: `${preset} ${unit}` }), loadConfig({}), name);
  const retention = (text: string) => (loadConfig({ MUSTER_RETENTION: text }) as Config).retentionMs;
  t.equal(retention("2 d"), 172_800_000);
  t.equal(retention("36h"), 129_600_000);
  t.equal(retention("1.5"), 129_600_000);
  t.equal((loadConfig({ MUSTER_STALE_AFTER: "2 min" }) as Config).staleAfterMs, 120_000);
  t.equal((loadConfig({ MUSTER_MAX_CLOCK_SKEW: "1500 ms" }) as Config).maxClockSkewMs, 1_500);
  t.strictSame(mistakes({ MUSTER_RETENTION: "2 days" }), [
    "MUSTER_RETENTION must be a number with its unit (ms, s, min, h, d), as 30 d; alone it is in d.",
  ]);
  t.strictSame(mistakes({ MUSTER_RETENTION: "23 h" }), ["MUSTER_RETENTION must be at least 1 d."]);
});

t.test("[C3] every mistake is named at once", async (t) => {
  const found = mistakes({
    PORT: "eighty",
    DATABASE_URL: "mysql://db",
    REDIS_URL: "http://bus",
    MUSTER_URL: "node-1:8080",
    MUSTER_CLUSTER: "Muster",
    MUSTER_ADMIN_TOKEN: "short",
    LOG_LEVEL: "loud",
    MUSTER_SERVER: "apache",
    MUSTER_STALE_AFTER: "2000",
    MUSTER_LOSTAFTER: "3",
    MUSTER_PORT: "1",
    MUSTER_FOO: "1",
    HOST: "0.0.0.0",
  });
  t.equal(found.length, 12, found.join("\n"));
  for (const pattern of [
    /^PORT must be a port number/,
    /^DATABASE_URL must be a postgres/,
    /^REDIS_URL must be a redis:\/\/ or rediss:\/\/ address/,
    /^MUSTER_URL must be an http:\/\/ or https:\/\/ address/,
    /^MUSTER_CLUSTER must be 1 to 64 of a-z, 0-9 and -/,
    /^MUSTER_ADMIN_TOKEN must have at least 16 characters/,
    /^LOG_LEVEL must be one of trace/,
    /^MUSTER_SERVER must be one of auto, uws, ws/,
    /^MUSTER_LOST_AFTER \(1800 s\) must be longer than MUSTER_STALE_AFTER \(2000 s\)/,
    /^MUSTER_LOSTAFTER is not a variable of Muster. Did you mean MUSTER_LOST_AFTER\?/,
    /^MUSTER_PORT is not a variable of Muster. Did you mean PORT\?/,
    /^MUSTER_FOO is not a variable of Muster.$/,
  ])
    t.ok(
      found.some((one) => pattern.test(one)),
      String(pattern),
    );
});

t.test(
  "[C4] a variable of Muster that is not known is a mistake; others are none of its business",
  async (t) => {
    t.strictSame(mistakes({ MUSTER_COLOUR: "blue", COLOUR: "blue" }), [
      "MUSTER_COLOUR is not a variable of Muster.",
    ]);
  },
);

t.test("[C13] what Kubernetes says of a Service called muster is no mistake", async (t) => {
  const links = (service: string, port = "tcp://10.96.3.4:8080") => ({
    [`${service}_SERVICE_HOST`]: "10.96.3.4",
    [`${service}_SERVICE_PORT`]: "8080",
    [`${service}_SERVICE_PORT_HTTP`]: "8080",
    [`${service}_PORT`]: port,
    [`${service}_PORT_8080_TCP`]: port,
    [`${service}_PORT_8080_TCP_PROTO`]: "tcp",
    [`${service}_PORT_8080_TCP_PORT`]: "8080",
    [`${service}_PORT_8080_TCP_ADDR`]: "10.96.3.4",
    [`${service}_PORT_53_UDP`]: "udp://10.96.3.4:53",
  });
  t.strictSame(mistakes({ ...links("MUSTER"), ...links("MUSTER_REDIS") }), []);
  const [first] = mistakes({ MUSTER_PORT: "8080" });
  t.equal(first, "MUSTER_PORT is not a variable of Muster. Did you mean PORT?");
  const { MUSTER_SERVICE_HOST: _, ...rest } = links("MUSTER");
  t.equal(mistakes(rest).length, Object.keys(rest).length, "without the Service they are");
  t.strictSame(
    mistakes({ ...links("MUSTER"), MUSTER_DATADIR: "/data", MUSTER_PORT_HTTP: "1", MUSTER_REDIS_PORT: "1" }),
    [
      "MUSTER_DATADIR is not a variable of Muster. Did you mean MUSTER_DATA_DIR?",
      "MUSTER_PORT_HTTP is not a variable of Muster.",
      "MUSTER_REDIS_PORT is not a variable of Muster.",
    ],
    "others are beside it too",
  );
});

t.test("[C5] binding beyond loopback without a token is refused", async (t) => {
  for (const host of ["0.0.0.0", "::", "192.168.1.5", "muster.example", "127.example.org"])
    t.match(mistakes({ HOST: host }), [/binding beyond loopback without a token is refused/i], host);
  for (const host of ["127.0.0.1", "127.8.8.8", "localhost", "::1"])
    t.strictSame(mistakes({ HOST: host }), [], host);
  t.strictSame(mistakes({ HOST: "0.0.0.0", MUSTER_ADMIN_TOKEN: "x".repeat(16) }), []);
});

t.test("[C6] stale, lost and expired follow each other", async (t) => {
  t.strictSame(mistakes({ MUSTER_STALE_AFTER: "10", MUSTER_LOST_AFTER: "10" }).length, 1);
  t.strictSame(mistakes({ MUSTER_LOST_AFTER: "90000" }).length, 1);
  t.strictSame(mistakes({ MUSTER_STALE_AFTER: "1", MUSTER_LOST_AFTER: "2", MUSTER_EXPIRED_AFTER: "3" }), []);
});

t.test("[C7] numbers out of their range are refused", async (t) => {
  for (const env of [
    { PORT: "65536" },
    { PORT: "-1" },
    { PORT: "0x50" },
    { MUSTER_MAX_CLOCK_SKEW: "-1" },
    { MUSTER_MAX_CLOCK_SKEW: "Infinity" },
    { MUSTER_MAX_REPORT_AGE: "0" },
    { MUSTER_STALE_AFTER: "5m" },
    { MUSTER_ADMIN_TOKEN: "sixteen characters" },
  ] as Record<string, string>[])
    t.equal(mistakes(env).length, 1, JSON.stringify(env));
});

t.test("[C8] every variable describes itself", async (t) => {
  const variables = describeConfig();
  t.equal(variables.length, 18);
  for (const { name, text } of variables) t.ok(text.length > 5, name);
  t.match(
    variables.find((one) => one.name === "MUSTER_STALE_AFTER"),
    { default: "300", unit: "s" },
  );
  t.match(
    variables.find((one) => one.name === "MUSTER_MAX_REPORT_AGE"),
    { default: "5475", unit: "d" },
  );
  t.match(
    variables.find((one) => one.name === "DATABASE_URL"),
    { default: "", unit: "" },
  );
});

t.test("[C10] a cluster needs a database that all its nodes reach", async (t) => {
  const alone = { REDIS_URL: "redis://bus" };
  t.strictSame(mistakes(alone), ["REDIS_URL makes this node part of a cluster, which needs DATABASE_URL."]);
  t.strictSame(mistakes({ ...alone, DATABASE_URL: "postgres://db/muster" }), []);
  t.strictSame(mistakes({ DATABASE_URL: "postgres://db/muster", MUSTER_CLUSTER: "alone" }), []);
});

t.test("[C11] addresses of nodes are web addresses, names of clusters can stand in a channel", async (t) => {
  const database = { DATABASE_URL: "postgres://db/muster" };
  for (const url of ["ftp://node-1", "node-1", "//node-1", "http://"])
    t.equal(mistakes({ MUSTER_URL: url }).length, 1, url);
  for (const url of ["http://node-1", "https://10.0.0.7:8443/muster", "http://[fd00::1]:8080"])
    t.strictSame(mistakes({ MUSTER_URL: url }), [], url);
  for (const name of ["a:b", "a b", "ä", "*", "x".repeat(65)])
    t.equal(mistakes({ MUSTER_CLUSTER: name }).length, 1, name);
  for (const name of ["a", "7", "north-1", "x".repeat(64)])
    t.strictSame(mistakes({ MUSTER_CLUSTER: name }), [], name);
  for (const url of ["http://bus", "bus:6379", "/run/redis.sock"])
    t.equal(mistakes({ ...database, REDIS_URL: url }).length, 1, url);
});

t.test("[C12] a node of a cluster says where it is", async (t) => {
  const cluster = {
    DATABASE_URL: "postgres://db/muster",
    REDIS_URL: "redis://bus",
    MUSTER_ADMIN_TOKEN: "x".repeat(16),
  };
  for (const HOST of ["0.0.0.0", "::", "0", "::0", "0:0:0:0:0:0:0:0"]) {
    t.strictSame(
      mistakes({ ...cluster, HOST }),
      ["MUSTER_URL must say how other nodes reach this one, because HOST is a wildcard."],
      HOST,
    );
    t.strictSame(mistakes({ ...cluster, HOST, MUSTER_URL: "http://node-1:8080" }), [], HOST);
    t.strictSame(mistakes({ ...cluster, HOST, REDIS_URL: "" }), [], "alone");
  }
  for (const HOST of ["127.0.0.1", "::1", "10.0.0.7", "100.0.0.1", "fd00::1", "node-1"])
    t.strictSame(mistakes({ ...cluster, HOST }), [], HOST);
  t.equal(mistakes({ ...cluster, HOST: "::", MUSTER_URL: "node-1" }).length, 1);
  t.equal(mistakes({ REDIS_URL: "redis://bus", HOST: "::" }).length, 3, "with the other mistakes");
});

t.test("a HOST as clients of the same machine write it", async (t) => {
  const hosts = ["127.0.0.1", "::1", "0.0.0.0", "::", "node-1"].map(reachable);
  t.same(hosts, ["127.0.0.1", "[::1]", "127.0.0.1", "127.0.0.1", "node-1"]);
});
