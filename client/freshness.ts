/** A view is fresh while it is no older than this: a heartbeat comes each 5 s, and half of that is for the way. */
export const FRESH_MS = 7_500;

/** Up to when a view's replica is complete, by the server's clock: what frames say, and heartbeats in their absence. */
export class Freshness {
  /** Unix ms, NaN before the first. */
  asOf = NaN;
  /** ms by which the server's last tick was late, NaN before the first. */
  lag = NaN;

  /** A frame of the picture at `t` was applied. NaN from a server that does not say. @param complete the replica is whole */
  frame(t: number, lag: number, complete: boolean): void {
    if (complete && !Number.isNaN(t)) this.asOf = t;
    if (!Number.isNaN(lag)) this.lag = lag;
  }

  /** @param heldBackMs changes of this time may not have been told yet */
  heartbeat(t: number, lag: number, heldBackMs: number): void {
    const told = t - heldBackMs;
    if (!(this.asOf >= told)) this.asOf = told;
    this.lag = lag;
  }

  /** ms, at a time by the server's clock. */
  age(serverNow: number): number {
    return serverNow - this.asOf;
  }
}
