/** `GET /v1/cluster`: which nodes there are, and who owns what. */
import { createRoute, type OpenAPIHono, z } from "@hono/zod-openapi";
import type { ClusterStatus } from "../../../cluster/status.ts";
import { SHARDS } from "../../../limits.ts";
import { NO_STORE } from "../no-store.ts";
import { PROBLEM_RESPONSE } from "../schemas.ts";

const incarnation = () => z.string().describe("A start of a node; each start is another one.");
const ms = (text: string) => z.number().optional().describe(`${text}, ms.`);

const ClusterSchema = z
  .object({
    name: z.string().optional().describe("Absent: the node is alone."),
    node: incarnation().describe("The node that answers."),
    suspended: z.boolean().describe("It stands still, because it could not renew its lease."),
    nodes: z.array(
      z.object({
        incarnation: incarnation(),
        url: z.string(),
        version: z.string(),
        draining: z.boolean(),
        leaseLeftMs: z.number(),
        shards: z.int().describe("That it owns."),
        lagMs: ms("How far its part of the live picture is behind"),
        silent: z.boolean(),
      }),
    ),
    shards: z
      .array(
        z.object({
          owner: incarnation().optional().describe("Absent: nobody."),
          epoch: z.int().describe("Rises with each owner."),
          state: z.enum(["open", "moving", "free"]),
        }),
      )
      .length(SHARDS),
    handOvers: z.object({
      count: z.int().describe("Shards that the answering node handed over."),
      p50Ms: ms("Half of the newest took so long or less"),
      p99Ms: ms("99 of 100"),
    }),
    claims: z.int(),
    evictions: z.int(),
  })
  .openapi("Cluster");

const route = createRoute({
  method: "get",
  path: "/v1/cluster",
  operationId: "getCluster",
  tags: ["System"],
  summary: "The nodes of the cluster, and who owns which shard",
  responses: {
    200: {
      description: "As the answering node knows it.",
      content: { "application/json": { schema: ClusterSchema } },
    },
    default: PROBLEM_RESPONSE,
  },
});

export function clusterRoute(app: OpenAPIHono, status: () => ClusterStatus): void {
  app.openAPIRegistry.registerPath(route);
  app.get(route.path, (c) => c.json(status(), 200, NO_STORE));
}
