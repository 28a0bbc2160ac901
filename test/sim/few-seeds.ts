/** As `sim-property.ts`, for what has to survive: each kind of faults twice. */
import { KINDS } from "./scenario.ts";
import { judgeSeeds } from "./sim-property.ts";

export const judge = () => judgeSeeds(2 * KINDS.length);
