/**
 * The vocabulary of the feed: WebSocket `/v1/feed`. In `muster.v1.json` all messages are JSON, one object a text frame, both ways; in
 * `muster.v1.bin` frames of views and batches of reports are binary (`layout.ts`). Shared by the SDK and the server. Times are RFC 3339 UTC with
 * milliseconds, bboxes west, south, east, north (west > east crosses 180°).
 */
import type { CommandResult, JsonObject, Liveness, RefusalType } from "../../actors/messages.ts";
import type { CloudEvent } from "../../events/cloud-event.ts";

export const PROTOCOL_JSON = "muster.v1.json";
export const PROTOCOL_BINARY = "muster.v1.bin";
/** Subprotocols, the one that the server likes best first. */
export const PROTOCOLS = [PROTOCOL_BINARY, PROTOCOL_JSON] as const;

export type Bbox = [west: number, south: number, east: number, north: number];
export type Rate = 10 | 1;

/** How far what a client extrapolates may be off before it is sent a correction, and how long a correction may be held back. */
export const TOLERANCES = {
  "10m": { metres: 10, maxAgeMs: 10_000 },
  "100m": { metres: 100, maxAgeMs: 60_000 },
} as const;
export type Tolerance = keyof typeof TOLERANCES;

/** Where a view looks: exactly one of `bbox`, `ids` and `follow`. */
export interface Place {
  bbox?: Bbox;
  /** These entities, wherever they are; 1 … 1,000 of them. */
  ids?: string[];
  /**
   * A box around an entity that moves with it; the view ends with the entity. `radius` in metres, above 0. In a cluster the answer may take some
   * seconds if there is no such entity.
   */
  follow?: { id: string; radius: number };
}
/** Opens a view: a snapshot of its cover, then deltas. A view name that is in use is an error. */
export interface Subscribe extends Place {
  op: "subscribe";
  /** Chosen by the client, 1 … 64 characters, unique on its connection. */
  view: string;
  /** Only entities of these kinds; 1 … 64 of them. Absent = all. */
  kinds?: string[];
  /** Only entities for which this CEL expression over `entity` is true. */
  where?: string;
  /** Frames a second, default 10. */
  rate?: Rate;
  /** Moves that the client can extrapolate this well are held back. Absent = everything is sent. */
  tolerance?: Tolerance;
  /** With more entities than this the view gets clusters instead, until they are fewer than 0.8 × this. Default 5,000. */
  max?: number;
  /**
   * Shows what was at this time, RFC 3339, and plays on from there: a *playback view*, of `bbox` or `ids` and without `tolerance`. Up to a
   * minute in the future counts as now. Absent = the view is live.
   */
  at?: string;
  /** Played seconds a second, 0 … 3,600; 0 = it stands. Default 1. Only with `at`. */
  speed?: number;
}
/**
 * Moves a view (`bbox`): a delta with what is new, and what `left`. Or changes its filter (`kinds`, `where`; `null` = none): a new snapshot. Or
 * goes to another time (`at`), or plays at another `speed`. At least one of the five; `bbox` only for a view that has one, `at` and `speed`
 * only for a playback view.
 */
export interface Update {
  op: "update";
  view: string;
  bbox?: Bbox;
  kinds?: string[] | null;
  where?: string | null;
  at?: string;
  speed?: number;
}
export interface Unsubscribe {
  op: "unsubscribe";
  view: string;
}
/** Asks for the log of events from a place on: each event that passes comes, in order, and none is left out. */
export interface SubscribeEvents {
  op: "subscribe";
  /** Chosen by the client, 1 … 64 characters, unique among its connection's. */
  events: string;
  /** A cursor; `start` = the oldest event that is kept; `now`, which is the default (what was committed just before may come too). */
  after?: string;
  /** Only events of these types; 1 … 64 of them. Absent = all. */
  types?: string[];
  /** Only events for which this CEL expression over `event` is true. */
  where?: string;
}
export interface UnsubscribeEvents {
  op: "unsubscribe";
  events: string;
}
/** Reports as `POST /v1/reports` takes them; `n` is repeated in the ack. */
export interface ReportMessage {
  op: "report";
  n: number;
  reports: unknown[];
}
/** Asks something of an entity, as `POST /v1/entities/{id}/commands` does; `n` is repeated in the reply. */
export interface CommandMessage {
  op: "command";
  n: number;
  /** The entity. */
  id: string;
  /** The command's own id, 1 … 64 characters: one that is sent again under it is answered as before. Absent = the node makes one. */
  command?: string;
  /** The event that the entity's machine gets. */
  name: string;
  data?: JsonObject;
}
/** Deletes an entity, as `DELETE /v1/entities/{id}` does; `n` is repeated in the reply, which is that of a command. */
export interface DeleteMessage {
  op: "delete";
  n: number;
  /** The entity. */
  id: string;
  /** All that is known of it goes; the reply comes when it is gone. Default false. */
  erase?: boolean;
  /** The deletion's own id, 1 … 64 characters: one that is sent again under it is answered as before. Absent = the node makes one. */
  command?: string;
}
export type ClientMessage =
  | Subscribe
  | Update
  | Unsubscribe
  | SubscribeEvents
  | UnsubscribeEvents
  | ReportMessage
  | CommandMessage
  | DeleteMessage;

