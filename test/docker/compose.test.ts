// compose.yaml and what it mounts, by reading them: there is no Docker where the tests run.
import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { parse } from "yaml";
import { describeConfig } from "../../src/config.ts";
import { CLUSTER_WAIT_MS, ERASURE_WAIT_MS, MAX_NDJSON_BODY_BYTES, SHARDS } from "../../src/limits.ts";
import { createMetrics } from "../../src/telemetry/metrics.ts";

const ROOT = join(import.meta.dirname, "../..");
const text = (path: string) => readFileSync(join(ROOT, path), "utf8");
const yaml = (path: string) => parse(text(path), { merge: true });

interface Service {
  image: string;
  build?: string;
  profiles?: string[];
  environment?: Record<string, string>;
  ports?: string[];
  volumes?: string[];
  depends_on?: Record<string, object> | string[];
  command?: string[];
  secrets?: string[];
  stop_grace_period?: string;
  ulimits?: { nofile: number };
}

const compose = yaml("compose.yaml") as {
  services: Record<string, Service>;
  volumes: Record<string, null>;
  secrets: Record<string, { environment: string }>;
};
const { services } = compose;
const NODES = ["node-1", "node-2", "node-3"];
const variables = describeConfig().map(({ name }) => name);

t.test("[Y14] compose.yaml starts a cluster, and one node alone when that is named", async (t) => {
  t.strictSame(Object.keys(services).sort(), [
    ...["alone", "database", "grafana", "load-balancer"],
    ...[...NODES, "prometheus", "redis"],
  ]);
  // `down` alone leaves what was started of a profile.
  for (const [, down] of text("compose.yaml").matchAll(/`docker compose( [^`]*)?down`/g))
    t.equal(down, " --profile alone ");
  t.match(text("compose.yaml"), "docker compose --profile alone down");
  const byDefault = Object.entries(services).filter(([, { profiles }]) => profiles === undefined);
  t.strictSame(
    Object.keys(services).filter((name) => !byDefault.some(([other]) => other === name)),
    ["alone"],
  );
  for (const name of [...NODES, "alone"]) {
    const { environment = {}, stop_grace_period, ulimits, build } = services[name];
    t.equal(build, ".", `${name} is built here`);
    for (const variable of Object.keys(environment)) t.ok(variables.includes(variable), variable);
    t.match(environment.MUSTER_ADMIN_TOKEN, /^\$\{MUSTER_ADMIN_TOKEN:\?/, "no start without a token");
    t.match(
      environment.DATABASE_URL,
      /^postgres:\/\/muster:\$\{POSTGRES_PASSWORD:\?[^}]*\}@database:5432\/muster$/,
    );
    t.match(services[name].depends_on, { database: { condition: "service_healthy" } });
    t.equal(environment.REDIS_URL, name === "alone" ? "" : "redis://redis:6379");
    t.equal(environment.MUSTER_URL, name === "alone" ? undefined : `http://${name}:8080`);
    t.equal(stop_grace_period, "30s", "longer than a drain");
    t.ok((ulimits?.nofile ?? 0) > 2 * 20_000, "enough files for all connections");
  }
  t.match(services["node-1"].depends_on, { redis: { condition: "service_healthy" } });
});

t.test("[Y14] token and password are written once", async (t) => {
  const written = /^# {3}(\(umask .*)$/m.exec(text("compose.yaml"))![1]!;
  const cwd = t.testdir();
  execFileSync("sh", ["-c", written], { cwd });
  const file = join(cwd, ".env");
  const secrets = readFileSync(file, "utf8");
  t.match(secrets, /^MUSTER_ADMIN_TOKEN=[0-9a-f]{64}\nPOSTGRES_PASSWORD=[0-9a-f]{32}\n$/);
  t.equal(statSync(file).mode & 0o777, 0o600);
  t.throws(() => execFileSync("sh", ["-c", written], { cwd, stdio: "ignore" }), "not over what is there");
  t.equal(readFileSync(file, "utf8"), secrets);
  t.ok(text(".gitignore").split("\n").includes(".env"));
});

