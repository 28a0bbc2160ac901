/**
 * What a run wrote down, as NDJSON: one event a line, in the order in which it happened for whoever wrote. The number of an event is the number of
 * its line, from 1. Times are Unix ms.
 *
 * Everything in it was observed from outside: what producers sent and were answered, what viewers saw, what REST and the tables of the database say
 * at the end. Each producer numbers the reports of an entity 1, 2, 3 … with growing times, and each report carries its number as `alt`, so that
 * the number of the newest report taken can be seen wherever the entity can be seen. An entity has one producer.
 */

/** A report, by its entity and number. */
export type Numbered = [id: string, number: number];

/** A batch is about to be sent. Reports that are sent again, with the same content, are in a batch of their own. */
export interface Sent {
  is: "sent";
  at: number;
  /** Unique in the history. */
  batch: number;
  /** Where to: the name of a node. */
  to: string;
  reports: Numbered[];
}

/** The answer to a batch: everything that is not refused is accepted. */
export interface Answered {
  is: "answered";
  at: number;
  batch: number;
  /** `type` as in the catalogue of refusals; `again`: whether that says that the same report may be taken later. */
  refused: [index: number, type: string, again: boolean][];
}

/** There will be no answer to a batch: whether anything of it was taken is unknown. */
export interface Unanswered {
  is: "unanswered";
  at: number;
  batch: number;
  why: string;
}

/** A command is about to be asked. One that is asked again has its old id, which counts within its entity. */
export interface Asked {
  is: "asked";
  at: number;
  /** Unique in the history. */
  ask: number;
  /** Where to: the name of a node. */
  to: string;
  command: [entity: string, id: string];
  name: string;
}

/** The answer to an ask. `unknown`: whether the command was carried out is not known (yet). */
export interface Told {
  is: "told";
  at: number;
  ask: number;
  result: "accepted" | "refused" | "unknown";
  /** Of the entity after a command that was accepted. */
  state?: string;
  why?: string;
}

/** Entities as a viewer has them after a frame; those of them that changed. */
export interface Seen {
  is: "seen";
  at: number;
  /** Name of the view. */
  by: string;
  entities: [id: string, number: number, epoch: number, seq: number][];
}

/** Who owns shards, according to `by` (`database`, or a node). Shards that are as they were in its last sample may be left out. */
export interface Owners {
  is: "owners";
  at: number;
  by: string;
  /** `owner` is an incarnation, or `null`. */
  shards: [shard: number, epoch: number, owner: string | null][];
}

/** Something was broken or mended. */
export interface FaultEvent {
  is: "fault";
  at: number;
  what: string;
  /** Whom it hit: the name of a node, or `all`. */
  target: string;
}

/** Nothing is broken any more, and no new reports will be made. `withinMs`: how long until everything is answered and owned, at most. */
export interface Quiet {
  is: "quiet";
  at: number;
  withinMs: number;
}

/** Every report has been answered for good, and every shard has an owner that serves it. */
export interface Settled {
  is: "settled";
  at: number;
}

/** An entity at rest. */
export type AtRest = [id: string, number: number, epoch: number, seq: number, state: string];

/** What REST (`final`) or the table `entity` (`stored`) says after everything has settled. Several lines make up the whole. */
export interface Final {
  is: "final" | "stored";
  entities: AtRest[];
}

/** At rest: what a viewer shows (`picture`), and what REST answers for its place (`answer`), as texts that can be compared. */
export interface Picture {
  is: "picture" | "answer";
  by: string;
  entities: Record<string, string>;
}

/** Rows of the table `event` about changes of state or liveness, in the order of their ids. Several lines make up the whole. */
export interface Recorded {
  is: "recorded";
  rows: [row: number, subject: string, type: string, from: string, to: string][];
}

/** Rows of the table `event` about commands, in the order of their ids. Several lines make up the whole. */
export interface Decided {
  is: "decided";
  rows: [row: number, entity: string, id: string, accepted: boolean, state: string][];
}

export type HistoryEvent =
  | Sent
  | Answered
  | Unanswered
  | Asked
  | Told
  | Seen
  | Owners
  | FaultEvent
  | Quiet
  | Settled
  | Final
  | Picture
  | Recorded
  | Decided;

/** A rule that does not hold, and the numbers of the events that show it. */
export interface Violation {
  /** Stable name of what is wrong. */
  rule: ViolationName;
  text: string;
  events: number[];
}

/** Everything that can be wrong with a history. */
export const VIOLATIONS = {
  malformed: "The history itself makes no sense",
  lost: "What was acknowledged is not there (C3)",
  doubled:
    "An entity took more reports than it was sent, or decided a command more than once (C4), or recorded changes are missing",
  "command-lost": "What was said of a command is not recorded (C3)",
  "command-contradicted": "What was said of a command is not what was recorded or said before (C4)",
  swallowed: "An entity took fewer reports than were acknowledged (C3), or changes were recorded twice",
  invented: "A number that was never sent, or a command that was never asked, is there",
  "refused-taken": "A report that was refused for good is there",
  "not-answered": "A report or a command was not answered for good",
  "went-back": "(epoch, seq) of an entity went back for a viewer (C5)",
  reordered: "A viewer saw an entity's number go back within one epoch (C5)",
  "picture-differs": "A viewer's picture at rest is not what REST answers (C6)",
  "stored-differs": "The database has another entity than REST",
  "no-chain":
    "A recorded change does not begin where the one before it ended: one is there twice, or missing",
  "last-event": "The last recorded change does not lead to the entity's state",
  "epoch-went-back": "A shard's epoch went back (C1)",
  "two-owners": "Two nodes held one shard in one epoch (C1)",
  unsettled: "Not everything was owned and answered in time after the last fault (C8)",
} as const;
export type ViolationName = keyof typeof VIOLATIONS;

/** One part of the judgement. It takes the events in order, and `end` after the last. */
export interface Rule {
  take(event: HistoryEvent, number: number): void;
  end(): void;
}
/** Where rules report. */
export type Report = (rule: ViolationName, text: string, events: number[]) => void;
