/** Client messages of the feed: text → message, or the problem that is answered. Nothing has had an effect before this. */
import {
  MAX_BATCH_REPORTS,
  MAX_CURSOR_LENGTH,
  MAX_FOLLOW_RADIUS,
  MAX_ID_LENGTH,
  MAX_IDS_PER_VIEW,
  MAX_KINDS_PER_VIEW,
  MAX_NAME_LENGTH,
  MAX_PLAYBACK_SPEED,
  MAX_VIEW_ENTITIES,
  MAX_VIEW_NAME_LENGTH,
} from "../../limits.ts";
import type { ProblemType } from "../http/problem.ts";
import { commandFault, deletionFault } from "../ingest/command.ts";
import { parseTime } from "../ingest/parse-time.ts";
import {
  type Bbox,
  type ClientMessage,
  type CommandMessage,
  type DeleteMessage,
  type Place,
  type Rate,
  type ReportMessage,
  type Subscribe,
  type SubscribeEvents,
  TOLERANCES,
  type Tolerance,
  type Unsubscribe,
  type UnsubscribeEvents,
  type Update,
} from "./protocol.ts";

/** What is wrong with a message, with `view`, `events` and `n` of it if it had them. */
export interface MessageProblem {
  type: ProblemType;
  detail: string;
  view?: string;
  events?: string;
  n?: number;
  /** The time that was asked for, if that is what is wrong. */
  at?: string;
  /** Of the mistake in an expression. */
  position?: number;
  /** The view or the subscription is over with it. */
  ended?: true;
}
export type Decoded = { is: "message"; message: ClientMessage } | { is: "problem"; problem: MessageProblem };

/** Members of each message. */
const SUBSCRIBE = members<Subscribe>({
  ...{ op: true, view: true, bbox: true, ids: true, follow: true, kinds: true, where: true },
  ...{ rate: true, tolerance: true, max: true, at: true, speed: true },
});
const SUBSCRIBE_EVENTS = members<SubscribeEvents>({
  ...{ op: true, events: true, after: true, types: true, where: true },
});
const UPDATE = members<Update>({
  ...{ op: true, view: true, bbox: true, kinds: true, where: true, at: true, speed: true },
});
const UNSUBSCRIBE = members<Unsubscribe>({ op: true, view: true });
const UNSUBSCRIBE_EVENTS = members<UnsubscribeEvents>({ op: true, events: true });
const REPORT = members<ReportMessage>({ op: true, n: true, reports: true });
const COMMAND = members<CommandMessage>({
  ...{ op: true, n: true, id: true, command: true, name: true, data: true },
});
const DELETE = members<DeleteMessage>({ op: true, n: true, id: true, erase: true, command: true });
const FOLLOW = members<NonNullable<Place["follow"]>>({ id: true, radius: true });
/** Of any message. */
const SUPPORTED = new Set(
  [SUBSCRIBE, SUBSCRIBE_EVENTS, REPORT, COMMAND, DELETE].flatMap((names) => [...names]),
);

function members<Message>(names: Record<keyof Message, true>): ReadonlySet<string> {
  return new Set(Object.keys(names));
}

/** Thrown inside this file only, and caught in `decodeMessage`. */
class Invalid extends Error {
  readonly type: ProblemType;
  constructor(type: ProblemType, detail: string) {
    super(detail);
    this.type = type;
  }
}

type Fields = Record<string, unknown>;

export function decodeMessage(text: string): Decoded {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    return { is: "problem", problem: { type: "malformed-json", detail: (error as SyntaxError).message } };
  }
  try {
    return { is: "message", message: decode(value) };
  } catch (error) {
    if (!(error instanceof Invalid)) throw error;
    const problem: MessageProblem = { type: error.type, detail: error.message };
    const { view, events, n } = Object(value) as Fields;
    if (typeof view === "string" && view.length <= MAX_VIEW_NAME_LENGTH) problem.view = view;
    if (typeof events === "string" && events.length <= MAX_VIEW_NAME_LENGTH) problem.events = events;
    if (Number.isSafeInteger(n)) problem.n = n as number;
    return { is: "problem", problem };
  }
}

