/**
 * The vocabulary of the actors: what comes in, what is decided. Units as everywhere: degrees WGS 84, metres,
 * metres per second, degrees clockwise from true north, Unix milliseconds.
 */

export type Json = null | boolean | number | string | Json[] | JsonObject;
export type JsonObject = { [key: string]: Json };

export function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** One observation of an entity by a source. Decoded and bounded by the transport before it gets here. */
export interface Report {
  id: string;
  /** When it was observed, Unix ms. */
  t: number;
  kind?: string;
  /** Present together with `lat` or not at all. */
  lon?: number;
  lat?: number;
  alt?: number;
  /** Over ground, ≥ 0. */
  speed?: number;
  /** Course over ground, 0 ≤ course < 360. */
  course?: number;
  /** Where the bow points, 0 ≤ heading < 360. */
  heading?: number;
  /** Radius of uncertainty, ≥ 0. */
  accuracy?: number;
  /** Merged into the entity's attributes as RFC 7386 says: `null` removes. */
  attributes?: JsonObject;
  source?: string;
  /** Number that the source gave it, 0 … 2^53 − 1. */
  seq?: number;
  /** Where the entity was found last, −1 = nowhere yet. It is only a hint, and is kept right for whoever brings the same object with each report of an id. */
  hint?: { slot: number };
}

/** From silence alone, by receive time; the order is the order of getting worse. */
export const LIVENESS = ["live", "stale", "lost", "expired"] as const;
export type Liveness = (typeof LIVENESS)[number];
export const LIVE = 0;
export const STALE = 1;
export const LOST = 2;
export const EXPIRED = 3;

/** A CloudEvents 1.0 event as the store keeps it. `data` is the event's own payload. */
export interface EventFact {
  /** e.g. `state.changed`. */
  type: string;
  /** Id of the entity it is about. */
  subject: string;
  /** When it happened, Unix ms. */
  time: number;
  data: JsonObject;
}

/** Why a report was not taken. `type` is stable; clients may switch on it. */
export interface Refusal {
  type: RefusalType;
  detail: string;
}

/** Every reason for which a single report is refused; `retry` says whether the same report may succeed later. */
export const REFUSALS = {
  "invalid-report": { title: "The report is not valid", retry: false },
  "too-old": { title: "The report is older than the history kept", retry: false },
  "clock-skew": { title: "The report is from the future", retry: false },
  "too-many-kinds": { title: "The limit of distinct kinds is reached", retry: false },
  "too-many-entities": { title: "The limit of entities is reached", retry: false },
  "not-storable": { title: "The store refuses this data", retry: false },
  forbidden: { title: "No role allows this", retry: false },
  retry: { title: "It may or may not have been stored", retry: true },
  overloaded: { title: "The node takes no new work now", retry: true },
} as const;
export type RefusalType = keyof typeof REFUSALS;

/** A request to an entity, accepted or refused by its machine. Decoded and bounded by the transport before it gets here. */
export interface Command {
  /** Its own, within its entity; 1 … 64 printable characters. One that is sent again under the same id is answered as before. */
  id: string;
  entity: string;
  /** Type of the event that the machine gets; not one that the server makes itself. */
  name: string;
  /** The event's `data`; absent = `{}`. */
  data?: JsonObject;
}

/**
 * Takes an entity out of the picture; its history stays, or goes with all else that is known of it. Travels and is answered as a command: one that
 * is sent again under its id is answered as before. `state` of the answer: the entity's last.
 */
export interface Deletion {
  /** Its own; 1 … 64 printable characters, never used for another deletion. */
  id: string;
  entity: string;
  /** Also of an entity that is deleted already or was never there. Answered when it is done. */
  erase: boolean;
}

/**
 * Changes what administrators say of an entity. Travels and is answered as a command: one that is sent again under its id is answered as before.
 * `state` of the answer: the entity's.
 */
export interface Patch {
  /** Its own; 1 … 64 printable characters, never used for another patch of the entity. */
  id: string;
  entity: string;
  /** All of them from now on: sorted, each once. Absent = those that it has. */
  labels?: readonly string[];
  /** Merged as those of a report. Absent = none; one of both is there. */
  attributes?: JsonObject;
}

/** What is asked of the owner of an entity. */
export type Request = Command | Deletion | Patch;

export function isDeletion(request: Request): request is Deletion {
  return "erase" in request;
}

export function isPatch(request: Request): request is Patch {
  return "labels" in request || "attributes" in request;
}

/** Every reason for which a command is refused; `retry` says whether the same command, under the same id, may succeed later. */
export const COMMAND_REFUSALS = {
  "command-refused": { title: "The entity does not take this command now", retry: false },
  "invalid-command": { title: "The command is not valid", retry: false },
  "entity-not-found": { title: "There is no entity with this id", retry: false },
  "not-storable": REFUSALS["not-storable"],
  forbidden: REFUSALS.forbidden,
  retry: REFUSALS.retry,
  overloaded: REFUSALS.overloaded,
} as const;
export type CommandRefusalType = keyof typeof COMMAND_REFUSALS;

/** The answer to a command. It is given only after what it says is committed. */
export type CommandResult =
  /** `state`: of the entity right after it. */
  { accepted: true; state: string } | { accepted: false; type: CommandRefusalType; detail: string };

/** Where the transport hands in commands: the router of this node, or of the cluster. */
export interface CommandHandler {
  command(command: Request): Promise<CommandResult>;
}

/** The shard is not this node's under the epoch that was given (any more): nothing of it is, or becomes, durable here. */
export const MOVED = "moved";

/** Where the cluster hands in commands for the shards of this node, each under the epoch in which its shard is believed to be this node's. */
export interface LocalCommands {
  commandPlaced(command: Request, epoch: number): Promise<CommandResult | typeof MOVED>;
}

/** The answer to a batch. It is given only after everything it calls accepted is committed. */
export interface IngestResult {
  /** Reports taken, duplicates included. */
  accepted: number;
  refused: { index: number; type: RefusalType; detail: string }[];
}

/** The answer to reports that were handed in with the epochs of their shards. */
export interface PlacedResult extends IngestResult {
  /** Ascending indices of reports whose shard this node does not have under the given epoch (any more): nothing of them is, or becomes, durable. */
  moved: number[];
}

/** Where the cluster hands in reports for the shards of this node. */
export interface LocalIngest {
  /**
   * Takes reports in order, each under the epoch in which its shard is believed to be this node's. Answers as `Ingest.submit` does; once a report of
   * a shard has moved, all later ones of that epoch have moved, until `outdate`.
   * @param epochs by report; the callee's from now on.
   */
  submitPlaced(reports: readonly Report[], epochs: Uint32Array): Promise<PlacedResult>;
  readonly overloaded: boolean;
}

/** Where the transport hands in reports: the router of this node, or of the cluster. */
export interface Ingest {
  /**
   * Takes a batch in order. Resolves after the commit of all that it accepts; never rejects for bad reports.
   * When the node holds more than it may, every report of the batch is refused `overloaded`, at once.
   */
  submit(reports: readonly Report[]): Promise<IngestResult>;
  /** Whether new work is refused now (`overloaded`), for a 503 before a body is read. */
  readonly overloaded: boolean;
}
