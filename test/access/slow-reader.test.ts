import { setImmediate as turn } from "node:timers/promises";
import t from "tap";
import { Policy } from "../../src/access/policy.ts";
import type { Principal } from "../../src/access/ports.ts";
import type { EventAccess } from "../../src/events/access.ts";
import { START } from "../../src/events/cursor.ts";
import type { LoggedEvent } from "../../src/events/ports.ts";
import { FilterTime } from "../../src/picture/filter-time.ts";
import { EventSubscriptions } from "../../src/transport/feed/event-subscriptions.ts";
import type { Session } from "../../src/transport/feed/session.ts";
import { FakeClock } from "../support/fake-clock.ts";

const READER: Principal = { id: "r", name: "r", roles: ["reader"], attributes: {} };

/** A log with two events, and a reader without room. */
function reading() {
  const policy = new Policy();
  const grant = (where: string) =>
    policy.take([{ name: "reader", grants: [{ resource: "event", actions: ["read"], where }] }]);
  const events = ["a", "b"].map(
    (subject, i): LoggedEvent => ({
      ...{ cursor: { era: 1, xid: 1, id: i + 1 }, type: "state.changed", subject, time: 0, data: {} },
    }),
  );
  const pages = [events];
  const follower = {
    cursor: START,
    next: async () => pages.shift() ?? new Promise(() => {}),
    close() {},
  };
  const access = {
    log: { moment: async () => START },
    tail: { follow: () => follower },
    encoder: { text: ({ subject }: LoggedEvent) => `"${subject}"` },
    filterTime: new FilterTime(new FakeClock()),
  } as unknown as EventAccess;
  const told: string[] = [];
  const session = {
    principal: READER,
    hasRoom: false,
    sendText: (text: string) => told.push((JSON.parse(text) as { event: string }).event),
    sendMessage() {},
    refuse: ({ type }: { type: string }) => told.push(type),
  };
  const subscriptions = new EventSubscriptions(access, { policy }, (_, error) => t.fail(String(error)));
  const subscribe = () =>
    subscriptions.subscribe(session as unknown as Session, { op: "subscribe", events: "e", after: "start" });
  return { grant, policy, session, subscriptions, subscribe, told };
}

t.test("[AC56] what waits for room is judged when there is some", async (t) => {
  const { grant, session, subscriptions, subscribe, told } = reading();
  grant("true");
  subscribe();
  await turn();
  t.same(told, []);
  grant("event.subject == 'b'");
  session.hasRoom = true;
  subscriptions.tick(1);
  await turn();
  t.same(told, ["b"]);
});

t.test("[AC56] what waits for room when nothing is permitted any more is not told", async (t) => {
  const { grant, policy, session, subscriptions, subscribe, told } = reading();
  grant("true");
  subscribe();
  await turn();
  policy.take([]);
  subscriptions.tick(9);
  t.same(told, [], "it is looked once a second");
  subscriptions.tick(10);
  session.hasRoom = true;
  await turn();
  t.same(told, ["forbidden"]);
  t.equal(subscriptions.count, 0);
});
