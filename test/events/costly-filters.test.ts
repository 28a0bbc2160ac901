// Filters over events that take too much of the node's time.
import t from "tap";
import { WebSocket } from "ws";
import { eventTest } from "../../src/events/filter.ts";
import { MAX_FILTER_MS } from "../../src/limits.ts";
import type { FilterTime } from "../../src/picture/filter-time.ts";
import { problemOf } from "../http/fixture.ts";
import { TOKEN } from "../support/serve.ts";
import { SlowFilters } from "../support/slow-filters.ts";
import { rig } from "./rig.ts";

const WHERE = "event.data.n > 0";
const FILTER = `where=${encodeURIComponent(WHERE)}`;
const MANY = Array<string>(2 * MAX_FILTER_MS).fill("a");

t.test("[EV77] a page that costs too much is refused, later ones are not", async (t) => {
  const { writer, get } = await rig(t, "ws", undefined, new SlowFilters());
  await writer.write(MANY);
  const refused = await get(`/v1/events?${FILTER}`);
  t.equal(refused.headers.get("retry-after"), "1");
  t.same(await problemOf(refused), ["unavailable", 503]);
  t.equal((await get(`/v1/events?${FILTER}&limit=2`)).status, 200);
});

t.test("[EV77] a stream that costs too much says so, and ends", async (t) => {
  const { writer, get } = await rig(t, "ws", undefined, new SlowFilters());
  await writer.write(MANY);
  const stream = await get(`/v1/events?after=start&${FILTER}`, { accept: "text/event-stream" });
  t.match(await stream.text(), /^: the filter takes too much time.*\n\n$/m);
});

t.test("[EV77] a subscription that costs too much is ended alone", async (t) => {
  const { writer, url } = await rig(t, "ws", undefined, new SlowFilters());
  await writer.write(MANY);
  const socket = new WebSocket(`${url.replace("http", "ws")}/v1/feed?token=${TOKEN}`, ["muster.v1.json"]);
  t.teardown(() => socket.close());
  const messages: { op: string; events: string }[] = [];
  await new Promise<void>((resolve) => {
    socket.on("open", () => {
      for (const [events, where] of [["all"], ["costly", WHERE]])
        socket.send(JSON.stringify({ op: "subscribe", events, where, after: "start" }));
    });
    socket.on("message", (data) => {
      messages.push(JSON.parse(String(data)));
      const error = messages.find(({ op }) => op === "error");
      const all = messages.filter(({ op, events }) => op === "event" && events === "all");
      if (error !== undefined && all.length === MANY.length) resolve();
    });
  });
  const errors = messages.filter(({ op }) => op === "error");
  t.match(errors, [{ type: /unavailable$/, events: "costly", ended: true, detail: /too much time/ }]);
  t.equal(errors.length, 1);
});

t.test("[EV77] who is not measured is not stopped", async (t) => {
  const event = { cursor: { era: 1, xid: 1, id: 1 }, type: "x", subject: "a", time: 1, data: { n: 1 } };
  const ask = (time?: FilterTime) => {
    const test = eventTest({ where: WHERE }, { isStored: time === undefined, time });
    for (const _ of MANY) test(event);
  };
  t.doesNotThrow(() => ask());
  t.throws(() => ask(new SlowFilters()), { name: "FilterCostly" });
});
