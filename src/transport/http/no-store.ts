/** Header of answers that hold for the moment in which they are given. */
export const NO_STORE = { "cache-control": "no-store" };
