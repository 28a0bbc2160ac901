/** Limits of webhooks, as `src/limits.ts` has all others. */
import assert from "node:assert/strict";

export const MAX_WEBHOOKS = 100;
export const MAX_URL_LENGTH = 2_048;
/** From the first byte of a request to its answer's headers. */
export const WEBHOOK_TIMEOUT_MS = 10_000;
/** A node that does not renew loses its webhooks to others after so long; it begins no request that might end later. */
export const WEBHOOK_LEASE_MS = 20_000;
export const WEBHOOK_RENEW_MS = 2_000;
/** How far a webhook is, is saved so often while nothing passes its filter. */
export const WEBHOOK_SAVE_MS = 5_000;
/** Requests of one webhook at once, of different subjects. */
export const WEBHOOK_REQUESTS = 8;
/** Events of a webhook that wait to be tried again; beyond it no more are read. Of an entity that is refused while others are taken fewer may. */
export const MAX_WEBHOOK_WAITING = 1_000;
export const MAX_WEBHOOK_REFUSED = 100;
/** Of all refused entities together: the rest is for those that are not. So many may be refused; of more nothing waits. */
export const MAX_WEBHOOK_ALL_REFUSED = 500;
/** After the first failure; four times as long after each more, up to the longest. */
export const WEBHOOK_BACKOFF_MS = 5_000;
export const WEBHOOK_BACKOFF_LONGEST_MS = 4 * 3_600_000;
/** Share by which waits are scattered. */
export const WEBHOOK_JITTER = 0.2;
/** An event whose attempts fail for so long is given up. */
export const WEBHOOK_GIVE_UP_MS = 24 * 3_600_000;
/** After failures of so many entities without a success the whole webhook pauses; then one request at a time tries whether it is there again. */
export const WEBHOOK_PAUSE_AFTER = 5;
/** It is noticed within this time that an endpoint is there again. */
export const WEBHOOK_PAUSE_LONGEST_MS = 15 * 60_000;
/** The longest `Retry-After` that is honoured: a mistake must not stop a webhook for ever. */
export const WEBHOOK_RETRY_AFTER_LONGEST_MS = 24 * 3_600_000;
/** After a rotation the secret of before signs too. */
export const WEBHOOK_ROTATION_MS = 24 * 3_600_000;
export const WEBHOOK_SECRET_BYTES = 32;
/** Dead letters in one answer, and tried again at once. */
export const MAX_DEAD_LETTERS = 1_000;
/** Letters of a webhook, waiting or dead, that its status counts: there may be millions of dead ones. */
export const MAX_LETTERS_COUNTED = 10_000;
/** Text of an error that is kept, in UTF-16 units. */
export const MAX_WEBHOOK_ERROR_LENGTH = 500;
assert.ok(MAX_WEBHOOK_ALL_REFUSED < MAX_WEBHOOK_WAITING, "what is refused leaves room for others");
assert.ok(
  WEBHOOK_LEASE_MS > WEBHOOK_TIMEOUT_MS + 2 * WEBHOOK_RENEW_MS,
  "a renewed lease has room for requests",
);
