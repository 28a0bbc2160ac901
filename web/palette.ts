export type Rgb = readonly [red: number, green: number, blue: number];

/**
 * Hues that stand out of both base maps. The order is part of what users see: a kind keeps its colour for as long as
 * this list does not change.
 */
export const PALETTE: readonly Rgb[] = [
  [0, 138, 158],
  [214, 107, 0],
  [124, 92, 214],
  [26, 145, 80],
  [207, 58, 122],
  [52, 116, 214],
  [158, 122, 0],
  [196, 62, 50],
  [163, 73, 178],
  [96, 125, 60],
  [84, 122, 145],
  [156, 98, 68],
  [0, 128, 128],
  [176, 84, 84],
  [98, 108, 190],
  [128, 118, 52],
];

/** Kinds that nearly everyone has, each with a colour of its own; every other kind takes one of those that are left. */
const KNOWN = ["vessel", "vehicle", "aircraft", "person", "drone", "bus", "truck", "task"];

/** Index in the palette of a kind's colour: the same on every page and at every time. */
export function colourIndex(kind: string): number {
  const known = KNOWN.indexOf(kind);
  return known >= 0 ? known : KNOWN.length + (fnv1a(kind) % (PALETTE.length - KNOWN.length));
}

export function colourOf(kind: string): Rgb {
  return PALETTE[colourIndex(kind)];
}

/** FNV-1a, 32 bits, over UTF-16 units. */
function fnv1a(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) {
    hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  }
  return hash >>> 0;
}

export function css([red, green, blue]: Rgb): string {
  return `rgb(${red} ${green} ${blue})`;
}
