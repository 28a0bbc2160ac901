/** Everything Muster says over HTTP, as a fetch function: testable without a socket. And the hot routes of it without fetch. */
import { OpenAPIHono } from "@hono/zod-openapi";
import type { Authority } from "../../access/permitted-now.ts";
import type { Policy } from "../../access/policy.ts";
import type { Identify } from "../../access/ports.ts";
import type { CommandHandler, Ingest } from "../../actors/messages.ts";
import { queryToken, tokenCookie, withoutToken } from "../../auth/request-token.ts";
import { FEED_PATH, unauthorized } from "../../auth/upgrade.ts";
import type { Clock } from "../../clock.ts";
import type { EntityQueries } from "../../cluster/scatter.ts";
import type { ClusterStatus } from "../../cluster/status.ts";
import type { EventAccess } from "../../events/access.ts";
import { MAX_BODIES_BYTES } from "../../limits.ts";
import type { Picture } from "../../picture/picture.ts";
import type { Metrics } from "../../telemetry/metrics.ts";
import type { History } from "../../tracks/history.ts";
import { PROTOCOLS } from "../feed/protocol.ts";
import type { DirectAnswer, DirectRoute } from "../server/server.ts";
import { BodyBudget } from "./body.ts";
import { type Cors, createCors } from "./cors.ts";
import { createGuard, type Guard, guarded } from "./guard.ts";
import { NO_STORE } from "./no-store.ts";
import { problemAnswer, problemResponse, toResponse } from "./problem-response.ts";
import { clusterRoute } from "./routes/cluster.ts";
import { commandsRoute } from "./routes/commands.ts";
import { deletionsRoute } from "./routes/deletions.ts";
import { entitiesRoutes } from "./routes/entities.ts";
import { eventsRoutes } from "./routes/events.ts";
import { type FencesOptions, fencesRoutes } from "./routes/fences.ts";
import { type HeldKeys, type KeysOptions, keysRoutes, meRoute } from "./routes/keys.ts";
import { type MachinesOptions, machinesRoutes } from "./routes/machines.ts";
import { patchesRoute } from "./routes/patches.ts";
import { createPostReports, type PostReports, REPORTS_PATH, reportsRoute } from "./routes/reports.ts";
import { type RolesOptions, rolesRoutes } from "./routes/roles.ts";
import { type Health, systemRoutes } from "./routes/system.ts";
import { tracksRoutes } from "./routes/tracks.ts";
import { type WebhooksOptions, webhooksRoutes } from "./routes/webhooks.ts";
import { registerSchemas } from "./schemas.ts";
import { createStaticFiles } from "./static-files.ts";
import { unauthorizedPage } from "./unauthorized-page.ts";

export interface AppOptions {
  ingest: Ingest;
  commands: CommandHandler;
  /** Makes ids for commands that have none. */
  newId(): string;
  picture: Picture;
  /** Queries over all nodes of a cluster; absent = this node has everything, but for `closedShards`. */
  cluster?: EntityQueries;
  /** What this node is loading (again) now. Absent = nothing ever. */
  closedShards?(): readonly number[];
  /** The log of events; absent = the node has none, and no routes for it. */
  events?: EventAccess;
  /** Absent = none, and no routes for them. */
  webhooks?: WebhooksOptions;
  /** Absent = only the built-in one, and no routes for others. */
  machines?: MachinesOptions;
  /** Absent = none, and no routes for them. */
  fences?: FencesOptions;
  /** Absent = none, and no routes for them: only the admin may anything. */
  roles?: RolesOptions;
  keys?: HeldKeys & Pick<KeysOptions, "newKey">;
  /** What was; absent = the store keeps none. */
  history?: History;
  /** For `/v1/cluster`. */
  clusterStatus(): ClusterStatus;
  health(): Health;
  metrics: Metrics;
  identify: Identify;
  policy: Policy;
  /** A principal as it is configured now; `undefined` = it is none any more. Absent = principals stay as they are. */
  current?: Authority["current"];
  /** Of pages that may use the API, beside our own. Default: none. */
  origins?: readonly string[];
  clock: Clock;
  /** Folder of the built web UI. It may be missing. */
  webDir: string;
  /** Told each error that a request ran into; its client gets a 500 without details. */
  onError(error: unknown): void;
}

/** Behind the token: everything but `/healthz`, `/readyz` and the files of the web UI. */
const PROTECTED = ["/v1/*", "/metrics", "/openapi.json", "/docs"];

export interface App {
  fetch(request: Request): Response | Promise<Response>;
  /** Hot routes, which `fetch` answers the same. */
  direct: DirectRoute[];
  /** All paths that there are, with their methods. */
  routes: readonly RouteEntry[];
}

