/** Retention has dropped what comes next of a way that is being read. */
export class WayGone extends Error {
  override readonly name = "WayGone";
}
