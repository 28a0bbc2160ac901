import { randomBytes, randomUUID } from "node:crypto";

/**
 * Time as a value. Everything below `node.ts` gets a `Clock` and never reads one; the tests give one that
 * they move by hand.
 */
export interface Clock {
  /** Wall time, Unix milliseconds. May jump. */
  now(): number;
  /** Milliseconds from an arbitrary origin, with fractions; never goes back. */
  monotonic(): number;
  /** Calls `fire` once after `delay` ms. The returned function cancels it. */
  schedule(delay: number, fire: () => void): () => void;
  /** Calls `run` soon, after pending I/O had its turn. */
  yield(run: () => void): void;
}

/** Chance as a value: 0 ≤ x < 1, for what must not happen in step everywhere. Not for secrets. */
export const systemRandom = (): number => Math.random();

/** A text that nobody else makes. */
export const systemId = (): string => randomUUID();

/** Bytes that nobody can guess. */
export const systemSecret = (bytes: number): Buffer => randomBytes(bytes);

/** The clock of the machine: the only place that reads it. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  schedule(delay, fire) {
    const timer = setTimeout(fire, delay);
    return () => clearTimeout(timer);
  },
  yield: (run) => void setImmediate(run),
};

/** Ends a process that is done and that something still keeps after `ms`. */
export const endProcessWithin = (ms: number): void => void setTimeout(() => process.exit(), ms).unref();
