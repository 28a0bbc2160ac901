import t from "tap";
import type { JsonObject } from "../../src/actors/messages.ts";
import { eventTest } from "../../src/events/filter.ts";
import type { LoggedEvent } from "../../src/events/ports.ts";

function event(data: JsonObject): LoggedEvent {
  return { cursor: { era: 1, xid: 1, id: 1 }, type: "x", subject: "a", time: 1_780_000_000_000, data };
}

t.test("[EV61] data with a member `constructor` passes as any other", async (t) => {
  const test = eventTest({ where: "event.data.flag == 'FI' && event.data.flag in ['FI', 'SE']" });
  t.ok(test(event({ flag: "FI" })));
  t.ok(test(event({ flag: "FI", constructor: "X" })));
  t.notOk(test(event({ flag: "EE", constructor: "X" })));
  const below = eventTest({
    where: "event.data.attributes.constructor == 'X' && has(event.data.attributes.n)",
  });
  t.ok(below(event({ attributes: { n: 1, constructor: "X" } })));
});

t.test("[EV61] what would cost too much is refused, or fails", async (t) => {
  for (const where of [
    "event.data.x.value() < 5",
    "timestamp(int(event.time) / 1000).getDayOfWeek('Europe/Helsinki') == 6",
  ])
    t.throws(() => eventTest({ where }), { name: "ExpressionError" }, where);
  const utc = eventTest({ where: "(timestamp(int(event.time) / 1000) + duration('2h')).getHours() == 22" });
  t.ok(utc(event({})));
  const test = eventTest({ where: "duration(event.data.eta) > duration('1s')" });
  t.ok(test(event({ eta: "2s" })));
  t.notOk(test(event({ eta: `2${"0".repeat(40)}s` })));
});

t.test("[EV80] what is no member is refused, and told what there is; what was stored goes on", (t) => {
  for (const where of ["has(event.typ)", "event.typ == 'x'", "!has(event['typ'])"])
    t.throws(
      () => eventTest({ where }),
      { name: "ExpressionError", message: "No such key: typ: an event has id, type, subject, time, data" },
      where,
    );
  t.throws(() => eventTest({ where: "has(event.type) && has(event.typ)" }), {
    name: "ExpressionError",
    position: 29,
  });
  t.notOk(eventTest({ where: "has(event.typ)" }, { isStored: true })(event({})));
  const time = "2026-01-01T00:00:00Z";
  for (const where of [`event.time > timestamp('${time}')`, `'${time}' <= event.time`])
    t.throws(() => eventTest({ where }), { message: "event.time is a number, in Unix ms" }, where);
  for (const where of [
    "has(event.type) && has(event.time) && has(event.data)",
    "has(event.data.typ)",
    "event.time > 1600000000000",
  ])
    t.ok(eventTest({ where })(event({ typ: 1 })), where);
  t.end();
});
