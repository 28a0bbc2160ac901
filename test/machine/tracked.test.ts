import t from "tap";
import { parseMachine } from "../../src/actors/machine/definition.ts";
import { fire, type MachineState, request, start, step } from "../../src/actors/machine/step.ts";
import { TRACKED_JSON, tracked } from "../../src/actors/machine/tracked.ts";
import { entity } from "./entity.ts";

const MINUTES = 60_000;

/** Plays events; a number is the speed that a report brings, `null` a report without one. The state after each. */
function play(events: readonly (number | null | string)[], from?: MachineState): string[] {
  let speed: number | null = null;
  let current = from ?? start(tracked, entity(), 0).next;
  return events.map((event) => {
    const isReport = typeof event !== "string";
    if (isReport) speed = event;
    const type = isReport ? "report" : event;
    current = step(tracked, current, { type }, entity({ speed }), 0)?.next ?? current;
    return tracked.states[current.state];
  });
}

t.test(
  "[M17] tracked begins offline, and the speed of the first report decides whether it moves",
  async (t) => {
    t.equal(tracked.states[start(tracked, entity(), 0).next.state], "offline");
    t.same(play([7]), ["online.moving"]);
    t.same(play([0]), ["online.stopped"]);
    t.same(play([0.7]), ["online.stopped"]);
    t.same(play([1]), ["online.moving"]);
    t.same(play([null]), ["online.stopped"], "unknown counts as stopped");
  },
);

t.test("[M18] tracked moves from 1 m/s on and stops below 0.5 m/s", async (t) => {
  t.same(
    play([0, 0.9, 0.999, 1, 0.6, 0.5, 0.49, 0.9, 3, null]),
    [
      "stopped",
      "stopped",
      "stopped",
      "moving",
      "moving",
      "moving",
      "stopped",
      "stopped",
      "moving",
      "stopped",
    ].map((name) => `online.${name}`),
  );
});

t.test("[M21] tracked signs off while it is online or stale, until the next report", async (t) => {
  const signOff = (events: readonly (number | string)[]) => play([...events, "sign-off", 0]).slice(-2);
  for (const events of [[7], [0], [7, "stale"]]) t.same(signOff(events), ["offline", "online.stopped"]);
  const offline = start(tracked, entity(), 0).next;
  t.equal(request(tracked, offline, { type: "sign-off" }, entity(), 0), undefined, "it is refused offline");
  const online = step(tracked, offline, { type: "report" }, entity({ speed: 0 }), 0)!.next;
  const taken = request(tracked, online, { type: "sign-off" }, entity({ speed: 0 }), 0);
  t.same(taken?.transition?.next.timers, [], "and stops waiting to be idle");
});

t.test("[M19] tracked is idle after 5 minutes of standing, however many reports say so", async (t) => {
  const standing = entity({ speed: 0 });
  let { next } = step(tracked, start(tracked, standing, 0).next, { type: "report" }, standing, 1_000)!;
  t.same(next.timers, [{ key: "online.stopped#300000", due: 1_000 + 5 * MINUTES }]);
  t.equal(step(tracked, next, { type: "report" }, standing, 2 * MINUTES), undefined, "the timer goes on");
  next = fire(tracked, next, "online.stopped#300000", 1_000 + 5 * MINUTES, standing, 6 * MINUTES)!.next;
  t.same([tracked.states[next.state], next.timers], ["online.idle", []]);
  t.same(play([0, 0.9, 1.2], next), ["online.idle", "online.idle", "online.moving"]);
});

t.test("[M19] setting off drops the timer", async (t) => {
  const { next } = step(tracked, start(tracked, entity(), 0).next, { type: "report" }, entity(), 0)!;
  const moving = step(tracked, next, { type: "report" }, entity({ speed: 5 }), 10)!;
  t.same([tracked.states[moving.next.state], moving.next.timers], ["online.moving", []]);
});

t.test("[M20] tracked follows silence: stale, then offline; a report brings it back", async (t) => {
  t.same(play([5, "stale", "lost", "expired"]), ["online.moving", "stale", "offline", "offline"]);
  t.same(play([5, "stale", 0]), ["online.moving", "stale", "online.stopped"]);
  t.same(play([5, "stale", 5, "lost", 5]), [
    "online.moving",
    "stale",
    "online.moving",
    "offline",
    "online.moving",
  ]);
  t.same(play([0, "expired"]), ["online.stopped", "offline"], "also when a step was skipped");
  t.same(play(["stale", "lost"]), ["offline", "offline"], "nothing to lose");
});

t.test("[M20] a report that changes nothing gives nothing", async (t) => {
  const moving = step(
    tracked,
    start(tracked, entity(), 0).next,
    { type: "report" },
    entity({ speed: 5 }),
    0,
  )!.next;
  t.equal(step(tracked, moving, { type: "report" }, entity({ speed: 6 }), 10), undefined);
});

t.test("[M17] the definition is plain JSON", async (t) => {
  t.same(parseMachine(JSON.parse(JSON.stringify(TRACKED_JSON))).id, "tracked");
});
