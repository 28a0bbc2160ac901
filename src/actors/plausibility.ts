/** Fastest speeds that a fix may imply before it is flagged, in m/s. A flagged report is kept all the same. */
const FASTEST: Record<string, number> = {
  person: 15,
  task: 70,
  vessel: 50,
  ship: 50,
  truck: 70,
  bus: 70,
  car: 120,
  drone: 120,
  aircraft: 1_000,
};
const FASTEST_OTHER = 1_000;
/** Two fixes closer than this may come from two receivers: not a jump. Metres. */
const SMALL_JUMP = 500;
const METRES_PER_DEGREE = 111_195;
/** Squared degrees: below this a jump is small at every latitude. A metre less, so that rounding cannot matter. */
const SURELY_SMALL = ((SMALL_JUMP - 1) / METRES_PER_DEGREE) ** 2;

/**
 * Whether a move is faster than anything of its kind can be. Equirectangular distance, which is right within 1 % for the
 * short hops that are plausible, and far beyond the limit for the rest.
 * @param seconds between the fixes, ≥ 0.
 */
export function isImplausible(
  kind: string,
  fromLon: number,
  fromLat: number,
  toLon: number,
  toLat: number,
  seconds: number,
): boolean {
  let east = Math.abs(toLon - fromLon);
  if (east > 180) east = 360 - east;
  const north = toLat - fromLat;
  // Nearly all moves are: the cosine and the root cost more than all the rest.
  if (north * north + east * east < SURELY_SMALL) return false;
  const latitude = ((fromLat + toLat) / 2) * (Math.PI / 180);
  const distance = METRES_PER_DEGREE * Math.hypot(north, east * Math.cos(latitude));
  if (distance <= SMALL_JUMP) return false;
  return distance > (FASTEST[kind] ?? FASTEST_OTHER) * seconds;
}
