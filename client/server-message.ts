import type { FullRecord, ServerMessage, SmallRecord } from "../src/transport/feed/protocol.ts";
import { NotTheProtocol } from "./errors.ts";

type Check = (value: unknown) => boolean;
type Members = Readonly<Record<string, unknown>>;

const text: Check = (value) => typeof value === "string";
const number: Check = (value) => typeof value === "number";
const flag: Check = (value) => typeof value === "boolean";
const time: Check = (value) => typeof value === "string" && !Number.isNaN(Date.parse(value));
const optional =
  (check: Check): Check =>
  (value) =>
    value === undefined || check(value);
const list =
  (check: Check): Check =>
  (value) =>
    Array.isArray(value) && value.every(check);
const tuple =
  (...checks: Check[]): Check =>
  (value) =>
    Array.isArray(value) && value.length === checks.length && checks.every((check, i) => check(value[i]));
const box = tuple(number, number, number, number);

/** By hand, because there are many. A server of version 0.1 has no fences. */
function isFull(value: unknown): boolean {
  if (!isObject(value)) return false;
  const { id, kind, state, liveness, t, received, lon, lat, attributes, labels, fences } =
    value as Partial<FullRecord>;
  return (
    typeof id === "string" &&
    typeof kind === "string" &&
    typeof state === "string" &&
    typeof liveness === "string" &&
    typeof t === "string" &&
    typeof received === "string" &&
    typeof lon === "number" &&
    typeof lat === "number" &&
    isObject(attributes) &&
    Array.isArray(labels) &&
    (fences === undefined || Array.isArray(fences))
  );
}

function isUpdate(value: unknown): boolean {
  if (!isObject(value)) return false;
  if ("kind" in value) return isFull(value);
  const { id, t, lon, lat } = value as Partial<SmallRecord>;
  return (
    typeof id === "string" && typeof t === "string" && typeof lon === "number" && typeof lat === "number"
  );
}

function isObject(value: unknown): value is Members {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

const refusal: Check = (value) =>
  isObject(value) && number(value.index) && text(value.type) && text(value.detail);

/** Of each frame of a view. A server of version 0.1 says neither `t` nor `lag`, and no `filters`. */
const MADE = { view: text, n: number, t: optional(text), lag: optional(number) };

/** What each message must have, as far as it is used here. */
const MESSAGES: Record<ServerMessage["op"], Readonly<Record<string, Check>>> = {
  view: {
    view: text,
    number: optional(number),
    bbox: optional(box),
    cover: list(box),
    filters: optional(number),
  },
  ended: { view: text, reason: text },
  playback: { view: text, t: time, speed: number, state: text, updates: number },
  snapshot: { ...MADE, first: optional(flag), last: optional(flag), entities: list(isFull) },
  delta: { ...MADE, departures: list(tuple(text, text)), updates: list(isUpdate) },
  clusters: { ...MADE, cells: list(tuple(number, number, number)) },
  events: { events: text, cursor: text },
  event: { events: text, cursor: text, event: (value) => isObject(value) && text(value.id) },
  ack: { n: number, accepted: number, refused: list(refusal) },
  reply: { n: number, command: text, accepted: flag },
  heartbeat: { t: text, tick: number, lag: number },
  error: {
    ...{ type: text, title: text, status: number, detail: text },
    ...{ view: optional(text), events: optional(text), n: optional(number), position: optional(number) },
  },
};
const ACCEPTED = { state: text };
const NOT_ACCEPTED = { type: text, detail: text };

/** A text frame. What of it this version does not know is left as it is. @throws {NotTheProtocol} */
export function readServerMessage(frame: string): ServerMessage {
  let message: unknown;
  try {
    message = JSON.parse(frame);
  } catch {
    throw new NotTheProtocol("the server sent a frame that is not JSON");
  }
  if (!isObject(message) || typeof message.op !== "string" || !Object.hasOwn(MESSAGES, message.op))
    throw new NotTheProtocol(`the server sent an unknown message: ${frame.slice(0, 100)}`);
  const op = message.op as ServerMessage["op"];
  check(message, op, MESSAGES[op]);
  if (op === "reply") check(message, op, message.accepted === true ? ACCEPTED : NOT_ACCEPTED);
  return message as unknown as ServerMessage;
}

function check(message: Members, op: ServerMessage["op"], members: Readonly<Record<string, Check>>): void {
  for (const name of Object.keys(members)) {
    if (members[name](message[name])) continue;
    throw new NotTheProtocol(`the server sent a message ${op} whose ${name} is not the protocol`, {
      view: message.view,
      events: message.events,
      // In frames of views `n` is not that of a message.
      n: op === "ack" || op === "reply" || op === "error" ? message.n : undefined,
    });
  }
}
