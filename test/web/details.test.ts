// What the panel about the selected entity says.
import t from "tap";
import type { Entity } from "../../client/replica.ts";
import { attributesOf, canSignOff, fieldsOf, formatAge, formatPlace, noteOf } from "../../web/details.ts";
import { full } from "../client/scripted.ts";

const entity = (more: object) => full("a", 24.7, 59.7, more) as Entity;

t.test("[W5] the details name every field that there is, with its age, unit and attributes", async (t) => {
  t.strictSame([-5_000, 59_999, 60_000, 3_599_999, 7_200_000, 200_000_000].map(formatAge), [
    "0 s",
    "59 s",
    "1 min",
    "59 min",
    "2 h",
    "2 d",
  ]);
  t.equal(formatPlace(-0.5, -33.123456), "33.12346° S 0.50000° W");
  const now = Date.parse("2024-06-06T08:00:05.000Z");
  const known = {
    speed: 0,
    course: 90,
    alt: 12,
    labels: ["x", "y"],
    attributes: { name: "Aava", size: { l: 9 } },
  };
  t.strictSame(fieldsOf(entity(known), now), [
    ["state", "online.moving"],
    ["liveness", "live"],
    ["observed", "5 s ago, 2024-06-06T08:00:00.000Z"],
    ["received", "4 s ago, 2024-06-06T08:00:00.100Z"],
    ["place", "59.70000° N 24.70000° E"],
    ["speed", "0 m/s"],
    ["course", "90°"],
    ["alt", "12 m"],
    ["labels", "x, y"],
    ["epoch, seq", "1, 1"],
  ]);
  t.strictSame(attributesOf(entity(known)), [
    ["name", "Aava"],
    ["size", '{"l":9}'],
  ]);
  const moved = fieldsOf(entity({ t: "2024-06-06T08:00:03.000Z", lon: Number.NaN }), now);
  t.equal(
    moved.some(([name]) => name === "received"),
    false,
    "a time of receipt before the observation is not shown",
  );
  t.strictSame(moved[3], ["place", "unknown"]);
  const heard = fieldsOf(entity({ placedAt: "2024-06-06T07:59:00.000Z" }), now);
  t.strictSame(heard[5], ["place observed", "1 min ago, 2024-06-06T07:59:00.000Z"]);
});

t.test("[W5] [W32] attributes with the names of fields are told apart from them", async (t) => {
  const known = entity({ attributes: { state: "sunk", place: "Kotka", "epoch, seq": 7 } });
  const fields = fieldsOf(known, 0);
  t.strictSame(
    fields.filter(([name]) => name === "state" || name === "place" || name === "epoch, seq"),
    [
      ["state", "online.moving"],
      ["place", "59.70000° N 24.70000° E"],
      ["epoch, seq", "1, 1"],
    ],
  );
  t.strictSame(attributesOf(known), [
    ["state", "sunk"],
    ["place", "Kotka"],
    ["epoch, seq", "7"],
  ]);
});

t.test("[W5] [W21] what was received after the moment that is shown is told as later", async (t) => {
  const at = Date.parse("2024-06-06T08:00:00.500Z");
  const late = entity({ received: "2024-06-06T08:00:45.000Z" });
  t.strictSame(fieldsOf(late, at, true).slice(2, 4), [
    ["observed", "0 s ago, 2024-06-06T08:00:00.000Z"],
    ["received", "44 s later, 2024-06-06T08:00:45.000Z"],
  ]);
  t.strictSame(
    fieldsOf(late, at)[3],
    ["received", "0 s ago, 2024-06-06T08:00:45.000Z"],
    "now it is a clock that is ahead",
  );
});

t.test("[W16] who is offline or has expired cannot sign off", async (t) => {
  const one = entity({ state: "online.moving", liveness: "live" });
  t.equal(canSignOff(one), true);
  t.equal(canSignOff({ ...one, state: "offline" }), false);
  t.equal(canSignOff({ ...one, liveness: "expired" }), false);
});

t.test("[W5] [W29] [W30] the details say why an entity is not in view", async (t) => {
  t.equal(noteOf(entity({}), "in-view", "left"), "", "it came back");
  t.match(noteOf(entity({}), "away", undefined), /^Not in view/);
  t.equal(noteOf(entity({}), "beside", undefined), "Not in view, as it is outside the map.");
  t.equal(noteOf(entity({}), "beside", undefined, true), "Not in view, as it was outside the map.");
  t.match(noteOf(entity({}), "grouped", "replaced"), /^Grouped with others.*: zoom in\./);
  t.match(noteOf(entity({}), "away", "left"), /^Not in view/);
  t.match(noteOf(entity({}), "away", "expired"), /^Expired/);
  t.match(noteOf(entity({ liveness: "expired" }), "away", undefined), /^Expired/, "as it was looked up");
  t.match(noteOf(entity({}), "away", "deleted"), /^Deleted/);
});
