/** What one webhook's endpoint is like: whether it answers, and until when it is left alone. */
import type { Clock } from "../clock.ts";
import type { EventEncoder } from "../events/cloud-event.ts";
import { cursorText } from "../events/cursor.ts";
import type { LoggedEvent } from "../events/ports.ts";
import { backoff } from "./backoff.ts";
import {
  MAX_WEBHOOK_ERROR_LENGTH,
  WEBHOOK_BACKOFF_LONGEST_MS,
  WEBHOOK_GIVE_UP_MS,
  WEBHOOK_PAUSE_AFTER,
  WEBHOOK_PAUSE_LONGEST_MS,
  WEBHOOK_RETRY_AFTER_LONGEST_MS,
} from "./limits.ts";
import type { Letter, Webhook, WebhookSender } from "./ports.ts";
import { signedHeaders } from "./sign.ts";

/** It will never take anything again. */
const GONE = 410;

export interface EndpointOptions {
  sender: WebhookSender;
  encoder: EventEncoder;
  clock: Clock;
  /** Uniform in [0, 1). */
  random: () => number;
}

export class Endpoint {
  readonly #options: EndpointOptions;
  /** Subjects, since something was taken: one that is refused again and again tells nothing of others. */
  readonly #failing = new Set<string>();
  /** Failures in a row without any answer: whatever was sent, nobody was there. */
  #unanswered = 0;
  /** Each is longer than the one before; none = it is not in doubt. */
  #pausesInARow = 0;
  #pausedUntil = 0;
  #taken = 0;
  #disabledReason: string | undefined;

  /** @param pausedUntil as another node left it: nothing is sent before, then one request at a time until one is taken. */
  constructor(options: EndpointOptions, pausedUntil = 0) {
    this.#options = options;
    this.#pausedUntil = pausedUntil;
    if (pausedUntil > options.clock.now()) this.#pausesInARow = 1;
  }

  /** Nothing is to be sent before, Unix ms. */
  get pausedUntil(): number {
    return this.#pausedUntil;
  }

  /** How many it took. */
  get taken(): number {
    return this.#taken;
  }

  /** It has failed so often that no more than one request at a time should try it, or said when to come again. */
  get isDoubtful(): boolean {
    return (
      this.#pausesInARow > 0 ||
      this.#pausedUntil > this.#options.clock.now() ||
      this.#disabledReason !== undefined
    );
  }

  /** Why it is not to be used any more. */
  get disabledReason(): string | undefined {
    return this.#disabledReason;
  }

  /** Sends one event. @param isRefused its entity is: if it fails again, that says nothing of the endpoint. @returns why it failed; nothing if it was taken. */
  async post({ url, secrets }: Webhook, event: LoggedEvent, isRefused = false): Promise<string | undefined> {
    const { sender, encoder, clock } = this.#options;
    const body = encoder.text(event);
    const headers = {
      "content-type": "application/cloudevents+json",
      "user-agent": "Muster",
      ...signedHeaders(cursorText(event.cursor), clock.now(), body, secrets),
    };
    const pauses = this.#pausesInARow;
    const { status, retryAfterMs, error } = await sender.send({ url, headers, body });
    if (status !== undefined) this.#unanswered = 0;
    else if (!isRefused) this.#unanswered++;
    if (status !== undefined && status >= 200 && status < 300) {
      this.#failing.clear();
      this.#pausesInARow = 0;
      this.#taken++;
      return undefined;
    }
    this.#failed(isRefused ? undefined : event.subject, retryAfterMs, pauses);
    if (status === GONE) this.#disabledReason = "the endpoint answered 410: it is gone";
    return (error ?? `the endpoint answered ${status}`).slice(0, MAX_WEBHOOK_ERROR_LENGTH);
  }

  /** @param pauses as there were when the request began: one that was under way before the last pause says nothing new. */
  #failed(subject: string | undefined, retryAfterMs: number | undefined, pauses: number): void {
    const { clock, random } = this.#options;
    let wait = Math.min(retryAfterMs ?? 0, WEBHOOK_RETRY_AFTER_LONGEST_MS);
    if (subject !== undefined && this.#pausesInARow === 0) this.#failing.add(subject);
    const isDown =
      this.#pausesInARow > 0 || Math.max(this.#failing.size, this.#unanswered) >= WEBHOOK_PAUSE_AFTER;
    if (subject !== undefined && isDown && pauses === this.#pausesInARow)
      wait = Math.max(wait, backoff(++this.#pausesInARow, WEBHOOK_PAUSE_LONGEST_MS, random()));
    // Requests that were under way together may be told different times.
    this.#pausedUntil = Math.max(this.#pausedUntil, clock.now() + wait);
  }

  /** A letter after one more attempt that failed: when to try again, or that it is given up. */
  failed({ event, attempts, failedSince, nextAt }: Letter, error: string): Letter {
    const { clock, random } = this.#options;
    const now = clock.now();
    // One that waited behind others for a day is not tried for another.
    const since = failedSince ?? nextAt ?? now;
    const tried = { event, attempts: attempts + 1, failedSince: since, error };
    if (now - since >= WEBHOOK_GIVE_UP_MS) return tried;
    return { ...tried, nextAt: now + backoff(attempts + 1, WEBHOOK_BACKOFF_LONGEST_MS, random()) };
  }
}
