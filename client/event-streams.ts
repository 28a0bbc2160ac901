import type { CloudEvent } from "../src/events/cloud-event.ts";
import type {
  ErrorMessage,
  EventMessage,
  EventsReply,
  SubscribeEvents,
  UnsubscribeEvents,
} from "../src/transport/feed/protocol.ts";
import type { ClientClock } from "./clock.ts";
import type { ConnectionClosed } from "./errors.ts";
import { MessageNotSendable } from "./errors.ts";
import { type EventLink, type EventOptions, EventStream } from "./event-stream.ts";

/** The streams of events of one connection. Each subscription has a name of its own, so that what is late of an earlier one is told apart. */
export class EventStreams {
  readonly #streams = new Set<EventStream>();
  readonly #names = new Map<string, EventStream>();
  readonly #link: EventLink;
  #last = 0;

  /** @param send sends if the connection is open; false if it is not; throws `MessageNotSendable` */
  constructor(clock: ClientClock, send: (message: SubscribeEvents | UnsubscribeEvents) => boolean) {
    this.#link = {
      clock,
      send: (message) => {
        try {
          return send(message);
        } catch (error) {
          if (!(error instanceof MessageNotSendable)) throw error;
          this.#names.get(message.events)?.refused(error);
          return true;
        }
      },
      name: (stream) => {
        const name = `e${++this.#last}`;
        this.#names.set(name, stream);
        return name;
      },
      forget: (name) => this.#names.delete(name),
    };
  }

  /** @param closed why the connection is closed for good, if it is */
  open(
    options: EventOptions,
    listener: ((event: CloudEvent) => void) | undefined,
    closed: ConnectionClosed | undefined,
  ): EventStream {
    const stream = new EventStream(this.#link, options, listener);
    if (closed !== undefined) {
      stream.connectionClosed(closed);
      return stream;
    }
    this.#streams.add(stream);
    stream.on("state", (state) => {
      if (state === "closed" || state === "failed") this.#streams.delete(stream);
    });
    stream.connected();
    return stream;
  }

  /** The connection is open. */
  opened(): void {
    for (const stream of this.#streams) stream.connected();
  }

  /** The connection is lost, another will come. */
  lost(): void {
    for (const stream of this.#streams) stream.lost();
  }

  /** The connection is closed for good. */
  end(error: ConnectionClosed): void {
    for (const stream of [...this.#streams]) stream.connectionClosed(error);
  }

  receive(message: EventsReply | EventMessage): void {
    const stream = this.#names.get(message.events);
    if (message.op === "events") stream?.receiveReply(message.cursor);
    else stream?.receiveEvent(message.event, message.cursor);
  }

  /** What came of a stream is not the protocol: the stream lacks what was in it. */
  unreadable(events: string, error: Error): void {
    this.#names.get(events)?.restart(error);
  }

  /** A problem about `events` of the message. */
  refuse(message: ErrorMessage): void {
    if (message.events !== undefined) this.#names.get(message.events)?.receiveProblem(message);
  }
}
