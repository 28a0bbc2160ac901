/**
 * How tests start programs on Node: what tap loads into every process to see which files it uses costs more than most of them do, and finds
 * nothing that anybody looks at. It puts itself into the environment of each child again, so `env` has to take it out.
 */
const CACHE = process.env.NODE_COMPILE_CACHE;

/** As `.taprc` says. */
export const NODE_FLAGS = ["--liftoff-only"];

/** The command; the program and its arguments follow. */
export const NODE: readonly [string, ...string[]] = [
  "env",
  "-u",
  "NODE_OPTIONS",
  ...(CACHE === undefined ? [] : [`NODE_COMPILE_CACHE=${CACHE}`]),
  process.execPath,
  ...NODE_FLAGS,
];

/** For `fork`. */
export const FORK = { execPath: NODE[0], execArgv: NODE.slice(1) };
