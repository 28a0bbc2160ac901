/** What happens to the entities in a history of the model test. */
import { FULL, MOTION, type Picture } from "../../src/picture/picture.ts";
import { type AccessStep, LABELS } from "./model-access.ts";
import { FIELDS, KINDS, PLACES, STATES, type Step, WIDTH } from "./model-steps.ts";

type WorldStep = Extract<Step | AccessStep, { id: number }>;

/** @param now Unix ms */
export function changeWorld(picture: Picture, now: number, step: WorldStep): void {
  const { columns } = picture;
  const name = `e${step.id}`;
  const slot = picture.find(name);
  switch (step.do) {
    case "add": {
      if (slot !== -1) return;
      const added = picture.add(name, 0);
      columns.kind.set(added, columns.kinds.number(KINDS[step.kind]));
      columns.t.set(added, now);
      columns.received.set(added, now);
      const [lon, lat] = PLACES[step.place];
      picture.place(added, lon, lat);
      return;
    }
    case "move": {
      if (slot === -1) return;
      const [lon, lat] = PLACES[step.place];
      columns.t.set(slot, now);
      // 180° is the edge of its cell: east of it is nothing.
      picture.place(slot, lon === 180 ? lon : eastOf(lon, (step.shift / 40) * WIDTH), lat);
      return;
    }
    case "heard":
      if (slot === -1) return;
      columns.t.set(slot, now);
      if (step.speed !== undefined) columns.speed.set(slot, step.speed);
      if (step.n !== undefined) columns.attributes.set(slot, `{"n":${step.n}}`);
      picture.touch(slot, step.n === undefined ? MOTION : FULL);
      return;
    case "motion":
      if (slot === -1) return;
      columns[FIELDS[step.field]].set(slot, step.value);
      picture.touch(slot, MOTION);
      return;
    case "kind":
      if (slot === -1) return;
      columns.kind.set(slot, columns.kinds.number(KINDS[step.kind]));
      picture.touch(slot, FULL);
      return;
    case "attributes":
      if (slot === -1) return;
      if (step.n === 0) columns.attributes.delete(slot);
      else columns.attributes.set(slot, `{"n":${step.n}}`);
      if (step.n === 0) columns.fences.delete(slot);
      else columns.fences.set(slot, ["harbour", "quay"].slice(0, step.n));
      picture.touch(slot, FULL);
      return;
    case "labels":
      if (slot === -1) return;
      columns.labels.set(slot, LABELS[step.labels]);
      picture.touch(slot, FULL);
      return;
    case "state":
      if (slot === -1) return;
      columns.state.set(slot, columns.states.number(STATES[step.state]));
      picture.touch(slot, FULL);
      return;
    case "liveness":
      if (slot === -1) return;
      columns.liveness.set(slot, step.liveness);
      picture.touch(slot, FULL);
      return;
    case "remove":
      if (slot === -1) return;
      picture.remove(slot, step.reason);
      return;
    default:
      step satisfies never;
  }
}

function eastOf(lon: number, way: number): number {
  return lon + way > 180 ? lon + way - 360 : lon + way;
}
