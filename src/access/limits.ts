/** Limits of roles and keys, as `src/limits.ts` has all others. */

/** With the most grants, and the longest `where`, 3 MB in each node. */
export const MAX_ROLES = 100;
export const MAX_GRANTS = 32;
/** With all that one may have 30 MB in each node; as people make them 5 MB. */
export const MAX_KEYS = 10_000;
/** The text of each of their grants is made for each key. */
export const MAX_KEY_ROLES = 16;
/** As JSON, in UTF-16 units: they are written into each `where`. */
export const MAX_KEY_ATTRIBUTES_LENGTH = 2_048;
/** Nobody guesses one, so that its hash needs no salt and no slow function. */
export const KEY_BYTES = 32;
/** Keys in one answer. */
export const MAX_KEYS_LISTED = 1_000;
/** Of the values of principals in one `where`: those that were looked at are remembered. As people make keys there are one or two. */
export const MAX_BOUND_FORMS = 64;
/** After a change of roles what feeds may show is found out for so long in a base tick: some hundreds of feeds. The others show nothing until the next. */
export const PERMIT_TURN_MS = 20;