t.test("[Y14] images have versions, mounts exist, ports are on loopback", async (t) => {
  for (const [
    name,
    { image, build, ports = [], volumes = [], depends_on = {}, secrets = [] },
  ] of Object.entries(services)) {
    if (build === undefined) t.match(image, /^[a-z/]+:v?\d+(\.\d+)*-?[\w.]*$/, `${name}: ${image}`);
    for (const port of ports) t.match(port, /^127\.0\.0\.1:\d+:\d+$/, `${name}: ${port}`);
    for (const volume of volumes) {
      const [source] = volume.split(":");
      const found = source.startsWith("./") ? existsSync(join(ROOT, source)) : source in compose.volumes;
      t.ok(found, `${name}: ${source}`);
    }
    for (const other of Array.isArray(depends_on) ? depends_on : Object.keys(depends_on))
      t.ok(other in services, `${name} waits for ${other}`);
    for (const secret of secrets) t.equal(compose.secrets[secret].environment, "MUSTER_ADMIN_TOKEN");
  }
});

t.test("[Y14] Redis keeps nothing and does not cut nodes that lag; PostgreSQL stays durable", async (t) => {
  const redis = services.redis.command!.join(" ");
  t.match(redis, "--save  --appendonly no --client-output-buffer-limit pubsub 256mb 128mb 60");
  const database = services.database.command!.join(" ");
  t.notMatch(database, /fsync|synchronous_commit|full_page_writes/);
  const connections = Number(/max_connections=(\d+)/.exec(database)?.[1]);
  t.ok(connections >= NODES.length * (6 + 2) + 10, "six for each node, two for its lease, some for others");
});

t.test("[Y14] the load balancer sends to ready nodes, and lets idle connections go first", async (t) => {
  const config = text("deploy/haproxy/haproxy.cfg");
  const section = (name: string) =>
    new RegExp(`^${name}\\n((?:[ \\t#].*\\n|\\n(?=[ \\t]))*)`, "m").exec(config)?.[1] ?? "";
  for (const [backend, path] of [
    ["nodes", "/readyz"],
    ["living", "/healthz"],
  ]) {
    const lines = section(`backend ${backend}`);
    t.match(lines, `http-check send meth GET uri ${path} ver HTTP/1.1`);
    t.match(lines, "http-check expect status 200");
    const servers = [...lines.matchAll(/^ {4}server (\S+) (\S+)$/gm)].map(([, name, to]) => `${name} ${to}`);
    t.strictSame(
      servers,
      NODES.map((node) => `${node} ${node}:8080`),
    );
  }
  t.match(section("frontend muster"), "bind :8080");
  const seconds = (name: string) => Number(new RegExp(`timeout ${name} (\\d+)s`).exec(config)?.[1]);
  t.ok(seconds("tunnel") > 2 * 5, "a feed has a heartbeat each 5 s");
  const longest = (ERASURE_WAIT_MS + CLUSTER_WAIT_MS) / 1_000;
  t.ok(seconds("server") > longest, "the node's own answer to an erasure that goes on comes first");
  t.notOk(config.includes("pool-purge-delay"), "idle connections to nodes go from 5 s on, as by default");
});

t.test("[Y14] the load balancer sends again only what may be carried out twice", async (t) => {
  const config = text("deploy/haproxy/haproxy.cfg");
  t.match(config, "retry-on conn-failure empty-response");
  t.strictSame(
    [...config.matchAll(/^ {4}(?:http-request disable-l7-retry|bind :8080).*/gm)].map(([line]) =>
      line.trim(),
    ),
    ["bind :8080", "http-request disable-l7-retry unless METH_GET or { method POST } { path /v1/reports }"],
    "of all that comes in: what a node was killed with may have been done",
  );
});

