/** Time and timers, as values, so that tests move them by hand. */
export interface ClientClock {
  /** Milliseconds; only differences count. */
  now(): number;
  /** What the device takes for the Unix time, ms. It may be wrong: it is used until the server has told its own, and to see that the device slept. */
  unix(): number;
  /** Calls `fire` once after `delay` ms. The returned function cancels it. */
  schedule(delay: number, fire: () => void): () => void;
}

export const deviceClock: ClientClock = {
  now: () => performance.now(),
  unix: () => Date.now(),
  schedule(delay, fire) {
    const timer = setTimeout(fire, delay);
    return () => clearTimeout(timer);
  },
};
