/** What webhooks want of the outside. The stores reject with `StoreAway` while the database cannot be reached. */
import type { Cursor } from "../events/cursor.ts";
import type { LoggedEvent } from "../events/ports.ts";

export interface Webhook {
  id: string;
  url: string;
  /** CEL over `event`; absent = every event. */
  where?: string;
  enabled: boolean;
  /** Why it was disabled by itself. */
  disabledReason?: string;
  /** Base64, newest first; all of them sign. */
  secrets: string[];
  /** Unix ms. */
  createdAt: number;
}

/** What a client may change. */
export interface WebhookChange {
  url?: string;
  /** `null` = every event. */
  where?: string | null;
  enabled?: boolean;
}

export interface WebhookStatus {
  webhook: Webhook;
  /** Of the last event that is done with. */
  cursor: Cursor;
  delivered: number;
  /** Attempts that failed. */
  failures: number;
  /** Letters that will be tried again, and that were given up: `MAX_LETTERS_COUNTED` may be more. */
  waiting: number;
  dead: number;
  /** Times that retention had dropped events before they were sent. */
  gaps: number;
  lastError?: string;
  /** Unix ms. */
  lastErrorAt?: number;
  /** Nothing is tried before, Unix ms. */
  pausedUntil?: number;
}

/** An event that could not be delivered yet, or at all. */
export interface Letter {
  event: LoggedEvent;
  attempts: number;
  /** From when on it was to be sent, Unix ms; absent = it was not tried. */
  failedSince?: number;
  /** Unix ms; absent = given up. */
  nextAt?: number;
  error?: string;
  /** Of the oldest of an entity that waits: how often that failed with events of others taken between. Default 0. */
  refusals?: number;
  /** Later ones of its entity are set aside; as it is read. */
  hasAside?: boolean;
}

/** The configuration, for whoever edits it. */
export interface WebhookStore {
  /** Begins with what happens from now on. @param secret base64 @returns false if there are `MAX_WEBHOOKS` */
  create(webhook: Omit<Webhook, "secrets" | "disabledReason"> & { secret: string }): Promise<boolean>;
  statuses(id?: string): Promise<WebhookStatus[]>;
  /** With another address, or enabled again, it begins anew: without a pause, and what waits is due as if it had never failed. @returns false if there is none. */
  change(id: string, change: WebhookChange): Promise<boolean>;
  /**
   * The secret of before signs too, until then. While one of before does so already, it is kept with its time, and the newest is replaced.
   * @returns until when it signs, Unix ms; `undefined` if there is no such webhook.
   */
  rotate(id: string, secret: string, previousUntil: number): Promise<number | undefined>;
  /** Its dead letters first, some at a time: if that is cut off it goes on when it is called again. @returns false if there is none. */
  remove(id: string): Promise<boolean>;
  deadLetters(id: string, after: Cursor, limit: number): Promise<Letter[]>;
  /** Tries dead letters again: the given ones, else the oldest `limit`. @returns how many. */
  redeliver(id: string, cursors: readonly Cursor[] | undefined, limit: number): Promise<number>;
}

/** What a node has to deliver. */
export interface Held {
  webhook: Webhook;
  /** Rises with each holder, and when it begins anew: what one of before saves is refused. */
  generation: number;
  cursor: Cursor;
  /** Rises when dead letters are to be tried again. */
  redelivered: number;
  /** As it was saved: nothing is tried before, Unix ms. */
  pausedUntil?: number;
}

/** What came of it. */
export interface Progress {
  /** All events up to here are delivered, or letters. */
  cursor: Cursor;
  delivered: number;
  failures: number;
  gaps: number;
  /** New, or changed. */
  letters: readonly Letter[];
  /** Delivered letters. */
  done: readonly Cursor[];
  error?: string;
  /** Unix ms; absent = not paused. */
  pausedUntil?: number;
  /** Disables it, and says why. */
  disabledReason?: string;
}

/** Which node delivers what, and how far it is. */
export interface DeliveryStore {
  /** Renews the leases that a holder has, and takes those that have run out. @returns all enabled ones that it holds now. */
  hold(holder: string, leaseMs: number): Promise<Held[]>;
  /** Gives all leases up. */
  release(holder: string): Promise<void>;
  /** Letters that wait, the oldest first. */
  waiting(id: string, limit: number): Promise<Letter[]>;
  /** Letters of an entity after a cursor that wait, or are dead and were never tried; the oldest first. */
  aside(id: string, subject: string, after: Cursor, limit: number): Promise<Letter[]>;
  /** All or nothing. @returns false if another holds it now: then nothing was saved. */
  save(id: string, holder: string, generation: number, progress: Progress): Promise<boolean>;
}

export interface OutgoingRequest {
  url: string;
  headers: Record<string, string>;
  body: string;
}

/** How an attempt ended. `status` is absent if there was no answer. */
export interface Outcome {
  status?: number;
  /** Of `Retry-After`, in ms from now. */
  retryAfterMs?: number;
  /** In words, if there was no answer. */
  error?: string;
}

export interface WebhookSender {
  /** One POST, answered within `WEBHOOK_TIMEOUT_MS`. Follows no redirect. Never rejects. */
  send(request: OutgoingRequest): Promise<Outcome>;
}
