/** Events as `text/event-stream`, as fast as the client reads: who is slow falls back into the table, and loses nothing. */
import type { Clock } from "../../clock.ts";
import { Arrival } from "../../events/arrival.ts";
import type { EventEncoder } from "../../events/cloud-event.ts";
import { cursorText } from "../../events/cursor.ts";
import type { EventTest } from "../../events/filter.ts";
import type { Follower } from "../../events/follower.ts";
import type { LoggedEvent } from "../../events/ports.ts";
import { CursorError } from "../../events/position.ts";
import { HEARTBEAT_MS } from "../../limits.ts";

/** After this a browser connects again, ms. */
const RETRY_MS = 1_000;

export interface EventStreamOptions {
  follower: Follower;
  test: EventTest;
  encoder: EventEncoder;
  clock: Clock;
  /** Called once, however it ends. */
  ended(): void;
}

/** The body of an answer. An `id` without data tells a client how far it has come though nothing passed its filter. */
export function eventStream(options: EventStreamOptions): ReadableStream<Uint8Array> {
  const { follower, test, encoder, clock, ended } = options;
  const bytes = new TextEncoder();
  let first = true;
  const arrival = new Arrival<LoggedEvent[] | undefined>(clock);
  const end = () => {
    follower.close();
    ended();
  };
  const position = () => `id: ${cursorText(follower.cursor)}\n\n`;
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        if (first) {
          first = false;
          controller.enqueue(bytes.encode(`retry: ${RETRY_MS}\n${position()}`));
          return;
        }
        for (;;) {
          const came = await arrival
            .take(() => follower.next(), HEARTBEAT_MS)
            .catch((error: unknown) => {
              // The client finds out why when it connects again with its cursor.
              if (error instanceof CursorError) return { value: undefined };
              end();
              throw error;
            });
          if (came === undefined) return controller.enqueue(bytes.encode(position()));
          if (came.value === undefined) {
            end();
            return controller.close();
          }
          const text = came.value.filter(test).map((event) => messageOf(event, encoder));
          if (text.length > 0) return controller.enqueue(bytes.encode(text.join("")));
        }
      },
      cancel: end,
    },
    { highWaterMark: 0 },
  );
}

function messageOf(event: LoggedEvent, encoder: EventEncoder): string {
  return `id: ${cursorText(event.cursor)}\ndata: ${encoder.text(event)}\n\n`;
}