function decode(value: unknown): ClientMessage {
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw new Invalid("bad-request", "a message is a JSON object with a member `op`");
  const fields = value as Fields;
  switch (fields.op) {
    case "subscribe":
      if (fields.events !== undefined) return subscribeEvents(fields);
      refuseOthers(fields, SUBSCRIBE, "a view");
      return {
        op: "subscribe",
        view: viewName(fields.view),
        ...place(fields),
        ...playback(fields),
        kinds: optional(fields.kinds, kinds),
        where: optional(fields.where, where),
        rate: optional(fields.rate, rate),
        tolerance: optional(fields.tolerance, tolerance),
        max: optional(fields.max, max),
      };
    case "update": {
      for (const name of ["ids", "follow", "rate", "tolerance", "max", "events"])
        if (fields[name] !== undefined)
          throw new Invalid("bad-request", `\`${name}\` cannot be updated: unsubscribe and subscribe again`);
      refuseOthers(fields, UPDATE, "an update");
      if (["bbox", "kinds", "where", "at", "speed"].every((name) => fields[name] === undefined))
        throw new Invalid("bad-request", "an update has a `bbox`, `kinds`, `where`, `at` or `speed`");
      return {
        op: "update",
        view: viewName(fields.view),
        bbox: optional(fields.bbox, bbox),
        kinds: fields.kinds === null ? null : optional(fields.kinds, kinds),
        where: fields.where === null ? null : optional(fields.where, where),
        at: optional(fields.at, at),
        speed: optional(fields.speed, speed),
      };
    }
    case "unsubscribe":
      if (fields.events !== undefined) {
        refuseOthers(fields, UNSUBSCRIBE_EVENTS, "`unsubscribe` of events");
        return { op: "unsubscribe", events: viewName(fields.events, "events") };
      }
      refuseOthers(fields, UNSUBSCRIBE, "`unsubscribe`");
      return { op: "unsubscribe", view: viewName(fields.view) };
    case "report":
      refuseOthers(fields, REPORT, "`report`");
      return { op: "report", n: messageNumber(fields.n), reports: reports(fields.reports) };
    case "command":
      refuseOthers(fields, COMMAND, "a command");
      return { op: "command", n: messageNumber(fields.n), ...command(fields) };
    case "delete":
      refuseOthers(fields, DELETE, "a deletion");
      return { op: "delete", n: messageNumber(fields.n), ...deletion(fields) };
    default:
      throw new Invalid(
        "unknown-op",
        "`op` must be subscribe, update, unsubscribe, report, command or delete",
      );
  }
}

/** To ignore a member, also one that is misspelt, would show or do what the client did not ask for. */
function refuseOthers(fields: Fields, known: ReadonlySet<string>, what: string): void {
  const others = Object.keys(fields).filter((name) => !known.has(name));
  const unsupported = others.find((name) => !SUPPORTED.has(name));
  if (unsupported !== undefined)
    throw new Invalid("bad-request", `\`${shown(unsupported)}\` is not supported by this version`);
  if (others.length > 0) throw new Invalid("bad-request", `${what} has no \`${others[0]}\``);
}

/** A name may be as long as a message. */
function shown(name: string): string {
  return name.length <= MAX_NAME_LENGTH ? name : `${name.slice(0, MAX_NAME_LENGTH)}…`;
}

function viewName(value: unknown, member = "view"): string {
  if (typeof value !== "string" || value.length === 0 || value.length > MAX_VIEW_NAME_LENGTH)
    throw new Invalid(
      "bad-request",
      `\`${member}\` must be a string of 1 to ${MAX_VIEW_NAME_LENGTH} characters`,
    );
  return value;
}

function subscribeEvents(fields: Fields): SubscribeEvents {
  refuseOthers(fields, SUBSCRIBE_EVENTS, "a subscription to events");
  const { after } = fields;
  if (after !== undefined && (typeof after !== "string" || after.length > MAX_CURSOR_LENGTH))
    throw new Invalid("bad-request", "`after` must be a cursor, `start` or `now`");
  return {
    op: "subscribe",
    events: viewName(fields.events, "events"),
    after,
    types: optional(fields.types, (value) => kinds(value, "types")),
    where: optional(fields.where, where),
  };
}

function bbox(value: unknown): Bbox {
  const isBbox = Array.isArray(value) && value.length === 4 && value.every((edge) => Number.isFinite(edge));
  if (!isBbox) throw new Invalid("bad-request", "`bbox` must be four numbers: west, south, east, north");
  const [west, south, east, north] = value as Bbox;
  if (Math.abs(west) > 180 || Math.abs(east) > 180)
    throw new Invalid("bad-request", "`bbox`: west and east must be -180 to 180");
  if (Math.abs(south) > 90 || Math.abs(north) > 90)
    throw new Invalid("bad-request", "`bbox`: south and north must be -90 to 90");
  if (south > north) throw new Invalid("bad-request", "`bbox`: south must not be greater than north");
  return [west, south, east, north];
}

/** Exactly one of `bbox`, `ids` and `follow`. */
function place(fields: Fields): Place {
  const given = ["bbox", "ids", "follow"].filter((name) => fields[name] !== undefined);
  if (given.length !== 1)
    throw new Invalid("bad-request", "a view has one of `bbox`, `ids` and `follow`, and no more than one");
  if (given[0] === "bbox") return { bbox: bbox(fields.bbox) };
  return given[0] === "ids" ? { ids: ids(fields.ids) } : { follow: follow(fields.follow) };
}

