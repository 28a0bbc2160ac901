import t from "tap";
import type { CloudEvent } from "../../src/events/cloud-event.ts";
import { MAX_EVENT_ROWS, MAX_EVENT_SCAN, MAX_EVENT_STREAMS } from "../../src/limits.ts";
import { problemOf } from "../http/fixture.ts";
import { AUTHORIZED, type Rig, rig, type SseMessage, sse } from "./rig.ts";

interface Page {
  events: CloudEvent[];
  cursor: string;
  links: { rel: string; href: string }[];
}
const pageOf = async (response: Response) => (await response.json()) as Page;
const numbersOf = (events: readonly CloudEvent[]) => events.map(({ data }) => data.n);

t.test("[EV5] GET /v1/events gives pages of CloudEvents with a cursor and a link to go on", async (t) => {
  const { writer, get } = await rig(t);
  for (let i = 0; i < 3; i++) await writer.write(["a", "b/c"]);
  const first = await pageOf(await get("/v1/events?limit=4"));
  t.match(first.events[0], {
    specversion: "1.0",
    id: /^\d+-\d+-\d+$/,
    source: "urn:muster:test",
    type: "state.changed",
    subject: "a",
    time: "2026-01-01T00:00:00.001Z",
    datacontenttype: "application/json",
    data: { n: 1 },
  });
  const next = first.links.find(({ rel }) => rel === "next");
  const second = await pageOf(await get(next!.href));
  t.same(numbersOf([...first.events, ...second.events]), [1, 2, 3, 4, 5, 6]);
  t.equal(
    second.links.find(({ rel }) => rel === "next"),
    undefined,
    "there is no more now",
  );
  const { writer: many, get: getMany } = await rig(t);
  await many.write(Array.from({ length: MAX_EVENT_ROWS }, () => "a"));
  const full = await pageOf(await getMany(`/v1/events?limit=${MAX_EVENT_ROWS}`));
  t.same([full.events.length, full.links.length], [MAX_EVENT_ROWS, 1], "as many as are read together");
  for (const exactly of [
    `after=${first.cursor}&limit=2`,
    "limit=6",
    "subject=b/c&limit=3",
    `where=${encodeURIComponent("event.data.n == 6")}&limit=1`,
  ]) {
    const { events, links } = await pageOf(await get(`/v1/events?${exactly}`));
    t.equal(events.at(-1)?.data.n, 6);
    t.notOk(
      links.some(({ rel }) => rel === "next"),
      `as many as there are: ${exactly}`,
    );
  }
  await writer.write(["a"]);
  const third = await pageOf(await get(`/v1/events?after=${second.cursor}`));
  t.same(numbersOf(third.events), [7], "the cursor goes on later");
  const after = await pageOf(await get(`/v1/events?after=${first.events[2]!.id}`));
  t.same(numbersOf(after.events), [4, 5, 6, 7], "the id of an event is a cursor");
  t.same((await pageOf(await get("/v1/events?after=now"))).events, []);
  t.same(numbersOf((await pageOf(await get("/v1/events?subject=b/c"))).events), [2, 4, 6]);
  t.same(numbersOf((await pageOf(await get("/v1/entities/b%2Fc/events?after=start"))).events), [2, 4, 6]);
  t.same((await pageOf(await get("/v1/entities/nobody/events"))).events, []);
});

t.test(
  "[EV6] type, where and subject narrow events; what hardly anything passes ends a page early",
  async (t) => {
    const { writer, get, store } = await rig(t);
    await writer.write(["a", "b", "c"]);
    await writer.write(["a", "b"], "liveness.changed");
    const numbers = async (query: string) =>
      numbersOf((await pageOf(await get(`/v1/events?${query}`))).events);
    t.same(await numbers("type=liveness.changed"), [4, 5]);
    t.same(await numbers("type=liveness.changed,state.changed"), [1, 2, 3, 4, 5]);
    t.same(await numbers(`where=${encodeURIComponent("event.data.n > 2 && event.subject != 'b'")}`), [3, 4]);
    t.same(await numbers(`where=${encodeURIComponent("event.type.startsWith('state')")}&subject=a`), [1]);
    for (const failing of ["event.data.missing == 1", "bytes(event.subject).json().n == 1"])
      t.same(await numbers(`where=${encodeURIComponent(failing)}`), [], failing);
    await store.context.pool.query(
      `INSERT INTO event (era, shard, type, subject, time, data)
     SELECT era, 1, 'filler', 'x', now(), '{}' FROM cluster, generate_series(1, ${MAX_EVENT_SCAN + 10})`,
    );
    await writer.write(["z"]);
    const first = await pageOf(await get("/v1/events?subject=z"));
    t.same(numbersOf(first.events), [6], "one entity's events are found by an index");
    let page = await pageOf(await get("/v1/events?type=state.changed"));
    t.same(numbersOf(page.events), [1, 2, 3]);
    page = await pageOf(await get(page.links.find(({ rel }) => rel === "next")!.href));
    t.same(numbersOf(page.events), [6]);
  },
);

