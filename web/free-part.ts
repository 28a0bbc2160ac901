/** The part of the map that no panel covers. */

/** Pixels, from the upper left corner of the map. */
export type Rectangle = Pick<DOMRectReadOnly, "left" | "top" | "right" | "bottom">;

/**
 * The way from the middle of a map to the middle of its free part, in pixels to the right and down. A panel that is wider than half the map takes a
 * strip above or below, another one at a side. Where panels leave no room between above and below, the upper one is ignored.
 */
export function freeMiddle(
  { width, height }: { width: number; height: number },
  panels: readonly Rectangle[],
): [right: number, down: number] {
  const free = { left: 0, top: 0, right: width, bottom: height };
  for (const { left, top, right, bottom } of panels) {
    if (right - left > width / 2) {
      if (top + bottom < height) free.top = Math.max(free.top, bottom);
      else free.bottom = Math.min(free.bottom, top);
    } else if (left + right < width) free.left = Math.max(free.left, right);
    else free.right = Math.min(free.right, left);
  }
  if (free.top >= free.bottom) free.top = 0;
  if (free.left >= free.right) Object.assign(free, { left: 0, right: width });
  return [(free.left + free.right - width) / 2, (free.top + free.bottom - height) / 2];
}
