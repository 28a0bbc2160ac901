// A hold that is a row already, while what took its place is in memory: it is told no more, for whatever place and state one asks.
import t from "tap";
import { LocalTails } from "../../src/actors/local-tails.ts";
import { at, Past } from "./past.ts";

/** Each asks near every place of a row, and for every state of one, too. */
const check = async (past: Past, seconds: readonly number[]) => {
  for (const second of seconds) await past.at(second);
};

t.test("[TR31] one of a first report, when the next comes late", async (t) => {
  const past = await Past.begin(t);
  await past.tell(0, { lon: 25 });
  await past.tell(5, { lon: 26 }, 30);
  await past.pass(60);
  past.write();
  t.match([...past.rows.values()], [{ hold: true, points: [{ t: at(0) }, { t: at(300) }] }]);
  await check(past, [2, 5, 50]);
  t.match(await past.at(50), { lon: 26 });
});

t.test("[TR31] one before what took its place and has ended as well", async (t) => {
  const past = await Past.begin(t, 20);
  await past.tell(0, { lon: 25 });
  await past.pass(21);
  past.write();
  t.match([...past.rows.values()], [{ hold: true, points: [{ t: at(0) }, { t: at(20) }] }]);
  await past.tell(2, { lon: 26 }, 22);
  await past.tell(23, { lon: 27 });
  await check(past, [1, 2, 10, 19.9]);
});

t.test("[TR31] one of another state", async (t) => {
  const past = await Past.begin(t, 20);
  await past.tell(0);
  await past.pass(22);
  past.write();
  await past.tell(5, { speed: 0 }, 23);
  await past.tell(6, { speed: 0 }, 24);
  t.match(await past.at(10), { state: "online.stopped" });
  await check(past, [1, 5, 10, 19.9]);
});

t.test("[TR31] one that would have been longer than its entity lived", async (t) => {
  const past = await Past.begin(t);
  await past.tell(0, { lon: 25 });
  await past.tell(5, { lon: 26 }, 30);
  past.write();
  await past.remove(40);
  t.match(await past.at(39), { lon: 26 });
  await past.pass(100);
  t.equal(await past.at(60), undefined);
});

t.test("[TR31] one of an entity that is stale so soon that nothing is late before", async (t) => {
  const past = await Past.begin(t, 5);
  await past.tell(0, { lon: 25 });
  await past.pass(6);
  past.write();
  await past.tell(3, { lon: 26 }, 7.5);
  await check(past, [1, 4, 4.9]);
});

t.test(
  "[TR31] memory names those alone of which a hold was replaced, and not all that always report late",
  async (t) => {
    const past = await Past.begin(t, 60);
    const named = async (second: number) => {
      const { table } = past.h.system;
      const query = { t: at(second), states: ["none is"], limit: 10 };
      return (await new LocalTails(table, past.h.clock).at(query, () => true)).elsewhere;
    };
    for (let second = 0; second <= 160; second += 10)
      await past.tell(second, { lon: 25 + second / 100 }, second + 30);
    t.ok(past.tracks.closed.length > 1, "each minute a segment ends");
    for (let second = 5; second <= 165; second += 10) t.same(await named(second), []);
    await past.pass(300);
    past.write();
    await past.tell(200, { lon: 30 }, 301);
    t.same(await named(190), ["a"]);
    await past.crash(true);
    t.same(await named(190), ["a"], "as it is read again");
  },
);
