/** Every error that leaves Muster over HTTP or the feed: RFC 9457 problem details with a stable type. */
import { COMMAND_REFUSALS, REFUSALS } from "../../actors/messages.ts";

export const PROBLEMS = {
  "bad-request": { title: "The request is not valid", status: 400, retry: false },
  "malformed-json": { title: "The body is not JSON", status: 400, retry: false },
  unauthorized: { title: "A token is needed", status: 401, retry: false },
  forbidden: { ...REFUSALS.forbidden, status: 403 },
  "cross-origin": { title: "A page of another origin may not do this", status: 403, retry: false },
  "not-found": { title: "There is nothing here", status: 404, retry: false },
  "entity-not-found": { ...COMMAND_REFUSALS["entity-not-found"], status: 404 },
  "webhook-not-found": { title: "There is no webhook with this id", status: 404, retry: false },
  "too-many-webhooks": { title: "The limit of webhooks is reached", status: 409, retry: false },
  "machine-not-found": { title: "There is no machine with this name", status: 404, retry: false },
  "invalid-machine": { title: "The definition of the machine is not valid", status: 400, retry: false },
  "machine-built-in": { title: "A machine that is built in is not changed", status: 409, retry: false },
  "machine-version": { title: "The machine has another version", status: 412, retry: false },
  "kind-taken": { title: "Another machine has this kind", status: 409, retry: false },
  "too-many-machines": { title: "The limit of machines is reached", status: 409, retry: false },
  "fence-not-found": { title: "There is no fence with this name", status: 404, retry: false },
  "invalid-fence": { title: "The fence is not valid", status: 400, retry: false },
  "fence-version": { title: "The fence has another version", status: 412, retry: false },
  "too-many-fences": { title: "The limit of fences is reached", status: 409, retry: false },
  "role-not-found": { title: "There is no role with this name", status: 404, retry: false },
  "role-built-in": { title: "The role admin is not changed", status: 409, retry: false },
  "role-version": { title: "The role has another version", status: 412, retry: false },
  "too-many-roles": { title: "The limit of roles is reached", status: 409, retry: false },
  "key-not-found": { title: "There is no key with this id", status: 404, retry: false },
  "too-many-keys": { title: "The limit of keys is reached", status: 409, retry: false },
  "method-not-allowed": { title: "The method is not allowed here", status: 405, retry: false },
  "body-too-large": { title: "The body is larger than the limit", status: 413, retry: false },
  "unsupported-media-type": { title: "The content type is not supported", status: 415, retry: false },
  "upgrade-required": { title: "This speaks WebSocket only", status: 426, retry: false },
  "bad-expression": { title: "The expression is not valid", status: 400, retry: false },
  "bad-cursor": { title: "The cursor is not one of this log of events", status: 400, retry: false },
  "cursor-gone": { title: "Events after this cursor are not kept any more", status: 410, retry: false },
  "track-gone": { title: "What follows in this track is not kept any more", status: 410, retry: false },
  "unknown-op": { title: "The operation is not known", status: 400, retry: false },
  "unknown-view": { title: "There is no view with this name", status: 404, retry: false },
  "view-exists": { title: "A view with this name exists", status: 409, retry: false },
  "too-many-views": { title: "The limit of views per connection is reached", status: 429, retry: false },
  "too-many-playbacks": { title: "The limit of playback views is reached", status: 429, retry: false },
  "too-much-to-play": { title: "More is there than can be played", status: 413, retry: false },
  "unknown-subscription": {
    title: "There is no subscription to events with this name",
    status: 404,
    retry: false,
  },
  "subscription-exists": {
    title: "A subscription to events with this name exists",
    status: 409,
    retry: false,
  },
  "too-many-subscriptions": {
    title: "The limit of subscriptions to events per connection is reached",
    status: 429,
    retry: false,
  },
  "too-many-reports": {
    title: "More reports wait on this connection than it may hold",
    status: 429,
    retry: true,
  },
  "too-many-commands": {
    title: "More commands wait on this connection than it may hold",
    status: 429,
    retry: true,
  },
  "command-refused": { ...COMMAND_REFUSALS["command-refused"], status: 409 },
  "invalid-command": { ...COMMAND_REFUSALS["invalid-command"], status: 400 },
  "unsupported-protocol": {
    title: "None of the subprotocols offered is spoken here",
    status: 400,
    retry: false,
  },
  internal: { title: "The node failed on this request", status: 500, retry: true },
  unavailable: { title: "The node cannot serve now", status: 503, retry: true },
  "invalid-report": { ...REFUSALS["invalid-report"], status: 400 },
  "too-old": { ...REFUSALS["too-old"], status: 400 },
  "clock-skew": { ...REFUSALS["clock-skew"], status: 400 },
  "too-many-kinds": { ...REFUSALS["too-many-kinds"], status: 400 },
  "too-many-entities": { ...REFUSALS["too-many-entities"], status: 400 },
  "not-storable": { ...REFUSALS["not-storable"], status: 400 },
  retry: { ...REFUSALS.retry, status: 503 },
  overloaded: { ...REFUSALS.overloaded, status: 503 },
} as const satisfies Record<string, { title: string; status: number; retry: boolean }>;
export type ProblemType = keyof typeof PROBLEMS;

/** A problem as it goes over the wire. */
export interface Problem {
  type: string;
  title: string;
  status: number;
  detail: string;
}

/** The `type` member: a URN, stable for ever. */
export function problemUrn(type: ProblemType): string {
  return `urn:muster:problem:${type}`;
}

export function problem(type: ProblemType, detail: string): Problem {
  const { title, status } = PROBLEMS[type];
  return { type: problemUrn(type), title, status, detail };
}
