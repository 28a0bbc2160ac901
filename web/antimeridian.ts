/**
 * Lines and polygons that cross 180° for a flat map: the atlas jumps from 180 to −180 within them, which a flat map draws as a line around the
 * whole world. Here they go on beyond 180 instead, and MapLibre draws what sticks out on the other side.
 */
type Line = GeoJSON.Position[];

/** The same geometries without jumps. Others than lines and polygons are left as they are. */
export function withoutJumps(geojson: GeoJSON.GeoJSON): GeoJSON.GeoJSON {
  switch (geojson.type) {
    case "FeatureCollection":
      return { ...geojson, features: geojson.features.map((one) => withoutJumps(one) as GeoJSON.Feature) };
    case "Feature":
      return { ...geojson, geometry: withoutJumps(geojson.geometry) as GeoJSON.Geometry };
    case "GeometryCollection":
      return {
        ...geojson,
        geometries: geojson.geometries.map((one) => withoutJumps(one) as GeoJSON.Geometry),
      };
    case "MultiLineString":
      return { ...geojson, coordinates: geojson.coordinates.map(unwrap) };
    case "LineString":
      return { ...geojson, coordinates: unwrap(geojson.coordinates) };
    case "MultiPolygon":
      return { ...geojson, coordinates: geojson.coordinates.map(polygon) };
    case "Polygon":
      return { ...geojson, coordinates: polygon(geojson.coordinates) };
    default:
      return geojson;
  }
}

function polygon(rings: Line[]): Line[] {
  const [outer, ...holes] = rings.map((ring) => closed(unwrap(ring)));
  const start = outer[0][0];
  return [outer, ...holes.map((hole) => shifted(hole, 360 * Math.round((start - hole[0][0]) / 360)))];
}

function unwrap(line: Line): Line {
  let turns = 0;
  return line.map(([lon, lat], i) => {
    if (i > 0) turns -= Math.round((lon - line[i - 1][0]) / 360);
    return [lon + 360 * turns, lat];
  });
}

/** A ring that has gone around a pole ends 360° from its start: it is closed along the edge of the map. */
function closed(ring: Line): Line {
  const [first, last] = [ring[0], ring[ring.length - 1]];
  if (first[0] === last[0]) return ring;
  const pole = first[1] < 0 ? -90 : 90;
  return [...ring, [last[0], pole], [first[0], pole], first];
}

function shifted(line: Line, degrees: number): Line {
  return degrees === 0 ? line : line.map(([lon, lat]) => [lon + degrees, lat]);
}