t.test("[Y14] the load balancer logs requests that fail, without their queries", async (t) => {
  const config = text("deploy/haproxy/haproxy.cfg");
  t.match(config, /^ {4}log stdout .* notice$/m);
  t.match(config, "option log-separate-errors", "else they are of a lower level than that");
  t.notMatch(config, /option httplog|option tcplog/);
  const [, format] = /^ {4}log-format "(.*)"$/m.exec(config) ?? [];
  t.match(format, "%HM %HPO %HV");
  t.notMatch(format, /%(\{[^}]*\})?(r|HU|HQ)(?!\w)/, "a feed's address has a token");
});

t.test("[H9] what is put in front of nodes is told how large bodies are", async (t) => {
  const size = MAX_NDJSON_BODY_BYTES / 2 ** 20;
  t.match(text("docs/operations.md"), `bodies of ${size} MiB`);
  t.match(text("docs/operations.md"), `client_max_body_size ${size}m`);
});

t.test("[Y14] Prometheus asks all nodes, with the token, for figures that there are", async (t) => {
  const { scrape_configs, rule_files } = yaml("deploy/prometheus/prometheus.yml");
  const [muster] = scrape_configs;
  t.equal(muster.authorization.credentials_file, `/run/secrets/${services.prometheus.secrets![0]}`);
  t.strictSame(
    muster.static_configs[0].targets,
    NODES.map((node) => `${node}:8080`),
  );
  t.strictSame(rule_files, ["alerts.yml"]);
  const rules: { alert: string; expr: string }[] = yaml("deploy/prometheus/alerts.yml").groups[0].rules;
  t.strictSame(
    rules.flatMap(({ expr }) => unknown(expr)),
    [],
  );
  t.match(rules.find(({ alert }) => alert === "MusterShardsWithoutOwner")?.expr, `< ${SHARDS}`);
  const operations = text("docs/operations.md");
  for (const { alert } of rules)
    t.ok(operations.includes(`\`${alert}\``), `docs/operations.md knows ${alert}`);
  t.strictSame(unknown("rate(muster_reports_acepted_total[1m])"), ["muster_reports_acepted_total"]);
});

t.test("[Y14] Grafana has a dashboard of figures that there are", async (t) => {
  const [source] = yaml("deploy/grafana/provisioning/datasources/prometheus.yml").datasources;
  t.equal(source.url, "http://prometheus:9090");
  const [provider] = yaml("deploy/grafana/provisioning/dashboards/dashboards.yml").providers;
  const mount = services.grafana.volumes!.find((volume) => volume.startsWith("./deploy/grafana/dashboards:"));
  t.equal(mount?.split(":")[1], provider.options.path);
  t.strictSame(readdirSync(join(ROOT, "deploy/grafana/dashboards")), ["muster.json"]);
  interface Panel {
    id: number;
    type: string;
    targets?: { expr: string; datasource: { uid: string } }[];
  }
  const { panels } = JSON.parse(text("deploy/grafana/dashboards/muster.json")) as { panels: Panel[] };
  t.equal(new Set(panels.map(({ id }) => id)).size, panels.length);
  const targets = panels.flatMap(({ targets = [] }) => targets);
  t.ok(targets.length > 30);
  t.strictSame(
    targets.flatMap(({ expr }) => unknown(expr)),
    [],
  );
  for (const { datasource } of targets) t.equal(datasource.uid, source.uid);
});

/** Figures of a node, as its sources name them. */
const readings = [...text("src/readings.ts").matchAll(/"(muster_\w+)"/g)].map(([, name]) => name);
const process = createMetrics([]).registry.getMetricsAsArray();

/** What an expression asks for and no node tells. */
function unknown(expression: string): string[] {
  const known = new Set([...readings, "up", ...process.map(({ name }) => name)]);
  const names = [...expression.matchAll(/\b(?:muster|process|nodejs)_\w+|\bup\b/g)].map(([name]) =>
    name.replace(/_(bucket|sum|count)$/, ""),
  );
  return names.length === 0 ? [expression] : names.filter((name) => !known.has(name));
}
