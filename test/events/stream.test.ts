import t from "tap";
import { systemClock } from "../../src/clock.ts";
import { EventEncoder } from "../../src/events/cloud-event.ts";
import { cursorText, START } from "../../src/events/cursor.ts";
import { Follower } from "../../src/events/follower.ts";
import type { LoggedEvent } from "../../src/events/ports.ts";
import { EventTail } from "../../src/events/tail.ts";
import { eventStream } from "../../src/transport/http/event-stream.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { until } from "../webhooks/rig.ts";
import { EventWriter, openOnPostgres } from "./rig.ts";

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

t.test("[EV8] a stream that retention overtakes says so, and ends", async (t) => {
  const after = { era: 1, xid: 1, id: 1 };
  const next = { era: 1, xid: 3, id: 1 };
  const follower = new Follower(after, {
    near: () => undefined,
    end: () => undefined,
    wait: () => {},
    pause: () => Promise.resolve(),
    closed: () => {},
    far: async () => ({
      ...{ next, more: true, horizon: next, bound: next, floor: { era: 1, xid: 2, id: 1 } },
      events: [unwanted(next)],
    }),
  });
  let ended = 0;
  const stream = eventStream({
    follower,
    test: () => true,
    encoder: new EventEncoder("test"),
    clock: new FakeClock(),
    ended: () => ended++,
  });
  t.same((await new Response(stream).text()).split("\n\n"), [
    "retry: 1000\nid: 1-1-1",
    ": events after this cursor are older than what is kept: begin at `start` or `now`",
    "",
  ]);
  t.equal(ended, 1);
});

t.test("[EV41] who has read nothing yet of an empty log waits, as others do", async (t) => {
  const store = await openOnPostgres(t);
  t.teardown(() => store.close());
  const writer = await EventWriter.of(store);
  const log = store.eventLog;
  const asked: string[] = [];
  const tail = new EventTail({
    log: {
      read(after, ...rest) {
        asked.push(cursorText(after));
        return log.read(after, ...rest);
      },
      moment: () => log.moment(),
      holders: () => log.holders(),
      onCommit: (committed) => log.onCommit(committed),
    },
    clock: systemClock,
    onHeld: () => {},
    onFatal: (error) => t.fail(String(error)),
  });
  tail.start();
  t.teardown(() => tail.stop());

  const fromStart = tail.follow(START);
  const first = fromStart.next();
  // The tail looks by itself.
  await until(() => asked.filter((after) => after !== "start").length > 2);
  t.ok(asked.filter((after) => after === "start").length <= 2, "an empty log");
  await writer.write(["a"]);
  t.equal((await first)!.length, 1);
  fromStart.close();
});
