import t from "tap";
import { EventEncoder } from "../../src/events/cloud-event.ts";
import { START } from "../../src/events/cursor.ts";
import { Follower } from "../../src/events/follower.ts";
import type { LoggedEvent } from "../../src/events/ports.ts";
import { eventStream } from "../../src/transport/http/event-stream.ts";
import { FakeClock } from "../support/fake-clock.ts";

t.test(
  "[EV9] a stream tells each 5 s how far it has come while only what it does not want comes",
  async (t) => {
    const clock = new FakeClock();
    let read = 0;
    const follower: Follower = new Follower(START, {
      near: () => undefined,
      end: () => undefined,
      wait: () => {},
      pause: () => Promise.resolve(),
      closed: () => {},
      // A page a second.
      async far() {
        if (read === 12) follower.close();
        clock.pass(1_000);
        const next = { era: 1, xid: ++read, id: 1 };
        return { events: [unwanted(next)], next, more: true, horizon: next, bound: next, floor: START };
      },
    });
    const stream = eventStream({
      follower,
      test: () => false,
      encoder: new EventEncoder("test"),
      clock,
      ended: () => {},
    });
    const text = await new Response(stream).text();
    t.same(
      text.split("\n").filter((line) => line !== ""),
      ["retry: 1000", "id: start", "id: 1-5-1", "id: 1-10-1"],
    );
  },
);

function unwanted(cursor: LoggedEvent["cursor"]): LoggedEvent {
  return { cursor, type: "state.changed", subject: "a", time: 0, data: {} };
}
