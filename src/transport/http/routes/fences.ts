/** `/v1/fences`: the areas that entities enter and leave, as GeoJSON. */
import { createHash } from "node:crypto";
import type { OpenAPIHono, z } from "@hono/zod-openapi";
import { refuseCrossings } from "../../../actors/fences/crossing-edges.ts";
import { FenceError } from "../../../actors/fences/errors.ts";
import { MAX_FENCE_POINTS_KEPT, MAX_FENCES } from "../../../actors/fences/limits.ts";
import { parseFence } from "../../../actors/fences/parse.ts";
import type { FenceChange, FenceDraft, FenceStore, FenceVersion } from "../../../actors/fences/ports.ts";
import { isObject, type JsonObject } from "../../../actors/messages.ts";
import type { Clock } from "../../../clock.ts";
import { MAX_FENCE_BODY_BYTES, MAX_NAME_LENGTH } from "../../../limits.ts";
import { nameFault } from "../../ingest/report.ts";
import type { BodyBudget } from "../body.ts";
import { isKnown } from "../etag.ts";
import { GEOJSON, slicedCollection } from "../feature.ts";
import { isUnmeasured, meets } from "../fence-boxes.ts";
import { link, nextLink } from "../page.ts";
import type { ProblemType } from "../problem.ts";
import { problemResponse } from "../problem-response.ts";
import { flatten } from "../query.ts";
import { refuseInvalid } from "../refuse-invalid.ts";
import { readSmallJson } from "../small-body.ts";
import { changing, type Held, versionAnswer } from "../versions.ts";
import { FENCE_ROUTES, FencesQuery } from "./fence-schemas.ts";

export type FencesOptions = Held<FenceStore, FenceVersion>;

/** Made in one go: some 2 ms. Most fences have few points, some have 10,000. */
const SLICE_FENCES = 256;
const SLICE_POINTS = 5_000;
/** Fences that are measured in one go: up to 8 ms once if they are the largest, far less of others. */
const SLICE_BOXES = 16;

export function fencesRoutes(
  app: OpenAPIHono,
  options: FencesOptions,
  bodies: BodyBudget,
  clock: Clock,
): void {
  const { store, versions, find, changed } = options;
  const one = "/v1/fences/:name";
  for (const route of FENCE_ROUTES) app.openAPIRegistry.registerPath(route);

  app.get("/v1/fences", (c) => {
    const url = new URL(c.req.url);
    const query = FencesQuery.safeParse(flatten(url.searchParams));
    if (!query.success) return refuseInvalid(query.error, url.searchParams);
    return list(versions(), clock, query.data, url, c.req.raw.headers);
  });
  app.get(one, (c) => {
    const name = c.req.param("name");
    const found = find(name);
    return found === undefined ? unknown(name) : answer(found, 200);
  });
  app.put(
    one,
    changing(async (name, ifVersion, c) => {
      const fault = nameFault("a fence", name, MAX_NAME_LENGTH);
      if (fault !== undefined) return problemResponse("bad-request", fault);
      const read = await readSmallJson(c.req.raw, bodies, MAX_FENCE_BODY_BYTES);
      if (read instanceof Response) return read;
      const draft = await drafted(name, read.value, clock);
      if (draft instanceof Response) return draft;
      const change = await store.save(draft, ifVersion);
      if (change.is !== "saved" && change.is !== "unchanged") return refused(name, change, "fence-version");
      if (change.is === "saved") await changed();
      return answer(change.version, change.is === "saved" && change.created ? 201 : 200);
    }),
  );
  app.delete(
    one,
    changing(async (name, ifVersion) => {
      if (nameFault("a fence", name, MAX_NAME_LENGTH) !== undefined) return unknown(name);
      const change = await store.remove(name, ifVersion);
      if (change.is !== "saved" && change.is !== "unchanged") return refused(name, change, "fence-not-found");
      await changed();
      return new Response(null, { status: 204 });
    }),
  );
}

/** What is asked for, checked whole; or why it is none. */
async function drafted(name: string, written: unknown, clock: Clock): Promise<FenceDraft | Response> {
  try {
    const definition = withoutOurs(name, written) as JsonObject;
    const { shape, points } = parseFence(definition);
    const isMulti = (definition.geometry as JsonObject).type === "MultiPolygon";
    for (const _ of refuseCrossings(shape, isMulti))
      await new Promise<void>((resolve) => clock.yield(resolve));
    return { name, definition, points };
  } catch (error) {
    if (!(error instanceof FenceError)) throw error;
    const { code, path, message } = error;
    return problemResponse("invalid-fence", message, { members: { code, path } });
  }
}