function ids(value: unknown): string[] {
  const isIds =
    Array.isArray(value) && value.length > 0 && value.length <= MAX_IDS_PER_VIEW && value.every(isId);
  if (!isIds)
    throw new Invalid(
      "bad-request",
      `\`ids\` must be 1 to ${MAX_IDS_PER_VIEW} strings of 1 to ${MAX_ID_LENGTH} characters without NUL`,
    );
  return value;
}

function isId(value: unknown): value is string {
  // No entity has a NUL in its id, and PostgreSQL takes none.
  return (
    typeof value === "string" && value.length > 0 && value.length <= MAX_ID_LENGTH && !value.includes("\0")
  );
}

function follow(value: unknown): { id: string; radius: number } {
  const { id, radius } = Object(value) as Fields;
  const isRadius = typeof radius === "number" && radius > 0 && radius <= MAX_FOLLOW_RADIUS;
  if (!isId(id) || !isRadius)
    throw new Invalid(
      "bad-request",
      `\`follow\` must have an \`id\` and a \`radius\` in metres, above 0 and at most ${MAX_FOLLOW_RADIUS}`,
    );
  const other = Object.keys(value as Fields).find((name) => !FOLLOW.has(name));
  if (other !== undefined) throw new Invalid("bad-request", `\`follow\` has no \`${shown(other)}\``);
  return { id, radius };
}

/** A time of the past, and how fast it is played: only of some views. */
function playback(fields: Fields): Pick<Subscribe, "at" | "speed"> {
  if (fields.at === undefined) {
    if (fields.speed !== undefined) throw new Invalid("bad-request", "`speed` needs `at`");
    return {};
  }
  for (const name of ["follow", "tolerance"])
    if (fields[name] !== undefined) throw new Invalid("bad-request", `a view with \`at\` has no \`${name}\``);
  return { at: at(fields.at), speed: optional(fields.speed, speed) };
}

function at(value: unknown): string {
  if (typeof value !== "string" || !(parseTime(value) >= 0))
    throw new Invalid("bad-request", "`at` must be an RFC 3339 time from 1970 on");
  return value;
}

function speed(value: unknown): number {
  if (typeof value !== "number" || !(value >= 0 && value <= MAX_PLAYBACK_SPEED))
    throw new Invalid("bad-request", `\`speed\` must be a number from 0 to ${MAX_PLAYBACK_SPEED}`);
  return value;
}

function where(value: unknown): string {
  if (typeof value !== "string") throw new Invalid("bad-request", "`where` must be a string");
  return value;
}

function tolerance(value: unknown): Tolerance {
  if (typeof value !== "string" || !Object.hasOwn(TOLERANCES, value))
    throw new Invalid("bad-request", `\`tolerance\` must be ${Object.keys(TOLERANCES).join(" or ")}`);
  return value as Tolerance;
}

function max(value: unknown): number {
  if (!Number.isInteger(value) || (value as number) < 1 || (value as number) > MAX_VIEW_ENTITIES)
    throw new Invalid("bad-request", `\`max\` must be a whole number from 1 to ${MAX_VIEW_ENTITIES}`);
  return value as number;
}

function optional<T>(value: unknown, decode: (value: unknown) => T): T | undefined {
  return value === undefined ? undefined : decode(value);
}

function kinds(value: unknown, member = "kinds"): string[] {
  const isKinds =
    Array.isArray(value) &&
    value.length > 0 &&
    value.length <= MAX_KINDS_PER_VIEW &&
    value.every((kind) => typeof kind === "string" && kind.length > 0 && kind.length <= MAX_NAME_LENGTH);
  if (!isKinds)
    throw new Invalid(
      "bad-request",
      `\`${member}\` must be 1 to ${MAX_KINDS_PER_VIEW} strings of 1 to ${MAX_NAME_LENGTH} characters`,
    );
  return value as string[];
}

function rate(value: unknown): Rate {
  if (value !== 10 && value !== 1) throw new Invalid("bad-request", "`rate` must be 10 or 1");
  return value;
}

function command({ id, command, name, data }: Fields): Omit<CommandMessage, "op" | "n"> {
  const fault = commandFault({ id: command, entity: id, name, data }, "id", "command");
  if (fault !== undefined) throw new Invalid("invalid-command", fault);
  return { id, command, name, data } as CommandMessage;
}

function deletion({ id, command, erase = false }: Fields): Omit<DeleteMessage, "op" | "n"> {
  const fault = deletionFault({ id: command, entity: id, erase }, "command");
  if (fault !== undefined) throw new Invalid("invalid-command", fault);
  return { id, command, erase } as DeleteMessage;
}

function messageNumber(value: unknown): number {
  if (!Number.isSafeInteger(value)) throw new Invalid("bad-request", "`n` must be a whole number");
  return value as number;
}

function reports(value: unknown): unknown[] {
  if (!Array.isArray(value)) throw new Invalid("bad-request", "`reports` must be an array");
  if (value.length > MAX_BATCH_REPORTS)
    throw new Invalid("bad-request", `\`reports\` must hold at most ${MAX_BATCH_REPORTS}`);
  return value;
}
