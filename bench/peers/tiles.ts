/** The tiles by which peers share out updates: the quad cells of the viewers' covers, so that a peer delivers what Muster does. */
import type { Cover } from "../../src/picture/cover.ts";

/** Quad cells halve 360° × 180° so often. */
const KEY_BITS = 32;
/**
 * The finest tile, 0.09° × 0.04°: finer cells of covers are taken whole, which brings their viewers somewhat more. That counts for the peer;
 * finer tiles would only cost it more messages.
 */
export const DEPTH = 12;

/** Keys from `low` to `high` of the quad cell that is number `index` at its depth. */
export interface Tile {
  depth: number;
  index: number;
  low: number;
  high: number;
}

/** The tiles of a cover, without doubles. */
export function tilesOf(cover: Cover): Tile[] {
  const tiles = new Map<string, Tile>();
  for (let i = 0; i < cover.length; i += 2) {
    const end = cover[i + 1] + 1;
    for (let low = cover[i]; low < end; ) {
      let depth = KEY_BITS / 2;
      while (depth > 0 && low % keysAt(depth - 1) === 0 && low + keysAt(depth - 1) <= end) depth -= 1;
      const tile = tileAt(Math.min(depth, DEPTH), low);
      tiles.set(nameOf(tile), tile);
      low += keysAt(depth);
    }
  }
  return [...tiles.values()];
}

function keysAt(depth: number): number {
  return 2 ** (KEY_BITS - 2 * depth);
}

function tileAt(depth: number, key: number): Tile {
  const keys = keysAt(depth);
  const index = Math.floor(key / keys);
  return { depth, index, low: index * keys, high: (index + 1) * keys - 1 };
}

/** The tile of the finest depth that holds a key. */
export function finestTile(key: number): Tile {
  return tileAt(DEPTH, key);
}

export function nameOf({ depth, index }: Tile): string {
  return `${depth}/${index}`;
}

export function tileOfName(name: string): Tile {
  const [depth, index] = name.split("/").map(Number);
  return tileAt(depth, index * keysAt(depth));
}

/** The way to a tile from the whole world, a digit for each quarter: as a subject of NATS, whose wildcards then reach all below. */
export function subjectOf({ depth, index }: Tile): string {
  const digits = depth === 0 ? [] : index.toString(4).padStart(depth, "0").split("");
  return ["m", ...digits].join(".");
}

/** What a viewer subscribes to for a tile. */
export function wildcardOf(tile: Tile): string {
  return tile.depth === DEPTH ? subjectOf(tile) : `${subjectOf(tile)}.>`;
}