t.test("[EV7] what is no cursor is refused; so is one that retention has overtaken", async (t) => {
  const { store, get } = await rig(t);
  const refused = async (query: string) => problemOf(await get(`/v1/events?${query}`));
  for (const cursor of ["x", "1-2", "-1-2-3", "1-2-3-4", "99999999999-1-1", "2000000000-1-1", ""])
    t.same(await refused(`after=${cursor}`), ["bad-cursor", 400], cursor);
  const { era } = (await store.eventLog.moment()).end;
  t.same(await refused(`after=${era}-9007199254740991-1`), ["bad-cursor", 400], "ahead of everything");
  t.same(await refused("limit=0"), ["bad-request", 400]);
  t.same(await refused("wher=true"), ["bad-request", 400]);
  t.same(await refused("where=event.kind"), ["bad-expression", 400]);
  t.same(await refused("where=event.subject"), ["bad-expression", 400], "not a bool");
  await store.context.pool.query("UPDATE event_floor SET xid = '500', id = 9");
  t.same(await refused(`after=${era}-500-8`), ["cursor-gone", 410]);
  t.same(await problemOf(await get(`/v1/events?after=${era}-500-8`, { accept: "text/event-stream" })), [
    "cursor-gone",
    410,
  ]);
  t.equal((await get(`/v1/events?after=${era}-500-9`)).status, 200);
  t.equal((await get("/v1/events?after=start")).status, 200);
});

for (const server of ["ws", "uws"] as const) {
  t.test(
    `[EV8] text/event-stream tells events as they come, and goes on after Last-Event-ID (${server})`,
    async (t) => {
      const made = await rig(t, server);
      const { writer } = made;
      await writer.write(["before"]);
      const stream = await openStream(made);
      const begun = await stream.next();
      t.match(begun, { id: String, data: undefined }, "at first where it stands");
      await writer.write(["a"]);
      await writer.write(["b"]);
      const [a, b] = [await stream.event(), await stream.event()];
      t.same(numbersOf([a, b]), [2, 3], "from now on");
      await stream.close();
      await writer.write(["c"]);
      const again = await openStream(made, { "last-event-id": a.id });
      t.same(numbersOf([await again.event(), await again.event()]), [3, 4]);
      await again.close();
      const filtered = await openStream(made, {}, "?after=start&subject=b");
      t.equal((await filtered.event()).subject, "b");
      await filtered.close();
      while (made.tail.followers > 0) await new Promise((resolve) => setTimeout(resolve, 10));
      t.pass("a client that goes away is forgotten");
    },
  );
}

t.test("[EV8] who names text/event-stream gets a stream, and nobody else", async (t) => {
  const made = await rig(t);
  for (const [accept, type] of Object.entries({
    "Text/Event-Stream": "text/event-stream",
    "application/json;q=0.9, text/event-stream; charset=utf-8": "text/event-stream",
    "text/event-stream;q=0.1,*/*": "text/event-stream",
    "text/event-stream;q=0, application/json": "application/json",
    "text/event-stream; q=0.0": "application/json",
    "text/event-streams": "application/json",
    'application/x;profile="text/event-stream"': "application/json",
    "text/*": "application/json",
    "*/*": "application/json",
  })) {
    const response = await made.get("/v1/events", { accept });
    t.equal(response.headers.get("content-type"), type, accept);
    await response.body!.cancel();
  }
});

for (const server of ["ws", "uws"] as const) {
  t.test(`[EV8] HEAD has the headers of a stream, and leaves none open (${server})`, async (t) => {
    const made = await rig(t, server);
    const headers = { ...AUTHORIZED, accept: "text/event-stream" };
    const head = async () => {
      const { status, headers: got } = await fetch(`${made.url}/v1/events`, { method: "HEAD", headers });
      return `${status} ${got.get("content-type")}`;
    };
    const answers = new Set<string>();
    for (let left = MAX_EVENT_STREAMS + 1; left > 0; left -= 50)
      for (const answer of await Promise.all(Array.from({ length: 50 }, head))) answers.add(answer);
    t.same([...answers], ["200 text/event-stream"]);
    t.equal(made.tail.followers, 0);
    await made.writer.write(["a"]);
    const stream = await openStream(made, {}, "?after=start");
    t.equal((await stream.event()).subject, "a");
    await stream.close();
  });
}

t.test(
  "[EV41] who has got nothing from start yet goes on from start, also if something was dropped",
  async (t) => {
    const made = await rig(t);
    const { pool } = made.store.context;
    const stream = await openStream(made, {}, "?after=start&type=none");
    const { id } = await stream.next();
    await stream.close();
    await pool.query("UPDATE event_floor SET era = 1, xid = '1', id = 9");
    await made.writer.write(["a"]);
    const again = await openStream(made, { "last-event-id": id! });
    t.same(numbersOf([await again.event()]), [1]);
    await again.close();
    t.same(numbersOf((await pageOf(await made.get(`/v1/events?after=${id}`))).events), [1]);
  },
);

t.test("[EV9] a stream that nothing passes tells how far it has come", async (t) => {
  const made = await rig(t);
  const stream = await openStream(made, {}, "?type=none");
  const { id: first } = await stream.next();
  await made.writer.write(["a"]);
  const { id, data } = await stream.next();
  t.equal(data, undefined);
  t.not(id, first);
  t.same((await pageOf(await made.get(`/v1/events?after=${id}`))).events, [], "all before it was looked at");
  await stream.close();
});

async function openStream({ get }: Rig, headers: Record<string, string> = {}, query = "") {
  const response = await get(`/v1/events${query}`, { accept: "text/event-stream", ...headers });
  if (response.status !== 200) throw new Error(await response.text());
  const messages = sse(response);
  const next = async (): Promise<SseMessage> => (await messages.next()).value as SseMessage;
  return {
    next,
    /** The next message with data. */
    async event(): Promise<CloudEvent> {
      for (;;) {
        const { id, data } = await next();
        if (data === undefined) continue;
        const event = JSON.parse(data) as CloudEvent;
        if (event.id !== id) throw new Error("an event's id is its cursor");
        return event;
      }
    },
    close: () => messages.return(undefined),
  };
}