/** Everything about an entity. Absent = unknown. Same names as the `properties` of a GeoJSON feature in REST. */
export interface FullRecord {
  id: string;
  kind: string;
  state: string;
  liveness: Liveness;
  t: string;
  /** When it was at `lon` and `lat`, which are to be reckoned on from then: no report since had a place. Absent = at `t`. */
  placedAt?: string;
  received: string;
  source?: string;
  lon: number;
  lat: number;
  alt?: number;
  speed?: number;
  course?: number;
  heading?: number;
  accuracy?: number;
  /** True if the last move was faster than its kind can be. */
  implausible?: true;
  attributes: JsonObject;
  labels: string[];
  /** Names of those that it is inside of, in order. */
  fences: string[];
  epoch: number;
  seq: number;
}
/**
 * A move within a Morton cell. Absent = unchanged, `null` = gone; but it was at this place at `t`, so that `placedAt` of what was told before is gone
 * with each. Told from a full record by having no `kind`.
 */
export interface SmallRecord {
  id: string;
  t: string;
  lon: number;
  lat: number;
  alt?: number | null;
  speed?: number | null;
  course?: number | null;
  heading?: number | null;
}
/** `denied`: the client may not see it any more. */
export type DepartureReason = "left" | "filter" | "expired" | "deleted" | "denied";
export type Departure = [id: string, reason: DepartureReason];

/**
 * The answer to subscribe and update, and sent when a followed entity has moved on: the cover is the view's contract, its boxes together
 * contain the bbox. A view of `ids` has no bbox, and an empty cover. All frames after it are of its cover and of the filter that it counts.
 */
export interface ViewReply {
  op: "view";
  view: string;
  /** Names the view in binary frames; only in `muster.v1.bin`. */
  number?: number;
  bbox?: Bbox;
  cover: Bbox[];
  /** Changes of `kinds` or `where` that the view has taken: 0 after subscribe, one more with each such update that was not refused. */
  filters: number;
}
/**
 * What a playback does. `loading`: history is read, its time stands so long. `playing`, and `paused` at speed 0. `present`: it has come to within 2 s
 * of now and stands, at speed 0. `unavailable`: history cannot be read, which is tried again; `crowded`: more is there than can be played, so it
 * shows nothing until it is updated. Both are told by an `error` too, without `ended`.
 */
export type PlaybackState = "loading" | "playing" | "paused" | "present" | "unavailable" | "crowded";
/**
 * The first answer to the subscription of a playback view and to an update of `at` or `speed`, and sent whenever one of its members changes other
 * than by the passing of time. It comes after the frames of its time.
 */
