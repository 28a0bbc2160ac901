/** The name of the fence at which one points. */

/** Right of the pointer and below it. */
const AWAY_PX = 14;

/** @param name absent = none. @param at of the pointer, in pixels */
export function renderFenceName(name: string | undefined, at: { x: number; y: number }): void {
  const shown = document.querySelector<HTMLElement>("#fence-name")!;
  shown.hidden = name === undefined;
  if (name === undefined) return;
  if (shown.textContent !== name) shown.textContent = name;
  // Not beyond the right edge of a phone.
  const left = Math.max(0, Math.min(at.x + AWAY_PX, innerWidth - shown.offsetWidth - AWAY_PX));
  shown.style.translate = `${left}px ${at.y + AWAY_PX}px`;
}
