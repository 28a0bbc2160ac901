/** Events as `text/event-stream`, as fast as the client reads: who is slow falls back into the table, and loses nothing. */
import type { PermittedEvents } from "../../access/permitted-events.ts";
import type { Clock } from "../../clock.ts";
import { Arrival } from "../../events/arrival.ts";
import type { EventEncoder } from "../../events/cloud-event.ts";
import { cursorText } from "../../events/cursor.ts";
import type { EventTest } from "../../events/filter.ts";
import type { Follower } from "../../events/follower.ts";
import type { LoggedEvent } from "../../events/ports.ts";
import { CursorError } from "../../events/position.ts";
import { HEARTBEAT_MS } from "../../limits.ts";
import { FilterCostly } from "../../picture/filter-time.ts";

/** After this a browser connects again, ms. */
const RETRY_MS = 1_000;

export interface EventStreamOptions {
  follower: Follower;
  test: EventTest;
  /** Once nothing is permitted any more, the stream ends. Absent = everything is, for ever. */
  permitted?: PermittedEvents;
  encoder: EventEncoder;
  clock: Clock;
  /** Called once, however it ends. */
  ended(): void;
}

/** The body of an answer. An `id` without data tells a client how far it has come though nothing passed its filter. */
export function eventStream(options: EventStreamOptions): ReadableStream<Uint8Array> {
  const { follower, test, permitted, encoder, clock, ended } = options;
  const bytes = new TextEncoder();
  /** When the client was last told where it is, by the monotonic clock. */
  let toldAt: number | undefined;
  const arrival = new Arrival<LoggedEvent[] | undefined>(clock);
  const end = () => {
    follower.close();
    ended();
  };
  const position = () => `id: ${cursorText(follower.cursor)}\n\n`;
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const tell = (text: string) => {
          toldAt = clock.monotonic();
          controller.enqueue(bytes.encode(text));
        };
        if (toldAt === undefined) return tell(`retry: ${RETRY_MS}\n${position()}`);
        for (;;) {
          // Not begun anew by what does not pass: a client that is told nothing would scan all of it again.
          const left = Math.max(0, toldAt + HEARTBEAT_MS - clock.monotonic());
          const came = await arrival
            .take(() => follower.next(), left)
            .catch((error: unknown) => {
              if (error instanceof CursorError) return error;
              end();
              throw error;
            });
          if (permitted?.isNone) {
            end();
            tell(": No role allows this any more.\n\n");
            return controller.close();
          }
          if (came === undefined) return tell(position());
          if (came instanceof CursorError) {
            end();
            tell(`: ${came.message}\n\n`);
            return controller.close();
          }
          if (came.value === undefined) {
            end();
            return controller.close();
          }
          let text: string[];
          try {
            text = came.value.filter(test).map((event) => messageOf(event, encoder));
          } catch (error) {
            end();
            if (!(error instanceof FilterCostly)) throw error;
            tell(`: ${error.message}\n\n`);
            return controller.close();
          }
          if (text.length > 0) return tell(text.join(""));
          if (clock.monotonic() - toldAt >= HEARTBEAT_MS) return tell(position());
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