export interface Playback {
  op: "playback";
  view: string;
  /** The played time. While `playing` it goes on with `speed` from there. */
  t: string;
  speed: number;
  state: PlaybackState;
  /** Updates of `at` or `speed` that the view has taken or refused: what was on its way before the last one is told apart. */
  updates: number;
}
/** The view is over: what it followed has gone, with the reason. Its name is free. */
export interface Ended {
  op: "ended";
  view: string;
  reason: DepartureReason;
}
/** In each frame of a view: when it was made. */
interface Made {
  view: string;
  /** Counts a view's frames without gaps. */
  n: number;
  tick: number;
  /** The picture is as of then; of a playback view the played time. */
  t: string;
  /** ms from the tick being due to its being worked on. */
  lag: number;
}
/** The `first` replaces all that the client holds for the view, the `last` completes it. */
export interface Snapshot extends Made {
  op: "snapshot";
  first?: true;
  last?: true;
  entities: FullRecord[];
}
/** Apply departures, then updates, in order. */
export interface Delta extends Made {
  op: "delta";
  departures: Departure[];
  updates: (FullRecord | SmallRecord)[];
}
/** How many entities there are around a place. Degrees, 4 decimals. */
export type ClusterCell = [lon: number, lat: number, count: number];
/**
 * Instead of more entities than `max`: all that the client holds for the view is replaced by cells, once a second while they change. A
 * `first` snapshot brings entities back.
 */
export interface Clusters extends Made {
  op: "clusters";
  cells: ClusterCell[];
}
/** The answer to a subscription to events, and now and then: all events up to this cursor that pass have come. `start` = none was read yet. */
export interface EventsReply {
  op: "events";
  events: string;
  cursor: string;
}
/** After a loss of the connection, subscribe with `after: cursor`. */
export interface EventMessage {
  op: "event";
  events: string;
  cursor: string;
  event: CloudEvent;
}
/**
 * Sent only after everything accepted is committed. A message that is not answered when the connection ends is to be sent again, on the next one: a node
 * that stops answers the messages that it has taken, takes none that comes after them, and closes with 1001.
 */
export interface Ack {
  op: "ack";
  n: number;
  accepted: number;
  refused: { index: number; type: RefusalType; detail: string }[];
}
/** Sent only after what it says is committed. What is not answered is to be sent again, as `Ack` says, with its `command`: it is carried out once. */
export type Reply = {
  op: "reply";
  n: number;
  /** The command's own id. */
  command: string;
} & CommandResult;
/** Each 5 s. `lag`: ms from the base tick being due to its being done. `stale`: the database is away, nothing new is durable. */
export interface Heartbeat {
  op: "heartbeat";
  t: string;
  tick: number;
  lag: number;
  stale: boolean;
}
/** A problem (RFC 9457) about a message of the client; the connection goes on. Echoes `view`, `events` or `n` of the message if it had one. */
export interface ErrorMessage {
  op: "error";
  type: string;
  title: string;
  status: number;
  detail: string;
  view?: string;
  events?: string;
  n?: number;
  /** The time of a playback view that was asked for, if that is what is wrong. */
  at?: string;
  /** Of the mistake in a `where`, in characters from 0. */
  position?: number;
  /** The view, or the subscription to events, is over with this, and its name is free: the node cannot go on with what it asked for. */
  ended?: true;
}
/** A frame of a view, which is binary in `muster.v1.bin`. */
export type ViewFrame = Snapshot | Delta | Clusters;
export type ServerMessage =
  | ViewReply
  | Ended
  | Playback
  | ViewFrame
  | EventsReply
  | EventMessage
  | Ack
  | Reply
  | Heartbeat
  | ErrorMessage;

/** Why the server closes a feed, and whether the client should connect again. */
export const CLOSE_CODES = {
  going_away: { code: 1001, reason: "the node is shutting down", reconnect: true },
  message_too_big: { code: 1009, reason: "a message is larger than the limit", reconnect: false },
  internal_error: { code: 1011, reason: "the node failed on this connection", reconnect: true },
  bad_message: { code: 4400, reason: "too many messages that are not the protocol", reconnect: false },
  unauthorized: { code: 4401, reason: "the token is missing or wrong", reconnect: false },
  cross_origin: {
    code: 4402,
    reason:
      "the page is of another origin than the node: a proxy must pass Host on, a foreign page needs a token",
    reconnect: false,
  },
  not_this_protocol: { code: 4403, reason: "a frame that this subprotocol does not have", reconnect: false },
  too_slow: { code: 4408, reason: "the client made no progress reading for too long", reconnect: true },
} as const;
export type CloseCode = keyof typeof CLOSE_CODES;

/** The reasons of `bad_message` where one binary message was enough. */
export const BATCH_REASONS = {
  not_a_batch: "a binary message was no batch of reports: handles cannot be trusted any more",
  too_many_handles: "more handles than a connection may introduce",
} as const;
