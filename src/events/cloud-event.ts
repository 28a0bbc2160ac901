/** Events as they go over every wire: CloudEvents 1.0, JSON format. */
import type { JsonObject } from "../actors/messages.ts";
import { cursorText } from "./cursor.ts";
import type { LoggedEvent } from "./ports.ts";

export interface CloudEvent {
  specversion: "1.0";
  /** Its cursor: to go on after it, ask for what comes after this. */
  id: string;
  /** Which Muster: `urn:muster:` and the cluster's name. */
  source: string;
  type: string;
  /** Id of the entity it is about. */
  subject: string;
  /** RFC 3339 UTC with milliseconds. */
  time: string;
  datacontenttype: "application/json";
  data: JsonObject;
}

/** Encodes each event once, whoever sends it how often. */
export class EventEncoder {
  readonly #source: string;
  readonly #texts = new WeakMap<LoggedEvent, string>();

  /** @param cluster its name. */
  constructor(cluster: string) {
    this.#source = `urn:muster:${cluster}`;
  }

  encode({ cursor, type, subject, time, data }: LoggedEvent): CloudEvent {
    return {
      specversion: "1.0",
      id: cursorText(cursor),
      source: this.#source,
      type,
      subject,
      time: new Date(time).toISOString(),
      datacontenttype: "application/json",
      data,
    };
  }

  /** As JSON, in one line. */
  text(event: LoggedEvent): string {
    let text = this.#texts.get(event);
    if (text === undefined) {
      text = JSON.stringify(this.encode(event));
      this.#texts.set(event, text);
    }
    return text;
  }
}
