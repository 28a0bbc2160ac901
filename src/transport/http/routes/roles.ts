/** `/v1/roles`: what may be done by whom. */
import type { OpenAPIHono, z } from "@hono/zod-openapi";
import { checkWhere } from "../../../access/bind.ts";
import { MAX_ROLES } from "../../../access/limits.ts";
import { ACTIONS, ADMIN_ROLE, type Grant, type Resource } from "../../../access/ports.ts";
import type { RoleChange, RoleStore, StoredRole } from "../../../access/store-ports.ts";
import { TOPICS } from "../../../access/topics.ts";
import { MAX_NAME_LENGTH } from "../../../limits.ts";
import { ExpressionError } from "../../../picture/cel.ts";
import { nameFault } from "../../ingest/report.ts";
import type { BodyBudget } from "../body.ts";
import { NO_STORE } from "../no-store.ts";
import type { ProblemType } from "../problem.ts";
import { problemResponse } from "../problem-response.ts";
import { refuseInvalid } from "../refuse-invalid.ts";
import { readSmallJson } from "../small-body.ts";
import { changing, type Held, versionAnswer } from "../versions.ts";
import { PutSchema, ROLE_ROUTES, type RoleSchema } from "./role-schemas.ts";

export type RolesOptions = Held<RoleStore, StoredRole>;

type RoleJson = z.output<typeof RoleSchema>;

const ADMIN_JSON: RoleJson = {
  ...{ name: ADMIN_ROLE, version: 0, builtIn: true },
  grants: Object.entries(ACTIONS).map(([resource, actions]) => ({ resource: resource as Resource, actions })),
};

export function rolesRoutes(app: OpenAPIHono, options: RolesOptions, bodies: BodyBudget): void {
  const { store, versions, find, changed } = options;
  const one = "/v1/roles/:name";
  for (const route of ROLE_ROUTES) app.openAPIRegistry.registerPath(route);

  app.get("/v1/roles", () => Response.json({ roles: versions().map(roleJson) }, { headers: NO_STORE }));
  app.get(one, (c) => {
    const name = c.req.param("name");
    if (name === ADMIN_ROLE) return Response.json(ADMIN_JSON, { headers: NO_STORE });
    const found = find(name);
    return found === undefined ? unknown(name) : versionAnswer(roleJson(found));
  });
  app.put(
    one,
    changing(async (name, ifVersion, c) => {
      if (name === ADMIN_ROLE) return refuseBuiltIn();
      const fault = nameFault("a role", name, MAX_NAME_LENGTH);
      if (fault !== undefined) return problemResponse("bad-request", fault);
      const read = await readSmallJson(c.req.raw, bodies);
      if (read instanceof Response) return read;
      const body = PutSchema.safeParse(read.value);
      if (!body.success) return refuseInvalid(body.error, read.value);
      const { grants } = body.data;
      const wrong = refuseExpression(grants);
      if (wrong !== undefined) return wrong;
      const change = await store.save({ name, grants }, ifVersion);
      if (change.is !== "saved" && change.is !== "unchanged") return refused(name, change, "role-version");
      if (change.is === "saved") await changed();
      return versionAnswer(roleJson(change.role), change.is === "saved" && change.created ? 201 : 200);
    }),
  );
  app.delete(
    one,
    changing(async (name, ifVersion) => {
      if (name === ADMIN_ROLE) return refuseBuiltIn();
      if (nameFault("a role", name, MAX_NAME_LENGTH) !== undefined) return unknown(name);
      const change = await store.remove(name, ifVersion);
      if (change.is !== "removed") return refused(name, change, "role-not-found");
      await changed();
      return new Response(null, { status: 204 });
    }),
  );
}

/** The first `where` that no principal can give a meaning. */
function refuseExpression(grants: readonly Grant[]): Response | undefined {
  for (const [grant, { resource, where }] of grants.entries()) {
    if (where === undefined) continue;
    try {
      checkWhere(where, TOPICS[resource]!);
    } catch (error) {
      if (!(error instanceof ExpressionError)) throw error;
      const { message, position } = error;
      return problemResponse(
        "bad-expression",
        `grants.${grant}.where: ${message} (at character ${position})`,
        {
          members: { grant, position },
        },
      );
    }
  }
  return undefined;
}

/** @param absent when there is none: a PUT is bound to one then; a DELETE is told so whatever it is bound to (RFC 9110, 13.2.1). */
function refused(
  name: string,
  change: Exclude<RoleChange, { is: "saved" | "unchanged" }>,
  absent: "role-version" | "role-not-found",
): Response {
  if (change.is === "too-many") return problemResponse("too-many-roles", `There are ${MAX_ROLES} already.`);
  const { version } = change;
  if (version === undefined) return unknown(name, absent);
  return problemResponse("role-version", `${name} has version ${version} now.`, { members: { version } });
}

function roleJson({ name, version, grants, changedAt }: StoredRole): RoleJson {
  return {
    ...{ name, version, builtIn: false, grants: [...grants] },
    changedAt: new Date(changedAt).toISOString(),
  };
}

function refuseBuiltIn(): Response {
  return problemResponse("role-built-in", `${ADMIN_ROLE} may everything. Make another for what you mean.`);
}

function unknown(name: string, type: ProblemType = "role-not-found"): Response {
  const shown = JSON.stringify(name.slice(0, MAX_NAME_LENGTH));
  return problemResponse(type, `There is no role ${shown}.`);
}
