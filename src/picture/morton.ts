/**
 * Morton keys: a u32 that interleaves 16 bits of longitude (even bits) with 16 bits of latitude (odd bits) on a plain
 * lon/lat grid, so that every contiguous range of keys with a power-of-four length, aligned, is one quad cell.
 * A cell of the finest level is about 611 m wide at the equator and 305 m high.
 */

export const CELLS_PER_AXIS = 65_536;

/** Column of a longitude, 0 … 65,535. 180 is −180; beyond that it is clamped. */
export function cellX(lon: number): number {
  if (lon >= 180) return lon === 180 ? 0 : CELLS_PER_AXIS - 1;
  const x = Math.floor(((lon + 180) / 360) * CELLS_PER_AXIS);
  return x < 0 ? 0 : Math.min(x, 65_535);
}

/** Row of a latitude, 0 … 65,535, from the south. Clamped. */
export function cellY(lat: number): number {
  const y = Math.floor(((lat + 90) / 180) * CELLS_PER_AXIS);
  return y < 0 ? 0 : Math.min(y, 65_535);
}

function spread(n: number): number {
  let v = n & 0xffff;
  v = (v | (v << 8)) & 0x00ff00ff;
  v = (v | (v << 4)) & 0x0f0f0f0f;
  v = (v | (v << 2)) & 0x33333333;
  v = (v | (v << 1)) & 0x55555555;
  return v;
}

/** Interleaves a column and a row (each 0 … 65,535) to a key, 0 … 2^32 − 1. */
export function interleave(x: number, y: number): number {
  return (spread(x) | (spread(y) << 1)) >>> 0;
}

/** The key of a place. */
export function mortonKey(lon: number, lat: number): number {
  return interleave(cellX(lon), cellY(lat));
}

function gather(key: number): number {
  let v = key & 0x55555555;
  v = (v | (v >>> 1)) & 0x33333333;
  v = (v | (v >>> 2)) & 0x0f0f0f0f;
  v = (v | (v >>> 4)) & 0x00ff00ff;
  v = (v | (v >>> 8)) & 0x0000ffff;
  return v;
}

/** The column of a key. */
export function keyX(key: number): number {
  return gather(key);
}

/** The row of a key. */
export function keyY(key: number): number {
  return gather(key >>> 1);
}
