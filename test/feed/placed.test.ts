// Of reports without a place: the place stays one of before.
import t from "tap";
import { MOTION } from "../../src/picture/picture.ts";
import { PROTOCOL_BINARY, PROTOCOL_JSON, type Tolerance } from "../../src/transport/feed/protocol.ts";
import { add, frames, HERE, harness, TestClient } from "./harness.ts";
import { at, NOW, Rows, setUp, way } from "./played-rows.ts";

/** A ship at 10 m/s to the east, and who looks at it. */
function underWay(protocol: string, tolerance?: Tolerance) {
  const { picture, clock, feed } = harness();
  const client = new TestClient(feed, () => {}, protocol);
  const slot = add(picture, "a", 10.05, 50.05);
  const { columns } = picture;
  columns.t.set(slot, clock.now());
  columns.speed.set(slot, 10);
  columns.course.set(slot, 90);
  picture.place(slot, 10.05, 50.05);
  client.subscribe("v", HERE, { tolerance });
  feed.tick();
  /** A second later, a report. @returns the time */
  const hear = (lon?: number, speed = columns.speed.of(slot)) => {
    clock.pass(1_000);
    columns.t.set(slot, clock.now());
    columns.speed.set(slot, speed);
    if (lon === undefined) picture.touch(slot, MOTION);
    else picture.place(slot, lon, 50.05);
    feed.tick();
    return new Date(clock.now()).toISOString();
  };
  const shown = () => client.replicas.get("v")!.entities.get("a")!;
  const isFull = () => {
    const frame = frames(client).at(-1)!;
    return frame.op === "delta" && "kind" in frame.updates[0]!;
  };
  return {
    hear,
    shown,
    isFull,
    told: () => frames(client).length,
    now: () => new Date(clock.now()).toISOString(),
  };
}

for (const protocol of [PROTOCOL_JSON, PROTOCOL_BINARY])
  t.test(`[F73] ${protocol}: a record says when its place was, if that is not its time`, async (t) => {
    const { hear, shown, isFull, now } = underWay(protocol);
    const first = now();
    t.match(shown(), { t: first, lon: 10.05 });
    t.notOk("placedAt" in shown());
    for (let i = 0; i < 2; i++) {
      const t1 = hear();
      t.match(shown(), { t: t1, placedAt: first, lon: 10.05 }, "until a report has a place");
      t.ok(isFull(), "a move would not say it");
    }
    const t2 = hear(10.0501);
    t.match(shown(), { t: t2, lon: 10.0501 });
    t.notOk(isFull());
    t.notOk("placedAt" in shown(), "a move is of a place at its time");
  });

t.test("[F74] a report without a place neither breaks a hold nor moves its base", async (t) => {
  const metre = 1 / (111_195.08 * Math.cos((50.05 * Math.PI) / 180));
  const { hear, shown, told, isFull, now } = underWay(PROTOCOL_JSON, "10m");
  for (let second = 1; second <= 4; second++) hear();
  t.equal(told(), 1, "what is shown goes on as expected");
  hear(10.05 + 50 * metre);
  t.equal(told(), 1, "and was right");
  hear(undefined, 11);
  t.equal(told(), 1, "a second at 1 m/s more is within the tolerance");
  hear(10.05 + 55 * metre);
  t.equal(told(), 2, "15 m behind what is shown");
  t.notOk(isFull());
  const second = shown().t;
  hear(undefined, 30);
  t.equal(told(), 3, "a second at 19 m/s more is not");
  t.match(shown(), { t: now(), placedAt: second, speed: 30 });
  hear(10.05 + 115 * metre);
  t.equal(told(), 3, "clients reckon from when it was there, too");
});

t.test("[F73] what stood is played without it", async (t) => {
  const stands = [20_000, 10_000, 0].map((before): [number, number, number] => [before, 10.05, 50.05]);
  const { client, run } = setUp(new Rows([way("a", stands)]));
  const replica = client.open("v", { bbox: HERE, at: at(NOW - 15_000), speed: 5 });
  const times = new Set<string>();
  for (let i = 0; i < 20; i++) {
    await run(1);
    for (const record of replica.entities.values()) {
      times.add(record.t);
      t.notOk("placedAt" in record);
    }
  }
  t.strictSame([...times], [at(NOW - 20_000), at(NOW - 10_000)], "its reports were told");
});
