import type { Columns } from "../../src/picture/columns.ts";

/** What the columns say of one slot, names for their numbers. */
export function numbersOf(columns: Columns, slot: number) {
  const { kinds, states, sources } = columns;
  return {
    kind: kinds.name(columns.kind.of(slot)),
    state: states.name(columns.state.of(slot)),
    source: sources.name(columns.source.of(slot)),
    liveness: columns.liveness.of(slot),
    flags: columns.flags.of(slot),
    lon: columns.lon.of(slot),
    lat: columns.lat.of(slot),
    t: columns.t.of(slot),
    placedAt: columns.placedAt.of(slot),
    received: columns.received.of(slot),
    alt: columns.alt.of(slot),
    speed: columns.speed.of(slot),
    course: columns.course.of(slot),
    heading: columns.heading.of(slot),
    accuracy: columns.accuracy.of(slot),
    epoch: columns.epoch.of(slot),
    seq: columns.seq.of(slot),
  };
}
