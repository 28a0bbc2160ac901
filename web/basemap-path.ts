/** Where the tiles of the base map are, below the page. */

/** The highest zoom that there are tiles for. The map draws them larger beyond it. */
export const BASEMAP_ZOOM = 5;

export function tilePath(z: number | string, x: number | string, y: number | string): string {
  return `basemap/${z}/${x}/${y}.pbf`;
}
