export type Rgb = readonly [red: number, green: number, blue: number];

/** Those that follow the chosen ones. With more of them some would look alike, and the icons not fit a texture of 4,096 px. */
const MADE_COLOURS = 32;
/** Each hue is far from those before, however many there are. */
const GOLDEN_ANGLE = 137.508;

/**
 * Colours that stand out of both base maps, the chosen ones first. The order is part of what users see: a kind keeps its colour for as
 * long as this list does not change.
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
  ...Array.from({ length: MADE_COLOURS }, (_, i) => oklch(i % 2 === 0 ? 0.48 : 0.64, 0.13, i * GOLDEN_ANGLE)),
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

/** sRGB of Oklch (Ottosson 2020), in which what is equally light and far apart looks so. @param hue degrees */
function oklch(lightness: number, chroma: number, hue: number): Rgb {
  const a = chroma * Math.cos((hue * Math.PI) / 180);
  const b = chroma * Math.sin((hue * Math.PI) / 180);
  const l = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3;
  const m = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3;
  const s = (lightness - 0.0894841775 * a - 1.291485548 * b) ** 3;
  return [
    channel(4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s),
    channel(-1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s),
    channel(-0.0041960863 * l - 0.7034186147 * m + 1.707614701 * s),
  ];
}

/** @param light linear, of one colour. @returns 0 to 255 */
function channel(light: number): number {
  const value = light <= 0.0031308 ? 12.92 * light : 1.055 * light ** (1 / 2.4) - 0.055;
  return Math.round(255 * Math.min(1, Math.max(0, value)));
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
