import t from "tap";
import { nearDistance, reckon } from "../../src/picture/dead-reckoning.ts";
import { FULL } from "../../src/picture/picture.ts";
import { add, frames, HERE, start } from "./harness.ts";

/** A ship under way at 10 m/s to the east, reported once a second. */
function underWay(tolerance: "10m" | "100m") {
  const made = start();
  const { picture, clock, feed, client } = made;
  const slot = add(picture, "a", 10.05, 50.05);
  const { columns } = picture;
  columns.t.set(slot, clock.now());
  columns.speed.set(slot, 10);
  columns.course.set(slot, 90);
  client.subscribe("v", HERE, { tolerance });
  feed.tick();
  const report = (lon: number) => {
    columns.t.set(slot, clock.now());
    picture.place(slot, lon, 50.05);
  };
  return { ...made, slot, report };
}
const metre = 1 / (111_195.08 * Math.cos((50.05 * Math.PI) / 180));

t.test("[F31] what goes on as expected is not sent, until its greatest age", async (t) => {
  const { client, feed, clock, report } = underWay("10m");
  for (let second = 1; second <= 9; second++) {
    clock.pass(1_000);
    report(10.05 + second * 10 * metre + (second % 2) * 5 * metre);
    feed.tick();
  }
  t.equal(frames(client).length, 1, "the snapshot only");
  clock.pass(1_000);
  feed.tick();
  t.match(frames(client).at(-1), { op: "delta", updates: [{ id: "a" }] }, "after ten seconds in any case");
});

t.test("[F31] what is off by more than the tolerance is sent at once", async (t) => {
  const { client, feed, clock, report, slot, picture } = underWay("10m");
  clock.pass(1_000);
  report(10.05 + 25 * metre);
  feed.tick();
  t.equal(frames(client).length, 2, "15 m off");
  // It stops, and says so: where it is shown moves on.
  picture.columns.speed.set(slot, 0);
  clock.pass(100);
  report(10.05 + 26 * metre);
  feed.tick();
  t.equal(frames(client).length, 2, "a metre, so far");
  for (let i = 0; i < 10; i++) {
    clock.pass(100);
    feed.tick();
  }
  t.equal(frames(client).length, 3, "more than ten, later, without another report");
});

t.test("[F31] a change of state, of cell or of liveness is not held back", async (t) => {
  const { client, feed, clock, report, slot, picture } = underWay("100m");
  picture.columns.liveness.set(slot, 1);
  picture.touch(slot, FULL);
  feed.tick();
  t.match(frames(client).at(-1), { updates: [{ id: "a", liveness: "stale" }] });
  clock.pass(1_000);
  report(10.05 + 10 * metre);
  feed.tick();
  t.equal(frames(client).length, 2, "held");
  clock.pass(1_000);
  report(10.06);
  feed.tick();
  t.match(frames(client).at(-1), { departures: [["a", "left"]], updates: [{ id: "a", lon: 10.06 }] });
});

t.test("[F31] who comes later is not promised less than who was there", async (t) => {
  const { client, feed, clock, report, slot, picture } = underWay("10m");
  const { columns } = picture;
  // Its speed is wrong for a moment, in which another one looks.
  columns.speed.set(slot, 60);
  clock.pass(100);
  report(10.05 + metre);
  feed.tick();
  client.subscribe("late", HERE, { tolerance: "10m" });
  feed.tick();
  columns.speed.set(slot, 10);
  report(10.05 + metre);
  for (let i = 0; i < 20; i++) {
    clock.pass(100);
    feed.tick();
    for (const view of ["v", "late"]) {
      const record = client.replicas.get(view)!.entities.get("a")!;
      const shown = { lon: 0, lat: 0 };
      const actual = { lon: 0, lat: 0 };
      reckon({ ...record, t: Date.parse(record.t) }, clock.now(), 10_000, shown);
      const fix = {
        t: columns.t.of(slot),
        lon: columns.lon.of(slot),
        lat: columns.lat.of(slot),
        speed: 10,
        course: 90,
      };
      reckon(fix, clock.now(), 10_000, actual);
      t.ok(nearDistance(shown.lon, shown.lat, actual.lon, actual.lat) <= 10.1, `${view} after ${i + 1}`);
    }
  }
});

t.test("[F31] the least step into another cell is told, however good the guess", async (t) => {
  const { client, feed, picture, clock } = start();
  const { columns } = picture;
  // A cell's eastern edge at 10.0030517578125°.
  const edge = Math.ceil((10 + 180) / (360 / 65_536)) * (360 / 65_536) - 180;
  const slot = add(picture, "a", edge - metre, 50.05);
  columns.t.set(slot, clock.now());
  client.subscribe("v", HERE, { tolerance: "100m" });
  feed.tick();
  clock.pass(100);
  columns.t.set(slot, clock.now());
  picture.place(slot, edge + metre, 50.05);
  feed.tick();
  t.match(frames(client).at(-1), {
    op: "delta",
    departures: [["a", "left"]],
    updates: [{ id: "a", kind: "ship" }],
  });
});
