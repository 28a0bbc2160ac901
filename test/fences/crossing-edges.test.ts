// Edges that cross: found, named, and looked for in slices.
import t from "tap";
import { FenceCatalogue } from "../../src/actors/fences/catalogue.ts";
import { refuseCrossings } from "../../src/actors/fences/crossing-edges.ts";
import type { Ring, Shape } from "../../src/actors/fences/definition.ts";
import { FenceError } from "../../src/actors/fences/errors.ts";
import type { FenceDraft } from "../../src/actors/fences/ports.ts";
import { testApp } from "../http/fixture.ts";
import { fc, runs } from "../support/seeded.ts";

type Rings = number[][][];
const square = (west: number, south: number, size: number) =>
  [[west, south], [west + size, south], [west + size, south + size], [west, south + size], [west, south]]; // biome-ignore format: short
const BOW = [[0, 0], [1, 1], [1, 0], [0, 1], [0, 0]]; // biome-ignore format: short
const area = (...polygons: Rings[]) => ({ is: "area", polygons: polygons as unknown as Ring[][] }) as Shape;

/** @returns where the second of two edges that cross begins, and how often others had their turn. */
function search(shape: Shape, isMulti = false): { path?: string; message?: string; turns: number } {
  let turns = 0;
  try {
    for (const _ of refuseCrossings(shape, isMulti)) turns++;
    return { turns };
  } catch (error) {
    if (!(error instanceof FenceError)) throw error;
    return { path: error.path, message: error.message, turns };
  }
}

t.test("[FE16] edges that cross are named, of an outline, of holes, and of both", async (t) => {
  const at = "/geometry/coordinates";
  for (const [what, shape, isMulti, path] of [
    ["an outline", area([BOW]), false, `${at}/0/2`],
    ["a hole", area([square(-1, -1, 9), BOW]), false, `${at}/1/2`],
    ["a hole and the outline", area([square(0, 0, 2), square(1, 1, 2)]), false, `${at}/1/3`],
    ["two holes", area([square(0, 0, 9), square(1, 1, 2), square(2, 2, 2)]), false, `${at}/2/3`],
    ["a later polygon", area([square(0, 0, 1)], [square(-1, -1, 9), BOW]), true, `${at}/1/1/2`],
    ["the only polygon of several", area([BOW]), true, `${at}/0/0/2`],
    ["a small one", area([BOW.map((place) => place.map((x) => 24 + x / 1e4))]), false, `${at}/0/2`],
  ] as const)
    t.equal(search(shape, isMulti).path, path, what);
  t.equal(
    search(area([BOW])).message,
    `${at}/0/2: the edge from [1,0] to [0,1] crosses the edge from [0,0] to [1,1], which begins at ${at}/0/0; the places of a ring follow each other around it`,
  );
});

t.test("[FE16] edges that touch are taken, also if their places are rounded", async (t) => {
  const spike = [[0, 0], [4, 0], [4, 4], [5, 5], [4, 4], [0, 4], [0, 0]]; // biome-ignore format: short
  const pinched = [[0, 0], [2, 2], [4, 0], [4, 4], [2, 2], [0, 4], [0, 0]]; // biome-ignore format: short
  const slanted = [[0, 0], [3, 1], [3, 5], [0, 5], [0, 0]]; // biome-ignore format: short
  const rounded = [[1, 0.333333], [2, 2], [1, 2], [1, 0.333333]]; // biome-ignore format: short
  for (const [what, shape] of [
    ["a spike", area([spike])],
    ["a pinched outline", area([pinched])],
    ["a place twice", area([square(0, 0, 1).flatMap((place) => [place, place])])],
    ["a hole with an edge of the outline", area([square(0, 0, 4), square(0, 1, 2)])],
    ["a hole with a place on the outline", area([slanted, rounded])],
    ["polygons that overlap", area([square(0, 0, 2)], [square(1, 1, 2)])],
    ["a circle", { is: "circle", centre: [0, 0], radius: 1 }],
    ["a corridor that crosses itself", { is: "corridor", line: BOW as unknown as Ring, radius: 1 }],
  ] as [string, Shape][])
    t.strictSame(search(shape), { turns: 0 }, what);
});

t.test("[FE16] it finds what comparing each edge with each finds", async (t) => {
  const place = fc.tuple(fc.nat(8), fc.nat(8));
  const ring = fc.array(place, { minLength: 3, maxLength: 8 }).map((places) => [...places, places[0]!]);
  let crossing = 0;
  fc.assert(
    fc.property(fc.array(ring, { minLength: 1, maxLength: 2 }), (rings) => {
      const expected = crosses(rings);
      if (expected) crossing++;
      return (search(area(rings)).path !== undefined) === expected;
    }),
    { numRuns: runs(2_000) },
  );
  t.ok(crossing > runs(200), `${crossing} with edges that cross`);
});

/** In whole numbers, so exactly. */
function crosses(rings: Rings): boolean {
  const edges = rings.flatMap((ring) => ring.slice(1).map((to, i) => [ring[i]!, to] as const));
  const side = ([x1, y1]: number[], [x2, y2]: number[], [x, y]: number[]) =>
    Math.sign((x2! - x1!) * (y! - y1!) - (y2! - y1!) * (x! - x1!));
  return edges.some(([a, b]) =>
    edges.some(([c, d]) => side(a, b, c) * side(a, b, d) < 0 && side(c, d, a) * side(c, d, b) < 0),
  );
}

t.test("[FE16] edges that are all beside each other are compared in slices", async (t) => {
  const tips = 2_000;
  const star = Array.from({ length: tips + 1 }, (_, i) => {
    const angle = (2 * Math.PI * (i % tips)) / tips;
    const reach = i % 2 === 0 ? 1 : 0.01;
    return [reach * Math.cos(angle), reach * Math.sin(angle)];
  });
  const { path, turns } = search(area([star]));
  t.equal(path, undefined);
  t.ok(turns >= 5, `${turns} turns of others`);
  const sawn = Array.from({ length: tips }, (_, i) => [i % 2, i / tips]);
  t.strictSame(
    search(area([[...sawn, [2, 1], [2, 0], [0, 0]]])),
    { turns: 0 },
    "swept along the shorter side",
  );
});

t.test("[FE16] [H37] a bow is not stored, one that is stored is read", async (t) => {
  const saved: FenceDraft[] = [];
  const store = { save: async (draft: FenceDraft) => void saved.push(draft) };
  const app = testApp({
    fences: { store, versions: () => [], find: () => undefined, changed() {} } as never,
  });
  const definition = { type: "Feature", geometry: { type: "Polygon", coordinates: [BOW] }, properties: null };
  const answer = await app.get("/v1/fences/bow", { method: "PUT", body: JSON.stringify(definition) });
  t.equal(answer.status, 400);
  t.match(await answer.json(), {
    type: "urn:muster:problem:invalid-fence",
    code: "crossing-edges",
    path: "/geometry/coordinates/0/2",
    detail: /the edge from \[1,0\] to \[0,1\] crosses the edge from \[0,0\] to \[1,1\]/,
  });
  t.strictSame([saved, app.errors], [[], []]);

  const catalogue = new FenceCatalogue(() => {});
  catalogue.take([{ name: "bow", version: 1, since: 1, revision: 1, changedAt: 0, definition }]);
  t.ok(catalogue.find("bow"));
});
