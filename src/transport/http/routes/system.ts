/** What operators and tools ask: health, metrics, the description of the API. */
import { readFileSync } from "node:fs";
import { createRoute, type OpenAPIHono, z } from "@hono/zod-openapi";
import type { Metrics } from "../../../telemetry/metrics.ts";
import { NO_STORE } from "../no-store.ts";
import { PROBLEM_RESPONSE } from "../schemas.ts";

/** Whether the node can do its work, check by check. */
export interface Health {
  ready: boolean;
  checks: Record<string, { ok: boolean; detail: string }>;
}

const HealthSchema = z
  .object({
    ready: z.boolean(),
    checks: z.record(z.string(), z.object({ ok: z.boolean(), detail: z.string() })),
  })
  .openapi("Health");

const open = { tags: ["System"], security: [] };
const text = (type: string) => ({ content: { [type]: { schema: { type: "string" as const } } } });
const healthz = createRoute({
  ...open,
  method: "get",
  path: "/healthz",
  operationId: "getHealth",
  summary: "Whether the process answers",
  responses: { 200: { description: "It does.", ...text("text/plain") } },
});
const json = { content: { "application/json": { schema: HealthSchema } } };
const readyz = createRoute({
  ...open,
  method: "get",
  path: "/readyz",
  operationId: "getReadiness",
  summary: "Whether the node can take reports and answer queries",
  responses: { 200: { description: "It can.", ...json }, 503: { description: "It cannot now.", ...json } },
});
const metricsRoute = createRoute({
  method: "get",
  path: "/metrics",
  operationId: "getMetrics",
  tags: ["System"],
  summary: "Figures for Prometheus",
  responses: {
    200: { description: "Prometheus text format.", ...text("text/plain") },
    default: PROBLEM_RESPONSE,
  },
});

const DOCS = readFileSync(new URL("../docs.html", import.meta.url), "utf8");

/** Routes about the node itself. `/openapi.json` describes every route that is registered when it is first asked for. */
export function systemRoutes(app: OpenAPIHono, options: { health(): Health; metrics: Metrics }): void {
  const { health, metrics } = options;
  const registry = app.openAPIRegistry;
  for (const route of [healthz, readyz, metricsRoute]) registry.registerPath(route);

  app.get(healthz.path, (c) => c.text("ok\n", 200, NO_STORE));
  app.get(readyz.path, (c) => {
    const answer = health();
    return c.json(answer, answer.ready ? 200 : 503, NO_STORE);
  });
  app.get(metricsRoute.path, async (c) =>
    c.body(await metrics.registry.metrics(), 200, {
      "content-type": metrics.registry.contentType,
      ...NO_STORE,
    }),
  );

  let description: string | undefined;
  app.get("/openapi.json", (c) => {
    description ??= JSON.stringify(
      app.getOpenAPI31Document({
        openapi: "3.1.0",
        info: {
          title: "Muster",
          version: "1",
          description: "Report what moves, ask what is where. The live feed is a WebSocket at /v1/feed.",
          license: { name: "Apache-2.0", url: "https://www.apache.org/licenses/LICENSE-2.0" },
        },
        servers: [{ url: "/" }],
        security: [{ token: [] }],
      }),
    );
    return c.body(description, 200, { "content-type": "application/json" });
  });
  app.get("/docs", (c) => c.html(DOCS));
}
