/** Meridians and parallels each `step` degrees, for a Mercator map. */
export function graticule(step: number): GeoJSON.MultiLineString {
  const coordinates: [number, number][][] = [];
  for (let lon = -180; lon <= 180; lon += step) {
    coordinates.push([
      [lon, -85],
      [lon, 85],
    ]);
  }
  for (let lat = -80; lat <= 80; lat += step) {
    coordinates.push([
      [-180, lat],
      [180, lat],
    ]);
  }
  return { type: "MultiLineString", coordinates };
}
