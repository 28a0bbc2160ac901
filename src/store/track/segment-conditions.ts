/** What the questions about a place in history have in common; `t` is the row. */

const BOX = (shift: number) => `ST_MakeEnvelope($7::float8 + ${shift}, $8, $9::float8 + ${shift}, $10, 4326)`;

/**
 * The bounds of its path meet a box, which is west, south, east, north in $7 to $10 with west ≤ east. Paths across 180° go on beyond it, so the box
 * is looked for three times.
 */
export const NEAR = `AND (t.path && ${BOX(0)} OR t.path && ${BOX(360)} OR t.path && ${BOX(-360)})`;

/** It is the version that counts: the last one recorded, of those that fit a condition on `n`. Not of those that a box found: the newest may lie outside. */
export const newest = (condition = "") => `NOT EXISTS (
    SELECT FROM track n WHERE n.entity = t.entity AND n.first = t.first AND n.recorded > t.recorded ${condition}
  )`;
