/** Limits of fences, as `src/limits.ts` has all others. */
import { MAX_NAME_LENGTH } from "../../limits.ts";

/** Fences at a time: all nodes hold all of them. */
export const MAX_FENCES = 20_000;
/** Points of one fence: a test of a place walks them all. A coast to 100 m has fewer in most ports. */
export const MAX_FENCE_POINTS = 10_000;
/** Points of all fences: some 100 MB in each node, half of it the definitions as they were written. */
export const MAX_FENCE_POINTS_KEPT = 2_000_000;
/** Fences that one entity is inside of, or about to enter: they are written with each change. Further ones are not entered. */
export const MAX_OCCUPIED = 64;
/** m. */
export const MAX_CIRCLE_RADIUS = 1_000_000;
/** m. Distances from a line are less exact than those from a place. */
export const MAX_CORRIDOR_RADIUS = 100_000;
/** m. A wider one is more likely a mistake in the unit; distances far outside would be less exact too. */
export const MAX_EXIT_BUFFER = 100_000;
/** A week. */
export const MAX_FENCE_DWELL_MS = 7 * 86_400_000;
export const MAX_FENCE_REPORTS = 1_000;
/** m. */
export const MAX_FENCE_ACCURACY = 1_000_000;
/** Least floor and greatest ceiling: below all seas, above all aircraft; m above sea level. */
export const LEAST_FENCE_FLOOR = -20_000;
export const GREATEST_FENCE_CEILING = 1_000_000;
/** Kinds that one fence looks at. */
export const MAX_FENCE_KINDS = 100;
/** In UTF-16 units. */
export const MAX_FENCE_TITLE_LENGTH = 256;
/** Bytes of one occupied fence in a checkpoint at most: its name, its episode and numbers. */
export const OCCUPIED_BYTES = 3 * MAX_NAME_LENGTH + 96;
/** Cells of the tree in which fences are looked up, and entries of their lists, edges among them: some 100 MB together. Beyond it the tree is made anew. */
export const MAX_FENCE_CELLS = 200_000;
export const MAX_FENCE_CELL_ENTRIES = 8_000_000;
