/** Viewports that hold a wanted number of entities, and how many records a tick brings to them. */
import { type Cover, coverOf } from "../src/picture/cover.ts";
import { mortonKey } from "../src/picture/morton.ts";
import type { Bbox } from "../src/transport/feed/protocol.ts";
import type { Fleet } from "./fleet.ts";
import type { Random } from "./random.ts";

/** Height of a viewport by its width, in degrees: a map on a screen, at middle latitudes. */
const ASPECT = 0.4;
const WIDEST = 180;
const NARROWEST = 0.01;
const BISECTIONS = 24;

export interface Viewport {
  bbox: Bbox;
  cover: Cover;
}

/** The Morton keys of a fleet at one moment, ascending. */
export function keysAt(fleet: Fleet, seconds: number): Uint32Array {
  const keys = new Uint32Array(fleet.size);
  for (let i = 0; i < fleet.size; i++) keys[i] = mortonKey(fleet.lonAt(i, seconds), fleet.latAt(i, seconds));
  return keys.sort();
}

/** How many entities a cover holds. @param keys ascending. */
export function countIn(keys: Uint32Array, cover: Cover): number {
  let count = 0;
  for (let i = 0; i < cover.length; i += 2)
    count += placeOf(keys, cover[i + 1] + 1) - placeOf(keys, cover[i]);
  return count;
}

/** How many keys are below `key`. */
function placeOf(keys: Uint32Array, key: number): number {
  let from = 0;
  let to = keys.length;
  while (from < to) {
    const middle = (from + to) >>> 1;
    if (keys[middle] < key) from = middle + 1;
    else to = middle;
  }
  return from;
}

/**
 * Viewports around entities chosen at random, so where much is, many look. The cover of each, which is what its client
 * is sent, holds `least` … `most` entities at the start, small numbers more often (log-uniform).
 */
export function chooseViewports(
  fleet: Fleet,
  count: number,
  [least, most]: readonly [number, number],
  random: Random,
): Viewport[] {
  const keys = keysAt(fleet, 0);
  const chosen: Viewport[] = [];
  while (chosen.length < count) {
    const centre = random.below(fleet.size);
    const wanted = least * (most / least) ** random.next();
    const viewport = sized(keys, fleet.lon[centre], fleet.lat[centre], wanted);
    const held = countIn(keys, viewport.cover);
    if (held >= least && held <= most) chosen.push(viewport);
  }
  return chosen;
}

function sized(keys: Uint32Array, lon: number, lat: number, wanted: number): Viewport {
  let narrow = Math.log(NARROWEST);
  let wide = Math.log(WIDEST);
  for (let i = 0; i < BISECTIONS; i++) {
    const middle = (narrow + wide) / 2;
    if (countIn(keys, coverOf(around(lon, lat, Math.exp(middle)))) < wanted) narrow = middle;
    else wide = middle;
  }
  const bbox = around(lon, lat, Math.exp(wide));
  return { bbox, cover: coverOf(bbox) };
}

function around(lon: number, lat: number, width: number): Bbox {
  const height = width * ASPECT;
  return [
    Math.max(-180, lon - width / 2),
    Math.max(-90, lat - height / 2),
    Math.min(179.999, lon + width / 2),
    Math.min(90, lat + height / 2),
  ];
}
