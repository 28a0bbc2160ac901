/** What a view with a tolerance is promised at each of its ticks, and not only at rest. */
import assert from "node:assert/strict";
import { nearDistance, reckon } from "../../src/picture/dead-reckoning.ts";
import { mortonKey } from "../../src/picture/morton.ts";
import type { Picture } from "../../src/picture/picture.ts";
import { LIVENESS_NAMES } from "../../src/transport/feed/layout.ts";
import type { Replica } from "./harness.ts";

const shown = { lon: 0, lat: 0 };
const actual = { lon: 0, lat: 0 };

/** What the client extrapolates is near enough, and nothing but moves within a cell was held back. @param now Unix ms */
export function checkHeld(
  replica: Replica,
  picture: Picture,
  { metres, maxAgeMs }: { metres: number; maxAgeMs: number },
  now: number,
): void {
  const { columns } = picture;
  const slots = replica.slots(picture);
  assert.equal(replica.entities.size, slots.length, "nobody comes or goes late");
  for (const slot of slots) {
    const id = columns.id[slot]!;
    const record = replica.entities.get(id);
    assert.ok(record, `${id} comes late`);
    assert.equal(
      mortonKey(record.lon, record.lat),
      columns.key.of(slot),
      `another cell of ${id} is told late`,
    );
    assert.equal(
      record.liveness,
      LIVENESS_NAMES[columns.liveness.of(slot)],
      `liveness of ${id} is told late`,
    );
    assert.equal(
      record.state,
      columns.states.name(columns.state.of(slot)),
      `the state of ${id} is told late`,
    );
    assert.equal(record.kind, columns.kinds.name(columns.kind.of(slot)), `the kind of ${id} is told late`);
    const attributes = columns.attributes.get(slot) ?? "{}";
    assert.equal(JSON.stringify(record.attributes), attributes, `attributes of ${id} are told late`);
    reckon({ ...record, t: Date.parse(record.placedAt ?? record.t) }, now, maxAgeMs, shown);
    const [lon, lat, t] = [columns.lon.of(slot), columns.lat.of(slot), columns.placedAt.of(slot)];
    const [speed, course] = [columns.speed.of(slot), columns.course.of(slot)];
    reckon({ lon, lat, t, speed, course }, now, maxAgeMs, actual);
    const error = nearDistance(shown.lon, shown.lat, actual.lon, actual.lat);
    assert.ok(error <= metres + 1, `${id} is shown ${error} m from where it is`);
  }
}
