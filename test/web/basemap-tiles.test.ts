import t from "tap";
import { basemapTiles } from "../../web/basemap-tiles.ts";

t.test("[W20] there is a small tile for every place", async (t) => {
  const tiles = new Map(basemapTiles());
  t.equal(tiles.size, 1 + 4 + 16 + 64 + 256 + 1_024);
  const sizes = [...tiles.values()].map(({ length }) => length);
  t.ok(Math.max(...sizes) < 100_000, `${Math.max(...sizes)} bytes at most`);
  t.ok(sizes.reduce((sum, size) => sum + size) > 1_000_000, "the world is in them");
  t.equal(tiles.get("basemap/4/0/1.pbf")!.length, 0, "nothing but sea");
  const helsinki = Buffer.from(tiles.get("basemap/5/18/9.pbf")!);
  t.ok(helsinki.includes("land") && helsinki.includes("borders"));
});
