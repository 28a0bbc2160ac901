/** Events as `text/event-stream`, as fast as the client reads: who is slow falls back into the table, and loses nothing. */
import type { Clock } from "../../clock.ts";
import type { EventEncoder } from "../../events/cloud-event.ts";
import { cursorText } from "../../events/cursor.ts";
import type { EventTest } from "../../events/filter.ts";
import type { Follower } from "../../events/follower.ts";
import type { LoggedEvent } from "../../events/ports.ts";
import { CursorError } from "../../events/position.ts";
import { HEARTBEAT_MS } from "../../limits.ts";

/** After this a browser connects again, ms. */
const RETRY_MS = 1_000;
const HEARTBEAT = "heartbeat";

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
  let next: Promise<LoggedEvent[] | undefined> | undefined;
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
          next ??= follower.next();
          const came = await orHeartbeat(clock, next).catch((error: unknown) => {
            end();
            // The client finds out why when it connects again with its cursor.
            if (!(error instanceof CursorError)) throw error;
          });
          if (came === HEARTBEAT) return controller.enqueue(bytes.encode(position()));
          next = undefined;
          if (came === undefined) {
            end();
            return controller.close();
          }
          const text = came.filter(test).map((event) => messageOf(event, encoder));
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

async function orHeartbeat<T>(clock: Clock, next: Promise<T>): Promise<T | typeof HEARTBEAT> {
  let cancel = () => {};
  const beat = new Promise<typeof HEARTBEAT>((resolve) => {
    cancel = clock.schedule(HEARTBEAT_MS, () => resolve(HEARTBEAT));
  });
  try {
    return await Promise.race([next, beat]);
  } finally {
    cancel();
  }
}
