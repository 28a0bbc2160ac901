/**
 * The shapes of moving entities, drawn once per theme: each colour with its halo, so that shapes which overlap stay
 * apart. (A tinted mask has one colour only, and haloes in a layer below melt into one blot.)
 */
import type { Texture } from "@luma.gl/core";
import type { Theme } from "./basemap.ts";
import { css, PALETTE } from "./palette.ts";

const CELL = 80;
const MARGIN = 10;
/** Corners from the bow, in a cell of 1 × 1 with the bow at the top. */
const OUTLINES = {
  hull: [
    [0.5, 0],
    [0.74, 0.34],
    [0.74, 0.96],
    [0.26, 0.96],
    [0.26, 0.34],
  ],
  arrow: [
    [0.5, 0],
    [0.86, 0.96],
    [0.5, 0.76],
    [0.14, 0.96],
  ],
} as const;

export type Shape = keyof typeof OUTLINES;

export interface IconAtlas {
  /** A canvas, which the layer takes as it takes every texture source, although its types name two of them only. */
  image: Texture;
  mapping: Record<string, { x: number; y: number; width: number; height: number }>;
}

/** @param colour index in the palette */
export function iconName(shape: Shape, colour: number, hollow: boolean): string {
  return `${shape}-${colour}-${hollow ? "hollow" : "filled"}`;
}

/** @throws {Error} if the browser has no 2D canvas */
export function drawIcons(theme: Theme): IconAtlas {
  const rows = (Object.keys(OUTLINES) as Shape[]).flatMap((shape) =>
    [false, true].map((hollow) => ({ shape, hollow })),
  );
  const canvas = document.createElement("canvas");
  canvas.width = CELL * PALETTE.length;
  canvas.height = CELL * rows.length;
  const context = canvas.getContext("2d");
  if (context === null) throw new Error("this browser has no 2D canvas");
  context.lineJoin = "round";
  const mapping: IconAtlas["mapping"] = {};
  for (const [row, { shape, hollow }] of rows.entries()) {
    for (const [column, colour] of PALETTE.entries()) {
      const [x, y] = [column * CELL, row * CELL];
      context.beginPath();
      for (const [u, v] of OUTLINES[shape]) {
        context.lineTo(x + MARGIN + u * (CELL - 2 * MARGIN), y + MARGIN + v * (CELL - 2 * MARGIN));
      }
      context.closePath();
      context.strokeStyle = css(theme.halo);
      context.lineWidth = hollow ? 18 : 14;
      context.stroke();
      context.fillStyle = css(hollow ? theme.halo : colour);
      context.fill();
      if (hollow) {
        context.strokeStyle = css(colour);
        context.lineWidth = 9;
        context.stroke();
      }
      mapping[iconName(shape, column, hollow)] = { x, y, width: CELL, height: CELL };
    }
  }
  return { image: canvas as unknown as Texture, mapping };
}
