/** `/v1/keys`: tokens that have roles, and `/v1/me`, which tells whose a token is. */
import type { OpenAPIHono } from "@hono/zod-openapi";
import type { Context } from "hono";
import { principalOf } from "../../../access/identities.ts";
import { MAX_KEYS } from "../../../access/limits.ts";
import type { Policy } from "../../../access/policy.ts";
import type { Principal } from "../../../access/ports.ts";
import type { KeyStore, StoredKey } from "../../../access/store-ports.ts";
import { StoreAway } from "../../../actors/ports.ts";
import { tokenHash } from "../../../auth/admin-token.ts";
import type { Clock } from "../../../clock.ts";
import type { BodyBudget } from "../body.ts";
import { RETRY_AFTER } from "../json-body.ts";
import { NO_STORE } from "../no-store.ts";
import { link, nextLink } from "../page.ts";
import { problemResponse } from "../problem-response.ts";
import { flatten } from "../query.ts";
import { refuseInvalid } from "../refuse-invalid.ts";
import { JSON_TYPE } from "../schemas.ts";
import { readSmallJson } from "../small-body.ts";
import type { Held } from "../versions.ts";
import { ChangeSchema, createSchema, Id, KEY_ROUTES, KeysQuery, ME_ROUTE } from "./key-schemas.ts";

export type HeldKeys = Held<KeyStore, StoredKey>;

export interface KeysOptions extends HeldKeys {
  policy: Policy;
  newId(): string;
  /** The text of a key that nobody has. */
  newKey(): string;
}

export function keysRoutes(app: OpenAPIHono, options: KeysOptions, bodies: BodyBudget, clock: Clock): void {
  const { store, versions, find, changed, policy, newId, newKey } = options;
  const Create = createSchema(() => clock.now());
  const one = "/v1/keys/:id";
  for (const route of KEY_ROUTES) app.openAPIRegistry.registerPath(route);

  const withFaults = (key: StoredKey) => ({ ...keyJson(key), faults: policy.faults(principalOf(key)) });

  app.get("/v1/keys", (c) => {
    const url = new URL(c.req.url);
    const query = KeysQuery.safeParse(flatten(url.searchParams));
    if (!query.success) return refuseInvalid(query.error, url.searchParams);
    const { limit, after } = query.data;
    const from = after?.toLowerCase();
    const rest = from === undefined ? versions() : versions().filter(({ id }) => id > from);
    const told = rest.slice(0, limit);
    const links = [link("self", url.pathname, url.searchParams, JSON_TYPE)];
    if (rest.length > told.length) links.push(nextLink(url, told.at(-1)!.id, JSON_TYPE));
    return Response.json({ keys: told.map(keyJson), links }, { headers: NO_STORE });
  });
  app.post(
    "/v1/keys",
    whileAway(async (_, c) => {
      const read = await readSmallJson(c.req.raw, bodies);
      if (read instanceof Response) return read;
      const draft = Create.safeParse(read.value);
      if (!draft.success) return refuseInvalid(draft.error, read.value);
      const key = newKey();
      const own = { id: newId(), hash: tokenHash(key), createdAt: clock.now() };
      const expires = draft.data.expires ?? undefined;
      const made = await store.create({ ...draft.data, expires, ...own });
      if (made === undefined)
        return problemResponse("too-many-keys", `There are ${MAX_KEYS} already. Remove those that expired.`);
      await changed();
      return Response.json({ ...withFaults(made), key }, { status: 201, headers: NO_STORE });
    }),
  );
  app.get(
    one,
    whileAway(async (id) => {
      const found = find(id);
      return found === undefined ? unknown(id) : Response.json(withFaults(found), { headers: NO_STORE });
    }),
  );
  app.patch(
    one,
    whileAway(async (id, c) => {
      const read = await readSmallJson(c.req.raw, bodies);
      if (read instanceof Response) return read;
      const change = ChangeSchema.safeParse(read.value);
      if (!change.success) return refuseInvalid(change.error, read.value);
      const made = await store.change(id, change.data);
      if (made === undefined) return unknown(id);
      await changed();
      return Response.json(withFaults(made), { headers: NO_STORE });
    }),
  );
  app.delete(
    one,
    whileAway(async (id) => {
      if (!(await store.remove(id))) return unknown(id);
      await changed();
      return new Response(null, { status: 204 });
    }),
  );
}

export function meRoute(app: OpenAPIHono): void {
  app.openAPIRegistry.registerPath(ME_ROUTE);
  app.get(ME_ROUTE.path, (c) => Response.json(principalJson(c.get("principal")), { headers: NO_STORE }));
}

/** A handler of a route of one key, or of all. */
function whileAway(handle: (id: string, c: Context) => Promise<Response>): (c: Context) => Promise<Response> {
  return async (c) => {
    const id = (c.req.param("id") ?? "").toLowerCase();
    if (id !== "" && !Id.safeParse({ id }).success) return unknown(id);
    try {
      return await handle(id, c);
    } catch (error) {
      if (!(error instanceof StoreAway)) throw error;
      return problemResponse("unavailable", "The database does not answer. The change may be made or not.", {
        headers: RETRY_AFTER,
      });
    }
  };
}

function principalJson({ id, name, roles, attributes, expires }: Principal) {
  return { id, name, roles, attributes, expires: isoText(expires) };
}

function keyJson(key: StoredKey) {
  return { ...principalJson(key), createdAt: isoText(key.createdAt) };
}

function isoText(t: number | undefined): string | undefined {
  return t === undefined ? undefined : new Date(t).toISOString();
}

function unknown(id: string): Response {
  return problemResponse("key-not-found", `There is no key ${JSON.stringify(id.slice(0, 64))}.`);
}
