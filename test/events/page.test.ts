// A page of events while retention drops what it is about to read.
import t from "tap";
import { type Cursor, compareCursors, START } from "../../src/events/cursor.ts";
import { readPage } from "../../src/events/page.ts";
import type { EventLog, LoggedEvent } from "../../src/events/ports.ts";
import { MAX_EVENT_ROWS } from "../../src/limits.ts";

const at = (id: number): Cursor => ({ era: 1, xid: 1, id });

/** A log of so many events, of which those until `floor` are dropped before read number `drops`. */
function shrinking(count: number, drops: number, floor: number): EventLog {
  let events = Array.from({ length: count }, (_, i): LoggedEvent => {
    return { cursor: at(i + 1), type: "t", subject: "s", time: 0, data: { n: i + 1 } };
  });
  let dropped = at(0);
  let reads = 0;
  return {
    async read(after, limit) {
      if (++reads === drops) {
        dropped = at(floor);
        events = events.slice(floor);
      }
      const found = events.filter(({ cursor }) => compareCursors(cursor, after) > 0).slice(0, limit);
      const next = found.at(-1)?.cursor ?? after;
      const moment = { horizon: at(count + 1), floor: dropped, bound: at(count + 1) };
      return { ...moment, events: found, next, more: found.length === limit };
    },
    moment: () => Promise.reject(new Error("not asked here")),
    holders: async () => [],
    onCommit() {},
  };
}

const COUNT = 3 * MAX_EVENT_ROWS;
const none = () => false;
const all = () => true;
/** Few enough that a page needs several reads. */
const fifth = ({ cursor }: LoggedEvent) => cursor.id % 5 === 0;

t.test("[EV64] a cursor that retention overtakes before the first read is refused", async (t) => {
  const gone = { name: "CursorError", type: "cursor-gone" };
  await t.rejects(readPage(shrinking(COUNT, 1, 20), at(10), 5, all), gone);
  await t.rejects(readPage(shrinking(COUNT, 1, COUNT), at(10), 5, all), gone, "also if nothing is left");
  const { events } = await readPage(shrinking(COUNT, 1, 20), at(20), 5, all);
  t.equal(events[0]!.cursor.id, 21, "one that ends where they ended is not");
  const begun = await readPage(shrinking(COUNT, 1, 20), START, 5, all);
  t.equal(begun.events[0]!.cursor.id, 21, "nor is the start");
});

t.test("[EV64] a page that retention overtakes ends before what is missing", async (t) => {
  for (const after of [START, at(1)]) {
    const page = await readPage(shrinking(COUNT, 2, COUNT - 10), after, COUNT, fifth);
    const last = MAX_EVENT_ROWS + after.id;
    t.strictSame(
      page.events.map(({ cursor }) => cursor.id),
      Array.from({ length: Math.floor(last / 5) }, (_, i) => 5 * (i + 1)),
    );
    t.match(page, { next: at(last), more: true }, "so that it is refused when it is gone on from there");
    const empty = await readPage(shrinking(COUNT, 2, COUNT - 10), after, COUNT, none);
    t.match(empty, { events: [], next: at(last), more: true });
  }
  const whole = await readPage(shrinking(COUNT, 2, MAX_EVENT_ROWS), START, COUNT, all);
  t.equal(whole.events.length, COUNT, "what was dropped had been read");
});
