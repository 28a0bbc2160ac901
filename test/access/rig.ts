/** Who may see only some, and what is made of segments for it. */
import { Policy } from "../../src/access/policy.ts";
import type { Principal } from "../../src/access/ports.ts";
import type { Segment } from "../../src/tracks/segment.ts";
import type { AppOptions } from "../../src/transport/http/app.ts";
import { TOKEN, testApp } from "../http/fixture.ts";

export const VIEWER: Principal = {
  id: "k1",
  name: "viewer",
  roles: ["viewer"],
  attributes: { fleet: "north" },
};
export const OWN_LABEL = "principal.attributes.fleet in entity.labels";

/** An app for whoever may read entities for which one of these is true. */
export function appFor(where: readonly string[], options: Partial<AppOptions> = {}) {
  const policy = new Policy();
  policy.take([
    {
      name: "viewer",
      grants: where.map((one) => ({ resource: "entity" as const, actions: ["read" as const], where: one })),
    },
  ]);
  return testApp({ identify: (token) => (token === TOKEN ? VIEWER : undefined), policy, ...options });
}

/** From `first` on, a point each second, Unix ms. */
export function segment(id: string, first: number, seconds: number, more: Partial<Segment> = {}): Segment {
  return {
    ...{ id, kind: "truck", state: "moving", attributes: "", labels: [], fences: [], recorded: first },
    hold: false,
    points: Array.from({ length: seconds + 1 }, (_, i) => ({
      ...{ t: first + i * 1_000, lon: 25 + i / 100, lat: 60, alt: NaN, speed: 5, course: NaN },
    })),
    ...more,
  };
}