/** Without what answers have beside what was written, and with `properties`, which a GeoJSON feature has. */
function withoutOurs(name: string, written: unknown): unknown {
  if (!isObject(written)) return written;
  const { id, version: _, changedAt: __, ...definition } = written;
  if (id !== undefined && id !== name)
    throw new FenceError("bad-name", "/id", `the \`id\` is the fence's name, ${JSON.stringify(name)}`);
  return { properties: null, ...definition };
}

/** @param absent when there is none: a PUT is bound to one then; a DELETE is told so whatever it is bound to (RFC 9110, 13.2.1). */
function refused(
  name: string,
  change: Exclude<FenceChange, { is: "saved" | "unchanged" }>,
  absent: "fence-version" | "fence-not-found",
): Response {
  switch (change.is) {
    case "other-version":
      if (change.version === undefined) return unknown(name, absent);
      return problemResponse("fence-version", `${name} has version ${change.version} now.`, {
        members: { version: change.version },
      });
    case "too-many":
      return problemResponse(
        "too-many-fences",
        change.of === "fences"
          ? `There are ${MAX_FENCES} already.`
          : `All fences together have at most ${MAX_FENCE_POINTS_KEPT} points.`,
      );
    default:
      return change satisfies never;
  }
}

async function list(
  all: readonly FenceVersion[],
  clock: Clock,
  { bbox: box, limit, after }: z.output<typeof FencesQuery>,
  url: URL,
  headers: Headers,
): Promise<Response> {
  const page: FenceVersion[] = [];
  let more = false;
  let measured = 0;
  for (const fence of all) {
    if (after !== undefined && fence.name <= after) continue;
    if (box !== undefined) {
      if (isUnmeasured(fence) && ++measured % SLICE_BOXES === 0)
        await new Promise<void>((resolve) => clock.yield(resolve));
      if (!meets(fence, box)) continue;
    }
    more = page.length === limit;
    if (more) break;
    page.push(fence);
  }
  const kept = { etag: tagOf(page, more), "cache-control": "private, no-cache" };
  if (isKnown(headers, kept.etag)) return new Response(null, { status: 304, headers: kept });
  const links = [link("self", url.pathname, url.searchParams)];
  if (more) links.push(nextLink(url, page.at(-1)!.name));
  let at = 0;
  const slice = () => {
    const features: object[] = [];
    for (let points = 0; at < page.length && features.length < SLICE_FENCES && points < SLICE_POINTS; at++) {
      const feature = fenceJson(page[at]!);
      points += countPoints((feature.geometry as JsonObject).coordinates);
      features.push(feature);
    }
    return { features, last: at >= page.length };
  };
  return slicedCollection(clock, slice, links, kept);
}

/** Not of the revision: another database may have the same, and pages ask again and again for a box where nothing changes. Weak, as the time in the answer differs. */
function tagOf(page: readonly FenceVersion[], more: boolean): string {
  const text = page.map(({ name, version, changedAt }) => `${name}\0${version}\0${changedAt}\0`).join("");
  return `W/"${createHash("sha1").update(`${text}${more}`).digest("base64url")}"`;
}

function countPoints(coordinates: unknown): number {
  if (!Array.isArray(coordinates)) return 0;
  return typeof coordinates[0] === "number"
    ? 1
    : coordinates.reduce<number>((sum, one) => sum + countPoints(one), 0);
}

function fenceJson({ name, version, definition, changedAt }: FenceVersion) {
  const { type, ...written } = definition!;
  const feature: JsonObject & { version: number } = {
    ...{ type, id: name, version, changedAt: new Date(changedAt).toISOString() },
    ...written,
  };
  return feature;
}

function answer(version: FenceVersion, status: 200 | 201): Response {
  return versionAnswer(fenceJson(version), status, GEOJSON);
}

function unknown(name: string, type: ProblemType = "fence-not-found"): Response {
  const shown = JSON.stringify(name.slice(0, MAX_NAME_LENGTH));
  return problemResponse(type, `There is no fence ${shown}.`);
}