export function createApp(options: AppOptions): App {
  const { clock, metrics, picture, identify, policy } = options;
  const app = new OpenAPIHono();
  registerSchemas(app);
  const files = createStaticFiles(options.webDir);

  app.use(async (c, next) => {
    const began = clock.monotonic();
    await next();
    // The router leaves the body of a HEAD lying: what it holds would be held for ever.
    if (c.req.raw.method === "HEAD") await c.res.body?.cancel();
    const route = routeOf(c.req.path);
    metrics.httpRequest(
      c.req.method,
      route?.path ?? "other",
      c.res.status,
      (clock.monotonic() - began) / 1_000,
    );
  });
  const cors = createCors(options.origins ?? []);
  app.use("/v1/*", cors.middleware);
  app.use(unauthorizedPage);
  app.use("/docs", async (c, next) => {
    const url = new URL(c.req.url);
    return offersToken(c.req.method, url) ? keepToken(url, identify) : next();
  });
  const guard = createGuard(identify, policy);
  for (const path of PROTECTED) app.use(path, guarded(guard));
  const bodies = new BodyBudget(MAX_BODIES_BYTES);
  const postReports = createPostReports(options.ingest, picture, clock, bodies);
  reportsRoute(app, postReports);
  const { closedShards = () => [] } = options;
  entitiesRoutes(app, { picture, clock, cluster: options.cluster, closedShards, history: options.history });
  tracksRoutes(app, clock, options.history);
  commandsRoute(app, options, bodies);
  deletionsRoute(app, options.commands, options.newId);
  patchesRoute(app, options.commands, bodies, options.newId);
  if (options.events !== undefined) eventsRoutes(app, options.events, clock, options);
  if (options.webhooks !== undefined) webhooksRoutes(app, options.webhooks, bodies, clock);
  if (options.machines !== undefined) machinesRoutes(app, options.machines, bodies);
  if (options.fences !== undefined) fencesRoutes(app, options.fences, bodies, clock);
  if (options.roles !== undefined) rolesRoutes(app, options.roles, bodies);
  if (options.keys !== undefined) {
    const { keys, newId } = options;
    keysRoutes(app, { ...keys, policy, newId }, bodies, clock);
  }
  meRoute(app);
  clusterRoute(app, options.clusterStatus);
  systemRoutes(app, options);
  app.get(FEED_PATH, () =>
    problemResponse("upgrade-required", `Open it as a WebSocket, subprotocol ${PROTOCOLS.join(" or ")}.`, {
      headers: { upgrade: "websocket", connection: "upgrade" },
    }),
  );

  const routes = routeTable(app);
  const routeOf = (path: string) => routes.find(({ pattern }) => pattern.test(path));
  app.notFound(async (c) => {
    const { raw, method, path } = c.req;
    const url = new URL(raw.url);
    const allowed = routeOf(path)?.methods;
    if (allowed !== undefined)
      return problemResponse("method-not-allowed", `${method} is not allowed here; ${allowed} is.`, {
        headers: { allow: allowed },
      });
    const reads = method === "GET" || method === "HEAD";
    if (path === "/" && offersToken(method, url)) return keepToken(url, identify);
    const file = await files(url.pathname, raw.headers);
    if (file !== undefined && reads) return file;
    if (file !== undefined)
      return problemResponse("method-not-allowed", `${method} is not allowed here; GET, HEAD is.`, {
        headers: { allow: "GET, HEAD" },
      });
    return path === "/"
      ? problemResponse("not-found", "The web UI is not built. The API is described at /docs.")
      : problemResponse("not-found", `There is nothing at ${path.slice(0, 256)}.`);
  });
  const failed = (error: unknown) => {
    options.onError(error);
    return problemAnswer("internal", "The node failed on this request; its log says why.");
  };
  app.onError((error) => toResponse(failed(error)));
  return {
    fetch: (request) => app.fetch(request),
    direct: [directReports(options, guard, cors, postReports, failed)],
    routes,
  };
}

/** `POST /v1/reports` past the router: the same guard, the same work, the same count. */
function directReports(
  { clock, metrics }: AppOptions,
  guard: Guard,
  cors: Cors,
  post: PostReports,
  failed: (error: unknown) => DirectAnswer,
): DirectRoute {
  const method = "POST";
  return {
    method,
    path: REPORTS_PATH,
    async answer(request) {
      const began = clock.monotonic();
      const guarded = guard(request);
      const answer =
        "refusal" in guarded
          ? guarded.refusal
          : await post(request.headers, request.body, guarded.permitted).catch(failed);
      metrics.httpRequest(method, REPORTS_PATH, answer.status, (clock.monotonic() - began) / 1_000);
      return cors.readable(answer, request.headers);
    },
  };
}

/** Whether the address of a page has a token. */
function offersToken(method: string, url: URL): boolean {
  return (method === "GET" || method === "HEAD") && queryToken(url) !== undefined;
}

/** Puts the token of the first URL into a cookie and out of the address bar. Browsers keep the fragment by themselves. */
function keepToken(url: URL, identify: Identify): Response {
  const token = queryToken(url)!;
  if (identify(token) === undefined) return toResponse(unauthorized(true));
  const rest = withoutToken(url);
  return new Response(null, {
    status: 303,
    headers: {
      location: rest.size === 0 ? url.pathname : `${url.pathname}?${rest}`,
      "set-cookie": tokenCookie(token, url.port),
      ...NO_STORE,
      "referrer-policy": "no-referrer",
    },
  });
}

export interface RouteEntry {
  path: string;
  pattern: RegExp;
  /** As `Allow` has them. */
  methods: string;
}

/** The paths that have routes, with their methods. */
function routeTable(app: OpenAPIHono): RouteEntry[] {
  const methods = new Map<string, Set<string>>();
  for (const { path, method } of app.routes) {
    // Middleware has no method of its own.
    if (method === "ALL") continue;
    const known = methods.get(path) ?? new Set();
    known.add(method);
    if (method === "GET") known.add("HEAD");
    methods.set(path, known);
  }
  return [...methods].map(([path, names]) => ({
    path: path.replaceAll(/:(\w+)/g, "{$1}"),
    pattern: new RegExp(`^${path.replaceAll(".", "\\.").replaceAll(/:\w+/g, "[^/]+")}$`),
    methods: [...names].join(", "),
  }));
}
