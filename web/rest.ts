import type { Entity } from "../client/replica.ts";
import type { ClusterStatus } from "../src/cluster/status.ts";
import type { Bbox } from "../src/transport/feed/protocol.ts";
import type { FenceList } from "./fence-watch.ts";
import type { FenceFeature } from "./fences.ts";

/** A question that is asked again and again is not waited for any longer. */
const STATUS_MS = 5_000;
/** Nor is one about an entity, of which the past may have to be read. */
const ENTITY_MS = 10_000;
const ENTITIES = "/v1/entities";

interface Feature {
  id: string;
  geometry: { coordinates: [lon: number, lat: number] } | null;
  properties: Omit<Entity, "id" | "lon" | "lat">;
}

/** The token is missing or wrong. */
export class Unauthorized extends Error {
  override readonly name = "Unauthorized";
}

/** No role allows whoever has the token of this page to ask this. */
export class Forbidden extends Error {
  override readonly name = "Forbidden";
}

/**
 * The few questions that the page asks over HTTP. What it may not ask by itself again and again is asked once: the page is loaded again when roles have
 * changed. About entities somebody wants to know, who may have been given a role meanwhile.
 */
export class Rest {
  readonly #headers: Record<string, string>;
  #isRefused = false;
  /** Paths of what may not be asked, and is not asked again. */
  readonly #forbidden = new Set<string>();

  constructor(token: string | undefined) {
    this.#headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
  }

  /** The node has refused the token of this page: nothing is asked any more, for the answer is known. */
  refuse(): void {
    this.#isRefused = true;
  }

  /** Places of up to 1,000 entities, to find out where the map should look. @throws {Unauthorized | Forbidden | Error} */
  async places(signal: AbortSignal): Promise<[lon: number, lat: number][]> {
    const response = await this.#get(`${ENTITIES}?limit=1000`, undefined, signal);
    const { features } = (await response.json()) as { features: Feature[] };
    return features.flatMap(({ geometry }) => (geometry === null ? [] : [geometry.coordinates]));
  }

  /**
   * One entity, undefined if there is none. Its place is NaN if it never told one.
   * @param at as it was then, Unix ms; absent = as it is now. @throws {Unauthorized | Forbidden | Error}
   */
  async entity(
    id: string,
    at?: number,
    signal = AbortSignal.timeout(ENTITY_MS),
  ): Promise<Entity | undefined> {
    const then = at === undefined ? "" : `?datetime=${new Date(at).toISOString()}`;
    const path = `${ENTITIES}/${encodeURIComponent(id)}${then}`;
    const response = await this.#get(path, 404, signal);
    if (response.status === 404) return undefined;
    const { geometry, properties, id: name } = (await response.json()) as Feature;
    const [lon, lat] = geometry?.coordinates ?? [Number.NaN, Number.NaN];
    return { ...properties, id: name, lon, lat } as Entity;
  }

  /** The cluster as the node that answers knows it. @throws {Unauthorized | Forbidden | Error} */
  async cluster(): Promise<ClusterStatus> {
    const response = await this.#get("/v1/cluster", undefined, AbortSignal.timeout(STATUS_MS));
    return (await response.json()) as ClusterStatus;
  }

  /** Up to 1,000 fences in a box, the first by name; undefined if they are those with the tag that is `known`. @throws {Unauthorized | Forbidden | Error} */
  async fences(bbox: Bbox, known: string | null, signal: AbortSignal): Promise<FenceList | undefined> {
    const response = await this.#get(`/v1/fences?limit=1000&bbox=${bbox}`, undefined, signal);
    const tag = response.headers.get("etag");
    if (tag !== null && tag === known) {
      // From the browser's own store: to read it would cost more than to ask.
      await response.body?.cancel();
      return undefined;
    }
    const { features } = (await response.json()) as { features: FenceFeature[] };
    return { tag, fences: features };
  }

  async #get(path: string, alsoFine?: number, signal?: AbortSignal): Promise<Response> {
    const unauthorized = () => new Unauthorized("a token is needed");
    if (this.#isRefused) throw unauthorized();
    const about = /^\/v1\/\w+/.exec(path)![0];
    const forbidden = () => new Forbidden("no role allows it");
    if (this.#forbidden.has(about)) throw forbidden();
    const response = await fetch(path, { headers: this.#headers, signal });
    if (response.status === 401) throw unauthorized();
    if (response.status === 403) {
      if (about !== ENTITIES) this.#forbidden.add(about);
      throw forbidden();
    }
    if (!response.ok && response.status !== alsoFine) throw new Error(`the node answered ${response.status}`);
    return response;
  }
}
