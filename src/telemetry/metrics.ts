/** What Prometheus reads at `/metrics`: names start with `muster_` and end with their unit. */
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";

/** One figure that is read when Prometheus asks, so that nobody keeps it up to date. */
export interface Reading {
  /** `muster_…`, with the unit at the end; a counter ends with `_total`. */
  name: `muster_${string}`;
  help: string;
  /** A counter only grows while the process lives. */
  kind: "gauge" | "counter";
  read(): number;
}

/** Any other is counted as `other`: a client may invent as many as it likes, and each label is kept for ever. */
const METHODS: ReadonlySet<string> = new Set(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]);

export interface Metrics {
  readonly registry: Registry;
  /**
   * Counts one HTTP request.
   * @param method as the client sent it.
   * @param route the route's path with its `{parameters}`, never the path asked for: labels must be few.
   */
  httpRequest(method: string, route: string, status: number, seconds: number): void;
}

/** A registry with the process's own figures, HTTP's, and those given. */
export function createMetrics(readings: readonly Reading[]): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  for (const reading of readings) register(registry, reading);
  const duration = new Histogram({
    name: "muster_http_request_duration_seconds",
    help: "From a request's headers to its answer's headers.",
    labelNames: ["method", "route", "status"],
    buckets: [0.001, 0.005, 0.02, 0.1, 0.5, 2, 10],
    registers: [registry],
  });
  return {
    registry,
    httpRequest(method, route, status, seconds) {
      duration.labels(METHODS.has(method) ? method : "other", route, String(status)).observe(seconds);
    },
  };
}

function register(registry: Registry, { name, help, kind, read }: Reading): void {
  const registers = [registry];
  if (kind === "gauge")
    new Gauge({
      name,
      help,
      registers,
      collect() {
        this.set(read());
      },
    });
  else
    new Counter({
      name,
      help,
      registers,
      collect() {
        this.reset();
        this.inc(read());
      },
    });
}
